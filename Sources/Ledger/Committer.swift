import EventLog
import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What the writer hands over: a batch, and what has to happen once it is durable.
struct Commit: Sendable {
    /// Nil where there is nothing to append, but something to answer.
    var batch: BatchBuilder?
    var wallOffset: Microseconds = 0
    /// What the log ends with once the batch is durable; nil until it is sealed.
    var head: LogHead?
    /// Commands decided so far.
    var commandCount: UInt64 = 0
    /// Given once everything handed over up to here is durable, or has failed.
    var answers: [Answer] = []
    /// Ledger time for a sign of life: everything due then is settled in this batch or before.
    var signOfLife: Microseconds?
    /// Their keys go once the batch is durable, before anything is answered.
    var forgotten = ForgottenUsers()
    /// Called with the head once the batch is durable.
    var checkpoint: (@Sendable (LogHead) -> Void)?

    /// Takes over what a commit without a batch wants done.
    mutating func absorb(_ other: Commit) {
        commandCount = other.commandCount
        answers += other.answers
        signOfLife = other.signOfLife ?? signOfLife
    }
}

/// The thread that appends, waits for the disk, and answers, while the writer decides the next
/// batch. Batches are hashed by whichever of the two has time: by the writer where it would wait,
/// otherwise here.
///
/// One commit is under way at a time and at most one more is queued. Appending has one barrier,
/// which makes the commit before it durable: as long as another one is queued, answers go out one
/// commit late and no second barrier is needed. With nothing queued a barrier of its own makes the
/// newest durable. After a failed commit nothing more is appended: everything is answered with the
/// error.
final class Committer {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var queued: Commit?
    /// A commit is under way, or waits for its barrier.
    private var isWorking = false
    /// The writer has something that was not taken.
    private var isAwaited = false
    private var isEnding = false
    private var isOver = false
    private var firstFailure: LedgerError?
    private var spare: [BatchBuilder] = []

    /// Let go of before the thread says that it has ended: the directory can be opened again then.
    private var log: EventLog?
    /// What the newest batch that is sealed leaves the log with.
    private(set) var head: LogHead
    /// The writer hashes what is queued.
    private var isSealing = false
    private let durable: DurableHead
    private let metrics: SharedMetrics
    private let signOfLife: SignOfLife
    private let keys: PersonalKeys
    private let ending: LedgerEnding
    /// Tells the writer that the next commit can be handed over, or that one failed.
    private let wake: @Sendable () -> Void
    private var figures: LedgerMetrics
    /// Appended, and durable with the next barrier. Belongs to the committer's thread.
    private var unacknowledged: Commit?

