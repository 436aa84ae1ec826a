public import EventLog
public import Ledger
public import Proofs
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
    /// Users named, and those of them whose sealed name no key opened: forgotten, or all of them
    /// where the key file cannot be read.
    public var userCount = 0
    public var unopenedNameCount = 0
    /// Users that were forgotten.
    public var forgottenCount = 0
    /// Heads that somebody kept and that the log contains.
    public var keptHeadCount = 0
    /// Whether it contains the newest head it published itself; nil if it never published one.
    public var hasOwnHead: Bool?
    public var times: VerifyTimes
    /// Kept checkpoints that are sound, and what is wrong with the others. They are derived: the
    /// log is none the worse for it.
    public var keptCheckpointCount = 0
    public var checkpointFaults: [KeptCheckpointFault] = []
    /// Why the next opening will not use the checkpoint of the current view; nil if it will, or
    /// there is none. Derived too.
    public var viewsFault: String?
    /// Whether a slot of the sign of life is not what was written, as a power cut may leave it: the
    /// next outage is then counted from the sign before, or from the last event.
    public var hasDamagedSignOfLife = false
    /// What is wrong with the files of keys: these are derived from nothing, and only a backup
    /// has them.
    public var keyFaults: [String] = []

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
    /// Hashes, links, check words, times and names, sealed ones opened.
    public var chain: Double
    /// Back-pointers, long jumps, numbers, names bound once.
    public var pointers: Double
    /// Every action decided again, nil if left out.
    public var rules: Double?
    /// The Merkle tree, nil where there is no head to compare it with.
    public var tree: Double?

    /// Events a second, 0 where nothing was measured.
    public static func rate(_ eventCount: UInt64, _ seconds: Double) -> Double {
        seconds > 0 ? Double(eventCount) / seconds : 0
    }
}

/// Checks everything a log claims: the file's pages, every batch's hash and link, every event's
/// form, its back-pointers, that it is what the rules decide, and that it contains every head that
/// somebody kept.
public enum Verifier {
    /// Verifies the ledger in a data directory, beside a running server or without one: what the
    /// log held when the verification began.
    ///
    /// A log can be rewritten so that everything in it fits: only a head that somebody else kept
    /// tells. `kept` are such heads; the newest one the ledger published itself is looked at in any
    /// case. `key` is the owner's, to make sure that the heads are his; nil takes that of
    /// DIR/head.key, and if that cannot be read the roots are compared alone. Throws `ProofError`
    /// for a head that the owner did not sign.
    ///
    /// `progress` hears how many events are checked and how many there are, from any thread, one
    /// call at a time. Throws the fault at the lowest position. No key is needed: that no name is
    /// bound twice is known of the names that open. Cost: one pass over the log on all cores, or on
    /// `threads` of them; memory for one state and 32 bytes a user more.
    public static func verify(
        _ directory: DataDirectory, kept: [KeptHead] = [], key: VerifierKey? = nil,
        threads: Int? = nil, progress: ((UInt64, UInt64) -> Void)? = nil
    ) throws -> VerifyReport {
        try verify(directory, Plan(threads: threads, kept: kept, key: key), progress)
    }

    /// Verifies everything but the rules: pages, hashes, links, check words, times, names and
    /// back-pointers. What passes was written by Holdfast and not changed since, or forged by
    /// somebody who recomputed every hash and pointer: only the rules tell, and the head's hash.
    public static func verifyChain(
        _ directory: DataDirectory, kept: [KeptHead] = [], key: VerifierKey? = nil,
        threads: Int? = nil, progress: ((UInt64, UInt64) -> Void)? = nil
    ) throws -> VerifyReport {
        try verify(
            directory, Plan(threads: threads, hasRules: false, kept: kept, key: key), progress)
    }

    /// How a verification goes about it.
    package struct Plan {
        package var threads: Int?
        package var hasRules = true
        package var segmentByteCount = LogScan.segmentByteCount
        package var kept: [KeptHead] = []
        package var key: VerifierKey?

        package init(
            threads: Int? = nil, hasRules: Bool = true,
            segmentByteCount: Int = LogScan.segmentByteCount, kept: [KeptHead] = [],
            key: VerifierKey? = nil
        ) {
            self.threads = threads
            self.hasRules = hasRules
            self.segmentByteCount = segmentByteCount
            self.kept = kept
            self.key = key
        }

        /// The heads the log has to contain.
        fileprivate func heads(
            _ own: SignedHead?, ownKey: VerifierKey?, ledgerId: String
        ) throws(ProofError) -> [ExpectedHead] {
            let usual = LedgerHeads.usualOrigin(ledgerId: ledgerId)
            let names = Set([usual] + [own?.head.origin, ownKey?.name].compactMap { $0 })
            try requireSameLedger(usual, names)
            if let key = key ?? ownKey {
                try ProofChecker.check(kept, key)
                do { try own?.check(key) } catch {
                    throw ProofError(error.code, "head.note: \(error.message)")
                }
            }
            let expected = kept.map { kept in
                // A name that was given can have been lost with its key.
                let origin = kept.head.origin
                let whose = names.contains(origin) ? "" : " of the log \(origin) (this is \(usual))"
                return ExpectedHead(
                    head: kept.head, name: "the head kept in line \(kept.line)" + whose)
            }
            let ours = own.map {
                ExpectedHead(head: $0.head, name: "the newest head the ledger published")
            }
            return expected + (ours.map { [$0] } ?? [])
        }

        /// A head of another ledger says nothing of this one, least of all that it was cut. The
        /// usual name of a head has the ledger's id in it.
        private func requireSameLedger(
            _ usual: String, _ names: Set<String>
        ) throws(ProofError) {
            for kept in kept where !names.contains(kept.head.origin) {
                guard LedgerHeads.isUsual(origin: kept.head.origin) else { continue }
                throw ProofError(
                    .signature,
                    "line \(kept.line): the head is of another ledger, \(kept.head.origin); this "
                        + "one is \(usual)")
            }
        }
    }

