/// Bounds the rules rely on. A command past one of them is refused at the edge and is no action.
public enum RuleLimits {
    /// Project numbers are two bytes in an event.
    public static let projectCountMax = 65_535
    /// One project's concurrencies. Ten million users waiting is a stated goal; this leaves room.
    public static let concurrencyCountMax: UInt32 = 16_000_000
    /// User numbers are four bytes in an event; one value is kept back as a mark.
    public static let userCountMax: UInt32 = 4_000_000_000
    /// Ledger time: 36,000 years either way, so that no deadline set from it overflows.
    public static let time: ClosedRange<Microseconds> = -(1 << 60) ... 1 << 60
    /// The reconnect window: 1 s to 24 h.
    public static let reconnectWindow: ClosedRange<Microseconds> = .seconds(1) ... .seconds(86_400)
    /// The time between apply and session: as the reconnect window, since it too holds a slot.
    public static let lockTimeout: ClosedRange<Microseconds> = .seconds(1) ... .seconds(86_400)
    /// The cleanup time: none to 24 h.
    public static let cleanupTime: ClosedRange<Microseconds> = 0 ... .seconds(86_400)
}
