public import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The two clocks the ledger looks at, injected so that tests and simulations own time.
///
/// Ledger time starts at open at the later of the last event's time and the wall clock, and is then
/// advanced by the monotonic clock alone: a step of the wall clock repossesses nobody and keeps
/// nobody.
public struct LedgerClock: Sendable {
    /// Wall clock, microseconds since 1970-01-01T00:00:00Z.
    public var wall: @Sendable () -> Microseconds
    /// A clock that never steps and runs through suspend, in microseconds from any origin.
    public var monotonic: @Sendable () -> Microseconds

    public init(
        wall: @escaping @Sendable () -> Microseconds,
        monotonic: @escaping @Sendable () -> Microseconds
    ) {
        self.wall = wall
        self.monotonic = monotonic
    }

    /// The machine's clocks: CLOCK_REALTIME and CLOCK_BOOTTIME.
    public static let system = LedgerClock(
        wall: { read(CLOCK_REALTIME) },
        monotonic: {
            #if os(Linux)
                read(CLOCK_BOOTTIME)
            #else
                read(CLOCK_MONOTONIC)
            #endif
        })

    private static func read(_ clock: clockid_t) -> Microseconds {
        var time = timespec()
        clock_gettime(clock, &time)
        return Microseconds(time.tv_sec) * 1_000_000 + Microseconds(time.tv_nsec) / 1_000
    }
}

/// Ledger time of one opening.
struct RunningClock: Sendable {
    let clock: LedgerClock
    private let ledgerAtStart: Microseconds
    private let monotonicAtStart: Microseconds

    /// Starts at the later of `lastEventTime` and the wall clock.
    init(_ clock: LedgerClock, lastEventTime: Microseconds) {
        self.clock = clock
        ledgerAtStart = max(lastEventTime, clock.wall())
        monotonicAtStart = clock.monotonic()
    }

    var now: Microseconds { ledgerAtStart + max(0, clock.monotonic() - monotonicAtStart) }

    /// Wall clock minus ledger time: recorded beside the events, used by no rule.
    func wallOffset(at now: Microseconds) -> Microseconds { clock.wall() - now }
}
