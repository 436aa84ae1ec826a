@testable import Audit
import EventLog
import Ledger
import LogForge
import ReconnectionRules
import Testing

/// Queries beside a look at every event.
@Suite struct EventQueryTests {
    private let scratch = ScratchDirectory()

    /// What the query has to find, by folding everything and looking at everything.
    private static func expected(
        _ query: EventQuery, _ reader: LedgerReader, _ events: [Event]
    ) -> [Position] {
        var filter = query.filter
        let session = filter.session
        if let session, filter.user == nil, filter.userNumber == nil {
            guard let user = events.first(where: { $0.position == session })?.user, user != 0
            else { return [] }
            filter.userNumber = user
        }
        var ofOutages = filter
        (ofOutages.user, ofOutages.userNumber, ofOutages.project) = (nil, nil, nil)
        (ofOutages.concurrency, ofOutages.session) = (nil, nil)
        var state = State()
        var found: [Position] = []
        for event in events {
            let named = reader.named(event)
            let isOutage = query.showsOutages && event.outage > 0
            if filter.matches(named)
                || isOutage && ofOutages.matches(named) && moves(filter, state, reader)
            { found.append(event.position) }
            state.evolve(event)
        }
        found = found.filter { $0 > query.after ?? 0 && $0 < query.before ?? .max }
        if query.isNewestFirst { found.reverse() }
        return Array(found.prefix(query.limit))
    }

    /// Whether an outage now moves a deadline of whose history it is.
    private static func moves(
        _ filter: EventFilter, _ state: State, _ reader: LedgerReader
    ) -> Bool {
        let number = filter.userNumber ?? filter.user.flatMap { reader.user($0)?.number }
        if filter.user != nil || filter.userNumber != nil {
            guard let number, Int(number) < state.users.count,
                let holding = state.holding(of: number), holding.record.deadline != nil
            else { return false }
            return filter.session == nil || holding.record.session == filter.session
        }
        guard let name = filter.project, let place = filter.concurrency,
            let project = reader.project(name)?.number, Int(project) < state.projects.count,
            Int(place) < state.projects[Int(project)].concurrencies.count
        else { return false }
        let record = state.projects[Int(project)].concurrencies[Int(place)]
        guard record.deadline != nil else { return false }
        return filter.session == nil || record.session == filter.session
    }

    private static func run(
        _ query: EventQuery, _ reader: LedgerReader
    ) throws -> (found: [Position], report: EventQuery.Report) {
        var found: [Position] = []
        let report = try query.run(on: reader) { named in
            #expect(named == reader.named(named.event))
            found.append(named.event.position)
            return true
        }
        return (found, report)
    }

    /// A random question, the more often about something that is there.
    private static func query(
        _ events: [Event], _ generator: inout SeededGenerator
    ) throws -> EventQuery {
        var query = EventQuery()
        let sample = events[generator.below(events.count)]
        func maybe(_ share: Int) -> Bool { generator.below(share) == 0 }
        switch generator.below(7) {
        case 0, 1: query.filter.user = "user-\(generator.below(9))"
        case 2: query.filter.userNumber = UserNumber(generator.below(11))
        case 3, 4:
            query.filter.project = maybe(2) ? "alpha" : "beta"
            query.filter.concurrency = ConcurrencyNumber(generator.below(5))
        case 5: query.filter.session = maybe(3) ? sample.position : sample.session
        default: if maybe(2) { query.filter.project = "alpha" }
        }
        if query.filter.session == 0 { query.filter.session = nil }
        if maybe(4) { query.filter.session = sample.session == 0 ? 7 : sample.session }
        if maybe(4) { query.filter.since = moment(events, &generator) }
        if maybe(4) { query.filter.until = moment(events, &generator) }
        if maybe(4) { query.filter.kinds = [sample.kind, .opened] }
        if maybe(6) { query.filter.outcomes = [sample.outcome, .done] }
        if maybe(6) { query.filter.callers = [Caller(rawValue: sample.caller)] }
        if maybe(3) {
            let texts = [
                "user=user-1", "not user=user-1", "user=nobody or kind=applied", "state=waiting",
                "concurrency=alpha/1", "position>=\(sample.position)", "position<40",
                "time>\(Timestamp.text(sample.time))", "time=\(Timestamp.text(sample.time))",
                "userNumber=2 and (outcome=granted or outcome=fresh)", "project=beta",
                "position=\(sample.position)", "user=user-2 and user=user-3",
            ]
            query.filter.condition = try EventCondition(texts[generator.below(texts.count)])
        }
        if maybe(4) { query.after = Position(generator.below(events.count + 2)) }
        if maybe(4) { query.before = Position(generator.below(events.count + 2)) }
        if maybe(3) { query.limit = generator.below(12) }
        query.isNewestFirst = maybe(2)
        query.showsOutages = maybe(2)
        let counts: [UInt32] = [1, 2, 3, 16, 2_048]
        query.sizes.chainCount = counts[generator.below(5)]
        query.sizes.eventCount = [1, 3, 50, 16_384][generator.below(4)]
        query.sizes.byteCount = [1, 2_000, 8 << 20][generator.below(3)]
        return query
    }

