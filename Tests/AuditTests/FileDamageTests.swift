import Audit
import EventLog
import Ledger
import LogForge
import ReconnectionRules
import Testing

/// Bytes that flip by themselves, anywhere in the files. In child processes: LMDB maps the files.
@Suite(.serialized) struct FileDamageTests {
    /// Each flip in the log file is found, or lies in bytes that alter no answer.
    @Test func everyFlipInTheLogIsFoundOrHarmless() async throws {
        let seed = SeededGenerator.announced(2_026, for: "flips in log/data.mdb")
        await #expect(processExitsWith: .success) { [seed = seed as UInt64] in
            let scratch = ScratchDirectory()
            let story = try Story(in: scratch("data"))
            let whole = Files.read(story.directory.log + "/data.mdb")
            let report = try Verifier.verify(story.directory)
            var generator = SeededGenerator(seed: seed)
            // Behind them lies space prepared for what comes, which nothing reads.
            let usedByteCount = try LedgerReader(opening: story.directory.path).log.byteCount
            var offsets = (0 ..< 400).map { _ in generator.below(usedByteCount) }
            // Both meta pages, and the headers of all others, are too small to be hit by chance.
            offsets += (0 ..< 152).flatMap { [$0, 4096 + $0] }
            offsets += (2 ..< usedByteCount / 4096).map { 4096 * $0 + generator.below(40) }
            var (foundCount, harmlessCount) = (0, 0)
            for offset in offsets {
                var changed = whole
                changed[offset] ^= UInt8.random(in: 1 ... 255, using: &generator)
                Files.write(changed, to: story.directory.log + "/data.mdb")
                print("flip at \(offset) to \(changed[offset])")
                do {
                    let found = try Verifier.verify(story.directory)
                    try #require(found.head == report.head, "flip at \(offset)")
                    try #require(found.stateDigest == report.stateDigest, "flip at \(offset)")
                    let reader = try LedgerReader(opening: story.directory.path)
                    try #require(try reader.allEvents() == story.events, "flip at \(offset)")
                    harmlessCount += 1
                } catch let error as LogError {
                    try #require(!error.message.isEmpty && !error.message.contains("\n"))
                    foundCount += 1
                }
            }
            print("\(foundCount) found, \(harmlessCount) harmless")
            try #require(foundCount > 200)
        }
    }

    /// Each flip in the views is noticed, and the view rebuilt from the log, or changes nothing.
    @Test func noFlipInTheViewsLeadsToAWrongAnswer() async throws {
        let seed = SeededGenerator.announced(2_027, for: "flips in views/data.mdb")
        await #expect(processExitsWith: .success) { [seed = seed as UInt64] in
            let scratch = ScratchDirectory()
            let story = try Story(in: scratch("data"))
            let path = story.directory.views + "/data.mdb"
            let whole = Files.read(path)
            let expected = try LedgerReader(opening: story.directory.path).answers
            try #require(!expected.jumpStacks.isEmpty)
            var generator = SeededGenerator(seed: seed)
            var rejectedCount = 0
            for _ in 0 ..< 500 {
                var changed = whole
                let page = generator.below(whole.count / 4096)
                let isHeader = Bool.random(using: &generator)
                let offset = 4096 * page + generator.below(isHeader ? 100 : 4096)
                changed[offset] ^= UInt8.random(in: 1 ... 255, using: &generator)
                Files.write(changed, to: path)
                print("flip at \(offset) to \(changed[offset])")
                do {
                    let reader = try LedgerReader(opening: story.directory.path)
                    try #require(reader.answers == expected, "flip at \(offset)")
                    if reader.recovery.checkpointPosition == 0 { rejectedCount += 1 }
                } catch is LedgerError { rejectedCount += 1 }
            }
            print("\(rejectedCount) checkpoints rejected")
            try #require(rejectedCount > 20)
        }
    }

    /// A writer that opens over damaged views carries on with a sound ledger.
    @Test func aWriterOverDamagedViewsCarriesOn() async throws {
        let seed = SeededGenerator.announced(2_028, for: "writer over flips in views/data.mdb")
        await #expect(processExitsWith: .success) { [seed = seed as UInt64] in
            let scratch = ScratchDirectory()
            let story = try Story(in: scratch("data"))
            let path = story.directory.views + "/data.mdb"
            let whole = Files.read(path)
            var generator = SeededGenerator(seed: seed)
            var now = story.events.last!.time
            for round in 0 ..< 150 {
                var changed = whole
                let page = generator.below(whole.count / 4096)
                let offset = 4096 * page + generator.below(200)
                changed[offset] ^= UInt8.random(in: 1 ... 255, using: &generator)
                Files.write(changed, to: path)
                print("flip at \(offset) to \(changed[offset])")
                do {
                    let ledger = try WritableLedger(
                        opening: story.directory, options: Ledger.Options())
                    now += .seconds(1)
                    try ledger.core.settle(at: now, wallOffset: nil)
                    let user = "user-\(round % 5)"
                    try ledger.core.perform(
                        .apply(user: user, project: "alpha"), at: now, by: .library)
                    try ledger.core.commit(wallOffset: nil)
                    ledger.core.checkpointNow()
                }
                try #require(verifyError(story.directory)?.message == nil, "flip at \(offset)")
            }
        }
    }
}
