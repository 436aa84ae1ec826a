import EventLog
public import Ledger
import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Makes a ledger of what still verifies in a damaged one.
///
/// ```
/// NEW/log              the batches from the first to the first gap, byte for byte; a new epoch
/// NEW/personal.keys    the keys that still open names
/// NEW/salvaged.jsonl   the events of sound batches behind the gap, as JSON Lines
/// NEW/salvage.json     what was kept, what was lost, and why
/// ```
///
/// The damaged directory is only read. Nothing of LMDB is needed there: a batch is found by its
/// own bytes and known by its SHA-256, whatever the pages around it say. See
/// docs/decisions/0057-salvage-keeps-the-longest-sound-beginning.md.
public enum Salvage {
    /// How to go about it.
    public struct Options: Sendable {
        public var clock: LedgerClock = .system
        /// Whether deadlines that ran at the end of what is kept are moved back by the time since.
        public var compensatesOutages = true
        /// Cores used to verify; nil takes all.
        public var threads: Int?

        public init() {}
    }

    /// What is being done, and what of.
    public enum Phase: String, Sendable {
        case scan
        case copy
        case verify

        /// What `progress` counts.
        public var unit: String {
            switch self {
            case .scan: "bytes"
            case .copy: "batches"
            case .verify: "events"
            }
        }
    }

    /// Salvages the ledger in `source` into `target`, a new or an empty directory.
    ///
    /// `progress` hears of each phase how much of how much is done. Throws `owned` while a process
    /// writes to the source, `log` if nothing in it is sound, `directory` for a target that is not
    /// empty or cannot be written; whatever breaks off leaves no ledger. Cost: a read of the file,
    /// a SHA-256 of what is in it, a write of what is kept and a verification of that; some 150
    /// bytes of memory a batch.
    public static func run(
        _ source: DataDirectory, into target: DataDirectory, options: Options = Options(),
        progress: ((Phase, UInt64, UInt64) -> Void)? = nil
    ) throws -> SalvageReport {
        let guardLock = try SourceLock(source)
        defer { withExtendedLifetime(guardLock) {} }
        try StagedDirectory.requireFree(target, for: "a salvage")
        let scan = try SalvageScan(directory: source.log)
        try scan.run { progress?(.scan, UInt64($0), UInt64($1)) }
        let chains = SalvageChains(scan.found)
        guard !scan.found.isEmpty else {
            throw LedgerError(
                .log(.corrupt(position: 0)),
                "nothing in \(source.log)/data.mdb verifies, not one batch; restore a backup")
        }
        let staged = try StagedDirectory(in: target, for: "a salvage")
        do {
            var work = SalvageWork(source, staged.staging, options, scan.byteCount, progress)
            let report = try work.run(scan, chains)
            try staged.finish()
            return report
        } catch {
            staged.remove()
            throw error
        }
    }
}

/// Keeps a process from beginning to write to the damaged ledger meanwhile, without writing there.
private final class SourceLock {
    private let descriptor: Int32

    init(_ source: DataDirectory) throws(LedgerError) {
        descriptor = open(source.ownerLock, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        guard flock(descriptor, LOCK_SH | LOCK_NB) == 0 else {
            throw LedgerError(
                .owned, "\(source.path) is in use by another process; stop it first")
        }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }
}

/// The steps behind the scan.
private struct SalvageWork {
    private let source: DataDirectory
    private let staging: DataDirectory
    private let options: Salvage.Options
    private let byteCount: Int
    private let progress: ((Salvage.Phase, UInt64, UInt64) -> Void)?
    private var report = SalvageReport()

    init(
        _ source: DataDirectory, _ staging: DataDirectory, _ options: Salvage.Options,
        _ byteCount: Int, _ progress: ((Salvage.Phase, UInt64, UInt64) -> Void)?
    ) {
        (self.source, self.staging, self.options) = (source, staging, options)
        (self.byteCount, self.progress) = (byteCount, progress)
    }

    mutating func run(
        _ scan: SalvageScan, _ found: SalvageChains
    ) throws -> SalvageReport {
        var chains = found
        let id = ledgerId(scan.meta)
        report.ledgerId = KeyText.hex(id.bytes)
        report.isLedgerIdLost = id.isLost
        report.unreadableByteCount = UInt64(scan.unreadableByteCount)
        try Backup.requireSpace(
            staging.path, chains.prefix.reduce(0) { $0 + $1.byteCount } * 5 / 4)
        var view: LedgerCoreNames?
        var ruleFault: String?
        while !chains.prefix.isEmpty {
            try write(scan, chains.prefix, id)
            do {
                try verify(chains.prefix)
                view = try beginEpoch()
                break
            } catch let error as LogError {
                // Every hash fits and yet the rules do not: not decay, but somebody's doing.
                guard case .corrupt(let position) = error.code, position > 0 else { throw error }
                ruleFault = error.message
                let count = chains.prefix.count
                chains.cut(before: position)
                guard chains.prefix.count < count else { throw error }
                StagedDirectory.clear(staging)
            }
        }
        report.note(chains, scan, ruleFault, newestKnown: SalvageEvidence.newestPosition(source))
        if report.isPrefixEmpty { try keepKeys(scan, chains, id) }
        if !chains.later.isEmpty {
            var events = SalvagedEvents(staging, id.bytes, view)
            try events.write(chains.later, scan)
        }
        try SmallFile.create(staging.salvageReport, report.json)
        return report
    }

