import EventLog
import Ledger
import ReconnectionRules

/// Events in the order asked for, from one snapshot at a time.
struct EventPage {
    var events: [Event] = []
    var examinedCount: UInt64 = 0
    /// The position looked at last.
    var reached: Position = 0

    /// Bounds of a page.
    struct Sizes: Sendable {
        /// Events that a page takes: some 2 MiB.
        var eventCount = 16_384
        /// Bytes of batches looked at for one page: what a progress line waits for.
        var byteCount = 8 << 20
        /// Events of a chain that are read for one page.
        var chainCount: UInt32 = 2_048
    }
}

/// Where a query's events come from.
protocol EventSource: AnyObject {
    /// The next page, nil at the end. A page may be empty.
    func nextPage() throws -> EventPage?
    /// Whether nothing is left to look at. Cost: none.
    func isAtEnd() throws -> Bool
}

// MARK: - Every event

/// The batches from the oldest on.
final class ForwardScan: EventSource {
    private let log: EventLog
    private let wanted: ConditionNode
    private let sizes: EventPage.Sizes
    private let high: Position
    private var next: Position

    init(
        _ log: EventLog, _ range: ClosedRange<Position>, _ wanted: ConditionNode,
        _ sizes: EventPage.Sizes
    ) {
        (self.log, self.wanted, self.sizes) = (log, wanted, sizes)
        next = range.lowerBound
        high = range.upperBound
    }

    func isAtEnd() -> Bool { next > high }

    func nextPage() throws -> EventPage? {
        guard next <= high else { return nil }
        var page = EventPage()
        var byteCount = 0
        var following = next
        var hasMore = false
        var isReached = false
        try log.forEachBatch(from: next) { batch in
            isReached = batch.lastPosition >= high
            guard batch.firstPosition <= high else { return false }
            var isFull = false
            try batch.forEachEvent(from: next) { event, _ in
                guard !isFull, event.position <= high else { return }
                if page.events.count == sizes.eventCount {
                    isFull = true
                    return
                }
                page.examinedCount += 1
                page.reached = event.position
                following = event.position + 1
                if wanted.matches(event) { page.events.append(event) }
            }
            byteCount += batch.byteCount
            hasMore = isFull || byteCount >= sizes.byteCount
            return !hasMore
        }
        guard hasMore || isReached else { throw ScanEnd.tooEarly(high) }
        next = hasMore ? following : .max
        return page
    }
}

/// A walk that ends before the log does: a page of its tree was damaged while it was open.
enum ScanEnd {
    static func tooEarly(_ position: Position) -> LogError {
        LogError(
            .corrupt(position: position),
            "the log is damaged: a walk to position \(position) ended before it; run holdfast "
                + "verify, and restore a backup")
    }
}

/// The batches from the newest on.
final class BackwardScan: EventSource {
    private let log: EventLog
    private let wanted: ConditionNode
    private let sizes: EventPage.Sizes
    private let low: Position
    /// Position to look at next, 0 at the end.
    private var next: Position
    /// The batch behind those to come, and what it says that its predecessor's hash is.
    private var follower: (first: Position, previousHash: Digest32)?

    init(
        _ log: EventLog, _ range: ClosedRange<Position>, _ wanted: ConditionNode,
        _ sizes: EventPage.Sizes
    ) {
        (self.log, self.wanted, self.sizes) = (log, wanted, sizes)
        low = range.lowerBound
        next = range.upperBound
    }

    func isAtEnd() -> Bool { next < low || next == 0 }

    func nextPage() throws -> EventPage? {
        guard !isAtEnd() else { return nil }
        var page = EventPage()
        var byteCount = 0
        var following: Position = 0
        try log.read { snapshot in
            if follower == nil { try snapshot.requireReached(next) }
            try snapshot.forEachBatchBackward(from: next) { batch in
                try checkLink(of: batch)
                guard batch.lastPosition >= low else { return false }
                var position = min(next, batch.lastPosition)
                while position >= max(low, batch.firstPosition) {
                    if page.events.count == sizes.eventCount {
                        following = position
                        return false
                    }
                    let event = try batch.event(at: position)
                    page.examinedCount += 1
                    page.reached = position
                    if wanted.matches(event) { page.events.append(event) }
                    position -= 1
                }
                byteCount += batch.byteCount
                guard byteCount >= sizes.byteCount else { return true }
                following = batch.firstPosition - 1
                return false
            }
        }
        next = following
        return page
    }

    private func checkLink(of batch: borrowing BatchView) throws {
        if let follower, batch.firstPosition < follower.first, batch.hash != follower.previousHash {
            throw LogError(
                .corrupt(position: follower.first),
                "the log is damaged at position \(follower.first): the batch does not continue the "
                    + "chain before it; run holdfast verify, and restore a backup")
        }
        follower = (batch.firstPosition, batch.previousHash)
    }
}

// MARK: - The events of one user or concurrency

