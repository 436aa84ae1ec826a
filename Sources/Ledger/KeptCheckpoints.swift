package import EventLog
package import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Where checkpoints are kept: whole states at spaced positions, for looks into the past.
public struct CheckpointSpacing: Sendable, Equatable {
    /// Events between two kept checkpoints, at least; 0 keeps none.
    public var eventCount: Int
    /// The same for each user and concurrency there is: a large state is kept less often, so that
    /// the files take some eight hundredths of what the log does.
    public var eventCountPerRecord: Int

    public init(eventCount: Int = 4_194_304, eventCountPerRecord: Int = 8) {
        self.eventCount = eventCount
        self.eventCountPerRecord = eventCountPerRecord
    }

    /// Whether a checkpoint is due, so many events after the last one. Cost: linear in the projects
    /// once `eventCount` went by.
    func isDue(_ passedCount: Int, _ state: borrowing State) -> Bool {
        guard eventCount > 0, passedCount >= eventCount else { return false }
        let recordCount = state.projects.reduce(state.userCount) { $0 + Int($1.numberCount) }
        return passedCount >= eventCountPerRecord * recordCount
    }
}

/// A kept checkpoint that is not used, and why. Nothing is lost by it: the one before it is used,
/// and `holdfast rebuild` makes it anew.
public struct KeptCheckpointFault: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Reason: Error, Sendable, Equatable {
        case damaged
        case truncated
        case newerVersion(UInt32)
        /// It belongs to another ledger.
        case foreign
        /// The log has no batch that ends there with that hash.
        case notOfThisLog
        /// The events lead to another state.
        case otherState
        /// The system refuses to read it: an `errno`.
        case unreadable(Int32)
    }

    /// The file, a path.
    public var path: String
    public var reason: Reason

    package init(path: String, reason: Reason) {
        self.path = path
        self.reason = reason
    }

    public var description: String {
        let what =
            switch reason {
            case .damaged: "is damaged"
            case .truncated: "is cut short"
            case .newerVersion(let version): "has the newer version \(version)"
            case .foreign: "is of another ledger"
            case .notOfThisLog: "does not stand in this log"
            case .otherState: "holds another state than the events lead to"
            case .unreadable(let number): "cannot be read: \(String(cString: strerror(number)))"
            }
        return "the kept checkpoint \(path) \(what) and is not used; holdfast rebuild makes it anew"
    }
}

