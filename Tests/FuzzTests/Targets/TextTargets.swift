import EventLog
import JSON
import ReconnectionRules

@testable import Audit
@testable import Ledger

extension FuzzTarget {
    static let textTargets = [timestamp, condition, filterWords, names, displayText, replayKeys]

    static let timestamp = FuzzTarget(
        name: "timestamp", subject: "times as options, traces and exports have them",
        promise: "A time is written and read back the same; its usual form is the only one of 27 "
            + "bytes in capitals; an offset is what it says.",
        byteCountMax: 48,
        words: ["2026-11-23T10:15:30.000250Z", "+01:00", "-00:00", "2024-02-29", "0000-01-01"],
        seeds: {
            [
                "2026-11-23T10:15:30.000250Z", "2026-11-23t10:15:30z",
                "2024-02-29T23:59:59.9+00:00",
                "0000-01-01T00:00:00-23:59", "9999-12-31T23:59:59.999999Z",
            ].map { Array($0.utf8) }
        },
        run: { input in
            var reader = InputReader(input)
            let any = Microseconds(bitPattern: reader.number(UInt64.self))
            let written = Timestamp.text(any)
            if Timestamp.usualTimes.contains(any) {
                try require(Timestamp.parse(written.utf8) == any, "\(any) is \(written)")
            }
            guard let local = Timestamp.parseLocal(input) else {
                try require(Timestamp.parse(input) == nil, "UTC is no local time")
                return false
            }
            if let time = Timestamp.parse(input) {
                try require(local == time, "local and UTC differ")
                let usual = Array(Timestamp.text(time).utf8)
                try require(Timestamp.parse(usual) == time, "\(time) is not read back")
                if input.count == Timestamp.byteCount, input.last == UInt8(ascii: "Z"),
                    input[10] == UInt8(ascii: "T")
                {
                    try require(usual == input, "\(text(input)) is \(text(usual))")
                }
            } else {
                let sign: Int64 = input[input.count - 6] == UInt8(ascii: "+") ? 1 : -1
                let digits = input.suffix(5).map { Int64($0) - 0x30 }
                let minutes = (digits[0] * 10 + digits[1]) * 60 + digits[3] * 10 + digits[4]
                let there = Timestamp.parse(input.dropLast(6) + [UInt8(ascii: "Z")])
                try require(
                    there == local + sign * minutes * 60_000_000, "the offset is not counted")
            }
            return true
        })

    static let condition = FuzzTarget(
        name: "condition", subject: "conditions given with --where",
        promise: "A condition is written and read back as the same condition, true of the same "
            + "events.",
        byteCountMax: 256,
        words: ConditionKey.allCases.map(\.rawValue) + [
            " and ", " or ", " not ", "=\"", "!=", "<=", ">=", "2026-11-23T10:15:30Z", "applied",
            "play/3", "credential-7",
        ],
        seeds: {
            [
                "user=u1 and kind=repossessed", "not (outcome=stale or state=idle) or position>=9",
                "user=\"a \\\"b\\\" 'c'\" and project='x y'", "concurrency=play/3",
                "time<2026-11-23T21:00:00+01:00", "caller=command-line or caller=\"credential 7\"",
                "not not session=5 and (a=1)", "user=1 or (user=2 or user=3)",
            ].map { Array($0.utf8) }
        },
        run: { input in
            let condition: EventCondition
            do throws(ConditionError) { condition = try EventCondition(text(input)) } catch {
                try require(error.column >= 1, "column \(error.column)")
                return false
            }
            let written = condition.description
            let again = try EventCondition(written)
            try require(again == condition, "not the same: \(written)")
            try require(
                again.description.utf8.elementsEqual(written.utf8), "it changes: \(written)")
            for event in SampleEvents.named {
                let isTrue = condition.matches(event)
                try require(again.matches(event) == isTrue, "not the same truth")
                try require(condition.negated.matches(event) != isTrue, "as true as its contrary")
            }
            return true
        })

