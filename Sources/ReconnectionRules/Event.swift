/// What happened, once and for good. An event concerns at most one user and one concurrency, holds
/// the input of the action whatever its outcome, and the state it left. Plain numbers of fixed
/// size: names travel beside it.
public struct Event: Equatable, Sendable, BitwiseCopyable {
    /// Kinds are numbered values, never reused.
    public enum Kind: UInt8, Sendable, CaseIterable, BitwiseCopyable {
        case opened = 1
        case projectNamed = 2
        case projectModified = 3
        case userNamed = 4
        case applied = 5
        case sessionCreated = 6
        case disconnected = 7
        case destroyed = 8
        case repossessed = 9
        case recovered = 10
        case withdrawn = 11
        case restored = 12
        /// The person behind a user number asked to be forgotten: the name binds to nobody from
        /// here on, and the number has no further event.
        case userForgotten = 13
        /// A restored ledger goes on: see `previousEpochEnd`.
        case epochBegun = 14
    }

    /// Outcomes are numbered values, never reused. The comment names the kinds that use each.
    public enum Outcome: UInt8, Sendable, CaseIterable, BitwiseCopyable {
        /// opened, projectNamed, projectModified, userNamed, recovered, withdrawn, restored,
        /// userForgotten, epochBegun
        case done = 1
        /// applied: an idle concurrency was reserved
        case granted = 2
        /// applied: the concurrency the user already holds in this project
        case returned = 3
        /// applied: refused, no idle concurrency
        case noIdle = 4
        /// sessionCreated: the grant had no session yet
        case fresh = 5
        /// sessionCreated: the grant had one before
        case resumed = 6
        /// sessionCreated: replaces a session that was still connected
        case takeover = 7
        /// sessionCreated: refused, nothing held or the lock ran out
        case lockTimeout = 8
        /// disconnected: the reconnect window is open
        case waiting = 9
        /// disconnected: the session runs without a client and goes on
        case keptRunning = 10
        /// disconnected, destroyed: about a session that is not the connected one; nothing changed
        case stale = 11
        /// disconnected: refused, the project wants the session named
        case sessionNameRequired = 12
        /// destroyed: the concurrency was given up
        case freed = 13
        /// destroyed, repossessed: nothing to give up; success
        case nothingHeld = 14
        /// repossessed: the reconnect window ended
        case windowExpired = 15
        /// repossessed: no session was created in time
        case lockExpired = 16
        /// repossessed: the user was granted a concurrency in another project
        case moved = 17
        /// repossessed: by an operator
        case operator_ = 18
    }

    public var position: Position
    /// Ledger time at which it took effect: for what a deadline does, the deadline itself.
    public var time: Microseconds
    public var kind: Kind
    public var outcome: Outcome
    /// State of the concurrency named by `project` and `concurrency` after the event; `none` if no
    /// concurrency is named.
    public var state: ConcurrencyState = .none
    /// Input: the action named a session (`inputSession`).
    public var namesSession = false
    /// Of sessionCreated: the input run mode is RunWithoutClient. Of other events that name a
    /// concurrency: that run mode is in force afterwards. Of projectModified: names are required.
    public var flag = false
    public var user: UserNumber = 0
    /// With `concurrency`: the concurrency the user holds after the event, or the one it released;
    /// alone: the project the event is about.
    public var project: ProjectNumber = 0
    public var concurrency: ConcurrencyNumber = 0
    /// Input of applied: the project asked for.
    public var inputProject: ProjectNumber = 0
    public var caller: Caller.RawValue = 0
    /// Deadline of that state, 0 if it has none. Of opened and epochBegun: the outage. Of
    /// projectModified: the reconnect window.
    public var deadline: Microseconds = 0
    /// Session of the grant after the event, or the one a release ended. Of projectModified: the
    /// lock timeout. Of epochBegun: how many events there are before it.
    public var session: SessionId = 0
    /// Input: the session named. Of projectModified: the cleanup time.
    public var inputSession: SessionId = 0
    /// Position of the same user's previous event. Of projectModified: the concurrencies set. Of
    /// epochBegun: the position before it.
    public var previousOfUser: Position = 0
    /// Position of the previous event of the same concurrency; for projectNamed and
    /// projectModified of the same project; for opened, userForgotten and epochBegun of the ledger.
    public var previousOfConcurrency: Position = 0
    /// An earlier event of the same user, farther back: see `JumpTable`.
    public var jump: Position = 0