/// Events that name each other.
enum EventChain {
    case user(UserNumber, newest: Position, count: UInt32)
    case concurrency(ProjectNumber, ConcurrencyNumber, newest: Position)

    var isOfUser: Bool { if case .user = self { true } else { false } }

    /// The event at a position of the chain, and its predecessor's position.
    func event(
        at position: Position, _ reader: inout EventReader
    ) throws -> (event: Event, previous: Position) {
        switch self {
        case .user(let user, _, _):
            let event = try reader.event(at: position, ofUser: user)
            return (event, event.previousOfUser)
        case .concurrency(let project, let number, _):
            guard let event = try reader.event(at: position), event.project == project,
                event.concurrency == number, event.previousOfConcurrency < position
            else {
                throw LogError(
                    .corrupt(position: position),
                    "the log is damaged at position \(position): the event is another "
                        + "concurrency's, or names itself or a later one as its predecessor; run "
                        + "holdfast verify")
            }
            return (event, event.previousOfConcurrency)
        }
    }

    /// Position of the newest event not after `limit`, 0 if there is none, and a user's number of
    /// it. Cost: O(log k) reads for a user, one for each later event for a concurrency.
    func newest(
        atOrBefore limit: Position, _ reader: inout EventReader
    ) throws -> (position: Position, number: UInt32) {
        switch self {
        case .user(let user, let newest, let count):
            let found = try reader.event(
                ofUser: user, atOrBefore: limit, newest: newest, count: count)
            return (found?.event.position ?? 0, found?.count ?? 0)
        case .concurrency(_, _, let newest):
            var position = newest
            while position > limit { position = try event(at: position, &reader).previous }
            return (position, 0)
        }
    }
}

/// A chain, newest first. Cost: one read an event.
final class BackwardChain: EventSource {
    private let log: EventLog
    private let chain: EventChain
    private let wanted: ConditionNode
    private let outages: OutageWeave?
    private let sizes: EventPage.Sizes
    private let range: ClosedRange<Position>
    /// The event to read next, 0 at the end; nil before the first.
    private var next: Position?
    /// Outages before this one were not looked at.
    private var upper: Position

    init(
        _ log: EventLog, _ chain: EventChain, _ range: ClosedRange<Position>,
        _ wanted: ConditionNode, _ outages: OutageWeave?, _ sizes: EventPage.Sizes
    ) {
        (self.log, self.chain, self.range, self.sizes) = (log, chain, range, sizes)
        (self.wanted, self.outages) = (wanted, outages)
        upper = range.upperBound == .max ? .max : range.upperBound + 1
    }

    func isAtEnd() -> Bool {
        guard let next else { return false }
        return next < range.lowerBound && (outages == nil || next == 0)
    }

    func nextPage() throws -> EventPage? {
        guard !isAtEnd() else { return nil }
        var page = EventPage()
        try log.read { snapshot in
            var reader = try snapshot.reader()
            var position = try next ?? chain.newest(atOrBefore: range.upperBound, &reader).position
            while position > 0, page.examinedCount < UInt64(sizes.chainCount) {
                let (event, previous) = try chain.event(at: position, &reader)
                page.examinedCount += 1
                page.reached = max(position, range.lowerBound)
                if let outages {
                    let between = max(position + 1, range.lowerBound) ..< max(upper, position + 1)
                    page.events += try outages.between(event, between, &reader).reversed()
                }
                upper = position
                guard position >= range.lowerBound else {
                    position = 0
                    break
                }
                if wanted.matches(event) { page.events.append(event) }
                position = previous
            }
            next = position
        }
        return page
    }
}

/// A chain, oldest first, some at a time: where a page ends is found by jumps for a user, and was
/// written down by a first walk for a concurrency. Cost: one read an event and a logarithm a page;
/// for a concurrency two reads an event, and 8 bytes a page.
final class ForwardChain: EventSource {
    private let log: EventLog
    private let chain: EventChain
    private let wanted: ConditionNode
    private let outages: OutageWeave?
    private let sizes: EventPage.Sizes
    private let range: ClosedRange<Position>
    private var isStarted = false
    private var isEnded = false
    /// The event handed over last, or the newest before the first bound.
    private var latest: Event?
    /// Of a user: the number of that event, and of the last there is.
    private var (number, lastNumber): (UInt32, UInt32) = (0, 0)
    /// Of a concurrency: the newest event of each page, the first page's last.
    private var marks: [Position] = []

    init(
        _ log: EventLog, _ chain: EventChain, _ range: ClosedRange<Position>,
        _ wanted: ConditionNode, _ outages: OutageWeave?, _ sizes: EventPage.Sizes
    ) {
        (self.log, self.chain, self.range, self.sizes) = (log, chain, range, sizes)
        (self.wanted, self.outages) = (wanted, outages)
    }

    func isAtEnd() -> Bool { isEnded }

