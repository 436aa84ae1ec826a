import EventLog
import Foundation
import LMDB
import LogForge
import ReconnectionRules
import Synchronization
import Testing

/// What only a second process can show, or must bear if it goes wrong.
@Suite(.serialized) struct ProcessTests {
    private let scratch = ScratchDirectory()

    /// Mapped, a page past the end of the file is a SIGBUS.
    @Test func aFileCutShortIsAnErrorAtEveryLength() async throws {
        let path = scratch.path
        try makeLog(in: path, [3, 60, 200, 1, 40, 500])
        await #expect(processExitsWith: .success) { [path = path as String] in
            let whole = Files.read(path + "/data.mdb")
            let expected = try EventLog(directory: path, mode: .readOnly).allEvents()
            var refusedCount = 0
            for length in Array(stride(from: 0, to: whole.count, by: 509)) + [whole.count - 1] {
                Files.write(Array(whole[..<length]), to: path + "/data.mdb")
                for mode in [EventLog.Mode.readOnly, .readWrite] {
                    do {
                        // The end of the file may be free pages.
                        let log = try EventLog(directory: path, mode: mode)
                        try #require(try log.allEvents() == expected, "\(length)")
                    } catch let error as LogError {
                        try #require(!error.message.isEmpty)
                        if length >= 4096 { try #require(error.code != .missing) }
                        refusedCount += 1
                    }
                }
            }
            try #require(refusedCount > 100)
        }
    }

    /// Whatever the page check lets through, the log can read without a crash.
    @Test func flippedPagesNeverCrashAReaderThatChecksThem() async throws {
        let path = scratch.path
        try makeLog(in: path, [3, 60, 1, 200, 2, 30])
        let seed = SeededGenerator.announced(71, for: "flipped pages")
        await #expect(processExitsWith: .success) {
            [path = path as String, seed = seed as UInt64] in
            let whole = Files.read(path + "/data.mdb")
            // Behind the pages in use lies space prepared for what comes, which nothing reads.
            let (expected, usedPageCount) = try {
                let log = try EventLog(directory: path, mode: .readOnly)
                return (try log.allEvents(), log.byteCount / 4096)
            }()
            var generator = SeededGenerator(seed: seed)
            var (soundCount, foundCount) = (0, 0)
            for _ in 0 ..< 300 {
                var changed = whole
                let page = generator.below(usedPageCount)
                let isHeader = Bool.random(using: &generator)
                let offset = 4096 * page + generator.below(isHeader ? 200 : 4096)
                changed[offset] ^= UInt8.random(in: 1 ... 255, using: &generator)
                Files.write(changed, to: path + "/data.mdb")
                do {
                    _ = try EventLog.checkPages(directory: path)
                    let log = try EventLog(directory: path, mode: .readOnly)
                    try #require(try log.allEvents() == expected, "byte \(offset)")
                    soundCount += 1
                } catch is LogError { foundCount += 1 }
            }
            print("\(foundCount) found, \(soundCount) in bytes that alter no answer")
            try #require(foundCount > 50)
        }
    }

    @Test func aSecondProcessReadsWhileThisOneAppends() async throws {
        let path = scratch.path
        let log = try EventLog(directory: path, mode: .create)
        try log.appendSamples([1])
        let isOver = StopSign()
        async let appended = appendUntil(isOver, log)
        await #expect(processExitsWith: .success) { [path = path as String] in
            let log = try EventLog(directory: path, mode: .readOnly)
            var last: Position = 0
            var growthCount = 0
            let mark = log.changeMark
            while growthCount < 30 {
                let events = try log.allEvents()
                try #require(events.map(\.position) == Array(1 ... Position(events.count)))
                let head = try log.head()
                try #require(head.position >= Position(events.count))
                try #require(Position(events.count) >= last)
                if Position(events.count) > last { growthCount += 1 }
                last = Position(events.count)
            }
            try #require(log.changeMark != mark)
        }
        isOver.raise()
        #expect(try await appended > 1)
    }

    private func appendUntil(_ isOver: StopSign, _ log: EventLog) async throws -> Position {
        var count = 1
        while !isOver.isUp {
            try log.appendSamples([count % 9 + 1])
            count += 1
            try await Task.sleep(for: .milliseconds(1))
        }
        return try log.head().position
    }

    /// Pages are used again while they are checked; that is no damage.
    @Test func pagesAreCheckedBesideABusyWriter() async throws {
        let path = scratch.path
        let log = try EventLog(directory: path, mode: .create)
        for _ in 0 ..< 40 { try log.appendSamples([Int](repeating: 1, count: 10)) }
        let isOver = StopSign()
        async let appended = appendBusily(isOver, log)
        await #expect(processExitsWith: .success) { [path = path as String] in
            for _ in 0 ..< 15 {
                try #require(try EventLog.checkPages(directory: path) > 10)
            }
        }
        isOver.raise()
        #expect(try await appended > 1)
    }

    private func appendBusily(_ isOver: StopSign, _ log: EventLog) async throws -> Int {
        var count = 0
        while !isOver.isUp {
            try log.appendSamples([1, 1, 1])
            count += 1
            await Task.yield()
        }
        return count
    }

    @Test func aWriterThatIsKilledLeavesWholeBatches() async throws {
        let path = scratch.path
        _ = try EventLog(directory: path, mode: .create)
        let seed = SeededGenerator.announced(12, for: "killed writer")
        for round in UInt64(0) ..< 4 {
            await #expect(processExitsWith: .signal(SIGKILL)) {
                [path = path as String, seed = seed &+ round as UInt64] in
                var generator = SeededGenerator(seed: seed)
                let delay = UInt32(1_000 + generator.below(20_000))
                Thread.detachNewThread {
                    usleep(delay)
                    kill(getpid(), SIGKILL)
                }
                let log = try EventLog(directory: path, mode: .readWrite)
                while true { try log.appendSamples([1 + generator.below(40)]) }
            }
            let log = try EventLog(directory: path, mode: .readWrite)
            #expect(Position(try log.allEvents().count) == (try log.head().position))
        }
    }
}

/// Tells a task on another thread to stop.
private final class StopSign: Sendable {
    private let value = Atomic(false)

    var isUp: Bool { value.load(ordering: .relaxed) }

    func raise() { value.store(true, ordering: .relaxed) }
}

/// A file as LMDB makes it, without a single commit.
func makeBlankDatabase(in directory: String) throws {
    _ = try Environment(directory: directory)
}
