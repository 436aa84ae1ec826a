import EventLog
public import Ledger
public import ReconnectionRules

/// What a rebuild found.
public struct RebuildReport: Sendable, Equatable {
    public var eventCount: UInt64
    /// Digest of the state rebuilt from the events alone.
    public var stateDigest: String
    /// Digest of the view as it stood: the checkpoint and the events after it.
    public var viewDigest: String
    /// Whether the stored views were replaced. Not where another process owns the ledger: then they
    /// are only compared.
    public var isReplaced: Bool

    public var isSame: Bool { stateDigest == viewDigest }
}

/// Drops the views and folds them again from the first event.
public enum Rebuilder {
    /// Rebuilds the views of a data directory and compares the result with what stood there.
    ///
    /// `progress` hears the position reached and the goal. Cost: one pass over the log, two states
    /// in memory.
    public static func rebuild(
        _ directory: DataDirectory, progress: ((Position, Position) -> Void)? = nil
    ) throws -> RebuildReport {
        let stood = try LedgerReader(opening: directory.path)
        let goal = stood.head.position
        var view = RecoveredView()
        try stood.log.forEachBatch { batch in
            if batch.firstPosition > goal { return false }
            try view.fold(batch)
            progress?(batch.lastPosition, goal)
            return true
        }
        return RebuildReport(
            eventCount: view.state.position, stateDigest: StateDigest.of(view.state).description,
            viewDigest: StateDigest.of(stood.state).description,
            isReplaced: try replace(in: directory, by: view))
    }

    private static func replace(
        in directory: DataDirectory, by view: RecoveredView
    ) throws(LedgerError) -> Bool {
        do throws(LedgerError) {
            try ViewReplacement.replace(in: directory, by: view)
            return true
        } catch {
            if error.code == .owned { return false }
            throw error
        }
    }
}
