public import Ledger
import ReconnectionRules

/// A question that an event answers with yes or no, written as text: `user=u1 and
/// kind=repossessed`. The language stands in docs/history-and-replay.md.
///
/// A key that an event has no value for compares as empty text or 0: `user=""` is true of events
/// that concern nobody.
public struct EventCondition: Sendable, Equatable {
    let node: ConditionNode

    init(_ node: ConditionNode) { self.node = node }

    /// Reads a condition. Throws `ConditionError` with the column at fault and what was expected.
    public init(_ text: String) throws(ConditionError) {
        var parser = ConditionParser(text)
        node = try parser.parse()
    }

    /// True of every event.
    public static let always = EventCondition(.and([]))

    /// Whether the event is one that is asked for. Cost: a few comparisons a key.
    public func matches(_ named: NamedEvent) -> Bool {
        node.matches(named.event) { $0.matches(named) }
    }

    /// True where both are.
    public func and(_ other: EventCondition) -> EventCondition {
        EventCondition(.conjunction([node, other.node]))
    }

    /// True where either is.
    public func or(_ other: EventCondition) -> EventCondition {
        EventCondition(.disjunction([node, other.node]))
    }

    /// True where it is not.
    public var negated: EventCondition { EventCondition(.not(node)) }
}

extension EventCondition: CustomStringConvertible {
    /// The condition in a form that reads back as the same condition.
    public var description: String { node.text }
}

/// Why a text is no condition. One line: the column, counted in characters from 1, and what was
/// expected there.
public struct ConditionError: Error, Sendable, Equatable, CustomStringConvertible {
    public var column: Int
    public var message: String

    public var description: String { "column \(column): \(message)" }
}

/// How a number or a time is compared.
enum ConditionOrder: String, Sendable, CaseIterable {
    case equal = "="
    case unequal = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="

    func holds<Value: Comparable>(_ left: Value, _ right: Value) -> Bool {
        switch self {
        case .equal: left == right
        case .unequal: left != right
        case .less: left < right
        case .lessOrEqual: left <= right
        case .greater: left > right
        case .greaterOrEqual: left >= right
        }
    }
}

/// One comparison.
enum ConditionTest: Sendable, Equatable {
    case user(String)
    case userNumber(UserNumber)
    case project(String)
    case projectNumber(ProjectNumber)
    case concurrency(ConcurrencyNumber)
    case place(project: String, ConcurrencyNumber)
    case placeNumber(ProjectNumber, ConcurrencyNumber)
    case session(SessionId)
    case namedSession(SessionId)
    case kind(Event.Kind)
    case outcome(Event.Outcome)
    case state(ConcurrencyState)
    case caller(Caller)
    case position(ConditionOrder, Position)
    case time(ConditionOrder, Microseconds)

    func matches(_ named: NamedEvent) -> Bool {
        switch self {
        // A forgotten user has a number and no name.
        case .user(let name):
            name.isEmpty ? named.event.user == 0 : NameBytes.areEqual(named.user, name)
        case .project(let name):
            name.isEmpty
                ? named.project.isEmpty && named.inputProject.isEmpty
                : NameBytes.areEqual(named.project, name)
                    || NameBytes.areEqual(named.inputProject, name)
        case .place(let project, let number):
            NameBytes.areEqual(named.project, project) && named.event.concurrency == number
        default: matches(named.event)
        }
    }

    /// For tests without a name in them; those with one are false.
    func matches(_ event: Event) -> Bool {
        switch self {
        case .user, .project, .place: false
        case .userNumber(let number): event.user == number
        case .projectNumber(let number):
            number == 0
                ? event.project == 0 && event.inputProject == 0
                : event.project == number || event.inputProject == number
        case .concurrency(let number): event.concurrency == number
        case .placeNumber(let project, let number):
            event.project == project && event.concurrency == number
        case .session(let session): event.isAbout(session: session)
        case .namedSession(let session):
            (event.namesSession ? event.inputSession : 0) == session
        case .kind(let kind): event.kind == kind
        case .outcome(let outcome): event.outcome == outcome
        case .state(let state): event.state == state
        case .caller(let caller): event.caller == caller.rawValue
        case .position(let order, let position): order.holds(event.position, position)
        case .time(let order, let time): order.holds(event.time, time)
        }
    }
}

extension Event {
    /// Whether its fields say what they say of events about a user or a concurrency.
    var isAboutSlot: Bool { kind != .projectModified && !isAboutLedger }

