public import ReconnectionRules

/// What somebody asked of the ledger, as the simulation sent it: users and projects by the
/// simulation's own numbers, which are not the ledger's.
public struct Ask: Sendable, BitwiseCopyable {
    public enum Kind: UInt8, Sendable, BitwiseCopyable {
        case apply, createSession, disconnect, destroy, repossess
        /// The user is to be forgotten.
        case forget
        /// `session` is the index of the change in `Auditor.changes`.
        case modify
        /// Nothing was asked: what is due happens.
        case settle
        /// As apply, createSession, but with a name or a project that cannot be: no action at all.
        case malformed
    }

    public var kind: Kind
    /// Of createSession: runs without a client. Of disconnect and destroy: a session is named.
    public var flag: Bool
    public var user: Int32
    public var project: Int32
    public var caller: UInt32
    public var session: SessionId
    /// Ledger time at which it was decided.
    public var now: Microseconds

    public init(
        _ kind: Kind, user: Int32 = 0, project: Int32 = 0, session: SessionId = 0,
        flag: Bool = false, caller: UInt32 = 0, now: Microseconds = 0
    ) {
        self.kind = kind
        self.flag = flag
        self.user = user
        self.project = project
        self.caller = caller
        self.session = session
        self.now = now
    }
}

/// What the ledger answered, as a client sees it. Position 0: it was no action.
public struct Answer: Sendable, Equatable, BitwiseCopyable {
    public var position: Position = 0
    public var deadline: Microseconds = 0
    public var session: SessionId = 0
    public var concurrency: ConcurrencyNumber = 0
    public var project: ProjectNumber = 0
    public var outcome: Event.Outcome = .done
    public var state: ConcurrencyState = .none

    public init() {}
}

/// A change of settings; what is nil stays.
public struct Change: Sendable, Equatable {
    public var capacity: UInt32?
    public var window: Microseconds?
    public var lock: Microseconds?
    public var cleanup: Microseconds?
    public var wantsNames: Bool?

    public init(
        capacity: UInt32? = nil, window: Microseconds? = nil, lock: Microseconds? = nil,
        cleanup: Microseconds? = nil, wantsNames: Bool? = nil
    ) {
        self.capacity = capacity
        self.window = window
        self.lock = lock
        self.cleanup = cleanup
        self.wantsNames = wantsNames
    }
}

/// What is known of an opening from outside.
public struct Opening: Sendable {
    /// Ledger time when the ledger last ran.
    public var lastRan: Microseconds
    /// The wall clock at the opening.
    public var wall: Microseconds
    public var compensates: Bool
    /// Deadlines ran while it last did: its sign of life was at most a second old.
    public var hadDeadlines: Bool

    public init(
        lastRan: Microseconds, wall: Microseconds, compensates: Bool, hadDeadlines: Bool
    ) {
        self.lastRan = lastRan
        self.wall = wall
        self.compensates = compensates
        self.hadDeadlines = hadDeadlines
    }
}

/// A promise that was not kept.
public struct Violation: Error, Sendable, Equatable, CustomStringConvertible {
    /// Which promise: tells one bug from another.
    public var topic: String
    public var message: String

    public init(_ topic: String, _ message: String) {
        self.topic = topic
        self.message = message
    }

    public var description: String { "\(topic): \(message)" }
}

extension Event {
    /// One line for a person: what happened, to whom, and what it left.
    public var text: String {
        var line = "#\(position) t=\(time) \(kind) \(outcome)"
        if user != 0 { line += " user=\(user)" }
        if inputProject != 0 { line += " asked=\(inputProject)" }
        if namesSession { line += " named=\(inputSession)" }
        if concurrency != 0 { line += " slot=\(project)/\(concurrency) left=\(state)" }
        if deadline != 0 { line += " deadline=\(deadline)" }
        if session != 0 { line += " session=\(session)" }
        if flag { line += " flag" }
        line += " caller=\(caller) previous=\(previousOfUser),\(previousOfConcurrency) jump=\(jump)"
        return line
    }
}
