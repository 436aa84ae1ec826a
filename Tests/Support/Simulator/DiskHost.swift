import CFaults
import EventLog
import Ledger
import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The log and the checkpoints as they are: LMDB in a directory of its own, opened, recovered and
/// resumed by the same code that an engine uses. What a crash leaves is what was appended.
final class DiskHost: Host {
    private let directory: DataDirectory
    private var ledger: WritableLedger?
    /// An older checkpoint, to be put back.
    private var hasOlder = false

    private var options: LedgerOptions

    init(path: String, options: LedgerOptions) {
        directory = DataDirectory(path)
        self.options = options
    }

    var core: LedgerCore { ledger!.core }

    func append(_ batch: BatchBuilder, _ fault: AppendFault) throws {
        let bytes = batch.sealedBytes
        let append = { [core] in try core.log.appendAhead(bytes, at: batch.firstPosition) }
        switch fault {
        case .none: try append()
        case .lost: try failing(FAULT_WRITE, EIO, append)
        case .kept: try failing(FAULT_SYNC, ENOSPC, append)
        }
    }

    func synchronise(fails: Bool) throws {
        let wait = { [core] in try core.log.synchronise() }
        if fails { try failing(FAULT_SYNC, EIO, wait) } else { try wait() }
    }

    private let FAULT_WRITE: Int32 = 0
    private let FAULT_SYNC: Int32 = 1

    /// Runs `body` while the next call of a kind on the log fails. Throws in any case: where calls
    /// cannot be failed, the process ends for another reason.
    private func failing(_ kind: Int32, _ error: Int32, _ body: () throws -> Void) throws {
        let watch = faults_available() ? faults_watch(directory.log) : -1
        if watch >= 0 { faults_fail(watch, kind, 0, 1, error) }
        defer { if watch >= 0 { faults_unwatch(watch) } }
        try body()
        throw HostFailure.failed
    }

    func saveCheckpoint(at head: LogHead) {
        if !hasOlder { hasOlder = copy("/data.mdb", to: "/older") }
        core.driven(to: head)
        core.checkpointNow()
    }

    func drop() { ledger = nil }

    func recover(_ plan: OpeningPlan, _ clock: LedgerClock) throws -> LogHead {
        switch plan.checkpoint {
        case .newest: break
        case .older: if hasOlder { _ = copy("/older", to: "/data.mdb") }
        case .none:
            unlink(directory.views + "/data.mdb")
            unlink(directory.views + "/lock.mdb")
        case .damaged: damage()
        }
        unlink(directory.views + "/older")
        hasOlder = false
        options.clock = clock
        options.compensatesOutages = plan.compensates
        let ledger = try WritableLedger(opening: directory, options: options)
        self.ledger = ledger
        return ledger.core.head
    }

    func replayed() throws -> RecoveredView {
        var view = RecoveredView(keys: core.drivenKeys)
        try core.log.forEachBatch { batch in
            try view.fold(batch)
            return true
        }
        return view
    }

    func resume(
        _ clock: LedgerClock, lastSign: Microseconds?, compensates: Bool
    ) throws -> DrivenClock {
        if let lastSign { ledger?.leaveSignOfLife(at: lastSign) }
        return try ledger!.resumeDriven(by: clock, compensates: compensates)
    }

    func read(at first: Position, _ body: (borrowing BatchView) throws -> Void) throws {
        var isFound = false
        try core.log.read { snapshot in
            try snapshot.withBatch(holding: first) { batch in
                guard batch.firstPosition == first else { return }
                isFound = true
                try body(batch)
            }
        }
        if !isFound { throw HostFailure.missing(first) }
    }

    // MARK: - Files of the views

    private func copy(_ from: String, to: String) -> Bool {
        let source = open(directory.views + from, O_RDONLY)
        guard source >= 0 else { return false }
        defer { close(source) }
        let target = open(directory.views + to, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        guard target >= 0 else { return false }
        defer { close(target) }
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        var offset: off_t = 0
        while true {
            let count = pread(source, &buffer, buffer.count, offset)
            if count <= 0 { return count == 0 }
            if pwrite(target, buffer, count, offset) != count { return false }
            offset += off_t(count)
        }
    }

    /// Flips a bit in every page but the first two.
    private func damage() {
        let file = open(directory.views + "/data.mdb", O_RDWR)
        guard file >= 0 else { return }
        defer { close(file) }
        let end = lseek(file, 0, SEEK_END)
        var offset = off_t(2 * 4_096 + 2_000)
        while offset < end {
            var byte: UInt8 = 0
            if pread(file, &byte, 1, offset) == 1 {
                byte ^= 0x10
                _ = pwrite(file, &byte, 1, offset)
            }
            offset += 4_096
        }
    }

    /// Removes the directory with all that is in it.
    func removeAll() {
        ledger = nil
        Files.removeAll(directory.path)
    }
}

enum Files {
    /// Removes a file, or a directory with all that is in it.
    static func removeAll(_ path: String) {
        if unlink(path) == 0 { return }
        if let entries = opendir(path) {
            var names: [String] = []
            while let entry = readdir(entries) {
                names.append(
                    withUnsafePointer(to: &entry.pointee.d_name) {
                        $0.withMemoryRebound(to: CChar.self, capacity: 256) {
                            String(cString: $0)
                        }
                    })
            }
            closedir(entries)
            for name in names where name != "." && name != ".." { removeAll(path + "/" + name) }
        }
        rmdir(path)
    }
}
