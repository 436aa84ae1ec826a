import EventLog
import Ledger
import LogForge
import ReconnectionRules
import Testing

extension LedgerTests {
    /// The power fails at any moment under load. Between two waits for the disk it may have written
    /// any of what it was given, in any order, and parts of it, sector by sector. Whatever it left:
    /// the log opens, its chain is whole, and everything answered by then is in it.
    ///
    /// `HOLDFAST_POWER_CUTS` raises the number of states that are opened.
    @Suite(.enabled(if: Faults.isAvailable, "needs glibc, dynamically linked"))
    struct PowerLoss {
        private static let sectorByteCount = 512
        private let scratch: Scratch
        private let clock = ManualClock()

        init() throws { scratch = try Scratch() }

        /// One thing asked of the disk.
        private enum Step {
            case write(offset: Int, bytes: [UInt8])
            case wait
        }

        private struct Answered {
            var event: Event
            /// Steps that were done when it was answered.
            var stepCount: Int
        }

        @Test func whatWasAnsweredSurvivesAPowerCut() async throws {
            let cutCount = environmentNumber("HOLDFAST_POWER_CUTS", default: 400)
            var generator = SeededGenerator(
                seed: SeededGenerator.announced(4_711, for: "power cuts"))
            let (start, steps, answers, figures) = try await load()
            let syncs = steps.count { if case .wait = $0 { true } else { false } }
            print(
                "power cuts: \(answers.count) answers, \(steps.count) steps, \(figures.commits) "
                    + "commits, \(syncs) waits")
            #expect(
                figures.syncs + 10 < 2 * figures.commits, "commits that shared their wait")
            var newest = (full: 0, lost: 0)
            for _ in 0 ..< cutCount {
                let cut = generator.below(steps.count + 1)
                let image = image(start, steps[..<cut], &generator)
                let last = try check(image, answers.filter { $0.stepCount <= cut })
                let given = answers.last { $0.stepCount <= cut }?.event.position ?? 0
                if last > given { newest.full += 1 } else { newest.lost += 1 }
            }
            print("power cuts: \(cutCount) states; in \(newest.full) more was there than answered")
            #expect(newest.full > 0 && newest.lost > 0, "both kinds of cut were met")
        }

        /// A ledger under load. Returns the log file as it was before, what was asked of the disk
        /// since, and what was answered when.
        private func load() async throws
            -> ([UInt8], [Step], [Answered], (commits: UInt64, syncs: UInt64))
        {
            let answers = Shared<[Answered]>([])
            let faults = Faults(on: scratch.directory.log + "/data.mdb")
            var start: [UInt8] = []
            var figures = (commits: UInt64(0), syncs: UInt64(0))
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 600))
                start = readBytes(scratch.directory.log + "/data.mdb")
                faults.record()
                // Slow enough that a batch is always queued behind the one under way.
                faults.delay(.sync, microseconds: 4_000)
                let before = ledger.currentMetrics
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for caller in 0 ..< 48 {
                        group.addTask {
                            for round in 0 ..< 15 {
                                let actions = (0 ..< 10).map { number -> Action in
                                    let user = "u\(caller)-\(number)"
                                    switch round % 3 {
                                    case 0: return .apply(user: user, project: "demo")
                                    case 1: return .createSession(user: user)
                                    default: return .disconnect(user: user)
                                    }
                                }
                                let replies = try await ledger.performAll(actions)
                                let stepCount = faults.recordedCount
                                let given = try replies.map {
                                    Answered(event: try $0.get().event, stepCount: stepCount)
                                }
                                answers.change { $0 += given }
                            }
                        }
                    }
                    try await group.waitForAll()
                }
                let after = ledger.currentMetrics
                figures = (
                    after.commitCount - before.commitCount, after.syncCount - before.syncCount)
            }
            let given = answers.value.sorted { $0.event.position < $1.event.position }
            return (start, Self.steps(faults.recorded), given, figures)
        }

        private static func steps(_ bytes: [UInt8]) -> [Step] {
            var steps: [Step] = []
            var rest = bytes[...]
            func number() -> Int {
                let value = rest.prefix(8).withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
                rest = rest.dropFirst(8)
                return Int(value)
            }
            while let kind = rest.popFirst() {
                let offset = number()
                let length = number()
                let content = Array(rest.prefix(length))
                rest = rest.dropFirst(length)
                steps.append(
                    kind == UInt8(Faults.Kind.sync.rawValue)
                        ? .wait : .write(offset: offset, bytes: content))
            }
            return steps
        }

        /// What the disk may hold: everything up to the last wait, and any sectors of what was
        /// written since.
        private func image(
            _ start: [UInt8], _ steps: ArraySlice<Step>, _ generator: inout SeededGenerator
        ) -> [UInt8] {
            var image = start
            let waited = steps.lastIndex { if case .wait = $0 { true } else { false } } ?? -1
            // None of it, all of it, or some: the extremes are the likely ones.
            let share = [0, 10, generator.below(10)][generator.below(3)]
            for (index, step) in zip(steps.indices, steps) {
                guard case .write(let offset, let bytes) = step else { continue }
                for first in stride(from: 0, to: bytes.count, by: Self.sectorByteCount) {
                    if index > waited, generator.below(10) >= share { continue }
                    let sector = bytes[first ..< min(first + Self.sectorByteCount, bytes.count)]
                    let end = offset + first + sector.count
                    if image.count < end {
                        image += [UInt8](repeating: 0, count: end - image.count)
                    }
                    image.replaceSubrange(offset + first ..< end, with: sector)
                }
            }
            return image
        }

        /// Opens what the disk holds. Returns the newest position there.
        private func check(_ image: [UInt8], _ answers: [Answered]) throws -> Position {
            let directory = ScratchDirectory()
            let path = directory("log")
            Files.makeDirectory(path)
            // Whole pages: the file system's own sizes are in pages as well.
            let padding = (4096 - image.count % 4096) % 4096
            Files.write(image + [UInt8](repeating: 0, count: padding), to: path + "/data.mdb")
            let log = try EventLog(directory: path, mode: .readOnly)
            var events: [Position: Event] = [:]
            try log.forEachBatch { batch in
                try batch.forEachEvent { event, _ in events[event.position] = event }
                return true
            }
            for answer in answers {
                #expect(events[answer.event.position] == answer.event)
            }
            return try log.head().position
        }
    }
}
