import Audit
import EventLog
import Ledger
import LogForge
import ReconnectionRules
import Testing

/// What a ledger takes on disk, and how fast that grows in its own time.
@Suite struct StorageStatisticsTests {
    private let scratch = ScratchDirectory()

    /// A ledger with so many events at each moment, from the story's start on.
    private func write(
        _ name: String, _ moments: [(time: Microseconds, eventCount: Int)]
    ) throws -> StorageStatistics {
        let directory = DataDirectory(scratch(name))
        do {
            let ledger = try WritableLedger(opening: directory, options: Ledger.Options())
            for (index, moment) in moments.enumerated() {
                let now = Story.start + moment.time
                // The first names somebody: two events.
                for _ in 0 ..< moment.eventCount - (index == 0 ? 1 : 0) {
                    try ledger.core.perform(.destroy(user: "u"), at: now, by: .library)
                }
                try ledger.core.commit(wallOffset: 0)
            }
            ledger.core.checkpointNow()
        }
        return try StorageStatistics(LedgerReader(opening: directory.path))
    }

    @Test func growthIsCountedOverADayAWeekAndTheWholeLife() throws {
        let day = Microseconds.seconds(86_400)
        // Twenty days; the newest event at day 20.
        let statistics = try write(
            "data",
            [
                (0, 100), (12 * day, 40), (13 * day, 1_000), (13 * day + 1, 7), (18 * day, 50),
                (19 * day, 9), (19 * day + 1, 30), (20 * day, 5),
            ])
        let growth = statistics.growth
        #expect(growth.map(\.name) == ["day", "week", "life"])
        #expect(growth.map(\.length) == [day, 7 * day, 20 * day])
        // Exactly a day before the newest event is not in the last day.
        #expect(growth.map(\.eventCount) == [35, 101, 1_241])
        let bytes = try #require(statistics.bytesPerEvent)
        #expect(bytes == Double(statistics.logByteCount) / 1_241)
        #expect(growth[0].eventsPerDay == 35)
        #expect(growth[1].eventsPerDay == 101.0 / 7)
        #expect(growth[2].eventsPerDay == 1_241.0 / 20)
        for part in growth { #expect(part.bytesPerDay == part.eventsPerDay! * bytes) }
        #expect(bytes > 80 && bytes < 200)
        #expect(statistics.viewsByteCount > 4_096)
        #expect(statistics.checkpointCount == 0 && statistics.checkpointsByteCount == 0)
        let free = try #require(statistics.logFreeByteCount)
        #expect(free >= 0 && free < statistics.logByteCount && free % 4_096 == 0)
    }

    /// A ledger younger than the length of time: its own life counts.
    @Test func aYoungLedgerCountsItsLife() throws {
        let hour = Microseconds.seconds(3_600)
        let young = try write("young", [(0, 4), (6 * hour, 6)])
        #expect(young.growth.map(\.length) == [6 * hour, 6 * hour, 6 * hour])
        #expect(young.growth.allSatisfy { $0.eventCount == 10 && $0.eventsPerDay == 40 })
        let newborn = try write("newborn", [(0, 4)])
        #expect(newborn.growth.allSatisfy { $0.eventCount == 4 && $0.eventsPerDay == nil })
        #expect(newborn.bytesPerEvent != nil)
        // Minutes are no rate of a day, and an hour is.
        let minutes = try write("minutes", [(0, 4), (hour - 1, 6)])
        #expect(minutes.growth.allSatisfy { $0.eventCount == 10 && $0.eventsPerDay == nil })
        #expect(minutes.growth.allSatisfy { $0.length == hour - 1 && $0.bytesPerDay == nil })
        let exact = try write("hour", [(0, 4), (hour, 6)])
        #expect(exact.growth.allSatisfy { $0.eventsPerDay == 240 })
        let empty = try write("empty", [])
        #expect(empty.growth.isEmpty && empty.bytesPerEvent == nil)
    }

    @Test func keptCheckpointsAreCounted() throws {
        let story = try ScenarioLog(in: scratch("data"), seed: 9)
        let kept = try keepCheckpoints(story.directory, every: 30)
        let statistics = try StorageStatistics(LedgerReader(opening: story.directory.path))
        #expect(statistics.checkpointCount == kept.count && kept.count > 2)
        let files = Files.all(below: story.directory.checkpoints)
        #expect(statistics.checkpointsByteCount == UInt64(files.values.reduce(0) { $0 + $1.count }))
    }
}
