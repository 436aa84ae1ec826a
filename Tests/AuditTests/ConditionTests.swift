@testable import Audit
import Ledger
import ReconnectionRules
import Testing

/// The language in which events are asked for.
@Suite struct ConditionTests {
    /// A disconnect of ann's session 5 on the concurrency p/7, by the credential of number 3.
    private static let waiting: NamedEvent = {
        var event = Event(
            position: 100, time: Timestamp.parse("2026-11-23T10:15:30Z".utf8)!,
            kind: .disconnected, outcome: .waiting)
        event.user = 4
        event.project = 2
        event.concurrency = 7
        event.state = .waiting
        event.session = 5
        event.namesSession = true
        event.inputSession = 5
        event.caller = Caller.credential(3).rawValue
        return NamedEvent(event: event, user: "ann", project: "p", inputProject: "")
    }()

    /// A refused apply of somebody with an odd name, for the project q.
    private static let refused: NamedEvent = {
        var event = Event(position: 101, time: 9, kind: .applied, outcome: .noIdle)
        event.user = 6
        event.inputProject = 3
        event.caller = Caller.commandLine.rawValue
        return NamedEvent(
            event: event, user: "a \"b\\' (or) c", project: "", inputProject: "q/1")
    }()

    /// Settings use the session's field for the lock timeout.
    private static let settings: NamedEvent = {
        var event = Event(position: 102, time: 10, kind: .projectModified, outcome: .done)
        event.project = 2
        event.session = 5
        return NamedEvent(event: event, user: "", project: "p", inputProject: "")
    }()

    struct Row: Sendable, CustomTestStringConvertible {
        var text: String
        /// Whether it is true of the three events above.
        var expected: [Bool]

        init(_ text: String, _ expected: Bool...) { (self.text, self.expected) = (text, expected) }

        var testDescription: String { text }
    }