/// The kept checkpoints of a data directory: `DIR/checkpoints/POSITION`, each a whole state at the
/// end of a batch. Derived from the log: any may be deleted at any time, and one that is not what
/// was written is never used.
///
/// Files are written beside their place and renamed. Their bytes follow from the log and the
/// position, so that two who write the same one write the same.
package struct KeptCheckpoints: Sendable {
    package let path: String
    private let log: EventLog

    package init(_ directory: DataDirectory, _ log: EventLog) {
        path = directory.checkpoints
        self.log = log
    }

    package func file(at position: Position) -> String { path + "/" + Self.name(of: position) }

    /// Twenty digits: names in order are positions in order.
    static func name(of position: Position) -> String {
        let digits = String(position)
        return String(repeating: "0", count: 20 - digits.count) + digits
    }

    static func position(of name: String) -> Position? {
        guard name.utf8.count == 20, name.utf8.allSatisfy({ (0x30 ... 0x39).contains($0) }),
            let position = Position(name), position > 0
        else { return nil }
        return position
    }

    /// Positions for which there is a file, ascending. Nothing of it is checked.
    package func positions() -> [Position] {
        entries().compactMap { Self.position(of: $0) }.sorted()
    }

    /// Bytes of all files together, in use or not.
    package var byteCount: UInt64 { DataDirectory.byteCount(ofFilesIn: path) }

    private func entries() -> [String] { DataDirectory.names(in: path) }

    // MARK: - Reading

    /// The state of a kept checkpoint. Checks every byte of it, and that the log has the batch that
    /// it says it ends with. Cost: one read of the file; memory for one state.
    package func state(at position: Position) throws(KeptCheckpointFault) -> State {
        do throws(KeptCheckpointFault.Reason) {
            let (header, input) = try open(position)
            return State(try KeptCheckpointFile.records(header, from: input))
        } catch { throw KeptCheckpointFault(path: file(at: position), reason: error) }
    }

    /// Why a kept checkpoint is not used, as far as its header and length tell, nil if they tell
    /// nothing. Cost: one read of up to a megabyte, and a point read in the log.
    package func quickFault(at position: Position) -> KeptCheckpointFault? {
        do throws(KeptCheckpointFault.Reason) {
            let (header, input) = try open(position)
            guard let least = header.leastByteCount, least <= input.fileByteCount else {
                throw .truncated
            }
            return nil
        } catch { return KeptCheckpointFault(path: file(at: position), reason: error) }
    }

    /// Opens a file, reads its header, and checks that it belongs where it stands.
    private func open(
        _ position: Position
    ) throws(KeptCheckpointFault.Reason) -> (KeptCheckpointFile.Header, HashingInput) {
        guard let input = HashingInput(file(at: position)) else { throw .unreadable(errno) }
        guard let bytes = input.take(KeptCheckpointFile.headerByteCount) else { throw .truncated }
        let header = try KeptCheckpointFile.header(bytes)
        guard header.ledgerId.elementsEqual(log.ledgerId.utf8) else { throw .foreign }
        guard header.head.position == position else { throw .damaged }
        var stands = false
        try? log.read { snapshot in
            try snapshot.withBatch(holding: position) { batch in
                stands =
                    batch.lastPosition == position && batch.hash == header.head.hash
                    && batch.times.upperBound == header.head.time
            }
        }
        guard stands else { throw .notOfThisLog }
        return (header, input)
    }

    /// Position of the newest one whose header fits the log, 0 if there is none.
    func newestPosition() -> Position {
        positions().last { quickFault(at: $0) == nil } ?? 0
    }

    // MARK: - Writing

    /// Writes one, durably, or not at all. False if it was cancelled or the disk would not take it:
    /// looks into the past then take longer, and nothing else.
    package func write(
        _ records: StateRecords, at head: LogHead, isCancelled: () -> Bool = { false }
    ) -> Bool {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { return false }
        let beside = file(at: head.position) + ".\(getpid()).new"
        _ = unlink(beside)
        let descriptor = Self.create(beside)
        guard descriptor >= 0 else { return false }
        let isWritten = KeptCheckpointFile.write(
            records, at: head, ledgerId: log.ledgerId, to: HashingOutput(descriptor),
            isCancelled: isCancelled)
        close(descriptor)
        guard isWritten, rename(beside, file(at: head.position)) == 0 else {
            _ = unlink(beside)
            return false
        }
        synchroniseDirectory()
        return true
    }

    private static func create(_ path: String) -> Int32 {
        #if canImport(Glibc)
            Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        #else
            Darwin.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        #endif
    }

    private func synchroniseDirectory() {
        #if canImport(Glibc)
            let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        #else
            let descriptor = Darwin.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        #endif
        guard descriptor >= 0 else { return }
        _ = fsync(descriptor)
        close(descriptor)
    }

    package func remove(_ position: Position) { _ = unlink(file(at: position)) }

    /// Removes what processes that are gone left half written.
    func removeLeftovers() {
        for name in entries() where name.hasSuffix(".new") {
            let parts = name.split(separator: ".")
            guard parts.count == 3, let process = pid_t(parts[1]), process != getpid(),
                kill(process, 0) != 0, errno == ESRCH
            else { continue }
            _ = unlink(path + "/" + name)
        }
    }
}

extension DataDirectory {
    /// Bytes of the views' files.
    package var viewsByteCount: UInt64 { Self.byteCount(ofFilesIn: views) }

    fileprivate static func byteCount(ofFilesIn path: String) -> UInt64 {
        names(in: path).reduce(0) { sum, name in
            var status = stat()
            guard stat(path + "/" + name, &status) == 0 else { return sum }
            return sum + UInt64(max(0, status.st_size))
        }
    }

    /// Names of what is in a directory; none if it cannot be read.
    fileprivate static func names(in path: String) -> [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}
