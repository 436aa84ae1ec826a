@testable import Audit
import EventLog
import Ledger
import LogForge
import ReconnectionRules
import Testing

/// Questions about nine recorded months: 60 concurrencies, a window of 90 s.
@Suite(.enabled(if: Traces.isThere, "\(Traces.whyNot)"))
struct ChatHistoryTests {
    /// Imported once for the whole suite.
    private struct Fixture: @unchecked Sendable {
        let scratch = ScratchDirectory()
        let reader: LedgerReader

        init() throws {
            try importTrace(
                Traces.chatA, into: scratch("chat"), project: "cap-demo",
                ProjectChange(concurrencyCount: 60))
            reader = try LedgerReader(opening: scratch("chat"))
        }
    }

    private static let fixture = Result { try Fixture() }
    private var reader: LedgerReader { get throws { try Self.fixture.get().reader } }

    private func count(_ condition: String) throws -> Int {
        var query = EventQuery()
        query.filter.condition = try EventCondition(condition)
        return try query.run(on: reader) { _ in true }.matchCount
    }

    @Test func conditionsCountWhatTheTraceComesTo() throws {
        let counts = [
            "kind=applied": 12_771, "kind=sessionCreated and outcome=fresh": 7_594,
            "outcome=resumed": 1_645, "outcome=takeover": 1_309,
            "kind=applied and outcome=noIdle": 2_223, "not kind!=applied and not outcome!=noIdle":
                2_223,
            "kind=disconnected and outcome=waiting": 6_504,
            "kind=disconnected and outcome=stale": 2_856,
            "kind=destroyed and outcome=freed": 2_675, "kind=destroyed and outcome=stale": 631,
            "kind=repossessed": 4_859, "kind=repossessed and outcome!=windowExpired": 0,
            "kind=userNamed": 499, "caller=ledger": 4_859, "project!=cap-demo and user=\"\"": 0,
            "kind=applied and (outcome=granted or outcome=returned)": 10_548,
        ]
        for (condition, expected) in counts { #expect(try count(condition) == expected) }
    }

    @Test func filtersCountTheSame() throws {
        var filter = EventFilter()
        filter.kinds = [.repossessed, .destroyed]
        filter.outcomes = [.windowExpired, .freed]
        var query = EventQuery()
        query.filter = filter
        for isNewestFirst in [false, true] {
            query.isNewestFirst = isNewestFirst
            let report = try query.run(on: reader) { _ in true }
            #expect(report.matchCount == 4_859 + 2_675)
            #expect(try report.examinedCount == reader.head.position)
        }
        // Each concurrency's own events are all those that name one, and each user's all others.
        var (ofPlaces, ofUsers) = (0, 0)
        for number in 1 ... 60 as ClosedRange<ConcurrencyNumber> {
            var query = EventQuery()
            query.filter.project = "cap-demo"
            query.filter.concurrency = number
            ofPlaces += try query.run(on: reader) { _ in true }.matchCount
        }
        for number in 1 ... 499 as ClosedRange<UserNumber> {
            var query = EventQuery()
            query.filter.userNumber = number
            ofUsers += try query.run(on: reader) { _ in true }.matchCount
        }
        #expect(try ofPlaces == count("concurrency!=0"))
        #expect(try ofUsers == Int(reader.head.position) - 2)
    }

    /// Came, vanished, was back after 17 seconds, vanished, and was gone for good.
    @Test func aPersonsHistoryReadsAsAStory() throws {
        let text = try table("b44b78b3f937").map { $0 + "\n" }.joined()
        #expect(text == Self.story)
    }

    private static let story = """
        position  time                                 gap  user          what happened
             409  2016-06-03T17:43:33.000000Z               b44b78b3f937  seen for the \
        first time, user 38
             410  2016-06-03T17:43:33.000000Z          +0s  b44b78b3f937  applied for \
        cap-demo: granted cap-demo/50 (reserved until 2016-06-03T17:44:03.000000Z)
             411  2016-06-03T17:43:33.000000Z          +0s  b44b78b3f937  created a \
        session: fresh cap-demo/50 (session 411)
             575  2016-06-04T20:11:44.000000Z      +1d 02h  b44b78b3f937  disconnected: \
        waiting cap-demo/50 (session 411, waiting until 2016-06-04T20:13:14.000000Z)
             576  2016-06-04T20:12:01.000000Z         +17s  b44b78b3f937  applied for \
        cap-demo: returned cap-demo/50 (session 411, reserved until 2016-06-04T20:13:14.000000Z)
             577  2016-06-04T20:12:01.000000Z          +0s  b44b78b3f937  created a \
        session: resumed cap-demo/50 (session 577)
             578  2016-06-04T20:16:44.000000Z      +4m 43s  b44b78b3f937  disconnected: \
        waiting cap-demo/50 (session 577, waiting until 2016-06-04T20:18:14.000000Z)
             579  2016-06-04T20:18:14.000000Z      +1m 30s  b44b78b3f937  repossessed: \
        windowExpired cap-demo/50 (session 577, now idle)

        """

    private func table(_ user: String) throws -> [String] {
        var query = EventQuery()
        query.filter.user = user
        query.showsOutages = true
        let table = EventTable(last: try reader.head.position, users: [user])
        var (lines, previous) = ([table.header], Microseconds?.none)
        try query.run(on: reader) { named in
            lines.append(table.row(named, gap: previous.map { named.event.time - $0 }))
            previous = named.event.time
            return true
        }
        return lines
    }
}
