import EventLog
public import ReconnectionRules

/// A moment in a ledger's past: after the event at a position, or at a ledger time, after the last
/// event that is not later. A moment past the newest event is the newest event's.
public enum Moment: Sendable, Equatable {
    case position(Position)
    case time(Microseconds)
}

/// Where a user's events end in the present, and what else a look into its past starts from.
struct UserTrail: Sendable {
    var number: UserNumber
    /// Position of the user's newest event, its `eventCount`-th.
    var last: Position
    var eventCount: UInt32
    /// Position of the newest event of the ledger's own chain.
    var lastOpened: Position
    /// Position of the log's newest event.
    var head: Position

    init?(_ name: String, _ state: State, _ users: NameDirectory) {
        guard let number = users.number(of: name) else { return nil }
        self.init(number, state)
    }

    init?(_ number: UserNumber, _ state: State) {
        guard number > 0, Int(number) < state.users.count else { return nil }
        let record = state.users[Int(number)]
        self.number = number
        last = record.last
        eventCount = record.eventCount
        lastOpened = state.lastOfLedger
        head = state.position
    }
}

/// What a user held at a past moment, by numbers.
struct PastUser: Equatable {
    var project: ProjectNumber = 0
    var concurrency: ConcurrencyNumber = 0
    var state = ConcurrencyState.none
    var deadline: Microseconds?
    var session: SessionId = 0
    var eventCount: UInt32 = 0
    var lastPosition: Position = 0

    func view(_ name: String, _ number: UserNumber, project projectName: String) -> UserView {
        UserView(
            name: name, number: number, project: concurrency == 0 ? nil : projectName,
            concurrency: concurrency, state: state, deadline: deadline, session: session,
            eventCount: eventCount, lastPosition: lastPosition)
    }
}

/// Answers what a user held at a past moment: exactly what the view held that the events up to the
/// moment lead to.
///
/// A user's newest event at or before the moment holds the state it left; nothing but an outage
/// changes that state without an event of the user. So the answer is that event, found by jump and
/// back-pointers, its deadline moved by the outages between it and the moment. A deadline that fell
/// due has an event of its own at the deadline's time, so that none is overdue at a moment before
/// the head.
///
/// Cost: O(log k) single reads for a user of k events, and for a time O(log n) more in a log of n.
/// Outages are looked up once for the lifetime of the object.
final class AsOfReader {
    private let log: EventLog
    /// The ledger's own events from the newest backward, as far as they were needed: openings, and
    /// others that take no time.
    private var openings: [(position: Position, outage: Microseconds)] = []
    /// The event before the last of them; nil before the first was read.
    private var nextOpening: Position?

    init(_ log: EventLog) { self.log = log }

    /// What the user held at the moment; nil if it had no event yet.
    func user(_ trail: UserTrail, at moment: Moment) throws(LedgerError) -> PastUser? {
        do {
            return try log.read { snapshot in
                var reader = try snapshot.reader()
                let position =
                    switch moment {
                    case .position(let position): min(position, trail.head)
                    case .time(let time): try reader.position(atOrBefore: time, upTo: trail.head)
                    }
                guard
                    let (event, count) = try reader.event(
                        ofUser: trail.number, atOrBefore: position, newest: trail.last,
                        count: trail.eventCount)
                else { return nil }
                var past = PastUser()
                past.eventCount = count
                past.lastPosition = event.position
                // A move is two events: the second names what the user lost to the first.
                let isMove = event.outcome == .moved
                let holding = isMove ? try reader.event(namedAt: event.previousOfUser) : event
                guard !holding.releasesUser, holding.concurrency != 0 else {
                    return past
                }
                past.project = holding.project
                past.concurrency = holding.concurrency
                past.state = holding.state
                past.session = holding.session
                if holding.state.hasDeadline {
                    past.deadline = holding.deadline + (try outages(
                        after: holding.position, through: position, trail.lastOpened, &reader))
                }
                return past
            }
        } catch let error as LogError { throw LedgerError(error) } catch {
            throw LedgerError(.directory, "\(error)")
        }
    }

    /// How long the ledger was down, in openings after one position and up to another.
    private func outages(
        after first: Position, through last: Position, _ newest: Position,
        _ reader: inout EventReader
    ) throws -> Microseconds {
        if newest != openings.first?.position ?? 0 {
            openings = []
            nextOpening = newest
        }
        while let next = nextOpening, next > first {
            guard let opened = try reader.event(at: next), opened.isOfLedger,
                opened.previousOfConcurrency < next
            else {
                throw LogError(
                    .corrupt(position: next),
                    "the log is damaged at position \(next): no opening is where the one after it "
                        + "says; run holdfast verify")
            }
            openings.append((next, opened.outage))
            nextOpening = opened.previousOfConcurrency
        }
        var sum: Microseconds = 0
        for opening in openings where opening.position <= last {
            if opening.position <= first { break }
            sum += opening.outage
        }
        return sum
    }
}
