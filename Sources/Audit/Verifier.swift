public import EventLog
public import Ledger
public import ReconnectionRules

/// What a verification found sound, and what it took.
public struct VerifyReport: Sendable, Equatable {
    public var eventCount: UInt64
    public var batchCount: UInt64
    public var head: LogHead
    /// Digest of the state that the recorded actions lead to; zeros if the rules were left out.
    public var stateDigest: Digest32
    /// Pages of the log file in use.
    public var pageCount: Int
    public var times: VerifyTimes
    /// Kept checkpoints that are sound, and what is wrong with the others. They are derived: the
    /// log is none the worse for it.
    public var keptCheckpointCount = 0
    public var checkpointFaults: [KeptCheckpointFault] = []

    /// Whether every recorded action was decided again.
    public var hasRules: Bool { times.rules != nil }
}

/// How long a verification took, and each of its parts. The parts run beside each other: theirs are
/// seconds of one core, and together they can be more than the whole.
public struct VerifyTimes: Sendable, Equatable {
    /// From the first event to the last, by the clock on the wall.
    public var wall: Double
    /// The file's pages, before everything else, by the clock on the wall.
    public var pages: Double
    /// Hashes, links, check words, times and names.
    public var chain: Double
    /// Back-pointers, long jumps, numbers, names bound once.
    public var pointers: Double
    /// Every action decided again, nil if left out.
    public var rules: Double?

    /// Events a second, 0 where nothing was measured.
    public static func rate(_ eventCount: UInt64, _ seconds: Double) -> Double {
        seconds > 0 ? Double(eventCount) / seconds : 0
    }
}

/// Checks everything a log claims: the file's pages, every batch's hash and link, every event's
/// form, its back-pointers, and that it is what the rules decide.
public enum Verifier {
    /// Verifies the ledger in a data directory, beside a running server or without one: what the
    /// log held when the verification began.
    ///
    /// `progress` hears the position reached and the head's, from any thread, one call at a time.
    /// Throws the fault at the lowest position. Cost: one pass over the log on all cores, or on
    /// `threads` of them; memory for one state and 32 bytes a user more.
    public static func verify(
        _ directory: DataDirectory, threads: Int? = nil,
        progress: ((Position, Position) -> Void)? = nil
    ) throws -> VerifyReport {
        try verify(directory, Plan(threads: threads), progress)
    }

    /// Verifies everything but the rules: pages, hashes, links, check words, times, names and
    /// back-pointers. What passes was written by Holdfast and not changed since, or forged by
    /// somebody who recomputed every hash and pointer: only the rules tell, and the head's hash.
    public static func verifyChain(
        _ directory: DataDirectory, threads: Int? = nil,
        progress: ((Position, Position) -> Void)? = nil
    ) throws -> VerifyReport {
        try verify(directory, Plan(threads: threads, hasRules: false), progress)
    }

    /// How a verification goes about it.
    package struct Plan {
        package var threads: Int?
        package var hasRules = true
        package var segmentByteCount = LogScan.segmentByteCount

        package init(
            threads: Int? = nil, hasRules: Bool = true,
            segmentByteCount: Int = LogScan.segmentByteCount
        ) {
            self.threads = threads
            self.hasRules = hasRules
            self.segmentByteCount = segmentByteCount
        }
    }

    package static func verify(
        _ directory: DataDirectory, _ plan: Plan, _ progress: ((Position, Position) -> Void)? = nil
    ) throws -> VerifyReport {
        try directory.requireLedger()
        let clock = Stopwatch()
        let pageCount = try EventLog.checkPages(directory: directory.log)
        let pageSeconds = clock.seconds
        let log = try EventLog(toVerify: directory.log)
        let goal = try log.uncheckedEnd().position
        let checkpoints = KeptCheckpointCheck(directory, log, through: goal)
        let rules = plan.hasRules ? RulesFold(checkpoints) : nil
        let trail = TrailFold()
        let folds: [any BatchFold] = [trail] + (rules.map { [$0] } ?? [])
        let wall = Stopwatch()
        let scan = try LogScan(
            log, through: goal, threads: plan.threads, segmentByteCount: plan.segmentByteCount
        ).run(folds) { progress?($0, goal) }
        let times = VerifyTimes(
            wall: wall.seconds, pages: pageSeconds, chain: scan.checkSeconds,
            pointers: scan.foldSeconds[0], rules: rules.map { _ in scan.foldSeconds[1] })
        let kept = checkpoints.report(comparingStates: plan.hasRules)
        return VerifyReport(
            eventCount: scan.head.position, batchCount: scan.batchCount, head: scan.head,
            stateDigest: rules.map { StateDigest.of($0.state) } ?? .zero, pageCount: pageCount,
            times: times, keptCheckpointCount: kept.soundCount, checkpointFaults: kept.faults)
    }
}

/// Seconds since it was made.
struct Stopwatch {
    private let start = ContinuousClock.now

    var seconds: Double {
        let (seconds, attoseconds) = (ContinuousClock.now - start).components
        return Double(seconds) + Double(attoseconds) / 1e18
    }
}
