import EventLog
public import Ledger
public import ReconnectionRules

/// Streams the events of a ledger that a filter wants, oldest or newest first.
///
/// What is read is chosen by what the filter names: a user's or a concurrency's own events by their
/// back-pointers, or else every event between the bounds. Times are turned into positions first.
/// Events are handed over outside of any snapshot, some thousand at a time: whoever takes them may
/// be as slow as he likes, and memory stays bounded whatever the log holds.
///
///     var query = EventQuery()
///     query.filter.user = "ann"
///     query.filter.kinds = [.repossessed]
///     try query.run(on: LedgerReader(opening: "ledger")) { named in
///         print(EventJSON.line(named))
///         return true
///     }
public struct EventQuery: Sendable {
    public var filter = EventFilter()
    public var isNewestFirst = false
    /// Only events behind this position.
    public var after: Position?
    /// Only events before this position.
    public var before: Position?
    /// At most so many events: the first in the order asked for.
    public var limit = Int.max
    /// In a user's or a concurrency's history, show the outages too that moved a deadline which ran
    /// there (`opened` events): they concern nobody, and explain a return after the deadline. They
    /// have to fit the rest of the filter.
    public var showsOutages = false
    var sizes = EventPage.Sizes()

    public init() {}

    /// How the events are found.
    public enum Path: Sendable, Equatable {
        /// By the back-pointers and jumps of the user's own events.
        case user(UserNumber)
        /// By the back-pointers of the concurrency's own events. Oldest first this is two walks.
        case concurrency(ProjectNumber, ConcurrencyNumber)
        /// By looking at every event between the bounds.
        case scan
        /// Not at all: nothing can fit, a name for example that the ledger never saw.
        case nowhere
    }

    /// How a query went.
    public struct Report: Sendable, Equatable {
        public var path = Path.nowhere
        public var matchCount = 0
        /// Events looked at.
        public var examinedCount: UInt64 = 0
        /// Position of the last event handed over, 0 if none was.
        public var lastPosition: Position = 0
        /// Whether it stopped before the end: at the limit, or because the taker had enough.
        public var isCutShort = false
    }

    /// Runs it on what the ledger held when `reader` was opened. `body` takes each event and
    /// returns whether it wants more; `progress` hears how many positions of how many are done, now
    /// and then, and may throw to end it.
    ///
    /// Throws `LogError` at damage and what `body` and `progress` throw. Cost: for a user of k
    /// events, one point read for each between the bounds and O(log k) more; for a concurrency one
    /// for each since, oldest first two; otherwise a pass over the batches between the bounds, each
    /// hashed. Memory: some 2 MiB.
    @discardableResult
    public func run(
        on reader: LedgerReader, progress: ((Position, Position) throws -> Void)? = nil,
        _ body: (NamedEvent) throws -> Bool
    ) throws -> Report {
        let plan = try EventPlan(self, reader)
        var report = Report(path: plan.path)
        guard limit > 0, plan.low <= plan.high, let source = plan.source(reader) else {
            return report
        }
        let span = plan.high - plan.low + 1
        while report.matchCount < limit {
            guard let page = try source.nextPage() else { return report }
            report.examinedCount += page.examinedCount
            for event in page.events {
                if report.matchCount == limit {
                    report.isCutShort = true
                    return report
                }
                report.matchCount += 1
                report.lastPosition = event.position
                if try !body(reader.named(event)) {
                    report.isCutShort = true
                    return report
                }
            }
            let done =
                isNewestFirst
                ? plan.high - min(plan.high, page.reached)
                : page.reached - min(page.reached, plan.low)
            try progress?(min(span, done + 1), span)
        }
        // Whether there is another one is not looked for: that may take the rest of the log.
        report.isCutShort = try !source.isAtEnd()
        return report
    }
}

/// A query as numbers: bounds, the way to go, and what to look for.
struct EventPlan {
    /// First and last position that may fit.
    var low: Position = 1
    var high: Position = 0
    var path = EventQuery.Path.nowhere
    /// All of the filter, by numbers alone.
    let wanted: ConditionNode
    /// What an outage in a history has to fit; nil if none is shown.
    let wantedOfOutages: ConditionNode?
    let session: SessionId?
    let isNewestFirst: Bool
    let sizes: EventPage.Sizes

    init(_ query: EventQuery, _ reader: LedgerReader) throws {
        let filter = query.filter
        let names = NumberedNames(reader)
        var subject = filter.subject.map { $0.map(names.numbered) }
        let rest = filter.rest.map { $0.map(names.numbered) }
        session = filter.session
        isNewestFirst = query.isNewestFirst
        sizes = query.sizes
        if let session, filter.user == nil, filter.userNumber == nil {
            // A session is one user's. Somebody else's report that names it is found by
            // namedSession.
            guard let user = try reader.log.event(at: session)?.user, user != 0 else {
                wanted = .or([])
                wantedOfOutages = nil
                return
            }
            subject.append(.test(.userNumber(user)))
        }
        wanted = .conjunction(subject + rest)
        let required = wanted.required
        path = Self.path(required, wanted, reader)
        let subjectTests = ConditionNode.and(subject).required
        let hasSubject: Bool =
            switch path {
            case .user(let number): subjectTests.contains(.userNumber(number))
            case .concurrency(let project, let number):
                subjectTests.contains(.placeNumber(project, number))
            case .scan, .nowhere: false
            }
        let ofSession = filter.session.map { ConditionNode.test(.session($0)) }
        wantedOfOutages =
            query.showsOutages && hasSubject
            ? .conjunction(rest.filter { $0 != ofSession }) : nil
        (low, high) = try Self.bounds(query, required, reader)
    }