    private static func moment(
        _ events: [Event], _ generator: inout SeededGenerator
    ) -> Moment {
        let event = events[generator.below(events.count)]
        return generator.below(2) == 0
            ? .position(event.position) : .time(event.time + Int64(generator.below(3) - 1))
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func aQueryFindsWhatALookAtEverythingFinds(seed: UInt64) throws {
        let story = try Story(in: scratch("data"), seed: seed)
        let reader = try LedgerReader(opening: story.directory.path)
        var generator = SeededGenerator(seed: seed)
        var (paths, outageCount) = ([0, 0, 0, 0], 0)
        for round in 0 ..< 400 {
            let query = try Self.query(story.events, &generator)
            let (found, report) = try Self.run(query, reader)
            let expected = Self.expected(query, reader, story.events)
            #expect(
                found == expected,
                "seed \(seed), round \(round): \(query.filter.asCondition), \(query)")
            #expect(report.matchCount == found.count)
            #expect(report.lastPosition == found.last ?? 0)
            if found.count < query.limit { #expect(!report.isCutShort) }
            switch report.path {
            case .user: paths[0] += 1
            case .concurrency: paths[1] += 1
            case .scan: paths[2] += 1
            case .nowhere: paths[3] += 1
            }
            let isHistory = report.path != .scan && query.showsOutages
            if isHistory {
                outageCount += found.count { story.events[Int($0) - 1].kind == .opened }
            }
        }
        #expect(paths.allSatisfy { $0 > 1 }, "\(paths)")
        #expect(outageCount > 5)
    }

    /// Whole histories, each with its outages.
    @Test func aHistoryHasEveryOutageThatMovedItsDeadline() throws {
        let story = try Story(in: scratch("data"), seed: 9, stepCount: 400)
        let reader = try LedgerReader(opening: story.directory.path)
        var count = 0
        for isNewestFirst in [false, true] {
            for number in reader.state.users.indices.dropFirst() {
                for chainCount in [1, 4, 2_048] as [UInt32] {
                    var query = EventQuery()
                    query.filter.userNumber = UserNumber(number)
                    query.showsOutages = true
                    query.isNewestFirst = isNewestFirst
                    query.sizes.chainCount = chainCount
                    let found = try Self.run(query, reader).found
                    #expect(found == Self.expected(query, reader, story.events))
                    count += found.count { story.events[Int($0) - 1].kind == .opened }
                }
            }
        }
        #expect(count > 20)
    }

    /// Pages of a heavy user's history are found by jumps: the log is not walked for each.
    @Test func aHeavyUsersHistoryIsReadInPages() throws {
        let directory = DataDirectory(scratch("data"))
        try HeavyUser.write(to: directory, eventCount: 6_000)
        let reader = try LedgerReader(opening: directory.path)
        let newest = reader.head.position
        for isNewestFirst in [false, true] {
            var query = EventQuery()
            query.filter.user = HeavyUser.name
            query.isNewestFirst = isNewestFirst
            query.sizes.chainCount = 100
            query.filter.since = .position(1_000)
            query.filter.until = .position(5_000)
            let (found, report) = try Self.run(query, reader)
            let expected = Array(Position(1_000) ... 5_000)
            #expect(found == (isNewestFirst ? expected.reversed() : expected))
            #expect(report.path == .user(1))
            query.limit = 10
            let first = try Self.run(query, reader)
            #expect(first.found == Array(found.prefix(10)))
            // One page, and the event that shows where it ends.
            #expect(first.report.examinedCount <= 101, "\(first.report)")
            #expect(first.report.isCutShort)
        }
        var query = EventQuery()
        query.filter.user = HeavyUser.name
        query.filter.condition = try EventCondition("kind=userNamed or position>=\(newest)")
        #expect(try Self.run(query, reader).found == [3, newest])
    }

    @Test func progressIsToldAndMayEndIt() throws {
        let story = try Story(in: scratch("data"))
        let reader = try LedgerReader(opening: story.directory.path)
        struct Enough: Error {}
        for isNewestFirst in [false, true] {
            for user in [nil, "user-0"] {
                var query = EventQuery()
                query.filter.user = user
                query.isNewestFirst = isNewestFirst
                query.sizes.byteCount = 1
                query.sizes.chainCount = 3
                var heard: [Position] = []
                let report = try query.run(on: reader) { done, all in
                    #expect(all == reader.head.position)
                    heard.append(done)
                } _: { _ in true }
                #expect(heard.count > 5)
                #expect(heard == heard.sorted() && heard.allSatisfy { $0 >= 1 })
                #expect(report.matchCount > 0)
                heard = []
                #expect(throws: Enough.self) {
                    try query.run(on: reader) { done, _ in
                        heard.append(done)
                        if heard.count == 2 { throw Enough() }
                    } _: { _ in true }
                }
                #expect(heard.count == 2)
            }
        }
    }

