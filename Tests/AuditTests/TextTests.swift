@testable import Audit
import Ledger
import LogForge
import ReconnectionRules
import Testing

/// Text for people: columns, lengths of time, events in words.
@Suite struct TextTests {
    @Test(arguments: [
        ("", 0), ("abc", 3), ("é", 1), ("e\u{301}", 1), ("王小明", 6), ("한국어", 6), ("ｶﾅ", 2),
        ("カナ", 4), ("\u{1100}\u{1161}", 2), ("👩‍👩‍👧", 2), ("🇩🇪", 2), ("☎", 1), ("☎️", 2),
        ("😀", 2), ("a\u{200B}b", 2), ("क्षि", 1), ("ﷺ", 1), ("\u{AD}", 1), ("…", 1),
    ])
    func aTextsWidthIsWhatATerminalGivesIt(text: String, width: Int) {
        #expect(DisplayText.width(of: text) == width)
    }

    @Test(arguments: [
        ("abcdef", 6, "abcdef"), ("abcdef", 5, "abcd…"), ("abcdef", 1, "…"), ("abcdef", 0, ""),
        ("王小明", 6, "王小明"), ("王小明", 5, "王小…"), ("王小明", 4, "王… "), ("王小明", 2, "… "),
        ("e\u{301}e\u{301}e\u{301}", 2, "e\u{301}…"), ("a\u{1B}[31mb", 8, "a\u{FFFD}[31mb"),
        ("a\u{202E}b", 8, "a\u{FFFD}b"), ("a\tb", 8, "a\u{FFFD}b"), ("", 3, ""),
        ("a\u{9B}b", 8, "a\u{FFFD}b"), ("😀😀", 3, "😀…"),
    ])
    func aTextIsCutByColumns(text: String, columns: Int, expected: String) {
        #expect(DisplayText.fitted(text, to: columns) == expected)
    }

    /// However a text is cut, it takes the columns that are there.
    @Test func paddedTextHasItsColumns() {
        let pieces = ["a", "é", "e\u{301}", "王", "😀", "👩‍👩‍👧", "\u{202E}", "ｶ", " ", "\u{200B}"]
        var generator = SeededGenerator(seed: 5)
        for _ in 0 ..< 2_000 {
            let text = (0 ..< Int.random(in: 0 ..< 12, using: &generator))
                .map { _ in pieces.randomElement(using: &generator)! }.joined()
            let columns = Int.random(in: 1 ..< 12, using: &generator)
            for right in [false, true] {
                let padded = DisplayText.padded(text, to: columns, right: right)
                #expect(DisplayText.width(of: padded) == columns, "\(text.debugDescription)")
            }
        }
    }

    @Test func wordsAreBrokenAtSpaces() {
        #expect(DisplayText.wrapped("one two three", to: 8) == ["one two", "three"])
        #expect(DisplayText.wrapped("王小明 王小明", to: 8) == ["王小明", "王小明"])
        #expect(DisplayText.wrapped("unbreakable", to: 5) == ["unbr…"])
        #expect(DisplayText.wrapped("", to: 5) == [])
    }

    @Test(arguments: [
        (0, "0s", "0s"), (250, "0.00025s", "250us"), (52_999, "0.052999s", "52ms"),
        (1_000_000, "1s", "1s"), (12_345_678, "12.345678s", "12.3s"),
        (59_999_999, "59.999999s", "59.9s"), (60_000_000, "1m", "1m 00s"),
        (90_000_000, "90s", "1m 30s"), (3_599_000_000, "3599s", "59m 59s"),
        (7_380_000_000, "123m", "2h 03m"), (86_400_000_000, "24h", "1d 00h"),
        (3_801_600_000_000, "1056h", "44d 00h"), (-90_000_000, "-90s", "-1m 30s"),
        (-1_500_000, "-1.5s", "-1.5s"), (-1_500, "-0.0015s", "-1ms"),
    ])
    func lengthsOfTimeAreExactOrReadable(time: Microseconds, exact: String, readable: String) {
        #expect(DurationText.exact(time) == exact)
        #expect(DurationText.readable(time) == readable)
        #expect(DurationText.readable(time).count <= 11)
    }

    @Test func aTableKeepsItsColumnsWhateverTheNames() {
        var event = Event(position: 7, time: 0, kind: .userNamed, outcome: .done)
        event.user = 3
        func named(_ name: String) -> NamedEvent {
            NamedEvent(event: event, user: name, project: "", inputProject: "")
        }
        let table = EventTable(last: 1_234_567_890_123, users: ["ann", "王小明"])
        let rows = ["ann", "王小明", "王小明王小明", "e\u{301}ve", "x\u{1B}[2Jy"].map {
            table.row(named($0), gap: 90_000_000)
        }
        for row in [table.header] + rows {
            let before = row.range(of: "what") ?? row.range(of: "seen")
            #expect(before.map { DisplayText.width(of: String(row[..<$0.lowerBound])) } == 65)
            #expect(row.allSatisfy { $0 == "\u{FFFD}" || DisplayText.isHarmless($0) })
        }
        #expect(
            table.row(named("ann"), gap: nil) { "<\($0)|\($1)>" }
                == "            7  1970-01-01T00:00:00.000000Z               ann     "
                + "<seen for the first time, user 3|quiet>")
    }
}

extension String {
    fileprivate func range(of word: String) -> Range<Index>? { firstRange(of: word) }
}