    public init(position: Position, time: Microseconds, kind: Kind, outcome: Outcome) {
        self.position = position
        self.time = time
        self.kind = kind
        self.outcome = outcome
    }
}

extension Event {
    /// The settings a projectModified event carries, nil for every other kind.
    public var settings: ProjectSettings? {
        guard kind == .projectModified else { return nil }
        return ProjectSettings(
            concurrencyCount: UInt32(truncatingIfNeeded: previousOfUser),
            reconnectWindow: deadline,
            lockTimeout: Microseconds(bitPattern: session),
            cleanupTime: Microseconds(bitPattern: inputSession),
            requiresSessionName: flag)
    }

    mutating func carry(_ settings: ProjectSettings) {
        previousOfUser = Position(settings.concurrencyCount)
        deadline = settings.reconnectWindow
        session = SessionId(bitPattern: settings.lockTimeout)
        inputSession = SessionId(bitPattern: settings.cleanupTime)
        flag = settings.requiresSessionName
    }

    /// Whether it is about the ledger as a whole: such events have a chain of their own, and move
    /// running deadlines back by the outage.
    public var isAboutLedger: Bool { kind == .opened || kind == .epochBegun }

    /// How long the ledger had been down, for an event about the ledger; 0 for every other kind.
    public var outage: Microseconds { isAboutLedger ? deadline : 0 }

    /// For epochBegun the position of the event before it, where the epoch before ended; nil for
    /// every other kind.
    public var previousEpochEnd: Position? { kind == .epochBegun ? previousOfUser : nil }

    /// For epochBegun how many events the log has before it; nil for every other kind.
    public var eventCountBefore: UInt64? { kind == .epochBegun ? session : nil }

    /// Whether the event is a link of the ledger's own chain: `previousOfConcurrency` is then the
    /// position of the link before.
    public var isOfLedger: Bool { isAboutLedger || kind == .userForgotten }

    /// Whether the user's holding ended with this event: it now holds nothing. `moved` is no such
    /// event: the user holds the concurrency that the event before it granted.
    public var releasesUser: Bool {
        switch outcome {
        case .freed, .windowExpired, .lockExpired, .operator_: true
        default: false
        }
    }

    /// Whether somebody outside asked for it. The others follow from deadlines, from the event
    /// before them, or from the restart.
    public var isAction: Bool {
        switch kind {
        case .applied, .sessionCreated, .disconnected, .destroyed, .projectNamed, .projectModified,
            .userNamed, .userForgotten:
            true
        case .repossessed: outcome == .operator_ || outcome == .nothingHeld
        case .opened, .epochBegun, .recovered, .withdrawn, .restored: false
        }
    }

    /// The command this event answers, rebuilt from its recorded input; nil for an event that
    /// follows from deadlines or from the event before it. Deciding it again in the state before
    /// the event gives the same event.
    public var command: Command? {
        switch kind {
        case .opened: return .open(outage: outage)
        case .epochBegun: return .beginEpoch(outage: outage)
        case .projectNamed: return .nameProject(project)
        case .projectModified: return .modifyProject(project, settings ?? ProjectSettings())
        case .userNamed: return .nameUser(user)
        case .applied: return .apply(user: user, project: inputProject)
        case .sessionCreated: return .createSession(user: user, runsWithoutClient: flag)
        case .disconnected:
            return .disconnect(user: user, session: namesSession ? inputSession : nil)
        case .destroyed: return .destroy(user: user, session: namesSession ? inputSession : nil)
        case .repossessed: return isAction ? .repossess(user: user) : nil
        case .userForgotten: return .forget(user: user)
        case .recovered, .withdrawn, .restored: return nil
        }
    }
}
