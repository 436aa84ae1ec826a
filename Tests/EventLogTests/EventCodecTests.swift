@testable import EventLog
import LogForge
import ReconnectionRules
import Testing

/// An event as 80 bytes.
@Suite struct EventCodecTests {
    private static let byteCount = 80

    private func encoded(_ event: Event) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xAA, count: Self.byteCount)
        bytes.withUnsafeMutableBytes { EventCodec.encode(event, at: $0.baseAddress!) }
        return bytes
    }

    private func decoded(_ bytes: [UInt8], at position: Position) -> Event? {
        bytes.withUnsafeBytes { EventCodec.decode($0.baseAddress!, position: position) }
    }

    /// Every numeric field at its least, its greatest, or a pattern in which no two bytes agree.
    private func fill(_ event: inout Event, _ shade: Int) {
        func value<Value: FixedWidthInteger>(_ salt: UInt64) -> Value {
            switch shade {
            case 0: .min
            case 1: .max
            default: Value(truncatingIfNeeded: 0x1122_3344_5566_7788 &* (2 * salt + 1))
            }
        }
        event.caller = value(1)
        event.user = value(2)
        event.concurrency = value(3)
        event.project = value(4)
        event.inputProject = value(5)
        event.time = value(6)
        event.deadline = value(7)
        event.session = value(8)
        event.inputSession = value(9)
        event.previousOfUser = value(10)
        event.previousOfConcurrency = value(11)
        event.jump = value(12)
    }

    @Test(arguments: Event.Kind.allCases)
    func everyKindComesBackWithEveryOutcomeAndExtremeValues(kind: Event.Kind) {
        for outcome in Event.Outcome.allCases {
            for state in ConcurrencyState.allCases {
                for shade in 0 ..< 12 {
                    let position = [Position(1), .max, 1 << 32][shade % 3]
                    var event = Event(position: position, time: 0, kind: kind, outcome: outcome)
                    fill(&event, shade % 3)
                    event.state = state
                    event.namesSession = shade & 1 != 0
                    event.flag = shade & 2 != 0
                    let bytes = encoded(event)
                    if decoded(bytes, at: position) != event {
                        Issue.record("\(event) does not come back")
                        return
                    }
                }
            }
        }
    }

    /// The numbers stand in files for good.
    @Test func numberedValuesAreWhatTheyAlwaysWere() {
        let kinds = Event.Kind.allCases.map { "\($0.rawValue) \($0)" }
        #expect(
            kinds == [
                "1 opened", "2 projectNamed", "3 projectModified", "4 userNamed", "5 applied",
                "6 sessionCreated", "7 disconnected", "8 destroyed", "9 repossessed",
                "10 recovered", "11 withdrawn", "12 restored", "13 userForgotten",
                "14 epochBegun",
            ])
        let outcomes = Event.Outcome.allCases.map { "\($0.rawValue) \($0)" }
        #expect(
            outcomes == [
                "1 done", "2 granted", "3 returned", "4 noIdle", "5 fresh", "6 resumed",
                "7 takeover", "8 lockTimeout", "9 waiting", "10 keptRunning", "11 stale",
                "12 sessionNameRequired", "13 freed", "14 nothingHeld", "15 windowExpired",
                "16 lockExpired", "17 moved", "18 operator_",
            ])
        let states = ConcurrencyState.allCases.map { "\($0.rawValue) \($0)" }
        #expect(
            states == [
                "0 none", "1 idle", "2 reserved", "3 connected", "4 waiting", "5 recovering",
                "6 withdrawn",
            ])
    }

    /// Each field where docs/log-format.md puts it, and the check word as it describes it.
    @Test func everyFieldStandsAtItsOffset() {
        var event = Event(position: 0x0102_0304, time: 0, kind: .repossessed, outcome: .operator_)
        fill(&event, 2)
        event.state = .recovering
        event.namesSession = true
        let record = ForgedBatch(key: 0, bytes: encoded(event))
        #expect(Array(record.bytes[0 ..< 4]) == [9, 18, 5, 1])
        #expect(record.number(at: 4) == record.checkWord(at: 0, position: event.position))
        #expect(record.number(at: 8) == event.caller)
        #expect(record.number(at: 12) == event.user)
        #expect(record.number(at: 16) == event.concurrency)
        #expect(record.number(at: 20) == event.project)
        #expect(record.number(at: 22) == event.inputProject)
        #expect(record.number(at: 24) == event.time)
        #expect(record.number(at: 32) == event.deadline)
        #expect(record.number(at: 40) == event.session)
        #expect(record.number(at: 48) == event.inputSession)
        #expect(record.number(at: 56) == event.previousOfUser)
        #expect(record.number(at: 64) == event.previousOfConcurrency)
        #expect(record.number(at: 72) == event.jump)
        event.namesSession = false
        event.flag = true
        #expect(encoded(event)[3] == 2)
    }

    @Test func everyFlippedBitIsFound() {
        let event = sampleEvent(at: 77, time: 1_000_000)
        let bytes = encoded(event)
        for bit in 0 ..< 8 * bytes.count {
            var changed = bytes
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(decoded(changed, at: 77) == nil, "bit \(bit)")
        }
    }

    @Test func anEventInAnotherOnesPlaceIsFound() {
        let bytes = encoded(sampleEvent(at: 77, time: 1_000_000))
        #expect(decoded(bytes, at: 77) != nil)
        for position in [Position(0), 76, 78, 77 << 32] {
            #expect(decoded(bytes, at: position) == nil)
        }
    }

    /// With a check word that fits: numbers and flags nobody has given a meaning.
    @Test(arguments: [(0, 0), (0, 15), (0, 255), (1, 0), (1, 19), (2, 7), (3, 4), (3, 128)])
    func unknownNumbersAreNotGuessedAt(offset: Int, value: Int) {
        var record = ForgedBatch(key: 0, bytes: encoded(sampleEvent(at: 5, time: 1)))
        record.bytes[offset] = UInt8(value)
        record.set(record.checkWord(at: 0, position: 5), at: 4)
        #expect(decoded(record.bytes, at: 5) == nil)
    }
}
