import EventLog
import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What the writer hands over: a batch, and what has to happen once it is durable.
struct Commit: Sendable {
    /// Sealed; nil where there is nothing to append, but something to answer.
    var batch: BatchBuilder?
    /// What the log ends with once the batch is durable.
    var head = LogHead.empty
    /// Commands decided so far.
    var commandCount: UInt64 = 0
    /// Given once everything handed over up to here is durable, or has failed.
    var answers: [Answer] = []
    /// Ledger time for a sign of life: everything due then is settled in this batch or before.
    var signOfLife: Microseconds?
    /// Called once the batch is durable.
    var checkpoint: (@Sendable () -> Void)?
}

/// The thread that appends, waits for the disk, and answers, while the writer decides the
/// next batch.
///
/// One commit is under way at a time and at most one more is queued, so whoever asks waits for at
/// most two. After a failed commit nothing more is appended: everything is answered with the error.
final class Committer {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var queued: Commit?
    private var isWorking = false
    private var isEnding = false
    private var isOver = false
    private var firstFailure: LedgerError?
    private var spare: [BatchBuilder] = []

    /// Let go of before the thread says that it has ended: the directory can be opened again then.
    private var log: EventLog?
    private let durable: DurableHead
    private let metrics: SharedMetrics
    private let signOfLife: SignOfLife
    private let ending: LedgerEnding
    /// Tells the writer that the next commit can be handed over, or that one failed.
    private let wake: @Sendable () -> Void
    private var figures: LedgerMetrics

    init(
        log: EventLog, durable: DurableHead, metrics: SharedMetrics, signOfLife: SignOfLife,
        ending: LedgerEnding, wake: @escaping @Sendable () -> Void
    ) {
        self.log = log
        self.durable = durable
        self.metrics = metrics
        self.signOfLife = signOfLife
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

    /// Whether `submit` would not wait, and the disk would not be idle for want of it either: the
    /// batch at hand should grow while a commit is under way.
    var isReady: Bool { locked { queued == nil && !isWorking } }

    /// Why a commit failed, nil if none did.
    var failure: LedgerError? { locked { firstFailure } }

    /// Hands a commit over; waits while one is queued already.
    func submit(_ commit: Commit) {
        locked {
            while queued != nil { pthread_cond_wait(condition, mutex) }
            queued = commit
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
            while let commit = next() { work(commit) }
            log = nil
            locked {
                isOver = true
                pthread_cond_broadcast(condition)
            }
        }
    }

    private func next() -> Commit? {
        locked {
            while queued == nil, !isEnding { pthread_cond_wait(condition, mutex) }
            let commit = queued
            queued = nil
            isWorking = commit != nil
            pthread_cond_broadcast(condition)
            return commit
        }
    }

    private func work(_ commit: Commit) {
        var failure = locked { firstFailure }
        if failure == nil, let log, let batch = commit.batch {
            do throws(LogError) {
                try log.append(batch.sealedBytes, at: batch.firstPosition)
                figures.count(batchOf: batch.eventCount, byteCount: batch.sealedBytes.count)
            } catch {
                let error = LedgerError.failed(error.message)
                failure = error
                // Before anybody is told, so that who asks again learns it.
                ending.fail(error)
                locked { firstFailure = error }
            }
        }
        if failure == nil { publish(commit) }
        // The writer decides on while the answers go out.
        locked {
            if let batch = commit.batch, failure == nil { spare.append(batch) }
            isWorking = false
        }
        wake()
        for answer in commit.answers { answer.give(failure) }
    }

    private func publish(_ commit: Commit) {
        figures.commandCount = commit.commandCount
        metrics.publish(figures)
        if commit.batch != nil { durable.publish(commit.head) }
        if let time = commit.signOfLife { signOfLife.write(time) }
        commit.checkpoint?()
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }
}

/// What both threads touch goes through the mutex; the rest belongs to the committer's thread.
extension Committer: @unchecked Sendable {}
