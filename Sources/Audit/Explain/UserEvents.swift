import EventLog
import Ledger
import ReconnectionRules

/// One user's events by their number, read from the log as they are needed.
struct UserEvents {
    let user: UserNumber
    /// Position of the newest event, the `count`-th.
    let newest: Position
    let count: Int
    private var events: [Int: Event] = [:]

    init(_ user: UserNumber, newest: Position, count: UInt32) {
        self.user = user
        self.newest = newest
        self.count = Int(count)
    }

    /// An event that was loaded.
    subscript(number: Int) -> Event? { events[number] }

    mutating func keep(_ event: Event, at number: Int) { events[number] = event }

    /// Reads a range of them. Cost: a read each, and O(log k) to find the newest of them.
    mutating func load(_ numbers: ClosedRange<Int>, _ reader: inout EventReader) throws {
        var above: Event?
        for number in numbers.reversed() {
            if let known = events[number] {
                above = known
                continue
            }
            let found =
                if let above {
                    try reader.event(at: above.previousOfUser)
                } else {
                    try reader.event(
                        ofUser: user, number: UInt32(number), newest: newest, count: UInt32(count))
                }
            guard let found, found.user == user else {
                let position = above?.position ?? newest
                throw LogError(
                    .corrupt(position: position),
                    "the log is damaged at position \(position): the user's event before it is "
                        + "missing; run holdfast verify")
            }
            events[number] = found
            above = found
        }
    }

    /// The newest event at or below a number that fits, among at most `limit` of them; also the
    /// lowest number that was looked at.
    mutating func last(
        upTo number: Int, limit: Int, _ reader: inout EventReader, where fits: (Event) -> Bool
    ) throws -> (found: Int?, lowest: Int) {
        var next = number
        let floor = limit >= number ? 1 : number - limit + 1
        while next >= floor {
            let start = Swift.max(floor, next - 31)
            try load(start ... next, &reader)
            for index in stride(from: next, through: start, by: -1) {
                if let event = events[index], fits(event) { return (index, index) }
            }
            next = start - 1
        }
        return (nil, floor)
    }

    /// The first event above a number that fits, among at most `limit` of them; also the highest
    /// number that was looked at.
    mutating func first(
        above number: Int, limit: Int, _ reader: inout EventReader, where fits: (Event) -> Bool
    ) throws -> (found: Int?, highest: Int) {
        var next = number + 1
        let ceiling = limit >= count - number ? count : number + limit
        while next <= ceiling {
            let end = Swift.min(ceiling, next + 31)
            try load(next ... end, &reader)
            for index in next ... end {
                if let event = events[index], fits(event) { return (index, index) }
            }
            next = end + 1
        }
        return (nil, Swift.max(number, ceiling))
    }
}
