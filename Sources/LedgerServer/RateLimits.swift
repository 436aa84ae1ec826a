public import CloudAPI
import ReconnectionRules
import Synchronization

/// How many requests a second a credential may make, each action counted apart.
public struct RateLimits: Sendable, Equatable {
    /// Of each action of a session: ApplyConcurrent, CreateSession, DestroySession,
    /// ReportDisconnection. Also the lines a second of `POST /v1/commands`.
    public var sessionCallsPerSecond: Int
    /// Of each other action.
    public var otherCallsPerSecond: Int

    public init(sessionCallsPerSecond: Int, otherCallsPerSecond: Int) {
        self.sessionCallsPerSecond = sessionCallsPerSecond
        self.otherCallsPerSecond = otherCallsPerSecond
    }

    /// What the vendor documents for its own actions: 100 a second for the calls of a session, 20
    /// for everything else.
    public static let vendor = RateLimits(sessionCallsPerSecond: 100, otherCallsPerSecond: 20)

    /// The limit of one action.
    public func perSecond(_ action: CloudAction.Name) -> Int {
        switch action {
        case .applyConcurrent, .createSession, .destroySession, .reportDisconnection:
            sessionCallsPerSecond
        case .describeConcurrentCount, .repossessConcurrency, .forgetUser,
            .describeUserConcurrency, .describeReconnectionHistory, .modifyProject:
            otherCallsPerSecond
        }
    }
}

/// Counts what each credential asks for. A second's worth may come at once; after that, what was
/// used comes back steadily.
///
/// Counted after the signature was verified: nobody spends what is another's. Memory: one entry for
/// each credential and action that was used.
final class RateLimiter: Sendable {
    private struct Key: Hashable {
        var caller: UInt32
        /// nil: lines of bulk commands.
        var action: CloudAction.Name?
    }

    private struct Bucket {
        var tokens: Double
        var at: ContinuousClock.Instant
    }

    private let limits: RateLimits
    private let buckets = Mutex<[Key: Bucket]>([:])

    init(_ limits: RateLimits) { self.limits = limits }

    /// Lines of bulk commands that are performed together at most: a quarter of a second's.
    var lineCountAtOnce: Int { max(3, limits.sessionCallsPerSecond / 4) }

    /// Throws `RequestLimitExceeded` if the credential asked for this too often.
    func take(
        _ action: CloudAction.Name, by caller: UInt32,
        now: ContinuousClock.Instant = .now
    ) throws(CloudError) {
        let rate = Double(limits.perSecond(action))
        let isTaken = change(Key(caller: caller, action: action), rate, now) { tokens in
            guard tokens >= 1 else { return false }
            tokens -= 1
            return true
        }
        guard isTaken else {
            throw CloudError(
                .requestLimitExceeded,
                "The credential may call this \(limits.perSecond(action)) times a second. "
                    + "Retry later.")
        }
    }

    /// Counts lines of bulk commands that are about to be performed; says how long to wait before,
    /// so that the rate is kept.
    func takeLines(
        _ count: Int, by caller: UInt32, now: ContinuousClock.Instant = .now
    ) -> Duration {
        let rate = Double(limits.sessionCallsPerSecond)
        return change(Key(caller: caller, action: nil), rate, now) { tokens in
            tokens -= Double(count)
            return tokens >= 0 ? .zero : .seconds(-tokens / rate)
        }
    }

    private func change<Result: Sendable>(
        _ key: Key, _ rate: Double, _ now: ContinuousClock.Instant,
        _ body: (inout Double) -> Result
    ) -> Result {
        buckets.withLock { buckets in
            var bucket = buckets[key] ?? Bucket(tokens: rate, at: now)
            let passed = max(.zero, now - bucket.at)
            let (seconds, attoseconds) = passed.components
            let back = (Double(seconds) + Double(attoseconds) / 1e18) * rate
            bucket.tokens = min(rate, bucket.tokens + back)
            bucket.at = max(bucket.at, now)
            defer { buckets[key] = bucket }
            return body(&bucket.tokens)
        }
    }
}