    static let filterWords = FuzzTarget(
        name: "filter-words", subject: "kinds, outcomes, states and callers by name",
        promise: "A word is what it is written as.",
        byteCountMax: 48, words: ["command", "credential ", "caller-", "anonymous"],
        seeds: {
            [
                "applied", "operator", "connected", "command-line", "credential 4294966295",
                "caller 5",
            ].map { Array($0.utf8) }
        },
        run: { input in
            let word = text(input)
            var isTaken = false
            if let kind = Event.Kind(named: word) {
                isTaken = true
                try require(kind.name == word, "\(word) is \(kind.name)")
            }
            if let outcome = Event.Outcome(named: word) {
                isTaken = true
                try require(outcome.name == word, "\(word) is \(outcome.name)")
            }
            if let state = ConcurrencyState(named: word) {
                isTaken = true
                try require(state.name == word, "\(word) is \(state.name)")
            }
            if let caller = Caller(named: word) {
                isTaken = true
                try require(Caller(named: caller.name) == caller, "\(word) is \(caller.name)")
            }
            return isTaken
        })

    static let names = FuzzTarget(
        name: "names", subject: "names of users and projects",
        promise: "The quick check and the plain one agree; a name is found again by its bytes.",
        byteCountMax: 300,
        seeds: {
            let long = String(repeating: "n", count: 257)
            return ["ann", "Ωμέγα", "e\u{301}", "\u{85}", "a\u{9F}b", "😀", long]
                .map { Array($0.utf8) }
        },
        run: { input in
            let isGood = input.withUnsafeBytes { NameBytes.canBeRecorded($0) }
            let name = String(validating: input, as: UTF8.self)
            let isPlainlyGood = name.map { LedgerName.fault($0, what: "it") == nil } ?? false
            try require(isGood == isPlainlyGood, "the checks differ")
            guard isGood, let name else { return false }
            var directory = NameDirectory()
            Array("another".utf8).withUnsafeBytes { directory.append($0) }
            input.withUnsafeBytes { directory.append($0) }
            let number: UInt32 = name.utf8.elementsEqual("another".utf8) ? 1 : 2
            try require(directory.number(of: name) == number, "the name is not found")
            try require(directory.name(of: 2).utf8.elementsEqual(input), "another name is found")
            return true
        })

    /// First byte: the columns there are.
    static let displayText = FuzzTarget(
        name: "display-text", subject: "text of anybody on a terminal",
        promise: "No control character gets there, and no more columns than there are.",
        byteCountMax: 200, words: ["\u{1B}[2J", "\u{202E}", "\u{301}", "👩‍👩‍👧", "名"],
        seeds: {
            ["\u{9}plain text", "\u{4}名前 e\u{301}", "\u{5}\u{1B}[2J\u{202E}", "\u{2}👩‍👩‍👧"]
                .map { Array($0.utf8) }
        },
        run: { input in
            let columns = Int(input.first ?? 0) % 40
            let shown = text(Array(input.dropFirst()))
            let fitted = DisplayText.fitted(shown, to: columns)
            try require(fitted.allSatisfy(DisplayText.isHarmless), "harmful: \(fitted)")
            try require(DisplayText.width(of: fitted) <= columns, "\(fitted) is too wide")
            let padded = DisplayText.padded(shown, to: columns)
            try require(DisplayText.width(of: padded) == columns, "\(padded) has other columns")
            for line in DisplayText.wrapped(shown, to: columns) {
                try require(DisplayText.width(of: line) <= columns, "\(line) is too wide")
                try require(line.allSatisfy(DisplayText.isHarmless), "harmful: \(line)")
            }
            return true
        })

    /// First byte: where what was read is cut in two.
    static let replayKeys = FuzzTarget(
        name: "replay-keys", subject: "what a terminal sends",
        promise: "Where reads end changes no key; no key is a control character.",
        byteCountMax: 64, words: ["\u{1B}[A", "\u{1B}[5~", "\u{1B}O", "名"],
        seeds: { [[2] + Array("\u{1B}[Aq名\u{1B}[5~\r".utf8), [0, 0x1B], [3, 0xE5, 0x90]] },
        run: { input in
            let sent = Array(input.dropFirst())
            let cut = min(Int(input.first ?? 0), sent.count)
            var (whole, parts) = (ReplayKeyDecoder(), ReplayKeyDecoder())
            let keys = whole.keys(in: sent) + whole.flush()
            let cutKeys = parts.keys(in: sent[..<cut]) + parts.keys(in: sent[cut...])
                + parts.flush()
            try require(keys == cutKeys, "a cut at \(cut) changes the keys")
            for case .character(let character) in keys {
                try require(DisplayText.isHarmless(character), "a key that does harm")
            }
            return !keys.isEmpty
        })
}
