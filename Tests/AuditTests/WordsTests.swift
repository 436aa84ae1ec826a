import Audit
import Ledger
import ReconnectionRules
import Testing

/// Lengths of time and moments as an explanation says them.
@Suite struct WordsTests {
    @Test(arguments: [
        (0, "0 s"), (1, "1 µs"), (999, "999 µs"), (1_000, "1 ms"), (250_400, "250 ms"),
        (999_600, "1 s"), (1_000_000, "1 s"), (12_400_000, "12.4 s"), (12_345_678, "12.346 s"),
        (119_999_999, "120 s"), (120_000_000, "2 min"), (200_400_000, "3 min 20 s"),
        (3_600_000_000, "1 h"), (18_720_000_000, "5 h 12 min"), (86_400_000_000, "24 h"),
        (172_800_000_000, "2 d"), (183_600_000_000, "2 d 3 h"), (-12_400_000, "12.4 s"),
    ] as [(Microseconds, String)])
    func durations(length: Microseconds, text: String) {
        #expect(Words.duration(length) == text)
    }

    @Test(arguments: [
        (0, "0 s"), (1, "0.000001 s"), (90_000_000, "90 s"), (120_000_000, "120 s"),
        (120_500_000, "2 min 0.5 s"), (3_601_000_000, "1 h 1 s"), (86_400_000_000, "24 h"),
        (5_405_250_000, "1 h 30 min 5.25 s"),
    ] as [(Microseconds, String)])
    func exactDurations(length: Microseconds, text: String) {
        #expect(Words.exactDuration(length) == text)
    }

    @Test(arguments: [
        (0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1_000, "1.0 kB"), (40_960, "40.9 kB"),
        (999_999, "999.9 kB"), (402_360_171, "402.3 MB"), (.max, "18.4 EB"),
    ] as [(UInt64, String)])
    func bytes(count: UInt64, text: String) {
        #expect(ByteText.readable(count) == text)
    }

    /// A moment can be typed after --at again, and is the same one.
    @Test(arguments: [
        ("2026-11-23T20:00:00Z", "2026-11-23T20:00:00Z"),
        ("2026-11-23T20:00:10.5Z", "2026-11-23T20:00:10.500000Z"),
        ("2026-11-23T20:00:00.00001Z", "2026-11-23T20:00:00.00001Z"),
    ])
    func moments(text: String, same: String) throws {
        let time = try #require(Timestamp.parse(same.utf8))
        #expect(Words.time(time) == text)
        #expect(Timestamp.parse(text.utf8) == time)
    }

    @Test func countsAndLists() {
        #expect(Words.count(1, "event") == "1 event")
        #expect(Words.count(12_771, "concurrency") == "12,771 concurrencies")
        #expect(Words.count(2, "batch") == "2 batches" && Words.count(1, "batch") == "1 batch")
        #expect(Words.count(12_771, "event", isGrouped: false) == "12771 events")
        #expect(Words.grouped(-1_234_567) == "-1,234,567" && Words.grouped(999) == "999")
        #expect(Words.list(["a"]) == "a" && Words.list(["a", "b", "c"]) == "a, b and c")
    }
}
