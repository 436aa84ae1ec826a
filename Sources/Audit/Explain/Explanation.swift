public import Ledger
public import ReconnectionRules

/// Why a user has, had or lost a concurrency, as sentences that each name the events behind them.
///
/// Made by `Explainer`; turned into text by `ExplanationText`.
public struct Explanation: Sendable, Equatable {
    /// What a sentence is about.
    public enum Kind: String, Sendable, CaseIterable {
        /// The ledger knows no such user.
        case neverSeen
        /// The user appears only after the moment asked for.
        case notYetSeen
        /// The newest loss or refusal of the story in one sentence.
        case answer
        /// Counts over the user's history.
        case summary
        /// What the user held at the moment asked for.
        case moment
        /// How the grant before the story ended.
        case earlier
        /// A concurrency was granted.
        case granted
        /// An apply while holding the concurrency already.
        case appliedAgain
        /// A session was created.
        case session
        /// The client vanished: the reconnect window opened.
        case vanished
        /// Back in time.
        case returned
        /// A second device replaced the first.
        case takeover
        /// The client vanished from a session that runs without one.
        case keptRunning
        /// A report or a destroy that changed nothing.
        case stale
        /// An apply, a session or a report was refused.
        case refused
        /// What the project looked like when an apply was refused, and who got what came free.
        case shortage
        /// The concurrency was taken away: window, lock, operator.
        case lost
        /// The concurrency was given up: destroyed, or moved by the user's own request.
        case givenUp
        /// The ledger was down, and a deadline moved.
        case outage
        /// A change of settings that bears on what happened.
        case settings
        /// Who got the concurrency next.
        case nextHolder
        /// Back too late, or not at all.
        case tooLate
        /// What would have made the difference.
        case remedy
        /// The user's name was destroyed.
        case forgotten
        /// Something left out.
        case gap
        /// What the user holds as of the newest event.
        case now
        /// What follows after the story.
        case later
    }

    /// One or two sentences, and the events they rest on.
    public struct Statement: Sendable, Equatable {
        public var kind: Kind
        public var text: String
        /// Positions of events about the user, the concurrency, the project or the ledger, all in
        /// the log; ascending, without repetition. Empty only where there is no event to name.
        public var positions: [Position]
    }

    /// A concurrency that was lost to a deadline, in numbers.
    public struct Loss: Sendable, Equatable {
        /// Position of the repossession.
        public var position: Position
        /// When it was lost: the deadline.
        public var time: Microseconds
        /// `windowExpired` or `lockExpired`.
        public var reason: Event.Outcome
        /// Position of the event from which the time ran: the disconnect, or the newest apply; 0 if
        /// the story begins after it.
        public var since: Position
        /// The setting in force: how long the window or the lock was, in microseconds; nil if the
        /// story begins after it was set.
        public var allowed: Microseconds?
        /// By how much outages of the ledger had moved the deadline.
        public var outage: Microseconds
        /// The user's first apply or session after it, 0 if there was none yet.
        public var returnPosition: Position
        /// How much too late that was; 0 at exactly the deadline. Nil without a return.
        public var missedBy: Microseconds?
        /// The smallest window, or lock timeout, that would have lasted until the return; nil
        /// without a return, and where none would have: the concurrency had been given up before,
        /// or the settings' bounds do not reach.
        public var sufficient: Microseconds?
    }

    /// The user's name, or what stands in its place for one who was forgotten.
    public var user: String
    /// The user's number, 0 if the ledger never saw the user.
    public var userNumber: UserNumber = 0
    /// Whether the ledger has the user.
    public var isKnown = true
    /// The moment asked for, nil for the newest.
    public var moment: Moment?
    /// Position and time of the newest event that the moment covers.
    public var position: Position = 0
    public var time: Microseconds = 0
    /// Whether that is the newest event of the log.
    public var isNewest = false
    /// In the order of the story.
    public var statements: [Statement] = []
    /// The losses of the story, oldest first.
    public var losses: [Loss] = []
    /// Events read from the log.
    public var readCount = 0
}
