import EventLog
public import ReconnectionRules

/// Everything the ledger held at a moment: exactly what the events up to then lead to.
///
/// Made by `LedgerReader.state(at:)` and `LedgerReader.present`.
public struct PastView: Sendable {
    /// The state as numbers.
    public let state: State
    private let users: NameDirectory
    private let projectNames: NameDirectory

    init(_ state: State, _ users: NameDirectory, _ projects: NameDirectory) {
        self.state = state
        self.users = users
        projectNames = projects
    }

    /// Position of the newest event the moment covers, 0 before the first.
    public var position: Position { state.position }
    /// Ledger time of that event, 0 before the first.
    public var time: Microseconds { state.time }

    /// What a user held; nil for a name the ledger had not seen by then.
    public func user(_ name: String) -> UserView? {
        users.number(of: name).flatMap { user(number: $0) }
    }

    /// What the user of a number held; nil for a number not handed out by then.
    public func user(number: UserNumber) -> UserView? {
        LedgerViews.user(number, state, users, projectNames)
    }

    /// A project; nil if there was none of that name.
    public func project(_ name: String) -> ProjectView? {
        guard let number = projectNames.number(of: name), Int(number) < state.projects.count else {
            return nil
        }
        return LedgerViews.project(name, state, projectNames)
    }

    /// Name of a project, empty for 0 and for a number never handed out.
    public func projectName(_ number: ProjectNumber) -> String {
        projectNames.name(of: UInt32(number))
    }

    /// All projects in the order they were created.
    public var projects: [ProjectView] {
        state.projects.indices.dropFirst().compactMap {
            project(projectNames.name(of: UInt32($0)))
        }
    }

    /// Hands over every user that held a concurrency, of one project if it is named, by user
    /// number. Cost: one look at each user.
    public func forEachHolder(
        inProject project: ProjectNumber? = nil, _ body: (UserView) throws -> Void
    ) rethrows {
        for (index, record) in state.users.enumerated() where record.holdsConcurrency {
            if let project, record.project != project { continue }
            if let view = user(number: UserNumber(index)) { try body(view) }
        }
    }
}

extension LedgerViews {
    /// What the user of a number holds; nil for a number never handed out.
    static func user(
        _ number: UserNumber, _ state: State, _ users: NameDirectory, _ projects: NameDirectory
    ) -> UserView? {
        guard number > 0, Int(number) < state.users.count else { return nil }
        let record = state.users[Int(number)]
        let held = state.holding(of: number)
        return UserView(
            name: users.name(of: number), number: number,
            project: held.map { projects.name(of: UInt32($0.project)) },
            concurrency: held?.concurrency ?? 0, state: held?.record.state ?? .none,
            deadline: held?.record.deadline, session: held?.record.session ?? 0,
            eventCount: record.eventCount, lastPosition: record.last)
    }
}

extension LedgerReader {
    /// Everything as of the newest event.
    public var present: PastView { PastView(state, view.users, view.projects) }

    /// Everything the ledger held at a past moment: what the events up to it lead to, as folding
    /// them from the first on would.
    ///
    /// A time means the last event not later than it. Past the newest event it is what holds there:
    /// what falls due after it shows once the ledger recorded it. `progress` is as of
    /// `PastStates.state(at:progress:)`. Throws `log` where the log is damaged, and what `progress`
    /// throws. Cost: reading the newest kept checkpoint at or before the moment, and folding the
    /// events after it; memory for that state.
    public func state(
        at moment: Moment, progress: (UInt64, UInt64) throws -> Void = { _, _ in }
    ) throws -> PastView {
        try view(at: moment, in: pastStates(), progress: progress)
    }

    /// As `state(at:)`, from what a `PastStates` of this reader has at hand: for more than one
    /// moment.
    public func view(
        at moment: Moment, in states: PastStates,
        progress: (UInt64, UInt64) throws -> Void = { _, _ in }
    ) throws -> PastView {
        let position = try states.position(of: moment)
        return PastView(
            try states.state(at: position, progress: progress), view.users, view.projects)
    }

