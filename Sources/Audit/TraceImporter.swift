import EventLog
public import Ledger
import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Plays a trace into a ledger, in the trace's own time.
///
/// Nothing carries today's clock: the project's events take the first row's time, deadlines fall
/// due in the trace's time, no `opened` is written, and time stops at the last row. A trace of
/// which the log already holds the first rows goes on behind them and ends in the same events and
/// state as one played without a break.
public struct TraceImporter {
    /// Rows between two commits. Batches are cut between rows, never inside one.
    private static let rowCountPerBatch = 2_048

    private let trace: TraceReader
    private let project: String
    private let change: ProjectChange
    /// Rows of the trace.
    private let rowCount: UInt64
    /// The connection's session, or the position of its refused apply.
    private var sessions = ConnectionTable()

    /// How an import went.
    public struct Report: Sendable, Equatable {
        public var rowCount: UInt64
        /// Rows that were in the log before.
        public var resumedRowCount: UInt64
    }

    /// Checks the whole trace before anything is written. Throws `TraceError`.
    public init(trace: TraceReader, project: String, change: ProjectChange) throws {
        self.trace = trace
        self.project = project
        self.change = change
        var rowCount: UInt64 = 0
        try trace.forEachRow { _, _, _ in rowCount += 1 }
        self.rowCount = rowCount
    }

    /// Imports into a data directory, which may be new. `progress` hears bytes done and in all.
    ///
    /// Throws `LedgerError` if the ledger has later events, another trace half imported, or cannot
    /// be written.
    public mutating func run(
        into directory: DataDirectory, keeping spacing: CheckpointSpacing = CheckpointSpacing(),
        progress: ((Int, Int) -> Void)? = nil
    ) throws -> Report {
        var options = Ledger.Options()
        options.keptCheckpoints = spacing
        options.ownerNote = "an import; wait for it to end"
        options.goesOnImporting = true
        if let fault = LedgerName.fault(project, what: "the project's name") { throw fault }
        let ledger = try WritableLedger(opening: directory, options: options)
        // The owner lock lives as long as the ledger does.
        defer { withExtendedLifetime(ledger) {} }
        let core = ledger.core
        let resumed = try resumePoint(core)
        if resumed == 0 { try begin(core) } else { try replaySessions(core, rowCount: resumed) }
        try begin(in: directory)
        var rowCount: UInt64 = resumed
        try trace.forEachRow { row, number, byteOffset in
            guard UInt64(number) > resumed else { return }
            // A row may find so much due that it fills batches of its own.
            try core.settle(
                at: row.time, wallOffset: nil,
                origin: rowCount > 0 ? BatchOrigin(source: trace.digest, rowCount: rowCount) : nil)
            try play(row, core)
            rowCount = UInt64(number)
            if number % Self.rowCountPerBatch == 0 || core.isBatchFull {
                try commit(core, rowCount)
                core.writeCheckpointIfDue()
                progress?(byteOffset, trace.byteCount)
            }
        }
        try commit(core, rowCount)
        guard unlink(directory.importMark) == 0 else {
            throw FileFailure.error("cannot remove \(directory.importMark)")
        }
        try FileFailure.synchronise(directory: directory.path)
        core.checkpointNow()
        progress?(trace.byteCount, trace.byteCount)
        return Report(rowCount: rowCount, resumedRowCount: resumed)
    }

    /// Marks the directory, so that half a trace is not taken for a ledger that is whole.
    private func begin(in directory: DataDirectory) throws(LedgerError) {
        let digest = Array("\(trace.digest)\n".utf8)
        if SmallFile.exists(directory.importMark) {
            let found = try SmallFile.read(directory.importMark)
            if found.count < digest.count, digest.starts(with: found) {
                // A crash came before it was whole, so before anything was imported.
                try SmallFile.destroy(directory.importMark)
                return try begin(in: directory)
            }
            guard found == digest else {
                throw LedgerError(
                    .invalid,
                    "another trace is half imported into \(directory.path); repeat that import to "
                        + "finish it, or remove \(directory.importMark) to leave it at that")
            }
            return
        }
        try SmallFile.create(directory.importMark, digest)
        try FileFailure.synchronise(directory: directory.path)
    }

    // MARK: - Playing

    private mutating func play(_ row: TraceRow, _ core: LedgerCore) throws {
        if row.action == .start {
            let applied = try core.perform(
                .apply(user: row.user, project: project), at: row.time, by: .trace)
            let user = applied.event.user
            if applied.outcome == .noIdle {
                sessions.set(applied.position, of: user, row.connection)
            } else {
                let created = try core.perform(
                    .createSession(user: row.user), at: row.time, by: .trace)
                sessions.set(created.event.session, of: user, row.connection)
            }
            return
        }
        // A connection that was never started names a session that never was.
        let session = core.users.number(of: row.user).flatMap {
            sessions.session(of: $0, row.connection)
        }
        let action: Action =
            row.action == .drop
            ? .disconnect(user: row.user, session: session ?? 0)
            : .destroy(user: row.user, session: session ?? 0)
        try core.perform(action, at: row.time, by: .trace)
    }

