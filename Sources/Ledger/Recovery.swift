package import EventLog
public import ReconnectionRules

/// How a view was brought up to the log's head.
public struct RecoveryReport: Sendable, Equatable {
    /// Position of the checkpoint it started from, 0 if from the beginning.
    public var checkpointPosition: Position
    /// Events replayed after it.
    public var replayedEventCount: UInt64
    /// Why the checkpoint on disk was not used, nil if it was or there was none.
    public var rejection: String?
    /// How many names the checkpoint holds.
    var savedUserNames = 0
    var savedProjectNames = 0

    init(
        checkpointPosition: Position, replayedEventCount: UInt64, rejection: String?,
        savedUserNames: Int, savedProjectNames: Int
    ) {
        self.checkpointPosition = checkpointPosition
        self.replayedEventCount = replayedEventCount
        self.rejection = rejection
        self.savedUserNames = savedUserNames
        self.savedProjectNames = savedProjectNames
    }
}

package enum Recovery {
    /// The view at the log's head, from the checkpoint if it fits the log and from the first event
    /// otherwise. Cost: the checkpoint's size plus the events after it.
    ///
    /// Without `keys` the names that are sealed stay locked: all others answers are the same.
    package static func view(
        of log: EventLog, directory: DataDirectory, keys: PersonalKeys?
    ) throws(LedgerError) -> (RecoveredView, RecoveryReport) {
        let store = try? ViewStore(directory: directory, isReadOnly: true)
        return try view(of: log, store: store, keys: keys)
    }

    static func view(
        of log: EventLog, store: ViewStore?, keys: PersonalKeys?
    ) throws(LedgerError) -> (RecoveredView, RecoveryReport) {
        var start = RecoveredView(keys: keys)
        var rejection: String?
        if let store {
            switch store.load(keys, { mismatch($0, log) }) {
            case .none: break
            case .unreadable: rejection = "the checkpoint is damaged or of another version"
            case .rejected(let reason): rejection = reason
            case .view(var loaded, let lockedNumbers):
                if keys != nil {
                    let isFilled = try? loaded.fillNames(of: lockedNumbers, from: log)
                    if isFilled != true {
                        rejection = "the log does not have the names that the checkpoint lost"
                    }
                }
                if rejection == nil { start = loaded }
            }
        }
        let checkpointPosition = start.head.position
        let checkpointEventCount = start.state.eventCount
        let (savedUserNames, savedProjectNames) = (start.users.count, start.projects.count)
        try replay(log, into: &start)
        return (
            start,
            RecoveryReport(
                checkpointPosition: checkpointPosition,
                replayedEventCount: start.state.eventCount - checkpointEventCount,
                rejection: rejection,
                savedUserNames: savedUserNames, savedProjectNames: savedProjectNames)
        )
    }

    /// Folds everything behind the view in, checked on all cores ahead of the fold.
    @discardableResult
    package static func replay(
        _ log: EventLog, into view: inout RecoveredView
    ) throws(LedgerError) -> ScanReport {
        let fold = ViewFold(view)
        let first = view.head.position + 1
        // The fold alone holds the tables: changing what two hold would copy them.
        view = RecoveredView(keys: view.keys)
        defer { view = fold.view }
        do {
            return try LogScan(log, from: first, keys: view.keys).run([fold])
        } catch let error as LogError { throw LedgerError(error) } catch {
            throw LedgerError(.directory, "\(error)")
        }
    }

    /// Why a checkpoint does not belong to this log, nil if it does.
    static func mismatch(_ head: LogHead, _ log: EventLog) -> String? {
        if head.position == 0 { return nil }
        var hash: Digest32?
        try? log.read { snapshot in
            try snapshot.withBatch(holding: head.position) { batch in
                if batch.lastPosition == head.position { hash = batch.hash }
            }
        }
        if hash == head.hash { return nil }
        return "the checkpoint at position \(head.position) is not of this log"
    }
}
