import EventLog
public import Ledger
public import ReconnectionRules

/// How many concurrencies of a project, or of all, are in which state.
public struct StateCounts: Sendable, Equatable {
    private var counts = [UInt32](repeating: 0, count: ConcurrencyState.allCases.count)
    /// "Total": the capacity set.
    public internal(set) var total: UInt32 = 0

    init() {}

    /// Cost: linear in the project's concurrencies.
    init(_ project: ProjectRecord) {
        total = project.settings.concurrencyCount
        for record in project.concurrencies.dropFirst() { self[record.state] += 1 }
    }

    public internal(set) subscript(state: ConcurrencyState) -> UInt32 {
        get { counts[Int(state.rawValue)] }
        set { counts[Int(state.rawValue)] = newValue }
    }

    /// "Running": reserved, connected, waiting and recovering.
    public var running: UInt32 {
        self[.reserved] + self[.connected] + self[.waiting] + self[.recovering]
    }
}

/// An event and what the ledger held right after it.
public struct ReplayMoment: Sendable {
    public var named: NamedEvent
    /// What the user holds that is looked at: the event's, or another one that was chosen.
    public var user: UserView?
    /// The project looked at: the event's, or another one that was chosen; empty if there is none.
    public var project = ""
    public var settings: ProjectSettings?
    public var counts: StateCounts?
    /// The concurrency that the event names, or else the one that user holds.
    public var concurrency: PlaceView?
    /// Counts of the ledger as a whole.
    public var counters: Counters

    /// A concurrency as it stands after the event.
    public struct PlaceView: Sendable, Equatable {
        public var project: String
        public var number: ConcurrencyNumber
        public var state: ConcurrencyState
        /// Who holds it, empty if nobody does.
        public var user: String
        public var session: SessionId
        public var deadline: Microseconds?
    }

    /// Reads it off the state after the event.
    ///
    /// - Parameters:
    ///   - user: look at this user instead of the event's.
    ///   - counts: the counts of the project looked at, if they are known.
    init(
        _ named: NamedEvent, _ state: State, _ reader: LedgerReader, user chosen: UserNumber? = nil,
        project chosenProject: ProjectNumber? = nil, counts known: StateCounts? = nil
    ) {
        self.named = named
        let event = named.event
        counters = state.counters
        let userNumber = chosen ?? event.user
        user = reader.user(userNumber, in: state)
        let held = Int(userNumber) < state.users.count ? state.holding(of: userNumber) : nil
        var place: (project: ProjectNumber, number: ConcurrencyNumber)?
        if event.concurrency != 0 {
            place = (event.project, event.concurrency)
        } else if let held {
            place = (held.project, held.concurrency)
        }
        if let place {
            let record = state.projects[Int(place.project)].concurrencies[Int(place.number)]
            concurrency = PlaceView(
                project: reader.view.projects.name(of: UInt32(place.project)), number: place.number,
                state: record.state, user: reader.user(record.user, in: state)?.text ?? "",
                session: record.session, deadline: record.deadline)
        }
        let number = Self.project(chosenProject, event, place?.project)
        if number != 0, Int(number) < state.projects.count {
            project = reader.view.projects.name(of: UInt32(number))
            settings = state.projects[Int(number)].settings
            counts = known ?? StateCounts(state.projects[Int(number)])
        }
    }

    static func project(
        _ chosen: ProjectNumber?, _ event: Event, _ place: ProjectNumber? = nil
    ) -> ProjectNumber {
        if let chosen { return chosen }
        if event.project != 0 { return event.project }
        return event.inputProject != 0 ? event.inputProject : place ?? 0
    }
}