    /// The states of everything at any number of past moments up to the opening of this reader.
    ///
    /// - Parameter memoryByteCount: what states in between may take, at least that of four; 0 keeps
    ///   none. With them, neighbouring moments can be asked for in any order, and a step back is
    ///   quick.
    public func pastStates(memoryByteCount: Int = 0) -> PastStates {
        PastStates(
            log, directory, head: head.position, present: state, memoryByteCount: memoryByteCount)
    }

    /// What the user of a number holds; nil for a number never handed out.
    public func user(number: UserNumber) -> UserView? {
        LedgerViews.user(number, state, view.users, view.projects)
    }

    /// What the user of a number held at a past moment; nil for a number not handed out by then.
    /// Cost: as of `user(_:at:)`.
    public func user(
        number: UserNumber, at moment: Moment
    ) throws(LedgerError) -> UserView? {
        guard let trail = UserTrail(number, state) else { return nil }
        return try user(trail, view.users.name(of: number), at: moment)
    }

    /// A user's newest event, as of a view of it, that fits and lies behind a position; nil if
    /// there is none. Cost: one point read for each of the user's events down to it.
    public func newestEvent(
        of user: UserView, after start: Position, where fits: (Event) -> Bool
    ) throws(LedgerError) -> NamedEvent? {
        do {
            return try log.read { snapshot in
                var reader = try snapshot.reader()
                var position = user.lastPosition
                while position > start {
                    let event = try reader.event(namedAt: position)
                    guard event.user == user.number, event.previousOfUser < position else {
                        throw LogError(
                            .corrupt(position: position),
                            "the log is damaged at position \(position): the event is not the one "
                                + "that the user's next names; run holdfast verify")
                    }
                    if fits(event) { return named(event) }
                    position = event.previousOfUser
                }
                return nil
            }
        } catch let error as LogError { throw LedgerError(error) } catch {
            throw LedgerError(.directory, "\(error)")
        }
    }

    /// How many events there are behind one position, up to another. Positions order events, they
    /// do not count them: whoever wants a number asks here.
    ///
    /// Cost: a point read for each of the ledger's own events behind the first epoch in question.
    public func eventCount(
        after first: Position, through last: Position
    ) throws(LedgerError) -> UInt64 {
        let (before, all) = (try eventCount(through: first), try eventCount(through: last))
        return all - min(before, all)
    }

    private func eventCount(through position: Position) throws(LedgerError) -> UInt64 {
        if position >= state.position { return state.eventCount }
        do {
            return try log.read { snapshot in
                var reader = try snapshot.reader()
                var link = state.lastOfLedger
                // Counts from the nearest end that is known: of the log, or of an epoch before.
                var end = (position: state.position, count: state.eventCount)
                while link > 0, end.position > position {
                    let event = try reader.event(namedAt: link)
                    guard event.isOfLedger, event.previousOfConcurrency < link else { break }
                    if let epochEnd = event.previousEpochEnd, let count = event.eventCountBefore {
                        if position >= link { break }
                        end = (epochEnd, count)
                    }
                    link = event.previousOfConcurrency
                }
                return position >= end.position
                    ? end.count : end.count - min(end.count, end.position - position)
            }
        } catch let error as LogError { throw LedgerError(error) } catch {
            throw LedgerError(.directory, "\(error)")
        }
    }

    /// Ledger time of the first event, nil in an empty ledger.
    package func firstTime() throws(LedgerError) -> Microseconds? {
        do throws(LogError) { return try log.event(at: 1)?.time } catch {
            throw LedgerError(error)
        }
    }

    /// The kept checkpoints of the directory.
    package var keptCheckpoints: KeptCheckpoints { KeptCheckpoints(directory, log) }
}