    private func commit(_ core: LedgerCore, _ rowCount: UInt64) throws {
        try core.commit(
            wallOffset: nil, origin: BatchOrigin(source: trace.digest, rowCount: rowCount))
    }

    private func begin(_ core: LedgerCore) throws {
        var rows = trace.rows
        guard let row = try rows.next() else { return }
        guard row.time >= core.head.time else {
            throw LedgerError(
                .invalid,
                "the ledger has an event at \(Timestamp.text(core.head.time)), later than the "
                    + "trace's first row; import into an empty directory")
        }
        try core.settle(at: row.time, wallOffset: nil)
        _ = try core.perform(.modifyProject(project, change), at: row.time, by: .trace)
    }

    // MARK: - Going on after a break

    /// How many rows of this trace the log holds; 0 if it holds none of it.
    private func resumePoint(_ core: LedgerCore) throws -> UInt64 {
        var origin: BatchOrigin?
        try core.log.forEachBatchBackward { batch in
            origin = batch.origin
            return false
        }
        guard let origin, origin.source == trace.digest else { return 0 }
        guard let number = core.projects.number(of: project) else {
            throw otherwise(origin.rowCount, "under another project")
        }
        let settings = core.state.projects[Int(number)].settings
        guard change.applies(to: settings) else {
            throw otherwise(origin.rowCount, "with other settings")
        }
        try requireSameProject(ProjectNumber(number), origin.rowCount, core.log)
        return origin.rowCount
    }

    /// The ledger may have a project of that name although the trace was begun under another.
    private func requireSameProject(
        _ number: ProjectNumber, _ imported: UInt64, _ log: EventLog
    ) throws {
        var begun: ProjectNumber?
        try log.forEachBatchBackward { batch in
            if batch.origin?.source == trace.digest {
                try batch.forEachEvent { event, _ in
                    if event.kind == .applied { begun = event.inputProject }
                }
            }
            return begun == nil
        }
        guard begun ?? number == number else {
            throw otherwise(imported, "under another project")
        }
    }

    /// The log has rows of this trace that were played otherwise than is asked for now.
    private func otherwise(_ imported: UInt64, _ how: String) -> LedgerError {
        LedgerError(
            .invalid,
            imported == rowCount
                ? "this trace is already imported, \(how); to play it anew name another --data"
                : "this trace is half imported, \(how); repeat what was named then to go on")
    }

    /// Learns the sessions of the rows that are in the log from the events they left.
    private mutating func replaySessions(_ core: LedgerCore, rowCount: UInt64) throws {
        var rows = trace.rows
        var started: TraceRow?
        try core.log.forEachBatch { batch in
            guard batch.origin?.source == trace.digest else { return true }
            try batch.forEachEvent { event, _ in
                switch event.kind {
                case .applied, .sessionCreated, .disconnected, .destroyed: break
                default: return
                }
                if let row = started {
                    sessions.set(event.session, of: event.user, row.connection)
                    started = nil
                    return
                }
                guard UInt64(rows.number) < rowCount, let row = try rows.next() else {
                    throw Self.missing
                }
                guard row.action == .start else { return }
                if event.outcome == .noIdle {
                    sessions.set(event.position, of: event.user, row.connection)
                } else {
                    started = row
                }
            }
            return true
        }
        guard started == nil, UInt64(rows.number) == rowCount else { throw Self.missing }
    }

    private static let missing = LedgerError(
        .invalid, "the log does not hold the rows it says it does; run holdfast verify")
}

/// What each connection of a trace goes by in the log. Most traces number them: 16 bytes each.
private struct ConnectionTable {
    private struct Connection: Hashable {
        var user: UserNumber
        var name: String
    }

    private var numbered: [UInt64: SessionId] = [:]
    private var named: [Connection: SessionId] = [:]

    func session(of user: UserNumber, _ connection: String) -> SessionId? {
        if let key = Self.key(user, connection) { return numbered[key] }
        return named[Connection(user: user, name: connection)]
    }

    mutating func set(_ session: SessionId, of user: UserNumber, _ connection: String) {
        if let key = Self.key(user, connection) {
            numbered[key] = session
        } else {
            named[Connection(user: user, name: connection)] = session
        }
    }

    /// For a name that is a number and written as numbers are, of nine digits at most.
    private static func key(_ user: UserNumber, _ connection: String) -> UInt64? {
        let digits = connection.utf8
        guard (1 ... 9).contains(digits.count), digits.first != 0x30 || digits.count == 1 else {
            return nil
        }
        var number: UInt64 = 0
        for digit in digits {
            guard (0x30 ... 0x39).contains(digit) else { return nil }
            number = 10 * number + UInt64(digit - 0x30)
        }
        return UInt64(user) << 32 | number
    }
}
