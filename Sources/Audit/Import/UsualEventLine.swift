import EventLog
import Ledger
import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Reads lines that stand as an export writes them: members in that order, no blanks, no escapes,
/// no members of one kind alone. Nearly all are.
///
/// It never refuses: what is not of this form is left to `EventLine(strictly:)`, and what both read
/// they read alike (`EventLineTests` holds them against each other).
struct UsualEventLines {
    private var dayText: [UInt8] = []
    private var dayStart: Microseconds = 0

    private static let kinds = WordTable(Event.Kind.allCases.filter(isUsual).map { ($0.name, $0) })
    private static let outcomes = WordTable(Event.Outcome.allCases.map { ($0.name, $0) })
    private static let states = WordTable(ConcurrencyState.allCases.map { ($0.name, $0) })
    private static let callers = WordTable(
        [Caller.ledger, .library, .commandLine, .trace, .anonymous].map { ($0.name, $0.rawValue) })

    /// Whether a kind has no members of its own, and uses no field in its own way.
    private static func isUsual(_ kind: Event.Kind) -> Bool {
        switch kind {
        case .opened, .epochBegun, .projectModified: false
        default: true
        }
    }

    /// Nil if the line is of another form. Cost: some hundred nanoseconds.
    mutating func read(_ line: UnsafeRawBufferPointer) -> EventLine? {
        var scan = Scan(rest: line)
        var result = EventLine()
        guard scan.take(#"{"position":"#), let position = scan.digits(),
            scan.take(#","time":""#), let time = time(&scan),
            scan.take(#"","kind":""#), let kind = scan.word(Self.kinds),
            scan.take(#","outcome":""#), let outcome = scan.word(Self.outcomes),
            scan.take(#","user":"#), let user = scan.text(),
            scan.take(#","userNumber":"#), let number = scan.number(),
            scan.take(#","clientAddress":"#), let address = scan.text(),
            scan.take(#","project":"#), let project = scan.text(),
            scan.take(#","concurrency":"#), let concurrency = scan.number(),
            scan.take(#","session":"#), let session = scan.number(),
            scan.take(#","state":"#)
        else { return nil }
        result.event = Event(position: position, time: time, kind: kind, outcome: outcome)
        if !scan.takeNull() {
            guard scan.take("\""), let state = scan.word(Self.states) else { return nil }
            result.event.state = state
        }
        guard scan.take(#","deadline":"#) else { return nil }
        if !scan.takeNull() {
            guard scan.take("\""), let deadline = self.time(&scan), scan.take("\"") else {
                return nil
            }
            result.event.deadline = deadline
        }
        guard scan.take(#","namedSession":"#) else { return nil }
        if !scan.takeNull() {
            guard let named = scan.digits() else { return nil }
            result.event.namesSession = true
            result.event.inputSession = named
        }
        guard scan.take(#","runsWithoutClient":"#), let flag = scan.bool(),
            scan.take(#","askedProject":"#), let inputProject = scan.text(),
            scan.take(#","caller":""#), let caller = scan.word(Self.callers),
            scan.take(#","previousOfUser":"#), let previousOfUser = scan.number(),
            scan.take(#","previousOfConcurrency":"#), let previous = scan.number(),
            scan.take("}"), scan.rest.isEmpty,
            let userNumber = UserNumber(exactly: number),
            let concurrencyNumber = ConcurrencyNumber(exactly: concurrency)
        else { return nil }
        if !address.isEmpty {
            guard let address = ClientAddress(recorded: address) else { return nil }
            result.clientAddress = address
        }
        result.user = user
        result.project = project
        result.inputProject = inputProject
        result.event.user = userNumber
        result.event.concurrency = concurrencyNumber
        result.event.session = session
        result.event.flag = flag
        result.event.caller = caller
        result.event.previousOfUser = previousOfUser
        result.event.previousOfConcurrency = previous
        return result
    }

    /// `2026-11-23T10:15:30.000250Z`. Most lines are of the day of the line before.
    private mutating func time(_ scan: inout Scan) -> Microseconds? {
        guard scan.rest.count >= Timestamp.byteCount else { return nil }
        let text = UnsafeRawBufferPointer(rebasing: scan.rest[..<Timestamp.byteCount])
        let day = text[..<10]
        if !day.elementsEqual(dayText) {
            guard day.allSatisfy({ $0 == 0x2D || $0 &- 0x30 < 10 }),
                let start = Timestamp.parse(Array(day) + Array("T00:00:00Z".utf8))
            else { return nil }
            dayText = Array(day)
            dayStart = start
        }
        func number(_ offset: Int, _ count: Int) -> Int64? {
            var value: Int64 = 0
            for byte in text[offset ..< offset + count] {
                guard byte &- 0x30 < 10 else { return nil }
                value = value * 10 + Int64(byte &- 0x30)
            }
            return value
        }
        guard text[10] == UInt8(ascii: "T"), text[13] == UInt8(ascii: ":"),
            text[16] == UInt8(ascii: ":"), text[19] == UInt8(ascii: "."),
            text[26] == UInt8(ascii: "Z"), let hour = number(11, 2), hour < 24,
            let minute = number(14, 2), minute < 60, let second = number(17, 2), second < 60,
            let fraction = number(20, 6)
        else { return nil }
        scan.drop(Timestamp.byteCount)
        return dayStart + (hour * 3_600 + minute * 60 + second) * 1_000_000 + fraction
    }

    /// What is left of the line.
    private struct Scan {
        var rest: UnsafeRawBufferPointer

        @inline(__always)
        mutating func take(_ word: StaticString) -> Bool {
            let count = word.utf8CodeUnitCount
            guard rest.count >= count, memcmp(rest.baseAddress!, word.utf8Start, count) == 0 else {
                return false
            }
            drop(count)
            return true
        }

        mutating func takeNull() -> Bool { take("null") }

        mutating func bool() -> Bool? { take("false") ? false : take("true") ? true : nil }

        /// Up to the closing quote, past which it moves; nil for bytes that do not stand for
        /// themselves.
        @inline(__always)
        private mutating func string() -> UnsafeRawBufferPointer? {
            var index = 0
            while index < rest.count {
                let byte = rest[index]
                if byte == UInt8(ascii: "\"") {
                    let text = UnsafeRawBufferPointer(start: rest.baseAddress, count: index)
                    drop(index + 1)
                    return text
                }
                guard byte >= 0x20, byte != UInt8(ascii: "\\") else { return nil }
                index += 1
            }
            return nil
        }

        /// A text, empty for null; nil for an empty one and for what is not UTF-8.
        mutating func text() -> String? {
            if takeNull() { return "" }
            guard take("\""), let bytes = string(), !bytes.isEmpty else { return nil }
            return String(validating: bytes, as: UTF8.self)
        }

        /// A word of a table, its closing quote included.
        mutating func word<Value>(_ table: WordTable<Value>) -> Value? {
            guard let bytes = string() else { return nil }
            return table[bytes]
        }

        /// A number, 0 for null.
        mutating func number() -> UInt64? { takeNull() ? 0 : digits() }

        /// Up to 18 digits without zeros in front.
        mutating func digits() -> UInt64? {
            var value: UInt64 = 0
            var index = 0
            while index < rest.count, case let digit = rest[index] &- 0x30, digit < 10 {
                value = value &* 10 &+ UInt64(digit)
                index += 1
            }
            guard (1 ... 18).contains(index), index == 1 || rest[0] != 0x30 else { return nil }
            drop(index)
            return value
        }

        @inline(__always)
        mutating func drop(_ count: Int) {
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }
}

/// A few words and what they stand for, found by comparing bytes.
private struct WordTable<Value: Sendable>: Sendable {
    private let words: [(bytes: [UInt8], value: Value)]

    init(_ words: [(String, Value)]) { self.words = words.map { (Array($0.0.utf8), $0.1) } }

    subscript(_ word: UnsafeRawBufferPointer) -> Value? {
        for (bytes, value) in words where bytes.count == word.count {
            let isSame = bytes.withUnsafeBytes {
                memcmp($0.baseAddress!, word.baseAddress!, word.count) == 0
            }
            if isSame { return value }
        }
        return nil
    }
}