    package static func verify(
        _ directory: DataDirectory, _ plan: Plan, _ progress: ((UInt64, UInt64) -> Void)? = nil
    ) throws -> VerifyReport {
        try directory.requireLedger()
        return try verify(log: directory.log, keysOf: directory, plan, progress)
    }

    /// Verifies a log wherever it lies, with the keys and the published head of a data directory.
    package static func verify(
        log path: String, keysOf directory: DataDirectory, _ plan: Plan,
        _ progress: ((UInt64, UInt64) -> Void)? = nil
    ) throws -> VerifyReport {
        // Before the log is looked at: a server may publish another meanwhile.
        let own = try LedgerHeads.published(directory)
        let clock = Stopwatch()
        let pageCount = try EventLog.checkPages(directory: path)
        let pageSeconds = clock.seconds
        let log = try EventLog(toVerify: path)
        // Who may verify need not be one who may read the private key.
        let heads = try plan.heads(
            own, ownKey: try? LedgerHeads.signer(of: directory, log)?.key,
            ledgerId: log.ledgerId)
        let goal = try log.uncheckedEnd().position
        let checkpoints = KeptCheckpointCheck(directory, log, through: goal)
        let rules = plan.hasRules ? RulesFold(checkpoints) : nil
        let keys = try? LedgerKeys.reading(directory, log)
        let trail = TrailFold(keys: keys)
        var folds: [any BatchFold] = [trail] + (rules.map { [$0] } ?? [])
        if !heads.isEmpty { folds.append(KeptHeadsFold(heads)) }
        let wall = Stopwatch()
        let scan: ScanReport
        do {
            scan = try LogScan(
                log, through: goal, threads: plan.threads, segmentByteCount: plan.segmentByteCount,
                keys: keys
            ).run(folds, progress: progress)
        } catch let error as LogError { throw naming(error, in: log) }
        let times = VerifyTimes(
            wall: wall.seconds, pages: pageSeconds, chain: scan.checkSeconds,
            pointers: scan.foldSeconds[0], rules: rules.map { _ in scan.foldSeconds[1] },
            tree: heads.isEmpty ? nil : scan.foldSeconds.last)
        var report = VerifyReport(
            eventCount: scan.eventCount, batchCount: scan.batchCount, head: scan.head,
            stateDigest: rules.map { StateDigest.of($0.state) } ?? .zero, pageCount: pageCount,
            keptHeadCount: plan.kept.count, hasOwnHead: own.map { _ in true }, times: times)
        report.userCount = trail.nameCount
        report.unopenedNameCount = trail.unopenedNameCount
        report.forgottenCount = trail.forgottenCount
        let found = checkpoints.report(comparingStates: plan.hasRules)
        report.keptCheckpointCount = found.soundCount
        report.checkpointFaults = found.faults
        try checkpoints.requireWholeLog()
        report.viewsFault = checkpoints.viewsFault(comparingStates: plan.hasRules)
        report.hasDamagedSignOfLife = StoredFiles.hasDamagedSignOfLife(directory)
        report.keyFaults = StoredFiles.keyFaults(directory, log)
        return report
    }

    // MARK: - Naming a fault

    /// The event at a position where a verification found a fault, as far as it can be read: one
    /// whose check word fits. Nil for any other, and where the log cannot be opened.
    public static func event(atFault position: Position, in directory: DataDirectory) -> Event? {
        guard (try? EventLog.checkPages(directory: directory.log)) != nil,
            let log = try? EventLog(toVerify: directory.log)
        else { return nil }
        return try? log.event(at: position)
    }

    /// The same error with the event's kind and outcome behind its position.
    private static func naming(_ error: LogError, in log: EventLog) -> LogError {
        guard case .corrupt(let position) = error.code, let event = try? log.event(at: position)
        else { return error }
        let place = "position \(position):"
        let parts = error.message.split(
            separator: place, maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return error }
        let name = "position \(position) (\(event.kind.name) \(event.outcome.name)):"
        return LogError(error.code, parts[0] + name + parts[1])
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
