/// The states of a concurrency. "Running" is reserved, connected, waiting and recovering.
public enum ConcurrencyState: UInt8, Sendable, CaseIterable, BitwiseCopyable {
    /// No concurrency is meant.
    case none = 0
    /// Free to be granted.
    case idle = 1
    /// Applied for, no session on it; has a lock deadline.
    case reserved = 2
    /// A session is on it.
    case connected = 3
    /// The client is gone; has a reconnect deadline.
    case waiting = 4
    /// Being cleaned; has an end; belongs to nobody.
    case recovering = 5
    /// Taken out of service.
    case withdrawn = 6

    /// Whether a user holds it.
    @inline(__always)
    public var isHeld: Bool { self == .reserved || self == .connected || self == .waiting }

    /// Whether it has a deadline that falls due by itself.
    @inline(__always)
    public var hasDeadline: Bool { self == .reserved || self == .waiting || self == .recovering }
}