    static let rows = [
        Row("user=ann", true, false, false), Row("user = ann", true, false, false),
        Row("user==ann", true, false, false), Row("user!=ann", false, true, true),
        Row("user=\"ann\"", true, false, false), Row("user='ann'", true, false, false),
        Row("user=\"\"", false, false, true), Row("user=Ann", false, false, false),
        Row(#"user="a \"b\\' (or) c""#, false, true, false),
        Row(#"user='a "b\\\' (or) c'"#, false, true, false),
        Row("userNumber=4", true, false, false), Row("userNumber=0", false, false, true),
        Row("project=p", true, false, true), Row("project=q/1", false, true, false),
        Row("project=\"\"", false, false, false), Row("projectNumber=3", false, true, false),
        Row("concurrency=7", true, false, false), Row("concurrency!=7", false, true, true),
        Row("concurrency=p/7", true, false, false), Row("concurrency=q/7", false, false, false),
        Row("concurrency=0", false, true, true), Row("concurrency=q/1/7", false, false, false),
        Row("session=5", true, false, false), Row("session=0", false, true, true),
        Row("session!=5", false, true, true), Row("namedSession=5", true, false, false),
        Row("namedSession=0", false, true, true),
        Row("kind=disconnected", true, false, false), Row("kind!=applied", true, false, true),
        Row("outcome=noIdle", false, true, false), Row("state=waiting", true, false, false),
        Row("state=none", false, true, true),
        Row("caller=credential-3", true, false, false),
        Row("caller=\"credential 3\"", true, false, false),
        Row("caller=command-line", false, true, false), Row("caller=ledger", false, false, true),
        Row("position=100", true, false, false), Row("position!=100", false, true, true),
        Row("position<101", true, false, false), Row("position<=101", true, true, false),
        Row("position>101", false, false, true), Row("position >= 101", false, true, true),
        Row("time=2026-11-23T10:15:30Z", true, false, false),
        Row("time<2026-11-23T10:15:30Z", false, true, true),
        Row("time>=2026-11-23T10:15:30.000000Z", true, false, false),
        Row("time>2026-11-23T10:15:30Z", false, false, false),
        Row("not user=ann", false, true, true), Row("not not user=ann", true, false, false),
        Row("user=ann and kind=applied", false, false, false),
        Row("user=ann AND kind=disconnected", true, false, false),
        Row("user=ann or kind=applied", true, true, false),
        // And binds tighter than or, not tighter than both.
        Row("kind=applied or user=ann and outcome=stale", false, true, false),
        Row("(kind=applied or user=ann) and outcome=stale", false, false, false),
        Row("not user=ann and kind=applied", false, true, false),
        Row("not (user=ann or kind=applied)", false, false, true),
        Row("user=and", false, false, false), Row("user=or or user=ann", true, false, false),
        Row("((user=ann))", true, false, false), Row("\tuser=ann\n", true, false, false),
    ]

    @Test(arguments: rows)
    func aConditionIsTrueOfWhatItSays(row: Row) throws {
        let events = [Self.waiting, Self.refused, Self.settings]
        let condition = try EventCondition(row.text)
        #expect(events.map { condition.matches($0) } == row.expected)
        #expect(events.map { condition.negated.matches($0) } == row.expected.map { !$0 })
        // What it prints reads back as the same.
        #expect(try EventCondition(condition.description) == condition, "\(condition)")
    }

    /// "é" is spelt in two ways: two names, as everywhere else.
    @Test func namesThatOnlyLookAlikeAreTwo() throws {
        var event = Self.waiting
        (event.user, event.project) = ("\u{e9}", "\u{e9}")
        for key in ["user=", "project=", "project=q or user="] {
            #expect(try EventCondition(key + "\u{e9}").matches(event))
            #expect(try !EventCondition(key + "e\u{301}").matches(event))
        }
        #expect(try EventCondition("concurrency=\u{e9}/7").matches(event))
        #expect(try !EventCondition("concurrency=e\u{301}/7").matches(event))
    }

    /// A mark joins the quote before it to one character, and hides nothing.
    @Test(arguments: ["\u{301}x y", "x \u{301}", "\\\u{301} ", "\"\u{20D0}", "\r\n", "\u{200D}("])
    func namesThatBeginWithAMarkReadBack(name: String) throws {
        var filter = EventFilter()
        filter.user = name
        let condition = filter.asCondition
        #expect(try EventCondition(condition.description) == condition)
        var event = Self.waiting
        event.user = name
        #expect(try EventCondition(condition.description).matches(event))
    }

    @Test func bracketsThatChangeNothingAreNone() throws {
        let flat = try EventCondition("user=a or user=b or user=c")
        #expect(try EventCondition("user=a or (user=b or user=c)") == flat)
        #expect(try EventCondition("(user=a or user=b) or user=c") == flat)
        #expect(
            try EventCondition("user=a").or(EventCondition("user=b or user=c")) == flat)
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        var text: String
        var column: Int
        var says: String

        init(_ text: String, _ column: Int, _ says: String) {
            (self.text, self.column, self.says) = (text, column, says)
        }

        var testDescription: String { text }
    }

    static let refusals = [
        Refusal("", 1, "expected a condition, such as user=u1"),
        Refusal("   ", 4, "expected a condition"),
        Refusal("usr=ann", 1, "there is no key usr; keys are user, userNumber, project"),
        Refusal("user=ann and", 13, "expected a key, not or ("),
        Refusal("user=ann or or", 13, "there is no key or"),
        Refusal("=ann", 1, "expected a key"),
        Refusal("\"user\"=ann", 1, "expected a key"),
        Refusal("user", 5, "expected = or != after user"),
        Refusal("user ann", 6, "expected = or != after user"),
        Refusal("position 5", 10, "expected =, !=, <, <=, > or >= after position"),
        Refusal("user<ann", 5, "user is compared with = or !="),
        Refusal("kind>=applied", 5, "kind is compared with = or !="),
        Refusal("user=", 6, "expected a value: a name"),
        Refusal("user=(ann)", 6, "expected a value: a name"),
        Refusal("user!ann", 5, "expected != where ! stands"),
        Refusal("kind=applies", 6, "applies is not a kind: opened, projectNamed"),
        Refusal("kind=\"\"", 6, "an empty value is not a kind"),
        Refusal("outcome=lost", 9, "lost is not an outcome: done, granted"),
        Refusal("state=busy", 7, "busy is not a state: none, idle"),
        Refusal(
            "caller=me", 8,
            "me is not a caller: ledger, library, \"command line\", trace, anonymous or "
                + "\"credential 3\""),
        Refusal("caller=credential-0", 8, "credential-0 is not a caller"),
        Refusal("position>ten", 10, "ten is not a position"),
        Refusal("position>-1", 10, "-1 is not a position"),
        Refusal("time>now", 6, "now is not a time such as 2026-11-23T10:15:30Z"),
        Refusal("time>2026-11-23", 6, "2026-11-23 is not a time"),
        Refusal("session=x", 9, "x is not a session's number"),
        Refusal("userNumber=-3", 12, "-3 is not a number"),
        Refusal("concurrency=p/x", 13, "p/x is not a number, or PROJECT/NUMBER"),
        Refusal("concurrency=/7", 13, "/7 is not a number"),
        Refusal("user=ann kind=applied", 10, "expected and, or, or the end"),
        Refusal("user=ann)", 9, "expected and, or, or the end"),
        Refusal("(user=ann", 10, "expected and, or, or ) for the ( in column 1"),
        Refusal("kind=applied and (user=ann or", 30, "expected a key"),
        Refusal("user=\"ann", 10, "expected \" to end the text that begins in column 6"),
        Refusal("user='ann\\'", 12, "expected ' to end the text that begins in column 6"),
        Refusal("()", 2, "expected a key"),
        Refusal("not", 4, "expected a key"),
        // Columns count what a reader counts.
        Refusal("user=\"é王\u{1F468}\u{200D}\u{1F469}\" nand", 12, "expected and, or, or the end"),
        Refusal(String(repeating: "(", count: 100_000), 65, "expected at most 64 brackets"),
        Refusal(String(repeating: "not ", count: 100_000), 257, "expected at most 64 brackets"),
    ]

    @Test(arguments: refusals)
    func whatIsNoConditionIsRefusedAtItsColumn(row: Refusal) throws {
        let error = #expect(throws: ConditionError.self) { try EventCondition(row.text) }
        #expect(error?.column == row.column, "\(error?.description ?? "")")
        #expect(error?.message.hasPrefix(row.says) == true, "\(error?.description ?? "")")
        #expect(error?.description.contains { $0.isNewline } == false)
    }

    @Test func everyNameOfEveryOutputIsAValue() throws {
        for kind in Event.Kind.allCases { _ = try EventCondition("kind=\(kind.name)") }
        for outcome in Event.Outcome.allCases { _ = try EventCondition("outcome=\(outcome.name)") }
        for state in ConcurrencyState.allCases { _ = try EventCondition("state=\(state.name)") }
        for caller in [Caller.ledger, .library, .commandLine, .trace, .anonymous, .credential(7)] {
            #expect(Caller(named: caller.name) == caller)
        }
        #expect(Caller(named: Caller(rawValue: 77).name) == Caller(rawValue: 77))
        #expect(Caller(named: "credential 4294967295") == nil)
    }

    @Test func conditionsAreBuiltFromOthers() throws {
        let ann = try EventCondition("user=ann")
        let applied = try EventCondition("kind=applied or kind=destroyed")
        #expect(
            ann.and(applied).description == "user=ann and (kind=applied or kind=destroyed)")
        #expect(ann.or(applied).matches(Self.refused))
        #expect(EventCondition.always.matches(Self.settings))
        #expect(try EventCondition(EventCondition.always.description).matches(Self.settings))
        #expect(try !EventCondition(EventCondition.always.negated.description)
            .matches(Self.settings))
    }

    @Test func aFilterIsTheSameAsItsCondition() throws {
        var filter = EventFilter()
        #expect(filter.matches(Self.settings))
        filter.user = "ann"
        filter.project = "p"
        filter.concurrency = 7
        filter.session = 5
        filter.since = .time(10)
        filter.until = .position(100)
        filter.kinds = [.disconnected, .destroyed]
        filter.outcomes = [.waiting]
        filter.callers = [.credential(3)]
        filter.condition = try EventCondition("state=waiting")
        #expect(filter.matches(Self.waiting))
        #expect(
            filter.asCondition.description
                == "user=ann and concurrency=p/7 and session=5 and "
                + "time>=1970-01-01T00:00:00.000010Z and position<=100 and (kind=disconnected or "
                + "kind=destroyed) and outcome=waiting and caller=\"credential 3\" and "
                + "state=waiting")
        let others: [(inout EventFilter) -> Void] = [
            { $0.user = "bob" }, { $0.userNumber = 5 }, { $0.project = "q" },
            { $0.concurrency = 8 }, { $0.session = 6 }, { $0.since = .position(101) },
            { $0.until = .time(9) }, { $0.kinds = [.destroyed] }, { $0.outcomes = [.stale] },
            { $0.callers = [.trace] },
        ]
        for change in others {
            var other = filter
            change(&other)
            #expect(!other.matches(Self.waiting), "\(other.asCondition)")
        }
    }
}