    private static func path(
        _ required: [ConditionTest], _ wanted: ConditionNode, _ reader: LedgerReader
    ) -> EventQuery.Path {
        var place: EventQuery.Path?
        for test in required {
            switch test {
            case .userNumber(let number) where number != 0:
                return Int(number) < reader.state.users.count ? .user(number) : .nowhere
            case .placeNumber(let project, let number) where number != 0:
                let projects = reader.state.projects
                let isThere =
                    project != 0 && Int(project) < projects.count
                    && Int(number) < projects[Int(project)].concurrencies.count
                place = isThere ? .concurrency(project, number) : .nowhere
            default: break
            }
        }
        return place ?? (required.isEmpty && wanted == .or([]) ? .nowhere : .scan)
    }

    /// The positions that the bounds leave. Times become positions by two logarithms of reads each.
    private static func bounds(
        _ query: EventQuery, _ required: [ConditionTest], _ reader: LedgerReader
    ) throws -> (Position, Position) {
        var low = (query.after ?? 0) &+ 1
        if low == 0 { low = .max }
        var high = reader.head.position
        if let before = query.before { high = min(high, before - min(before, 1)) }
        let last = reader.head.position
        try reader.log.read { snapshot in
            var events = try snapshot.reader()
            for test in required {
                switch test {
                case .position(let order, let position):
                    if order == .equal || order == .greaterOrEqual { low = max(low, position) }
                    if order == .greater { low = max(low, position == .max ? .max : position + 1) }
                    if order == .equal || order == .lessOrEqual { high = min(high, position) }
                    if order == .less { high = min(high, position - min(position, 1)) }
                case .time(let order, let time):
                    if order == .equal || order == .greaterOrEqual, time > .min {
                        let before = try events.position(atOrBefore: time - 1, upTo: last)
                        low = max(low, before + 1)
                    }
                    if order == .greater {
                        low = max(low, try events.position(atOrBefore: time, upTo: last) + 1)
                    }
                    if order == .equal || order == .lessOrEqual {
                        high = min(high, try events.position(atOrBefore: time, upTo: last))
                    }
                    if order == .less, time > .min {
                        high = min(high, try events.position(atOrBefore: time - 1, upTo: last))
                    }
                default: break
                }
            }
        }
        return (low, high)
    }

    func source(_ reader: LedgerReader) -> (any EventSource)? {
        let range = low ... high
        switch path {
        case .nowhere: return nil
        case .scan:
            return isNewestFirst
                ? BackwardScan(reader.log, range, wanted, sizes)
                : ForwardScan(reader.log, range, wanted, sizes)
        case .user(let number):
            let record = reader.state.users[Int(number)]
            let chain = EventChain.user(number, newest: record.last, count: record.eventCount)
            return chainSource(chain, range, reader)
        case .concurrency(let project, let number):
            let record = reader.state.projects[Int(project)].concurrencies[Int(number)]
            return chainSource(.concurrency(project, number, newest: record.last), range, reader)
        }
    }

    private func chainSource(
        _ chain: EventChain, _ range: ClosedRange<Position>, _ reader: LedgerReader
    ) -> any EventSource {
        let outages = wantedOfOutages.map { wanted in
            OutageWeave(
                reader.log, newest: reader.state.lastOfLedger, from: range.lowerBound, wanted,
                session: session, isOfUser: chain.isOfUser)
        }
        return isNewestFirst
            ? BackwardChain(reader.log, chain, range, wanted, outages, sizes)
            : ForwardChain(reader.log, chain, range, wanted, outages, sizes)
    }
}

/// Turns names in a condition into numbers. What a name that nobody has is compared with is never
/// so.
struct NumberedNames {
    private let reader: LedgerReader

    init(_ reader: LedgerReader) { self.reader = reader }

    func numbered(_ test: ConditionTest) -> ConditionNode {
        switch test {
        case .user(let name):
            if name.isEmpty { return .test(.userNumber(0)) }
            guard let number = reader.view.users.number(of: name) else { return .or([]) }
            return .test(.userNumber(number))
        case .project(let name):
            guard let number = project(name) else { return .or([]) }
            return .test(.projectNumber(number))
        case .place(let name, let concurrency):
            guard let number = project(name) else { return .or([]) }
            return .test(.placeNumber(number, concurrency))
        default: return .test(test)
        }
    }

    private func project(_ name: String) -> ProjectNumber? {
        if name.isEmpty { return 0 }
        return reader.view.projects.number(of: name).map { ProjectNumber($0) }
    }
}
