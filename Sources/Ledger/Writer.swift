import EventLog
import ReconnectionRules
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What callers put into the inbox.
enum Work: Sendable {
    /// One action, the common case.
    case act(Action, Caller, CheckedContinuation<Result<ActionReply, LedgerError>, Never>)
    /// Many, committed together.
    case actAll(
        [Action], Caller,
        CheckedContinuation<Result<[Result<ActionReply, LedgerError>], LedgerError>, Never>)
    /// Many as one flat buffer, committed together.
    case actBatch(
        ActionBatch, Caller, CheckedContinuation<Result<ActionBatchReply, LedgerError>, Never>)
    /// A look at the current view: `run` on the writer thread returns what delivers the answer once
    /// everything it saw is durable; `fail` delivers an error instead.
    case look(
        run: @Sendable (LedgerCore) -> (@Sendable () -> Void),
        fail: @Sendable (LedgerError) -> Void)
}

/// The one thread that owns the state: takes all that is in the inbox, settles what is due, decides
/// each in turn, commits once, then answers everybody.
final class Writer {
    /// How old the sign of life may grow while deadlines run: half of what is promised.
    private static let signOfLifeInterval: Microseconds = 500_000

    private let core: LedgerCore
    private let inbox: Inbox<Work>
    private let durable: DurableHead
    private let clock: RunningClock
    private let signOfLife: SignOfLife
    private let metrics: SharedMetrics
    private let ending: LedgerEnding
    private var lastSign: Microseconds
    /// What answers the work decided but not yet durable.
    private var pending: [(LedgerError?) -> Void] = []
    /// How much of the work at hand was decided.
    private var decidedCount = 0

    init(
        core: LedgerCore, inbox: Inbox<Work>, durable: DurableHead, clock: RunningClock,
        signOfLife: SignOfLife, metrics: SharedMetrics, ending: LedgerEnding
    ) {
        self.core = core
        self.inbox = inbox
        self.durable = durable
        self.clock = clock
        self.signOfLife = signOfLife
        self.metrics = metrics
        self.ending = ending
        lastSign = core.head.time
    }

    /// Runs until the inbox is closed and empty, or a commit fails.
    func run() {
        var work: [Work] = []
        while true {
            let isClosed = inbox.take(into: &work, timeoutMicroseconds: timeout())
            do throws(LedgerError) {
                try process(work)
            } catch {
                ending.fail(error)
                for answer in pending { answer(error) }
                for item in work.dropFirst(decidedCount) { Self.fail(item, error) }
                inbox.close()
                failRest(error)
                return
            }
            if isClosed, work.isEmpty { return finish() }
            work.removeAll(keepingCapacity: true)
        }
    }

    /// One turn: nothing is answered before everything decided in it is durable.
    private func process(_ work: [Work]) throws(LedgerError) {
        decidedCount = 0
        var now = clock.now
        try settle(at: now)
        for item in work {
            if core.isBatchFull {
                try commitAndAnswer(at: now)
                now = max(now, clock.now)
                try settle(at: now)
            }
            pending.append(decide(item, at: now))
            decidedCount += 1
        }
        try commitAndAnswer(at: now)
        showLife(at: now)
        core.checkpointIfDue()
    }

    private func commitAndAnswer(at now: Microseconds) throws(LedgerError) {
        try core.commit(wallOffset: clock.wallOffset(at: now))
        if core.head.position > durable.head.position {
            durable.publish(core.head)
            metrics.publish(core.metrics)
            lastSign = max(lastSign, core.head.time)
        }
        for answer in pending { answer(nil) }
        pending.removeAll(keepingCapacity: true)
    }

    private func settle(at now: Microseconds) throws(LedgerError) {
        try core.settle(at: now, wallOffset: clock.wallOffset(at: now))
    }

    /// Decides one item and returns what answers it once that is durable.
    private func decide(_ item: Work, at now: Microseconds) -> (LedgerError?) -> Void {
        switch item {
        case .act(let action, let caller, let continuation):
            let result = perform(action, at: now, by: caller)
            return { error in
                continuation.resume(returning: error.map { .failure($0) } ?? result)
            }
        case .actAll(let actions, let caller, let continuation):
            let results = actions.map { perform($0, at: now, by: caller) }
            return { error in
                continuation.resume(returning: error.map { .failure($0) } ?? .success(results))
            }
        case .actBatch(let batch, let caller, let continuation):
            let reply = core.perform(batch, at: now, by: caller)
            return { error in
                continuation.resume(returning: error.map { .failure($0) } ?? .success(reply))
            }
        case .look(let run, let fail):
            let deliver = run(core)
            return { error in
                if let error { fail(error) } else { deliver() }
            }
        }
    }

    private func perform(
        _ action: Action, at now: Microseconds, by caller: Caller
    ) -> Result<ActionReply, LedgerError> {
        do throws(LedgerError) {
            return .success(try core.perform(action, at: now, by: caller))
        } catch { return .failure(error) }
    }

    // MARK: - Time

    /// How long to sleep: to the next deadline, at most to the next sign of life while deadlines
    /// run, and long otherwise.
    private func timeout() -> Microseconds {
        guard let deadline = core.state.nextDeadline else { return 60_000_000 }
        return max(0, min(deadline - clock.now, Self.signOfLifeInterval))
    }

    /// Everything due at `now` is settled and durable: that is what a sign of life says.
    private func showLife(at now: Microseconds) {
        guard core.state.hasDeadlines, now - lastSign >= Self.signOfLifeInterval else { return }
        signOfLife.write(now)
        lastSign = now
    }

    /// An orderly end: what is due is settled, the outage begins now, and the next opening has
    /// nothing to replay.
    private func finish() {
        let now = clock.now
        do throws(LedgerError) {
            try settle(at: now)
            try commitAndAnswer(at: now)
        } catch { return ending.fail(error) }
        if core.state.hasDeadlines { signOfLife.write(now) }
        core.checkpointNow()
    }

    // MARK: - Failing

    private func failRest(_ error: LedgerError) {
        var rest: [Work] = []
        _ = inbox.take(into: &rest, timeoutMicroseconds: 0)
        for item in rest { Self.fail(item, error) }
    }

    private static func fail(_ item: Work, _ error: LedgerError) {
        switch item {
        case .act(_, _, let continuation): continuation.resume(returning: .failure(error))
        case .actAll(_, _, let continuation): continuation.resume(returning: .failure(error))
        case .actBatch(_, _, let continuation): continuation.resume(returning: .failure(error))
        case .look(_, let fail): fail(error)
        }
    }
}
