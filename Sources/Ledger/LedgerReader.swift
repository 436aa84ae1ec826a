public import EventLog
public import ReconnectionRules

/// A data directory opened to be read, beside a running server or without one. It writes nothing
/// and takes no lock that a writer would notice.
///
/// The view is the newest checkpoint plus the events after it, as of the opening.
public final class LedgerReader {
    public let directory: DataDirectory
    public let log: EventLog
    public let recovery: RecoveryReport
    package let view: RecoveredView

    /// Opens and folds the view. Cost: the checkpoint's size plus the events after it. Throws
    /// `directory` or `log`.
    public init(opening path: String) throws(LedgerError) {
        directory = DataDirectory(path)
        try directory.requireLedger()
        do { log = try EventLog(directory: directory.log, mode: .readOnly) } catch {
            throw LedgerError(error)
        }
        (view, recovery) = try Recovery.view(of: log, directory: directory)
    }

    public var state: State { view.state }
    public var head: LogHead { view.head }

    /// What a user holds; nil for a name the ledger never saw.
    public func user(_ name: String) -> UserView? { view.user(name) }

    /// A project; nil if there is none of that name.
    public func project(_ name: String) -> ProjectView? {
        LedgerViews.project(name, view.state, view.projects)
    }

    /// All projects in the order they were created.
    public var projects: [ProjectView] {
        (1 ..< UInt32(max(1, view.state.projects.count))).compactMap {
            project(view.projects.name(of: $0))
        }
    }

    /// Every user that holds a concurrency, by user number.
    public var holders: [UserView] {
        (1 ..< UInt32(max(1, view.state.users.count))).compactMap { number in
            guard view.state.users[Int(number)].holdsConcurrency else { return nil }
            return user(view.users.name(of: number))
        }
    }

    /// A user's events, newest first; empty for a name the ledger never saw. Cost: one point read
    /// an event.
    public func history(
        ofUser name: String, before: Position? = nil, limit: Int = .max
    ) throws(LedgerError) -> [NamedEvent] {
        guard let number = view.users.number(of: name) else { return [] }
        let newest = view.state.users[Int(number)].last
        return try History.ofUser(log, newest: newest, before: before, limit: limit).map(named)
    }

    /// A concurrency's events, newest first.
    public func history(
        ofConcurrency number: ConcurrencyNumber, inProject name: String,
        before: Position? = nil, limit: Int = .max
    ) throws(LedgerError) -> [NamedEvent] {
        guard let project = view.projects.number(of: name) else {
            throw LedgerError(.unknownProject, "no project \(name) in \(directory.path)")
        }
        let concurrencies = view.state.projects[Int(project)].concurrencies
        guard number > 0, Int(number) < concurrencies.count else {
            throw LedgerError(
                .invalid,
                "project \(name) has concurrencies 1 to \(concurrencies.count - 1), not \(number)")
        }
        let newest = concurrencies[Int(number)].last
        return try History.ofConcurrency(log, newest: newest, before: before, limit: limit)
            .map(named)
    }

    /// Puts the names to an event. Names bound after the opening are empty.
    public func named(_ event: Event) -> NamedEvent {
        NamedEvent(
            event: event, user: view.users.name(of: event.user),
            project: view.projects.name(of: UInt32(event.project)),
            inputProject: view.projects.name(of: UInt32(event.inputProject)))
    }
}
