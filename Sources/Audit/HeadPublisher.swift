import Dispatch
import EventLog
public import Ledger
public import Proofs
import ReconnectionRules
import Synchronization

/// Where heads go so that somebody else has them.
public protocol HeadDestination: Sendable {
    /// Hands a head over; returns once it is safe there. Gives up after `timeout`.
    func deliver(_ head: SignedHead, timeout: Duration) async throws
}

/// Signs a running ledger's head at a set interval and hands it to somebody outside. What goes
/// wrong is reported and tried again; the ledger never waits for it.
///
/// ```swift
/// let signer = try LedgerHeads.signer(owning: ledger)
/// let publisher = try HeadPublisher(
///     ledger, signer: signer, to: HeadFile("/mnt/auditor/heads"), every: .seconds(60))
/// let task = Task { await publisher.run() }
/// // ... at the end, after `ledger.close()`:
/// task.cancel()
/// await publisher.finish()
/// ```
public final class HeadPublisher: Sendable {
    /// What has come of it so far.
    public struct Status: Sendable, Equatable {
        public var deliveredCount: UInt64 = 0
        public var failedCount: UInt64 = 0
        /// Attempts that failed since the last that did not.
        public var failedInARow: UInt64 = 0
        /// Batches the newest head covers that was delivered, nil before the first.
        public var deliveredSize: UInt64?
        /// Why the last attempt failed, nil if it did not.
        public var failure: String?
    }

    /// What a log tells of it.
    public enum Report: Sendable, Equatable {
        /// A head was delivered, the first or the first after failures.
        case delivers(TreeHead)
        /// An attempt failed, for another reason than the one before.
        case fails(String)
    }

    private let ledger: Ledger
    private let signer: NoteSigner
    private let destination: any HeadDestination
    private let interval: Duration
    private let report: @Sendable (Report) -> Void
    private let builder: Mutex<Builder>
    private let content = Mutex(Status())

    /// A head is signed on a thread of its own; a network may take this long over one.
    private static let timeout = Duration.seconds(10)
    private static let lastTimeout = Duration.seconds(2)

    private struct Builder {
        let tree: LogTree
        var delivered: SignedHead?
    }

    /// - Parameters:
    ///   - interval: between two heads; nothing is published while nothing happens.
    ///   - report: called when delivering begins to work or to fail.
    /// - Throws: `LogError` if DIR/tree fits the log and the log cannot be read.
    public init(
        _ ledger: Ledger, signer: NoteSigner, to destination: any HeadDestination,
        every interval: Duration = .seconds(60),
        report: @escaping @Sendable (Report) -> Void = { _ in }
    ) throws {
        self.ledger = ledger
        self.signer = signer
        self.destination = destination
        self.interval = max(interval, .milliseconds(10))
        self.report = report
        let tree = try LogTree(ledger.log, ledger.directory)
        builder = Mutex(Builder(tree: tree))
    }

    public var status: Status { content.withLock { $0 } }

    /// Publishes at once and then at each interval, until the task is cancelled. After a failure it
    /// tries again after one second, then two, four and so on, up to the interval, each time with
    /// the newest head.
    public func run() async {
        while !Task.isCancelled {
            await publish(timeout: Self.timeout)
            let failures = status.failedInARow
            let pause =
                failures == 0
                ? interval : min(interval, .seconds(1 << Int64(min(failures - 1, 10))))
            guard (try? await Task.sleep(for: pause)) != nil else { return }
        }
    }

    /// Publishes what the ledger ended with, if it was not yet. Tries once, for two seconds.
    public func finish() async { await publish(timeout: Self.lastTimeout) }

    private func publish(timeout: Duration) async {
        do {
            guard let head = try await newHead() else { return }
            try await destination.deliver(head, timeout: timeout)
            builder.withLock { $0.delivered = head }
            succeeded(head.head)
        } catch is CancellationError {
            return
        } catch { failed("\(error)") }
    }

    /// The head to publish, nil if it is the one that was delivered last. On a thread that may be
    /// blocked: the first one can take a while in a long log.
    private func newHead() async throws -> SignedHead? {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global(qos: .utility).async { [self] in
                continuation.resume(with: Result { try buildHead() })
            }
        }
    }

    private func buildHead() throws -> SignedHead? {
        try builder.withLock { builder in
            // Only what was answered, or could have been: no power cut takes that back.
            try builder.tree.extend(through: ledger.head.position)
            if let delivered = builder.delivered, delivered.head.size == builder.tree.size {
                return nil
            }
            let head = try LedgerHeads.sign(builder.tree, by: signer)
            // First: a head that may be outside must be one that `verify` looks for.
            try LedgerHeads.store(head, in: ledger.directory)
            return head
        }
    }

    private func succeeded(_ head: TreeHead) {
        let isNews = content.withLock { status in
            defer {
                status.deliveredCount += 1
                status.deliveredSize = head.size
                status.failedInARow = 0
                status.failure = nil
            }
            return status.deliveredCount == 0 || status.failure != nil
        }
        if isNews { report(.delivers(head)) }
    }

    private func failed(_ message: String) {
        let isNews = content.withLock { status in
            defer {
                status.failedCount += 1
                status.failedInARow += 1
                status.failure = message
            }
            return status.failure != message
        }
        if isNews { report(.fails(message)) }
    }
}
