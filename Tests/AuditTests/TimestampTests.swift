import Ledger
import LogForge
import ReconnectionRules
import Testing

/// Ledger times as text and back.
@Suite struct TimestampTests {
    private func parse(_ text: String) -> Microseconds? { Timestamp.parse(Array(text.utf8)) }

    static let table: [(Microseconds, String)] = [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1, "1970-01-01T00:00:00.000001Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (-86_400_000_000, "1969-12-31T00:00:00.000000Z"),
        (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
        (951_868_799_999_999, "2000-02-29T23:59:59.999999Z"),
        (951_868_800_000_000, "2000-03-01T00:00:00.000000Z"),
        (1_464_747_170_000_000, "2016-06-01T02:12:50.000000Z"),
        (1_795_428_930_000_250, "2026-11-23T10:15:30.000250Z"),
        (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
        (4_107_542_399_999_999, "2100-02-28T23:59:59.999999Z"),
        (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
        (-62_167_219_200_000_000, "0000-01-01T00:00:00.000000Z"),
        (-62_162_035_200_000_000, "0000-03-01T00:00:00.000000Z"),
        (-62_162_035_200_000_001, "0000-02-29T23:59:59.999999Z"),
        (-62_135_596_800_000_000, "0001-01-01T00:00:00.000000Z"),
    ]

    @Test(arguments: table)
    func momentsAndTheirText(time: Microseconds, text: String) {
        #expect(Timestamp.text(time) == text)
        #expect(parse(text) == time)
    }

    /// Outside four-digit years there is text, though no way back.
    @Test func farAway() {
        #expect(Timestamp.text(253_402_300_800_000_000) == "10000-01-01T00:00:00.000000Z")
        #expect(Timestamp.text(-62_167_219_200_000_001) == "-0001-12-31T23:59:59.999999Z")
        #expect(Timestamp.text(.max) == "294247-01-10T04:00:54.775807Z")
        #expect(Timestamp.text(.min) == "-290308-12-21T19:59:05.224192Z")
    }

    @Test(arguments: [
        ("2020-01-01T00:00:00Z", Microseconds(0)), ("2020-01-01t00:00:00z", 0),
        ("2020-01-01T00:00:00+00:00", 0), ("2020-01-01T00:00:00-00:00", 0),
        ("2020-01-01T00:00:00.5Z", 500_000), ("2020-01-01T00:00:00.000001Z", 1),
        ("2020-01-01T00:00:00.12345+00:00", 123_450),
    ])
    func otherSpellings(text: String, offset: Microseconds) {
        #expect(parse(text) == 1_577_836_800_000_000 + offset)
    }

    /// What people type has their own offset; a trace, and whatever else is stored, is in UTC.
    @Test(arguments: [
        ("2026-11-23T21:00:00+01:00", "2026-11-23T20:00:00Z"),
        ("2026-11-23T21:00:00-05:30", "2026-11-24T02:30:00Z"),
        ("2026-01-01T00:30:00+14:00", "2025-12-31T10:30:00Z"),
        ("2026-11-23T21:00:00.25+00:00", "2026-11-23T21:00:00.25Z"),
        ("2026-11-23T21:00:00Z", "2026-11-23T21:00:00Z"),
    ])
    func localTimes(local: String, utc: String) {
        #expect(Timestamp.parseLocal(local.utf8) == parse(utc))
        #expect(parse(utc) != nil)
        #expect((parse(local) == nil) == !(local.hasSuffix("Z") || local.hasSuffix("+00:00")))
    }

    @Test(arguments: [
        "+01:00", "2026-11-23T21:00:00", "2026-11-23T21:00:00+1:00", "2026-11-23T21:00:00+0100",
        "2026-11-23T21:00:00+24:00", "2026-11-23T21:00:00+01:60", "2026-11-23T21:00:00+01:00Z",
        "2026-11-23T21:00:00+01:000", "2026-11-23T21:00:00Z+01:00", "2026-11-23T21:00:00+01",
        "2026-11-23T21:00:00 +01:00", "2026-02-29T21:00:00+01:00",
        // No text would read back as what these are in UTC.
        "0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01",
    ])
    func noLocalTimes(text: String) {
        #expect(Timestamp.parseLocal(text.utf8) == nil)
    }

    @Test(arguments: [
        "", "Z", "2020", "2020-01-01", "2020-01-01T00:00Z", "2020-01-01T00:00:00",
        "2020-01-01 00:00:00Z", "2020-1-1T00:00:00Z", "20200101T000000Z", "+2020-01-01T00:00:00Z",
        "-001-01-01T00:00:00Z", "12020-01-01T00:00:00Z", "2020-00-01T00:00:00Z",
        "2020-13-01T00:00:00Z", "2020-01-00T00:00:00Z", "2020-01-32T00:00:00Z",
        "2020-04-31T00:00:00Z", "2019-02-29T00:00:00Z", "1900-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z", "2020-02-30T00:00:00Z", "2020-01-01T24:00:00Z",
        "2020-01-01T00:60:00Z", "2020-01-01T00:00:60Z", "2016-12-31T23:59:60Z",
        "2020-01-01T00:00:00+01:00", "2020-01-01T00:00:00+0000", "2020-01-01T00:00:00UTC",
        "2020-01-01T00:00:00.Z", "2020-01-01T00:00:00.1234567Z", "2020-01-01T00:00:00,5Z",
        "2020-01-01T00:00:00ZZ", "2020-01-01T00:00:00Z ", " 2020-01-01T00:00:00Z",
        "２０２０-01-01T00:00:00Z", "2020-01-01T00:00:0\0Z",
    ])
    func whatIsNoTime(text: String) {
        #expect(parse(text) == nil)
    }

    @Test func randomTimesComeBack() {
        var generator = SeededGenerator(seed: SeededGenerator.announced(77, for: "times"))
        let years = -62_167_219_200_000_000 ... 253_402_300_799_999_999 as ClosedRange<Int64>
        for _ in 0 ..< 20_000 {
            let time = Microseconds.random(in: years, using: &generator)
            if parse(Timestamp.text(time)) != time {
                Issue.record("\(time) reads \(Timestamp.text(time))")
                return
            }
        }
    }

    /// Every day of four centuries follows the one before.
    @Test func daysFollowEachOther() {
        let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        var time: Microseconds = 946_684_800_000_000
        for year in 2000 ..< 2400 {
            let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            for month in 1 ... 12 {
                for day in 1 ... lengths[month - 1] + (month == 2 && isLeap ? 1 : 0) {
                    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
                    let text = "\(year)-\(two(month))-\(two(day))T00:00:00Z"
                    if parse(text) != time {
                        Issue.record("\(text) is not \(time)")
                        return
                    }
                    time += 86_400_000_000
                }
            }
        }
    }
}
