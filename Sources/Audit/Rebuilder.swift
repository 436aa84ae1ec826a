package import EventLog
public import Ledger
package import ReconnectionRules

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
    /// What folding the events took, by the clock on the wall.
    public var foldSeconds: Double
    /// The same as seconds of one core: hashing and checking ahead, and the fold behind.
    public var checkCoreSeconds: Double
    public var foldCoreSeconds: Double
    /// All of it, the view that stood there and the new one's storing included.
    public var seconds: Double
    /// Kept checkpoints that were missing, or not what the events lead to, and were made.
    public var madeCheckpointCount: Int
    /// What stood there and was not what the events lead to.
    public var checkpointFaults: [KeptCheckpointFault]

    public var isSame: Bool { stateDigest == viewDigest }
    /// Events folded in a second.
    public var eventsPerSecond: Double { VerifyTimes.rate(eventCount, foldSeconds) }
}

/// Drops the views and folds them again from the first event.
public enum Rebuilder {
    /// Rebuilds the views of a data directory and compares the result with what stood there.
    ///
    /// `progress` hears how many events are folded and how many there are, from any thread, one
    /// call at a time. Cost: one pass over the log, hashed and checked on all cores, or on
    /// `threads` of them, ahead of the fold; two states in memory. Kept checkpoints are made where
    /// they are missing, also beside a process that owns the ledger: their bytes follow from the
    /// events.
    public static func rebuild(
        _ directory: DataDirectory, threads: Int? = nil,
        keeping spacing: CheckpointSpacing = CheckpointSpacing(),
        progress: ((UInt64, UInt64) -> Void)? = nil
    ) throws -> RebuildReport {
        let clock = Stopwatch()
        let stood = try LedgerReader(opening: directory.path)
        let goal = stood.head.position
        let wall = Stopwatch()
        let maker = KeptCheckpointMaker(directory, stood.log, spacing)
        let (view, scan) = try fold(
            stood.log, through: goal, threads: threads, keys: stood.view.keys, maker: maker,
            progress: progress)
        let foldSeconds = wall.seconds
        return RebuildReport(
            eventCount: view.state.eventCount, stateDigest: StateDigest.of(view.state).description,
            viewDigest: StateDigest.of(stood.state).description,
            isReplaced: try replace(in: directory, by: view, of: stood.log),
            foldSeconds: foldSeconds,
            checkCoreSeconds: scan.checkSeconds, foldCoreSeconds: scan.foldSeconds[0],
            seconds: clock.seconds, madeCheckpointCount: maker.madeCount,
            checkpointFaults: maker.faults)
    }

    /// The view that the events up to a position lead to, and what finding it took. Without `keys`
    /// the sealed names stay locked.
    package static func fold(
        _ log: EventLog, through position: Position = .max, threads: Int? = nil,
        keys: PersonalKeys? = nil, segmentByteCount: Int = LogScan.segmentByteCount,
        maker: KeptCheckpointMaker? = nil, progress: ((UInt64, UInt64) -> Void)? = nil
    ) throws -> (RecoveredView, ScanReport) {
        let fold = KeepingFold(maker, from: RecoveredView(keys: keys))
        let scan = try LogScan(
            log, through: position, threads: threads, segmentByteCount: segmentByteCount,
            keys: keys
        ).run([fold], progress: progress)
        return (fold.view, scan)
    }

    private static func replace(
        in directory: DataDirectory, by view: RecoveredView, of log: EventLog
    ) throws(LedgerError) -> Bool {
        do throws(LedgerError) {
            try ViewReplacement.replace(in: directory, by: view, of: log)
            return true
        } catch {
            if error.code == .owned { return false }
            throw error
        }
    }
}
