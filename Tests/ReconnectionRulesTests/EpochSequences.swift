import ReconnectionRules
import Testing

/// A ledger that goes on from an older copy of its log: an outage, and a gap in the positions.
@Suite struct EpochSequences {
    @Test func `a new epoch moves deadlines back like an opening, and outranks every session`() {
        story(
            """
            given project P concurrencies 2 => #1-#2
            given users a => #3
            at 0 apply a P
                #4 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 1 session a
                #5 at 1 sessionCreated fresh a P/1 connected session 5 by library
            at 10 disconnect a 5
                #6 at 10 disconnected waiting a P/1 waiting until 100 session 5 named 5 by library
            at 3600 epoch outage 3590
                #2199023255552 at 3600 epochBegun done outage 3590 behind #6 events 6 by library
            at 3600 show P
                | 1 waiting a until 3690 session 5
                | 2 idle since 0
                | running 1 of 2
            at 3689.999999 session a
                #2199023255553 at 3689.999999 sessionCreated resumed a P/1 connected \
                    session 2199023255553 by library
            at 3700 disconnect a 5
                #2199023255554 at 3700 disconnected stale a P/1 connected \
                    session 2199023255553 named 5 by library
            at 3701 open outage 0
                #2199023255555 at 3701 opened done outage 0 by library
            at 3702 epoch outage 1
                #4398046511104 at 3702 epochBegun done outage 1 behind #2199023255555 events 10 \
                    by library
            """)
    }

    @Test func `what was overdue before happens when the epoch begins`() {
        story(
            """
            given project P concurrencies 1 => #1-#2
            given users a => #3
            at 0 apply a P
                #4 at 0 applied granted a P/1 reserved until 30 asked P by library
            at 50 epoch outage 10
                #2199023255552 at 50 epochBegun done outage 10 behind #4 events 4 by library
            at 60 settle
                #2199023255553 at 50 repossessed lockExpired a P/1 idle by ledger
            """)
    }

    /// 2026-03-01 is 194,486,400 s after 2020-01-01.
    private static let march: Microseconds = .seconds(1_577_836_800 + 194_486_400)
    private static let atMarch: Position = 194_486_400 << 22

    struct Place: Sendable, CustomStringConvertible {
        var description: String
        var last: Position
        var time: Microseconds
        var expected: Position?
    }

    @Test(arguments: [
        Place(description: "time says", last: 6, time: march, expected: atMarch),
        Place(description: "whole seconds count", last: 6, time: march + 999_999, expected: atMarch),
        Place(
            description: "restored once more a second later", last: 6, time: march + 1_000_000,
            expected: atMarch + 1 << 22),
        Place(
            description: "right behind the epoch before", last: atMarch - 1 << 24, time: march,
            expected: (atMarch >> 40 + 2) << 40),
        Place(
            description: "just far enough", last: atMarch - 1 << 24 - 1, time: march,
            expected: atMarch),
        Place(description: "before 2020", last: 6, time: .seconds(1), expected: 2 << 40),
        Place(description: "the clock went back", last: atMarch, time: march - 1,
            expected: (atMarch >> 40 + 2) << 40),
        Place(description: "twice in a second", last: atMarch, time: march,
            expected: (atMarch >> 40 + 2) << 40),
        Place(description: "the last second", last: 6,
            time: .seconds(1_577_836_800 + 1 << 31 - 1), expected: (1 << 31 - 1) << 22),
        Place(description: "past 2088", last: 6, time: .seconds(1_577_836_800 + 1 << 31),
            expected: 2 << 40),
        Place(description: "the last block", last: 8_190 << 40 - 1, time: 0,
            expected: 8_191 << 40),
        Place(description: "none is left", last: 8_190 << 40, time: 0, expected: nil),
    ])
    func `where an epoch begins`(_ place: Place) {
        #expect(Epochs.firstPosition(after: place.last, at: place.time) == place.expected)
    }

    /// The old copy is restored twice, and both go on for a while. Nothing of the first may be
    /// above anything of the second, though the second knows nothing of it.
    @Test func `an old copy restored again outranks what the first restored ledger did`() throws {
        let start = Self.march
        let copy: Position = 1_000_000
        let first = try #require(Epochs.firstPosition(after: copy, at: start))
        // A million events a second for a week.
        let week: Microseconds = .seconds(7 * 86_400)
        let firstEnd = first + 7 * 86_400 * 1_000_000
        let second = try #require(Epochs.firstPosition(after: copy, at: start + week))
        #expect(second > firstEnd)
    }

    struct Change: Sendable, CustomStringConvertible {
        var description: String
        var make: @Sendable (inout Event) -> Void

        init(_ description: String, _ make: @escaping @Sendable (inout Event) -> Void) {
            self.description = description
            self.make = make
        }
    }

    @Test(arguments: [
        Change("another position") { $0.position += 1 },
        Change("the position right behind") { $0.position = 3 },
        Change("another end of the epoch before") { $0.previousOfUser = 1 },
        Change("a negative outage") { $0.deadline = -1 },
        Change("an earlier time") { $0.time = 4 },
    ])
    func `an epoch that no copy begins cannot be folded in`(_ change: Change) {
        var state = State()
        state.perform(.nameProject(1), at: 5, by: .library) { _ in }
        state.perform(.nameUser(1), at: 5, by: .library) { _ in }
        var event = state.decide(.beginEpoch(outage: 0), at: 9, by: .ledger)
        #expect(state.fault(of: event) == nil)
        change.make(&event)
        #expect(state.fault(of: event) != nil)
    }

    @Test func `an empty ledger begins no epoch`() {
        var event = Event(position: 2 << 40, time: 9, kind: .epochBegun, outcome: .done)
        event.session = 0
        #expect(State().fault(of: event) != nil)
    }
}
