import EventLog

extension Ledger {
    /// 16 random bytes given at creation, in hexadecimal: tells two ledgers apart.
    public var ledgerId: String { log.ledgerId }
}