    /// The ledger's id: from the log, or else from what else knows it.
    private func ledgerId(_ meta: [UInt8]?) -> (bytes: [UInt8], isLost: Bool) {
        if let meta { return (EventLog.ledgerId(inMeta: meta), false) }
        if let id = KeySalvage.ledgerId(in: source.personalKeys) { return (id, false) }
        if let id = SalvageEvidence.ledgerId(source) { return (id, false) }
        return (SalvageEvidence.newLedgerId(), true)
    }

    /// Writes the log and everything beside it.
    private mutating func write(
        _ scan: SalvageScan, _ batches: [SalvageScan.Found],
        _ id: (bytes: [UInt8], isLost: Bool)
    ) throws {
        try DataDirectory(staging.log).create()
        let progress = progress
        try EventLog.write(
            batches, of: scan, meta: scan.meta, ledgerId: id.bytes, to: staging.log
        ) { progress?(.copy, UInt64($0), UInt64($1)) }
        try writeKeys(scan, batches, id)
        for name in Backup.credentialNames where SmallFile.exists("\(source.path)/\(name)") {
            // They let clients in; a file that cannot be read is made anew by the server.
            guard let bytes = try? SmallFile.read("\(source.path)/\(name)") else { continue }
            try SmallFile.create("\(staging.path)/\(name)", bytes)
        }
    }

    private mutating func writeKeys(
        _ scan: SalvageScan, _ batches: [SalvageScan.Found],
        _ id: (bytes: [UInt8], isLost: Bool)
    ) throws {
        let keys = KeySalvage(source.personalKeys, ledgerId: id.bytes)
        for batch in batches {
            try BatchView.reading(scan.bytes(of: batch)) { try keys.note($0) }
        }
        report.keys = try keys.write(to: staging.personalKeys)
    }

    /// Where no log is kept the keys still open names in the events that are.
    private mutating func keepKeys(
        _ scan: SalvageScan, _ chains: SalvageChains,
        _ id: (bytes: [UInt8], isLost: Bool)
    ) throws {
        try writeKeys(scan, chains.later.flatMap(\.batches), id)
    }

    private mutating func verify(_ batches: [SalvageScan.Found]) throws {
        let progress = progress
        let found = try Verifier.verify(
            log: staging.log, keysOf: staging, Verifier.Plan(threads: options.threads)
        ) { progress?(.verify, $0, $1) }
        report.head = found.head
        report.eventCount = found.eventCount
        report.batchCount = found.batchCount
        report.stateDigest = found.stateDigest
        report.unopenedNameCount = max(0, found.unopenedNameCount - found.forgottenCount)
    }

    /// Opens the new log for writing, and records where it goes on from.
    private mutating func beginEpoch() throws -> LedgerCoreNames {
        var ledgerOptions = LedgerOptions()
        ledgerOptions.ownerNote = "a salvage; wait for it to end"
        let ledger = try WritableLedger(opening: staging, options: ledgerOptions)
        defer { withExtendedLifetime(ledger) {} }
        // A new one: the old one signed heads of a log that this is not.
        _ = try HeadKey.readOrMake(staging)
        let names = LedgerCoreNames(ledger.core)
        let wall = options.clock.wall()
        let now = max(report.head.time, wall)
        let lastSign = max(source.lastSignOfLife ?? .min, report.head.time)
        try ledger.core.beginEpoch(
            at: now, outage: options.compensatesOutages ? max(0, now - min(lastSign, now)) : 0,
            by: .ledger)
        try ledger.core.commit(wallOffset: wall - now)
        ledger.core.checkpointNow()
        report.epochPosition = ledger.core.state.position
        return names
    }
}

/// Names by number, as the kept part of the log binds them.
struct LedgerCoreNames {
    let users: NameDirectory
    let projects: NameDirectory

    init(_ core: LedgerCore) { (users, projects) = (core.users, core.projects) }
}

extension DataDirectory {
    /// What a salvage says of itself.
    package var salvageReport: String { path + "/salvage.json" }
    /// The events of sound batches behind the first gap.
    package var salvagedEvents: String { path + "/salvaged.jsonl" }
}
