import EventLog
public import Ledger
public import ReconnectionRules

/// Answers why a user has, had or lost a concurrency: the story of a grant in sentences, each
/// backed by the positions of events.
///
/// It reads the log alone, so it works beside a running server, and tells what the log held when
/// the reader was opened. Nothing is guessed: what would have made a difference is computed from
/// the user's own events, and says so.
public struct Explainer {
    /// How much is read at most, so that a user with thousands of events costs no more than one
    /// with a few, in a log of any length.
    public struct Limits: Sendable, Equatable {
        /// Events of the user, in each direction from the moment.
        public var userEventCount = 256
        /// Events of others, for what the user's own do not say: who got the concurrency next, what
        /// state the others were in, when one came free.
        public var searchEventCount = 262_144

        public init() {}

        /// Whatever it takes.
        public static var none: Limits {
            var limits = Limits()
            limits.userEventCount = .max
            limits.searchEventCount = .max
            return limits
        }
    }

    private let reader: LedgerReader
    private let limits: Limits

    public init(_ reader: LedgerReader, limits: Limits = Limits()) {
        self.reader = reader
        self.limits = limits
    }

    /// Explains a user's story around a moment: the grant that contains it, or the last one before
    /// it, how that ended, and what followed up to the next grant. Without a moment, the newest
    /// grant, the loss before it if there was one, and what holds now, after a summary.
    ///
    /// A user the ledger never saw, or not by that moment, is an explanation too. Throws `log`
    /// where the log is damaged. Cost: as `limits` bound it, and a read for each outage and each
    /// change of the project's settings since.
    public func explain(
        _ user: String, at moment: Moment? = nil
    ) throws(LedgerError) -> Explanation {
        guard let number = reader.view.users.number(of: user) else {
            return try neverSeen(user, moment)
        }
        return try explain(number: number, at: moment)
    }

    /// The same for the user of a number: what is left of the story of one who was forgotten. A
    /// number never handed out throws `unknownUser`.
    public func explain(
        number: UserNumber, at moment: Moment? = nil
    ) throws(LedgerError) -> Explanation {
        guard number > 0, Int(number) < reader.state.users.count else {
            throw LedgerError(
                .unknownUser,
                "no user of number \(number); the ledger has users 1 to \(reader.state.userCount)")
        }
        let record = reader.state.users[Int(number)]
        let events = UserEvents(number, newest: record.last, count: record.eventCount)
        let held = try moment.map { moment throws(LedgerError) in
            try reader.user(number: number, at: moment)
        }
        do {
            return try reader.log.read { snapshot in
                var log = try snapshot.reader()
                var telling = Telling(
                    reader.view.userText(of: number), events, reader.view, limits, moment)
                try telling.tell(held ?? nil, &log)
                return telling.explanation
            }
        } catch let error as LogError { throw LedgerError(.log(error.code), error.message) } catch {
            throw LedgerError(.directory, "\(error)")
        }
    }

    // MARK: - Users there are not

    private func neverSeen(
        _ user: String, _ moment: Moment?
    ) throws(LedgerError) -> Explanation {
        var explanation = Explanation(user: user, isKnown: false, moment: moment)
        (explanation.position, explanation.time) = try reader.event(
            at: moment ?? .position(reader.head.position))
        var text = "The ledger never saw a user \"\(user)\"; names are compared byte by byte."
        if (0 ... UserNumber(reader.state.userCount)).contains(where: reader.isForgotten) {
            text += " Who was forgotten has a number only (--user-number)."
        }
        var positions: [Position] = []
        if let similar = reader.similarUser(to: user),
            let number = reader.view.users.number(of: similar)
        {
            text += " There is one called \"\(similar)\"."
            positions = [reader.state.users[Int(number)].last]
        }
        explanation.statements = [
            Explanation.Statement(kind: .neverSeen, text: text, positions: positions)
        ]
        return explanation
    }
}
