import Audit
import BitRot
import EventLog
import Foundation
import Ledger
import LogForge
import ReconnectionRules
import Testing

/// Decay in every file of the data directory, a flip at a time: live bytes are found by `verify`
/// and never served, unused ones raise no alarm. `bit-rot` does the same by the ten thousand.
@Suite(.serialized) struct BitRotTests {
    /// In child processes: LMDB maps the files, and a crash is a failure like any other.
    @Test(arguments: [Shape.small, .mixed])
    func everyFlipIsFoundOrHarmless(shape: Shape) async throws {
        let seed = SeededGenerator.announced(77, for: "decay of a \(shape) ledger")
        await #expect(processExitsWith: .success) {
            [name = shape.rawValue as String, seed = seed as UInt64] in
            let shape = Shape(rawValue: name)!
            let scratch = ScratchDirectory()
            let specimen = try Specimen(shape, seed: seed, in: scratch("data"))
            var tally = Tally()
            // Bits of both transaction numbers, and some of everything.
            let ranges = shape == .small ? [0 ..< 16, 64 ..< 80, 200 ..< 260] : [200 ..< 280]
            for range in ranges {
                let order = Worker.Order(
                    shape: shape, seed: seed, first: range.lowerBound, end: range.upperBound)
                Worker.run(order, on: specimen) { line in
                    print(line)
                    tally.take(line, of: shape, seed: seed)
                }
            }
            try #require(tally.faults == [])
            let live = tally.sum { $0.use == "live" && !$0.isBeneath }
            try #require(live > 30)
            let isLive = { (row: Tally.Row) in row.use == "live" && !row.isBeneath }
            let takenBack = tally.sum(.takenBack, where: isLive)
            try #require(tally.sum(.found, where: isLive) + takenBack == live)
            try #require(tally.sum(.takenBack) < 3)
            try #require(tally.sum(.harmless) { $0.use == "unused" } > 0)
        }
    }

    /// The harness itself: what is not noticed is told.
    @Test func aMissIsTold() {
        var tally = Tally()
        tally.take("try\t7\tbit\tlog/data.mdb\t99\tlive\tclosed", of: .small, seed: 1)
        tally.take("result\t7\tserved\texport is answered otherwise", of: .small, seed: 1)
        tally.take("try\t8\tbit\tlog/data.mdb\t99\tlive\tclosed", of: .small, seed: 1)
        #expect(tally.crashed(.small, seed: 1, signal: 11) == 8)
        #expect(tally.faults.count == 2 && tally.sum(.served) == 1 && tally.sum(.crash) == 1)
    }

    // MARK: - What runs of it found

    /// One bit of the newest meta page's transaction number makes the page before the newest: the
    /// last commit is taken back, and every page fits. The view knows better.
    @Test func aCommitTakenBackIsFound() throws {
        let scratch = ScratchDirectory()
        var foundCount = 0
        // Which bit does it depends on the number: some transactions in a row.
        for stepCount in [40, 44, 48, 52] {
            let story = try Story(in: scratch("data-\(stepCount)"), stepCount: stepCount)
            let path = story.directory.log + "/data.mdb"
            let whole = Files.read(path)
            for place in [0, 4096].flatMap({ page in (0 ..< 16).map { (page, $0) } }) {
                var changed = whole
                changed[place.0 + 144 + place.1 / 8] ^= 1 << UInt8(place.1 % 8)
                Files.write(changed, to: path)
                let message = verifyError(story.directory)?.message ?? ""
                #expect(!message.isEmpty, "bit \(place.1) of page \(place.0 / 4096)")
                if message.contains("its newest batches are gone") { foundCount += 1 }
            }
        }
        #expect(foundCount > 1, "nothing else shows that a commit was taken back")
    }

    /// A sealed address that is not what was written is no address that was never recorded.
    @Test func aDamagedAddressIsNotLeftOut() throws {
        let scratch = ScratchDirectory()
        let directory = DataDirectory(scratch("data"))
        try Shape.mixed.make(in: directory.path, seed: 3)
        let named = try reading(directory.path) { reader in
            try reader.named(reader.allEvents()).first { $0.clientAddress != nil }
        }
        let event = try #require(named).event
        let batches = try LogForge.batches(in: directory.log)
        let batch = batches[batches.index(holding: event.position)]
        let text = batch.texts.first { $0.position == event.position }!.range
        let path = directory.log + "/data.mdb"
        let whole = Files.read(path)
        let start = try #require(place(of: batch.bytes, in: whole))
        // In the text, in the entry's index, and in its length.
        for offset in [text.lowerBound + 20, text.lowerBound - 6, text.lowerBound - 2] {
            var changed = whole
            changed[start + offset] ^= 1
            Files.write(changed, to: path)
            _ = try reading(directory.path) { reader in
                #expect(throws: LedgerError.self, "offset \(offset)") {
                    try reader.named([event])
                }
            }
        }
    }

    /// The uppermost bits of a key are in no check word, and must not lead out of the numbers there
    /// are: a crash at every opening.
    @Test func noKeyOfTheViewsEndsAProcess() async throws {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchDirectory()
            let story = try Story(in: scratch("data"))
            let path = story.directory.views + "/data.mdb"
            let whole = Files.read(path)
            let expected = try LedgerReader(opening: story.directory.path).answers
            func number(_ offset: Int) -> Int { Int(whole[offset]) | Int(whole[offset + 1]) << 8 }
            var keyCount = 0
            for page in 2 ..< whole.count / 4096 where whole[page * 4096 + 10] == 2 {
                for pointer in stride(from: 16, to: min(number(page * 4096 + 12), 4090), by: 2) {
                    let node = page * 4096 + number(page * 4096 + pointer)
                    guard node + 16 < (page + 1) * 4096, number(node + 6) == 8 else { continue }
                    keyCount += 1
                    for bit in 4 ..< 8 {
                        var changed = whole
                        changed[node + 8] ^= 1 << UInt8(bit)
                        Files.write(changed, to: path)
                        _ = try Verifier.verify(story.directory)
                        let reader = try LedgerReader(opening: story.directory.path)
                        try #require(reader.answers == expected)
                    }
                }
            }
            try #require(keyCount > 5)
        }
    }

    /// A separator that leads astray, in a page read after the opening: no event is passed over.
    @Test func aSeparatorThatLeadsAstrayEndsInAnError() async throws {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchDirectory()
            let specimen = try Specimen(.small, seed: 9, in: scratch("data"))
            var outcomes: [Finding.Outcome: Int] = [:]
            for flip in specimen.separatorFlips() {
                let finding = specimen.look(at: flip, writes: false)
                try #require(!finding.isFault, "byte \(flip.offset): \(finding)")
                outcomes[finding.outcome, default: 0] += 1
            }
            try #require(outcomes[.notServed] ?? 0 > 20)
            try #require(outcomes.count == 1)
        }
    }

    @Test func noBitOfASigningKeyFlipsUnseen() throws {
        let scratch = ScratchDirectory()
        let directory = DataDirectory(scratch.directory("data"))
        _ = try HeadKey.readOrMake(directory, name: "example.com/ledger")
        let whole = Files.read(directory.headKey)
        for offset in whole.indices {
            for bit in 0 ..< 8 {
                var changed = whole
                changed[offset] ^= 1 << UInt8(bit)
                Files.write(changed, to: directory.headKey)
                #expect(throws: LedgerError.self, "byte \(offset), bit \(bit)") {
                    try HeadKey.read(directory)
                }
            }
        }
        // Files of before have one line.
        let line = whole.prefix { $0 != 0x0A } + [0x0A]
        Files.write(Array(line), to: directory.headKey)
        #expect(try HeadKey.read(directory)?.name == "example.com/ledger")
    }

    /// What verify says of the files beside the log.
    @Test func verifyLooksAtTheOtherFilesToo() throws {
        let scratch = ScratchDirectory()
        let story = try Story(in: scratch("data"))
        let directory = story.directory
        let sound = try Verifier.verify(directory)
        #expect(sound.keyFaults.isEmpty && sound.viewsFault == nil)
        func changing(_ path: String, at offset: Int, _ body: (VerifyReport) -> Void) throws {
            let whole = Files.read(path)
            var changed = whole
            changed[offset] ^= 4
            Files.write(changed, to: path)
            body(try Verifier.verify(directory))
            Files.write(whole, to: path)
        }
        try changing(directory.personalKeys, at: 60) {
            #expect($0.keyFaults.first?.contains("personal.keys is damaged") == true)
        }
        try changing(directory.headKey, at: 20) {
            #expect($0.keyFaults.first?.contains("head.key is damaged") == true)
        }
        let views = directory.views + "/data.mdb"
        let end = Files.read(views).count
        var faultCount = 0
        for page in 2 ..< end / 4096 {
            try changing(views, at: page * 4096 + 4090) {
                if $0.viewsFault != nil { faultCount += 1 }
            }
        }
        #expect(faultCount > 3)
    }

    /// Epochs and forgotten users are events of the ledger as openings are.
    @Test func whyIsAnsweredBehindEpochsAndForgottenUsers() throws {
        let scratch = ScratchDirectory()
        let story = try Story(in: scratch("data"), hasEpochs: true)
        let reader = try LedgerReader(opening: story.directory.path)
        for number in 0 ..< 9 {
            let explanation = try Explainer(reader).explain("user-\(number)", at: nil)
            #expect(!explanation.isKnown || !explanation.statements.isEmpty)
        }
    }
}

/// Where bytes stand in others, nil if they do not.
func place(of wanted: [UInt8], in bytes: [UInt8]) -> Int? {
    let data = Data(bytes)
    return data.range(of: Data(wanted))?.lowerBound
}
