import Audit
import EventLog
import Ledger
import LogForge
import ReconnectionRules
import Testing

/// `explain` on the real trace: 60 concurrencies, a window of 90 s.
@Suite(.enabled(if: Traces.isThere, Comment(rawValue: Traces.whyNot)))
struct ExplainTraceTests {
    private let scratch = ScratchDirectory()
    private let reader: LedgerReader

    init() throws {
        try importTrace(
            Traces.chatA, into: scratch("data"), project: "cap-demo",
            ProjectChange(concurrencyCount: 60))
        reader = try LedgerReader(opening: scratch("data"))
    }

    @Test func someStoriesAreTheApprovedOnes() throws {
        let evidence = try Evidence(reader)
        for (name, user, moment) in [
            ("chat-a-refused", "706064b3b306", Moment.position(35_000)),
            ("chat-a-newest", "706064b3b306", nil),
            ("chat-a-returned", "3668b83188a2", .position(20_000)),
            ("chat-a-first-day", "ad957e4e24d2", .time(1_465_000_000_000_000)),
        ] as [(String, String, Moment?)] {
            let explanation = try Explainer(reader).explain(user, at: moment)
            try evidence.expect(explanation)
            Approved.expect(ExplanationText.lines(explanation), name)
        }
    }

    /// Every statement about every user is backed.
    @Test func everyUserIsExplained() throws {
        let evidence = try Evidence(reader)
        for number in reader.state.users.indices.dropFirst() {
            let name = reader.view.users.name(of: UserNumber(number))
            try evidence.expect(try Explainer(reader).explain(name))
            let middle = reader.state.users[number].last / 2
            try evidence.expect(try Explainer(reader).explain(name, at: .position(middle)))
        }
    }

    /// By how much a window was missed is the next apply minus the deadline; and the window that is
    /// said to be enough is, to the microsecond: decided again by the rules.
    @Test func everyMissedWindow() throws {
        var limits = Explainer.Limits()
        limits.searchEventCount = 0
        let explainer = Explainer(reader, limits: limits)
        let byUser = Dictionary(grouping: try reader.allEvents()) { $0.user }
        var (lossCount, returnCount, decidedCount) = (0, 0, 0)
        for (number, events) in byUser where number != 0 {
            let name = reader.view.users.name(of: number)
            for (index, event) in events.enumerated() where event.outcome == .windowExpired {
                lossCount += 1
                let explanation = try explainer.explain(name, at: .position(event.position))
                let loss = try #require(
                    explanation.losses.first { $0.position == event.position }, "\(name)")
                let applied = events[index...].first { $0.kind == .applied }
                let vanished = try #require(
                    events[...index].last { $0.outcome == .waiting }, "\(name)")
                #expect(loss.since == vanished.position)
                #expect(loss.allowed == .seconds(90) && loss.time == vanished.time + .seconds(90))
                #expect(loss.missedBy == applied.map { $0.time - event.time })
                #expect(loss.returnPosition == applied?.position ?? 0)
                guard let applied else { continue }
                returnCount += 1
                let needed = applied.time - vanished.time + 1
                #expect(loss.sufficient == (needed <= .seconds(86_400) ? needed : nil))
                guard let enough = loss.sufficient else { continue }
                decidedCount += 1
                let from = events[...index].lastIndex { $0.outcome == .granted } ?? 0
                let story = events[from...].prefix { $0.position <= applied.position }
                #expect(Self.decideAgain(story, window: enough) == .returned, "\(name)")
                #expect(Self.decideAgain(story, window: enough - 1) == .granted, "\(name)")
            }
        }
        #expect(lossCount == 4_859)
        #expect(returnCount > 4_000 && decidedCount > 3_000)
    }

    /// The outcome of the last of a user's recorded actions, from a grant on, under another window,
    /// with nobody else there.
    private static func decideAgain(
        _ events: some Sequence<Event>, window: Microseconds
    ) -> Event.Outcome? {
        var state = State()
        var sessions: [SessionId: SessionId] = [:]
        var outcome: Event.Outcome?
        func perform(_ command: Command, at time: Microseconds) -> Event {
            state.settle(at: time) { _ in }
            return state.perform(command, at: time, by: .trace) { _ in }
        }
        for event in events where event.isAction {
            if state.position == 0 {
                let settings = ProjectSettings(concurrencyCount: 1, reconnectWindow: window)
                for command in [
                    Command.nameProject(1), .modifyProject(1, settings), .nameUser(1),
                ] { _ = perform(command, at: event.time) }
            }
            let session = event.namesSession ? sessions[event.inputSession] ?? 0 : nil
            switch event.kind {
            case .applied:
                outcome = perform(.apply(user: 1, project: 1), at: event.time).outcome
            case .sessionCreated:
                sessions[event.session] =
                    perform(.createSession(user: 1, runsWithoutClient: false), at: event.time)
                    .session
            case .disconnected:
                _ = perform(.disconnect(user: 1, session: session), at: event.time)
            case .destroyed: _ = perform(.destroy(user: 1, session: session), at: event.time)
            default: break
            }
        }
        return outcome
    }

    @Test func theHeaviestUserTakesFewReads() throws {
        let heavy = try #require(reader.user("706064b3b306"))
        #expect(heavy.eventCount == 6_288)
        var limits = Explainer.Limits()
        limits.searchEventCount = 0
        var (worst, generator) = (0, SeededGenerator(seed: 9))
        for _ in 0 ..< 100 {
            let moment = Position(1 + generator.below(Int(reader.head.position)))
            let explanation = try Explainer(reader, limits: limits)
                .explain(heavy.name, at: .position(moment))
            worst = max(worst, explanation.readCount)
        }
        #expect(worst <= 600, "\(worst) reads for one explanation of 6,288 events")
    }
}
