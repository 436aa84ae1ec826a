public import Ledger
public import ReconnectionRules

/// Which events are wanted. What is left nil or empty does not matter; what is set all has to hold.
public struct EventFilter: Sendable, Equatable {
    /// Name of the user an event concerns.
    public var user: String?
    public var userNumber: UserNumber?
    /// Name of the project whose concurrency an event names, which it is about, or which an apply
    /// asked for.
    public var project: String?
    /// A concurrency: with `project`, of that project; alone, of any.
    public var concurrency: ConcurrencyNumber?
    /// A session: events of its grant while it was the newest, and reports that name it.
    public var session: SessionId?
    /// Events at this moment and later: from that position, or not before that time.
    public var since: Moment?
    /// Events up to this moment: through that position, or not later than that time.
    public var until: Moment?
    public var kinds: Set<Event.Kind> = []
    public var outcomes: Set<Event.Outcome> = []
    public var callers: Set<Caller> = []
    public var condition: EventCondition?

    public init() {}

    /// Whether an event is wanted. For many events ask `asCondition` once, and that.
    public func matches(_ named: NamedEvent) -> Bool { asCondition.matches(named) }

    /// All of it as one condition.
    public var asCondition: EventCondition { EventCondition(.conjunction(subject + rest)) }

    /// What says whose history it is.
    var subject: [ConditionNode] {
        var tests: [ConditionTest] = []
        if let user { tests.append(.user(user)) }
        if let userNumber { tests.append(.userNumber(userNumber)) }
        if let concurrency, let project {
            tests.append(.place(project: project, concurrency))
        } else if let concurrency {
            tests.append(.concurrency(concurrency))
        } else if let project {
            tests.append(.project(project))
        }
        return tests.map { .test($0) }
    }

    /// What it asks beside that.
    var rest: [ConditionNode] {
        var nodes: [ConditionNode] = []
        if let session { nodes.append(.test(.session(session))) }
        switch since {
        case .position(let position): nodes.append(.test(.position(.greaterOrEqual, position)))
        case .time(let time): nodes.append(.test(.time(.greaterOrEqual, time)))
        case nil: break
        }
        switch until {
        case .position(let position): nodes.append(.test(.position(.lessOrEqual, position)))
        case .time(let time): nodes.append(.test(.time(.lessOrEqual, time)))
        case nil: break
        }
        let kinds = kinds.sorted { $0.rawValue < $1.rawValue }.map { ConditionTest.kind($0) }
        let outcomes = outcomes.sorted { $0.rawValue < $1.rawValue }
            .map { ConditionTest.outcome($0) }
        let callers = callers.sorted { $0.rawValue < $1.rawValue }.map { ConditionTest.caller($0) }
        for alternatives in [kinds, outcomes, callers] where !alternatives.isEmpty {
            nodes.append(
                alternatives.count == 1
                    ? .test(alternatives[0]) : .or(alternatives.map { .test($0) }))
        }
        if let condition { nodes.append(condition.node) }
        return nodes
    }
}