    /// Whether it is of the grant while that session was its newest, or a report that names it. An
    /// event of no grant is about session 0.
    func isAbout(session: SessionId) -> Bool {
        let own = isAboutSlot ? self.session : 0
        if session == 0 { return own == 0 && !(namesSession && inputSession != 0) }
        return own == session || (namesSession && inputSession == session)
    }
}

/// A condition as a tree.
indirect enum ConditionNode: Sendable, Equatable {
    case test(ConditionTest)
    case not(ConditionNode)
    /// True of everything if empty.
    case and([ConditionNode])
    /// True of nothing if empty.
    case or([ConditionNode])

    static func conjunction(_ nodes: [ConditionNode]) -> ConditionNode {
        let flat = nodes.flatMap { node in
            if case .and(let inner) = node { inner } else { [node] }
        }
        return flat.count == 1 ? flat[0] : .and(flat)
    }

    static func disjunction(_ nodes: [ConditionNode]) -> ConditionNode {
        let flat = nodes.flatMap { node in
            if case .or(let inner) = node { inner } else { [node] }
        }
        return flat.count == 1 ? flat[0] : .or(flat)
    }

    func matches(_ event: Event, _ test: (ConditionTest) -> Bool) -> Bool {
        switch self {
        case .test(let leaf): test(leaf)
        case .not(let inner): !inner.matches(event, test)
        case .and(let nodes): nodes.allSatisfy { $0.matches(event, test) }
        case .or(let nodes): nodes.contains { $0.matches(event, test) }
        }
    }

    /// For a condition without names in it.
    func matches(_ event: Event) -> Bool { matches(event) { $0.matches(event) } }

    /// With every test replaced.
    func map(_ body: (ConditionTest) -> ConditionNode) -> ConditionNode {
        switch self {
        case .test(let leaf): body(leaf)
        case .not(let inner): .not(inner.map(body))
        case .and(let nodes): .and(nodes.map { $0.map(body) })
        case .or(let nodes): .or(nodes.map { $0.map(body) })
        }
    }

    /// The tests that all have to hold, as far as they can be told apart.
    var required: [ConditionTest] {
        switch self {
        case .test(let leaf): [leaf]
        case .and(let nodes): nodes.flatMap(\.required)
        case .not, .or: []
        }
    }

    // MARK: - Text

    var text: String { text(inside: nil) }

    private enum Around { case not, and }

    private func text(inside around: Around?) -> String {
        switch self {
        case .test(let leaf): return leaf.text
        case .not(let inner): return "not " + inner.text(inside: .not)
        case .and(let nodes):
            if nodes.count == 1 { return nodes[0].text(inside: around) }
            if nodes.isEmpty { return "position>0" }
            let text = nodes.map { $0.text(inside: .and) }.joined(separator: " and ")
            return around == .not ? "(\(text))" : text
        case .or(let nodes):
            if nodes.count == 1 { return nodes[0].text(inside: around) }
            if nodes.isEmpty { return "position=0" }
            let text = nodes.map { $0.text(inside: nil) }.joined(separator: " or ")
            return around == nil ? text : "(\(text))"
        }
    }
}

extension ConditionTest {
    var text: String {
        switch self {
        case .user(let name): "user=" + Self.quoted(name)
        case .userNumber(let number): "userNumber=\(number)"
        case .project(let name): "project=" + Self.quoted(name)
        case .projectNumber(let number): "projectNumber=\(number)"
        case .concurrency(let number): "concurrency=\(number)"
        case .place(let project, let number): "concurrency=" + Self.quoted("\(project)/\(number)")
        case .placeNumber(let project, let number): "(projectNumber=\(project) and "
            + "concurrency=\(number))"
        case .session(let session): "session=\(session)"
        case .namedSession(let session): "namedSession=\(session)"
        case .kind(let kind): "kind=\(kind.name)"
        case .outcome(let outcome): "outcome=\(outcome.name)"
        case .state(let state): "state=\(state.name)"
        case .caller(let caller): "caller=" + Self.quoted(caller.name)
        case .position(let order, let position): "position\(order.rawValue)\(position)"
        case .time(let order, let time): "time\(order.rawValue)\(Timestamp.text(time))"
        }
    }

    private static func quoted(_ text: String) -> String {
        if !text.isEmpty, text.unicodeScalars.allSatisfy(ConditionLexer.isWordScalar) {
            return text
        }
        var quoted = "\""
        for scalar in text.unicodeScalars {
            if scalar == "\"" || scalar == "\\" { quoted.append("\\") }
            quoted.unicodeScalars.append(scalar)
        }
        return quoted + "\""
    }
}
