/// What an operator sets for a project. A change affects deadlines set afterwards, not those that
/// run.
public struct ProjectSettings: Equatable, Sendable {
    /// Capacity ("Total"): how many users may hold a concurrency at once.
    public var concurrencyCount: UInt32
    /// How long a vanished client's concurrency waits for the same user. Default 90 s.
    public var reconnectWindow: Microseconds
    /// How long an apply reserves a concurrency before a session must exist. Default 30 s.
    public var lockTimeout: Microseconds
    /// How long a concurrency that had a session is cleaned before it is idle again. Default 0 s.
    public var cleanupTime: Microseconds
    /// Whether a disconnect has to name its session. Default no.
    public var requiresSessionName: Bool

    public init(
        concurrencyCount: UInt32 = 0, reconnectWindow: Microseconds = .seconds(90),
        lockTimeout: Microseconds = .seconds(30), cleanupTime: Microseconds = 0,
        requiresSessionName: Bool = false
    ) {
        self.concurrencyCount = concurrencyCount
        self.reconnectWindow = reconnectWindow
        self.lockTimeout = lockTimeout
        self.cleanupTime = cleanupTime
        self.requiresSessionName = requiresSessionName
    }

    /// The first setting outside its bounds, named with the bounds, or nil if all are inside.
    public var fault: String? {
        if concurrencyCount > RuleLimits.concurrencyCountMax {
            return "concurrencies must be 0 to \(RuleLimits.concurrencyCountMax)"
        }
        if !RuleLimits.reconnectWindow.contains(reconnectWindow) {
            return "the reconnect window must be 1 s to 24 h"
        }
        if !RuleLimits.lockTimeout.contains(lockTimeout) {
            return "the lock timeout must be 1 s to 24 h"
        }
        if !RuleLimits.cleanupTime.contains(cleanupTime) {
            return "the cleanup time must be 0 s to 24 h"
        }
        return nil
    }
}