    /// Whoever has enough says so; the limit is told apart from the end.
    @Test func aQueryThatIsCutShortSaysSo() throws {
        let story = try Story(in: scratch("data"))
        let reader = try LedgerReader(opening: story.directory.path)
        var query = EventQuery()
        let all = try Self.run(query, reader)
        #expect(all.found == story.events.map(\.position) && !all.report.isCutShort)
        query.limit = all.found.count
        #expect(try !Self.run(query, reader).report.isCutShort)
        query.limit = all.found.count - 1
        #expect(try Self.run(query, reader).report.isCutShort)
        query.limit = .max
        var count = 0
        let report = try query.run(on: reader) { _ in
            count += 1
            return count < 3
        }
        #expect(count == 3 && report.isCutShort && report.lastPosition == 3)
        query.filter.user = "nobody"
        #expect(try Self.run(query, reader).report == EventQuery.Report())
    }

    /// Damage is an error at its place whichever way a query comes by it.
    @Test(arguments: [false, true])
    func damageIsNamed(isNewestFirst: Bool) throws {
        let story = try Story(in: scratch("data"))
        let bad = story.first { $0.position > 60 && $0.user != 0 && $0.concurrency != 0 }
        try LogForge.rewrite(in: story.directory.log) { batches in
            let index = batches.index(holding: bad.position)
            batches[index].bytes[batches[index].record(of: bad.position) + 24] ^= 1
        }
        let reader = try LedgerReader(opening: story.directory.path)
        let name = reader.named(bad)
        for step in 0 ..< 3 {
            var query = EventQuery()
            query.isNewestFirst = isNewestFirst
            if step == 1 { query.filter.userNumber = bad.user }
            if step == 2 {
                query.filter.project = name.project
                query.filter.concurrency = bad.concurrency
            }
            let error = #expect(throws: LogError.self) { try Self.run(query, reader) }
            #expect(damagedPosition(error) == bad.position, "\(String(describing: error))")
        }
    }
}
