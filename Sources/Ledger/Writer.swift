import EventLog
import ReconnectionRules

/// The one thread that owns the state: takes all that is in the inbox, settles what is due, decides
/// each in turn, and hands what came of it to the committer, which answers once it is durable.
///
/// While a commit is under way the batch at hand grows; it is handed over when the disk is free, or
/// when it is full.
final class Writer {
    /// How old the sign of life may grow while deadlines run: half of what is promised.
    private static let signOfLifeInterval: Microseconds = 500_000
    /// Between two turns that settle deadlines alone.
    private static let deadlinesInterval: Microseconds = 1_000

    private let core: LedgerCore
    private let inbox: Inbox<Work>
    private let committer: Committer
    private let clock: RunningClock
    private let ending: LedgerEnding
    private var lastSign: Microseconds
    /// When a turn last settled deadlines and nothing else.
    private var lastDeadlines: Microseconds = 0
    /// What answers the work decided but not handed over.
    private var pending: [Answer] = []

    init(
        core: LedgerCore, inbox: Inbox<Work>, committer: Committer, clock: RunningClock,
        ending: LedgerEnding
    ) {
        self.core = core
        self.inbox = inbox
        self.committer = committer
        self.clock = clock
        self.ending = ending
        lastSign = core.state.time
    }

    /// Runs until the inbox is closed and empty, or a commit fails.
    func run() {
        committer.start()
        defer { committer.finish() }
        var work: [Work] = []
        while true {
            if inbox.isEmpty { committer.sealAhead() }
            let isClosed = inbox.take(into: &work, timeoutMicroseconds: timeout())
            if let error = committer.failure { return fail(work, error) }
            process(work)
            if isClosed, work.isEmpty { return finish() }
            work.removeAll(keepingCapacity: true)
        }
    }

    /// One turn. Nothing is answered here: the committer does, once it is durable.
    private func process(_ work: [Work]) {
        var now = clock.now
        settle(at: now)
        core.warm(work)
        for item in work {
            if core.isBatchFull {
                handOver(at: now)
                now = max(now, clock.now)
                settle(at: now)
            }
            pending.append(decide(item, at: now))
        }
        if work.isEmpty, core.hasUncommitted { lastDeadlines = now }
        guard isSignDue(at: now) || hasSomething else { return }
        if committer.takes(
            eventCount: core.uncommittedCount, isAwaitedByCallers: !pending.isEmpty)
        {
            handOver(at: now)
        }
    }

    private var hasSomething: Bool { !pending.isEmpty || core.hasUncommitted }

    private func settle(at now: Microseconds) {
        core.settle(at: now) { handOver(at: now) }
    }

    /// Gives what was decided to the committer; waits while that has a commit queued already.
    private func handOver(at now: Microseconds) {
        var commit = Commit()
        commit.commandCount = core.commandCount
        swap(&commit.answers, &pending)
        if isSignDue(at: now) {
            commit.signOfLife = now
            lastSign = now
        }
        if core.hasUncommitted {
            commit.batch = core.takeBatch { committer.builder(after: $0) }
            commit.wallOffset = clock.wallOffset(at: now)
            // A durable event is a sign of life too.
            lastSign = max(lastSign, core.state.time)
            commit.forgotten = core.takeForgotten()
            commit.checkpoint = core.checkpointIfDue()
        }
        committer.submit(commit)
    }

    /// Decides one item and returns what answers it once that is durable.
    private func decide(_ item: Work, at now: Microseconds) -> Answer {
        switch item {
        case .act(let action, let caller, let asker):
            return .act(asker, core.result(of: action, at: now, by: caller))
        case .actAll(let actions, let caller, let asker):
            return .actAll(asker, actions.map { core.result(of: $0, at: now, by: caller) })
        case .actWithin(let projects, let action, let caller, let asker):
            guard core.isWithin(projects, action) else {
                return .act(asker, .failure(.outOfScope))
            }
            return .act(asker, core.result(of: action, at: now, by: caller))
        case .actBatch(let batch, let projects, let caller, let asker):
            return .actBatch(
                asker,
                core.perform(batch, at: now, by: caller, within: projects) { handOver(at: now) })
        case .look(let run, let fail): return .look(deliver: run(core), fail: fail)
        }
    }

    // MARK: - Time

    /// How long to sleep: to the next deadline, at most to the next sign of life while deadlines
    /// run, and long otherwise. Deadlines that follow one another closely are settled together: a
    /// commit for each would keep the disk from those who ask for something.
    private func timeout() -> Microseconds {
        guard let deadline = core.state.nextDeadline else { return 60_000_000 }
        let next = max(deadline, lastDeadlines + Self.deadlinesInterval)
        return max(0, min(next - clock.now, Self.signOfLifeInterval))
    }

    private func isSignDue(at now: Microseconds) -> Bool {
        core.state.hasDeadlines && now - lastSign >= Self.signOfLifeInterval
    }

    // MARK: - Ending

    /// An orderly end: what is due is settled, the outage begins now, and the next opening has
    /// nothing to replay.
    private func finish() {
        let now = clock.now
        settle(at: now)
        lastSign = .min / 2
        handOver(at: now)
        committer.finish()
        if let error = committer.failure { return fail([], error) }
        core.resume(at: committer.head)
        core.checkpointNow()
    }

    /// Nothing decided is known to be durable any more: everybody waiting is told.
    private func fail(_ work: [Work], _ error: LedgerError) {
        ending.fail(error)
        for answer in pending { answer.give(error) }
        pending.removeAll()
        for item in work { item.fail(error) }
        inbox.close()
        var rest: [Work] = []
        _ = inbox.take(into: &rest, timeoutMicroseconds: 0)
        for item in rest { item.fail(error) }
    }
}
