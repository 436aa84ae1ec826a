public import EventLog
public import ReconnectionRules

/// What a caller asks, by name. The ledger replaces names by numbers and has the rules decide.
public enum Action: Sendable, Equatable {
    /// `address` is recorded as far as `LedgerOptions.clientAddresses` allows.
    case apply(user: String, project: String, address: ClientAddress? = nil)
    case createSession(
        user: String, runsWithoutClient: Bool = false, address: ClientAddress? = nil)
    /// `session` nil means the current session, and is recorded as unnamed.
    case disconnect(user: String, session: SessionId? = nil)
    /// `session` nil gives up whatever is held.
    case destroy(user: String, session: SessionId? = nil)
    case repossess(user: String)
    /// Makes the name and whatever else is recorded of the person unreadable for good. Whatever the
    /// user holds is freed first; who returns is a new user. Only for a user the ledger knows.
    case forget(user: String)
    /// Changes the settings named and keeps the others. A project never seen is created, if
    /// `change.concurrencyCount` is given.
    case modifyProject(String, ProjectChange)
}

/// The settings to change; nil keeps what is set, or the default for a new project.
public struct ProjectChange: Sendable, Equatable {
    public var concurrencyCount: UInt32?
    public var reconnectWindow: Microseconds?
    public var lockTimeout: Microseconds?
    public var cleanupTime: Microseconds?
    public var requiresSessionName: Bool?

    public init(
        concurrencyCount: UInt32? = nil, reconnectWindow: Microseconds? = nil,
        lockTimeout: Microseconds? = nil, cleanupTime: Microseconds? = nil,
        requiresSessionName: Bool? = nil
    ) {
        self.concurrencyCount = concurrencyCount
        self.reconnectWindow = reconnectWindow
        self.lockTimeout = lockTimeout
        self.cleanupTime = cleanupTime
        self.requiresSessionName = requiresSessionName
    }

    /// What is out of bounds whatever the settings before, nil if nothing is.
    public var fault: String? { applied(to: ProjectSettings()).fault }

    /// Whether these settings are what the change asks for already.
    package func applies(to settings: ProjectSettings) -> Bool { applied(to: settings) == settings }

    package func applied(to settings: ProjectSettings) -> ProjectSettings {
        var settings = settings
        if let concurrencyCount { settings.concurrencyCount = concurrencyCount }
        if let reconnectWindow { settings.reconnectWindow = reconnectWindow }
        if let lockTimeout { settings.lockTimeout = lockTimeout }
        if let cleanupTime { settings.cleanupTime = cleanupTime }
        if let requiresSessionName { settings.requiresSessionName = requiresSessionName }
        return settings
    }
}

/// What an action came to, durably recorded.
public struct ActionReply: Sendable, Equatable {
    /// The event that answers the action.
    public var event: Event
    /// Name of the project of the concurrency the event names, empty if it names none.
    public var project: String

    public var position: Position { event.position }
    public var outcome: Event.Outcome { event.outcome }

    /// Whether the rules refused the action. It is recorded all the same.
    public var isRefusal: Bool {
        switch event.outcome {
        case .noIdle, .lockTimeout, .sessionNameRequired: true
        default: false
        }
    }
}

/// Names of users and projects as they may be recorded.
public enum LedgerName {
    /// What is wrong with a name, nil if nothing is: 1 to 256 bytes of UTF-8 without control
    /// characters. Compared byte by byte, never normalised.
    public static func fault(_ name: String, what: String) -> LedgerError? {
        let count = name.utf8.count
        if count == 0 { return LedgerError(.invalid, "\(what) must not be empty") }
        if count > 256 {
            return LedgerError(.invalid, "\(what) has \(count) bytes; at most 256 are allowed")
        }
        if name.unicodeScalars.contains(where: { $0.value < 0x20 || (0x7F ... 0x9F) ~= $0.value }) {
            return LedgerError(.invalid, "\(what) must not contain control characters")
        }
        return nil
    }
}