    func nextPage() throws -> EventPage? {
        if isEnded { return nil }
        var page = EventPage()
        try log.read { snapshot in
            var reader = try snapshot.reader()
            if !isStarted { try start(&reader) }
            let events = try nextEvents(&reader)
            page.examinedCount = UInt64(events.count)
            for event in events {
                try weave(until: event.position, into: &page, &reader)
                if wanted.matches(event) { page.events.append(event) }
                latest = event
            }
            page.reached = latest.map { max($0.position, range.lowerBound) } ?? range.lowerBound
            isEnded = number == lastNumber && marks.isEmpty
            if isEnded {
                try weave(until: range.upperBound &+ 1, into: &page, &reader)
                page.reached = range.upperBound
            }
        }
        return page
    }

    private func start(_ reader: inout EventReader) throws {
        isStarted = true
        let end = try chain.newest(atOrBefore: range.upperBound, &reader)
        guard case .concurrency = chain else {
            lastNumber = end.number
            guard range.lowerBound > 1 else { return }
            let before = try chain.newest(atOrBefore: range.lowerBound - 1, &reader)
            number = before.number
            if before.position > 0 { latest = try chain.event(at: before.position, &reader).event }
            return
        }
        var position = end.position
        var count: UInt32 = 0
        while position >= range.lowerBound, position > 0 {
            if count % sizes.chainCount == 0 { marks.append(position) }
            count &+= 1
            position = try chain.event(at: position, &reader).previous
        }
        if position > 0 { latest = try chain.event(at: position, &reader).event }
    }

    /// The next events of the chain, in order.
    private func nextEvents(_ reader: inout EventReader) throws -> [Event] {
        var position: Position
        switch chain {
        case .user(let user, let newest, let count):
            number += min(sizes.chainCount, lastNumber - number)
            guard lastNumber > 0 else { return [] }
            let last = try reader.event(ofUser: user, number: number, newest: newest, count: count)
            position = last?.position ?? 0
        case .concurrency: position = marks.popLast() ?? 0
        }
        var events: [Event] = []
        let end = max(range.lowerBound, (latest?.position ?? 0) + 1)
        while position >= end {
            let (event, previous) = try chain.event(at: position, &reader)
            events.append(event)
            position = previous
        }
        return events.reversed()
    }

    /// Adds the outages between the latest event and a position.
    private func weave(
        until end: Position, into page: inout EventPage, _ reader: inout EventReader
    ) throws {
        guard let outages, let latest else { return }
        let start = max(latest.position + 1, range.lowerBound)
        page.events += try outages.between(latest, start ..< max(start, end), &reader)
    }
}

/// The openings after an outage, for the histories whose running deadlines they moved.
final class OutageWeave {
    private let log: EventLog
    private let newest: Position
    private let low: Position
    private let wanted: ConditionNode
    private let session: SessionId?
    private let isOfUser: Bool
    /// Openings after an outage, oldest first, those from `low` on; nil before they were looked up.
    private var openings: [Position]?

    init(
        _ log: EventLog, newest: Position, from low: Position, _ wanted: ConditionNode,
        session: SessionId?, isOfUser: Bool
    ) {
        (self.log, self.newest, self.low, self.wanted) = (log, newest, low, wanted)
        (self.session, self.isOfUser) = (session, isOfUser)
    }

    /// The outages in a range that moved the deadline which ran since an event, oldest first.
    func between(
        _ event: Event, _ range: Range<Position>, _ reader: inout EventReader
    ) throws -> [Event] {
        guard !range.isEmpty, leavesDeadline(event) else { return [] }
        // Of a move, `event` names the session that the user lost; the new grant has none.
        if let session, event.session != session || event.outcome == .moved { return [] }
        let openings = try self.openings ?? find(&reader)
        self.openings = openings
        var index = openings.partitionIndex { $0 >= range.lowerBound }
        var events: [Event] = []
        while index < openings.count, openings[index] < range.upperBound {
            if let opened = try reader.event(at: openings[index]), wanted.matches(opened) {
                events.append(opened)
            }
            index += 1
        }
        return events
    }

    /// Whether a deadline of the user's or of the concurrency runs after the event.
    private func leavesDeadline(_ event: Event) -> Bool {
        guard isOfUser else { return event.state.hasDeadline }
        // A move is two events: the second names what the user lost to the first, a reservation.
        if event.outcome == .moved { return true }
        return event.concurrency != 0 && !event.releasesUser && event.state.hasDeadline
    }

    private func find(_ reader: inout EventReader) throws -> [Position] {
        var found: [Position] = []
        var position = newest
        while position >= low, position > 0 {
            guard let opened = try reader.event(at: position), opened.isOfLedger,
                opened.previousOfConcurrency < position
            else {
                throw LogError(
                    .corrupt(position: position),
                    "the log is damaged at position \(position): no opening is where the one after "
                        + "it says; run holdfast verify")
            }
            if opened.outage > 0 { found.append(position) }
            position = opened.previousOfConcurrency
        }
        return found.reversed()
    }
}

extension Array {
    /// The first index whose element fits, where all after one that fits do.
    func partitionIndex(where fits: (Element) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if fits(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
