/// What somebody asks of the ledger, with names already replaced by numbers. The edge has checked
/// that the project exists and that numbers were handed out in order; the rules trap otherwise.
public enum Command: Equatable, Sendable {
    /// Reserve a concurrency of the project for the user, or return the one already held there.
    case apply(user: UserNumber, project: ProjectNumber)
    /// Put a session on the concurrency the user holds.
    case createSession(user: UserNumber, runsWithoutClient: Bool)
    /// The client of a session is gone. Without a session's name the current one is meant.
    case disconnect(user: UserNumber, session: SessionId?)
    /// The user is done: free the concurrency; with a name, only if that session is connected.
    case destroy(user: UserNumber, session: SessionId?)
    /// An operator takes the concurrency away, whatever its state.
    case repossess(user: UserNumber)
    /// Forget the person behind a user that holds nothing: the number stays, the name goes.
    case forget(user: UserNumber)
    /// Binds the next user number to a name (the name itself travels beside the event).
    case nameUser(UserNumber)
    /// Binds the next project number to a name, with the default settings.
    case nameProject(ProjectNumber)
    /// Replaces a project's settings.
    case modifyProject(ProjectNumber, ProjectSettings)
    /// The ledger was opened for writing after having been down for `outage` microseconds.
    case open(outage: Microseconds)
    /// The ledger goes on from an older copy of its log, `outage` microseconds after the last sign
    /// of life in it: see `Epochs`.
    case beginEpoch(outage: Microseconds)

    /// Whether it ends an outage: it takes effect before anything due is settled.
    public var endsOutage: Bool {
        switch self {
        case .open, .beginEpoch: true
        default: false
        }
    }
}

/// Who called: recorded with every event, never looked at by a rule.
public struct Caller: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The rules themselves: a deadline that fell due, or what followed from another event.
    public static let ledger = Caller(rawValue: 0)
    /// A process that embeds the library.
    public static let library = Caller(rawValue: 1)
    /// The command line on this machine.
    public static let commandLine = Caller(rawValue: 2)
    /// A trace being imported.
    public static let trace = Caller(rawValue: 3)
    /// A request to a server that has no credentials (loopback only).
    public static let anonymous = Caller(rawValue: 4)

    /// A request signed with the credential of this number (numbers start at 1).
    public static func credential(_ number: UInt32) -> Caller { Caller(rawValue: 1_000 + number) }

    /// The credential's number, or nil for the other kinds of caller.
    public var credentialNumber: UInt32? { rawValue > 1_000 ? rawValue - 1_000 : nil }
}