    init(
        log: EventLog, head: LogHead, durable: DurableHead, metrics: SharedMetrics,
        signOfLife: SignOfLife, keys: PersonalKeys, ending: LedgerEnding,
        wake: @escaping @Sendable () -> Void
    ) {
        self.log = log
        self.head = head
        self.durable = durable
        self.metrics = metrics
        self.signOfLife = signOfLife
        self.keys = keys
        self.ending = ending
        self.wake = wake
        figures = metrics.current
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    // MARK: - The writer's side

    /// Fewer events than this are not queued behind a commit under way: they wait for it to end,
    /// and share their commit with what comes until then. Small commits cost more in switches
    /// between threads than a queue gains.
    private static let queuedEventCountMin = 64

    /// Whether a batch should be handed over now. If not, the writer is woken when to ask again.
    ///
    /// A batch that nobody waits for, of deadlines alone, does not take the queue: who comes next
    /// would have to wait for it.
    func takes(eventCount: Int, isAwaitedByCallers: Bool) -> Bool {
        locked {
            let isQueueable = isAwaitedByCallers && eventCount >= Self.queuedEventCountMin
            let takes = queued == nil && (!isWorking || isQueueable)
            isAwaited = !takes
            return takes
        }
    }

    /// Why a commit failed, nil if none did.
    var failure: LedgerError? { locked { firstFailure } }

    /// Hands a commit over; waits while one is queued already.
    func submit(_ commit: Commit) {
        while true {
            sealAhead()
            if submitNow(commit) { return }
        }
    }

    /// Queues it if there is room, or waits for a change.
    private func submitNow(_ commit: Commit) -> Bool {
        locked {
            guard queued != nil else {
                queued = commit
                pthread_cond_broadcast(condition)
                return true
            }
            pthread_cond_wait(condition, mutex)
            return false
        }
    }

    /// Hashes the commit that is queued, if it is not yet and the one before it is. For a writer
    /// that has nothing better to do.
    func sealAhead() {
        let work = locked { () -> (BatchBuilder, LogHead, Microseconds)? in
            guard let queued, queued.head == nil, let batch = queued.batch,
                batch.previousPosition == head.position
            else { return nil }
            isSealing = true
            return (batch, head, queued.wallOffset)
        }
        guard let (batch, previous, wallOffset) = work else { return }
        let sealed = batch.seal(after: previous, wallOffset: wallOffset, origin: nil)
        locked {
            head = sealed
            queued?.head = sealed
            isSealing = false
            pthread_cond_broadcast(condition)
        }
    }

    /// An empty builder behind a position: one that was used before, if there is one.
    func builder(after position: Position) -> BatchBuilder {
        guard let builder = locked({ spare.popLast() }) else {
            return BatchBuilder(after: position)
        }
        builder.begin(after: position)
        return builder
    }

    /// Waits until everything handed over is done and the thread has ended.
    func finish() {
        locked {
            isEnding = true
            pthread_cond_broadcast(condition)
            while !isOver { pthread_cond_wait(condition, mutex) }
        }
    }

    // MARK: - The thread

    func start() {
        NativeThread.start { [self] in
            while let commit = next() {
                append(commit)
                if !hasQueued { acknowledge() }
                rest()
            }
            log = nil
            locked {
                isOver = true
                pthread_cond_broadcast(condition)
            }
        }
    }

    private var hasQueued: Bool { locked { queued != nil } }

    /// Nothing is under way any more, unless something was queued meanwhile.
    private func rest() {
        let wasAwaited = locked {
            isWorking = queued != nil
            return isAwaited
        }
        if wasAwaited { wake() }
    }

    private func next() -> Commit? {
        let (commit, wasAwaited) = locked { () -> (Commit?, Bool) in
            while queued == nil && !isEnding || isSealing { pthread_cond_wait(condition, mutex) }
            defer {
                isWorking = queued != nil
                queued = nil
                pthread_cond_broadcast(condition)
            }
            return (queued, isAwaited)
        }
        if wasAwaited { wake() }
        return commit
    }

    /// Appends a commit's batch, and acknowledges the commit before it, which that made durable.
    private func append(_ handedOver: Commit) {
        var commit = handedOver
        guard let batch = commit.batch else {
            // Nothing of its own: it is answered with what it saw.
            if unacknowledged == nil { return settle(commit) }
            unacknowledged?.absorb(commit)
            return
        }
        if failure == nil, let log {
            seal(&commit, batch)
            do throws(LogError) {
                try log.appendAhead(batch.sealedBytes, at: batch.firstPosition)
                figures.count(batchOf: batch.eventCount, byteCount: batch.sealedBytes.count)
                locked { spare.append(batch) }
            } catch { fail(error) }
        }
        if let before = unacknowledged { settle(before) }
        unacknowledged = commit
    }

    private func seal(_ commit: inout Commit, _ batch: BatchBuilder) {
        guard commit.head == nil else { return }
        let sealed = batch.seal(
            after: locked { head }, wallOffset: commit.wallOffset, origin: nil)
        locked { head = sealed }
        commit.head = sealed
    }

    /// Makes the newest commit durable by a barrier of its own.
    private func acknowledge() {
        guard let newest = unacknowledged else { return }
        unacknowledged = nil
        if failure == nil, let log {
            do throws(LogError) {
                try log.synchronise()
                figures.syncCount += 1
            } catch { fail(error) }
        }
        settle(newest)
    }

    private func fail(_ error: LogError) {
        let failure = LedgerError.failed(error.message)
        // Before anybody is told, so that who asks again learns it.
        ending.fail(failure)
        locked { firstFailure = failure }
        wake()
    }

    /// Publishes and answers a commit that is durable, or that failed.
    private func settle(_ commit: Commit) {
        if failure == nil {
            do throws(LogError) { try commit.forgotten.forget(in: keys) } catch { fail(error) }
        }
        let failure = failure
        if failure == nil {
            figures.commandCount = commit.commandCount
            metrics.publish(figures)
            if let head = commit.head { durable.publish(head) }
            if let time = commit.signOfLife { signOfLife.write(time) }
            if let head = commit.head { commit.checkpoint?(head) }
        }
        for answer in commit.answers { answer.give(failure) }
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }
}

/// What both threads touch goes through the mutex; the rest belongs to the committer's thread.
extension Committer: @unchecked Sendable {}
