import EventLog
public import ReconnectionRules

extension Ledger {
    /// The states of everything at past moments, up to the newest durable event of now. Read on the
    /// caller's threads: neither the writer nor its state is looked at.
    ///
    /// - Parameter memoryByteCount: as of `LedgerReader.pastStates(memoryByteCount:)`.
    public func pastStates(memoryByteCount: Int = 0) -> PastStates {
        PastStates(log, directory, head: head.position, memoryByteCount: memoryByteCount)
    }

    /// The state that the events up to a past moment lead to, in numbers; names are `userNames`.
    ///
    /// As `LedgerReader.state(at:)`, and at its cost: the call takes as long as folding the events
    /// behind the nearest kept checkpoint, on all cores. Throws `log` where the log is damaged.
    public func state(at moment: Moment) async throws(LedgerError) -> State {
        let states = pastStates()
        return try states.state(at: states.position(of: moment))
    }

    /// Names of users by their numbers, empty for a number never handed out.
    public func userNames(
        of numbers: [UserNumber]
    ) async throws(LedgerError) -> [String] {
        try await look { core in numbers.map { core.users.name(of: $0) } }
    }
}
