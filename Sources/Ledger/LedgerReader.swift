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
    private let past: AsOfReader

    /// Opens and folds the view. Cost: the checkpoint's size plus the events after it. Throws
    /// `directory`, `log`, or `keys` if no name can be read.
    ///
    /// - Parameter needsNames: false for who asks for numbers alone. Then a missing key file is no
    ///   error, and users that are known by nothing but a sealed name are found by number.
    public init(opening path: String, needsNames: Bool = true) throws(LedgerError) {
        directory = DataDirectory(path)
        try directory.requireLedger()
        do { log = try EventLog(directory: directory.log, mode: .readOnly) } catch {
            throw LedgerError(error)
        }
        past = AsOfReader(log)
        var keys: PersonalKeys?
        do throws(LedgerError) { keys = try LedgerKeys.reading(directory, log) } catch {
            if needsNames { throw error }
        }
        (view, recovery) = try Recovery.view(of: log, directory: directory, keys: keys)
    }

    /// Throws what forgetting the user would throw, without opening the ledger for writing.
    public func requireForgettable(_ name: String) throws(LedgerError) {
        let number = view.users.number(of: name)
        try LedgerKeys.requireForgettable(
            number, plainUserCount: view.keys?.plainUserCount ?? view.users.count)
    }

    /// Whether the user was forgotten: it has a number, a history, and no name any more.
    public func isForgotten(_ user: UserNumber) -> Bool { view.users.isForgotten(user) }

    /// The name of a user; empty for a number never handed out, and for one that was forgotten.
    public func userName(of user: UserNumber) -> String { view.users.name(of: user) }

    public var state: State { view.state }
    public var head: LogHead { view.head }

    /// What a user holds; nil for a name the ledger never saw.
    public func user(_ name: String) -> UserView? { view.user(name) }

    /// What a user held at a past moment: what the view held that the events up to it lead to. Nil
    /// for a name the ledger had not seen by then.
    ///
    /// A time means the last event not later than it; events of deadlines have the deadline's time,
    /// so none is overdue then. Past the newest event it is what holds at the newest event: what
    /// falls due after it shows once the ledger recorded it. Cost: O(log k) point reads for a user
    /// of k events, for a time also O(log n) in a log of n.
    public func user(_ name: String, at moment: Moment) throws(LedgerError) -> UserView? {
        guard let trail = UserTrail(name, view.state, view.users) else { return nil }
        return try user(trail, name, at: moment)
    }

    func user(
        _ trail: UserTrail, _ name: String, at moment: Moment
    ) throws(LedgerError) -> UserView? {
        guard let found = try past.user(trail, at: moment) else { return nil }
        return found.view(
            name, trail.number, project: view.projects.name(of: UInt32(found.project)))
    }

    /// Position and time of the newest event that a moment covers; position 0 before the first.
    public func event(
        at moment: Moment
    ) throws(LedgerError) -> (position: Position, time: Microseconds) {
        do {
            return try log.read { snapshot in
                var reader = try snapshot.reader()
                var position = head.position
                switch moment {
                case .position(let wanted):
                    position = try reader.position(reachedAtOrBefore: min(position, wanted))
                case .time(let time):
                    position = try reader.position(atOrBefore: time, upTo: position)
                }
                return (position, try reader.event(at: position)?.time ?? 0)
            }
        } catch let error as LogError { throw LedgerError(error) } catch {
            throw LedgerError(.directory, "\(error)")
        }
    }

    /// The position behind which the newest `count` events lie, 0 if there are no more. Cost: one
    /// point read a batch.
    public func position(beforeNewest count: UInt64) throws(LedgerError) -> Position {
        do {
            return try log.read { snapshot in
                var reader = try snapshot.reader()
                return try reader.position(beforeNewest: count)
            }
        } catch let error as LogError { throw LedgerError(error) } catch {
            throw LedgerError(.directory, "\(error)")
        }
    }

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
        return try named(History.ofUser(log, newest: newest, before: before, limit: limit))
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
        return try named(History.ofConcurrency(log, newest: newest, before: before, limit: limit))
    }

    /// Puts the names to an event. Names bound after the opening are empty; the client's address is
    /// left out, see `named(_:)` of several.
    public func named(_ event: Event) -> NamedEvent { view.named(event) }

    /// Puts the names to events, and the addresses recorded with them. Cost: a point read for each
    /// apply and session.
    public func named(_ events: [Event]) throws(LedgerError) -> [NamedEvent] {
        let addresses = try History.addresses(of: events, log, view.keys)
        return zip(events, addresses).map { event, address in
            var named = view.named(event)
            named.clientAddress = address
            return named
        }
    }
}
