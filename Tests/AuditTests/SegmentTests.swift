import Audit
import EventLog
import Ledger
import LogForge
import ReconnectionRules
import Testing

/// Verification and replay in segments: cut anywhere, on any number of threads, they find the same.
@Suite struct SegmentTests {
    private let scratch = ScratchDirectory()

    /// Every batch a segment of its own, some together, all in one.
    private static let sizes = [1, 3_000, 20_000, 1 << 30]

    private func verify(
        _ directory: DataDirectory, threads: Int = 3, hasRules: Bool = true, size: Int = 1
    ) throws -> VerifyReport {
        try Verifier.verify(
            directory, .init(threads: threads, hasRules: hasRules, segmentByteCount: size))
    }

    private func fault(
        _ directory: DataDirectory, threads: Int = 3, hasRules: Bool = true, size: Int = 1
    ) -> LogError? {
        do {
            _ = try verify(directory, threads: threads, hasRules: hasRules, size: size)
            return nil
        } catch { return error as? LogError ?? LogError(.foreign, "not a LogError: \(error)") }
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func soundLogsPassHoweverTheyAreCut(seed: UInt64) throws {
        let story = try Story(in: scratch("data"), seed: seed)
        let whole = try Verifier.verify(story.directory)
        for size in Self.sizes {
            for threads in [1, 2, 5] {
                let report = try verify(story.directory, threads: threads, size: size)
                #expect(report.head == whole.head && report.batchCount == whole.batchCount)
                #expect(report.stateDigest == story.digest && report.hasRules)
                let chain = try verify(
                    story.directory, threads: threads, hasRules: false, size: size)
                #expect(chain.head == whole.head && chain.eventCount == whole.eventCount)
                #expect(chain.stateDigest == .zero && !chain.hasRules)
            }
        }
    }

    @Test func aRebuildIsTheSameHoweverItIsCut() throws {
        let story = try Story(in: scratch("data"))
        let log = try EventLog(directory: story.directory.log, mode: .readOnly)
        for size in Self.sizes {
            for threads in [1, 3] {
                let (view, scan) = try Rebuilder.fold(
                    log, threads: threads, segmentByteCount: size)
                #expect(StateDigest.of(view.state) == story.digest)
                #expect(view.head == scan.head)
                #expect(scan.eventCount == UInt64(story.events.count))
            }
        }
        // Up to a position: that of the batch which holds it.
        let (view, scan) = try Rebuilder.fold(log, through: 40, segmentByteCount: 1)
        #expect(view.state.position == scan.head.position && scan.head.position >= 40)
        #expect(scan.head.position < Position(story.events.count))
    }

    @Test func progressRisesToTheHead() throws {
        let story = try Story(in: scratch("data"))
        var heard: [Position] = []
        _ = try Verifier.verify(story.directory, .init(threads: 3, segmentByteCount: 1)) {
            heard.append($0)
            #expect($1 == Position(story.events.count))
        }
        #expect(heard == heard.sorted() && heard.count > 20)
        #expect(heard.last == Position(story.events.count))
    }

    @Test(arguments: VerifierTests.rewrites)
    func aRewrittenEventIsNamed(rewrite: VerifierTests.Rewrite) throws {
        let story = try Story(in: scratch("data"))
        let event = story.first(where: rewrite.fits)
        try LogForge.rewrite(in: story.directory.log) { $0.apply(rewrite, to: event.position) }
        for (size, threads) in [(1, 1), (1, 4), (9_000, 2)] {
            let error = fault(story.directory, threads: threads, size: size)
            #expect(damagedPosition(error) == event.position, "\(error?.message ?? "passes")")
        }
        // Without the rules it is found where a pointer, a number or a time gives it away.
        let error = fault(story.directory, hasRules: false)
        if Self.isSeenWithoutRules(rewrite.name) {
            #expect(damagedPosition(error) == event.position, "\(error?.message ?? "passes")")
        } else if let error {
            #expect(damagedPosition(error)! >= event.position, "\(error.message)")
        }
    }

    private static func isSeenWithoutRules(_ name: String) -> Bool {
        ["back-pointer", "chain of", "a jump", "never was", "another user", "skipped", "earlier"]
            .contains { name.contains($0) }
    }

    /// Bytes that changed and hashes that did not.
    @Test func everyKindOfDamageIsFoundInItsPlace() throws {
        let kinds: [(String, (inout [ForgedBatch], Int) -> Position)] = [
            ("a record", { batches, index in
                let position = batches[index].lastPosition
                batches[index].bytes[batches[index].record(of: position) + 30] ^= 1
                return position
            }),
            ("the header's spare bytes", { batches, index in
                batches[index].bytes[57] ^= 1
                return batches[index].firstPosition
            }),
            ("the hash", { batches, index in
                batches[index].bytes[batches[index].bytes.count - 1] ^= 1
                return batches[index].firstPosition
            }),
            ("the link", { batches, index in
                batches[index].previousHash = [UInt8](repeating: 9, count: 32)
                batches[index].sealHash()
                return batches[index].firstPosition
            }),
            ("a batch is gone", { batches, index in
                let position = batches[index].firstPosition
                batches.remove(at: index)
                return position
            }),
            ("the magic number", { batches, index in
                batches[index].bytes[0] ^= 1
                return batches[index].firstPosition
            }),
            ("the header's times", { batches, index in
                batches[index].set(batches[index].number(at: 32) - Int64(1), at: 32)
                batches.sealAll()
                return batches[index].firstPosition
            }),
        ]
        let story = try Story(in: scratch("data"))
        let sound = try LogForge.batches(in: story.directory.log)
        for (name, plant) in kinds {
            for index in [1, sound.count / 2, sound.count - 2] {
                var batches = sound
                let position = plant(&batches, index)
                try LogForge.replaceBatches(in: story.directory.log, by: batches)
                for (size, threads, hasRules) in [(1, 1, true), (1, 4, true), (9_000, 2, false)] {
                    let error = fault(
                        story.directory, threads: threads, hasRules: hasRules, size: size)
                    #expect(damagedPosition(error) == position, "\(name): \(error?.message ?? "")")
                }
            }
        }
    }

    /// Whichever thread is faster, and whichever part finds which: the lowest is named.
    @Test func ofSeveralFaultsTheLowestIsNamed() throws {
        let story = try Story(in: scratch("data"))
        let sound = try LogForge.batches(in: story.directory.log)
        let rule = VerifierTests.rewrites.first { $0.name == "another session" }!
        let pointer = VerifierTests.rewrites.first { $0.name == "a cut chain of the user" }!
        let early = story.events.first { $0.position > 60 && rule.fits($0) }!.position
        let middle = story.events.first { $0.position > early + 20 && pointer.fits($0) }!.position
        var batches = sound
        batches.apply(rule, to: early)
        batches.apply(pointer, to: middle)
        for index in batches.index(holding: middle) + 1 ..< batches.count {
            batches[index].bytes[100] ^= 1
        }
        try LogForge.replaceBatches(in: story.directory.log, by: batches)
        for round in 0 ..< 20 {
            let error = fault(story.directory, threads: 1 + round % 4)
            #expect(damagedPosition(error) == early, "\(error?.message ?? "passes")")
            let chain = fault(story.directory, threads: 1 + round % 4, hasRules: false)
            #expect(damagedPosition(chain) == middle, "\(chain?.message ?? "passes")")
        }
    }

    /// Jump trees of a heavy user grow through every size of their blocks.
    @Test func aHeavyUsersJumpsAreFollowed() throws {
        let directory = DataDirectory(scratch("data"))
        try HeavyUser.write(to: directory, eventCount: 9_000)
        let report = try verify(directory, hasRules: false, size: 100_000)
        #expect(report.eventCount > 9_000)
        #expect(try verify(directory, size: 100_000).hasRules)
    }
}

/// One user who disconnects and returns, over and over.
enum HeavyUser {
    static let name = "heavy"

    static func write(to directory: DataDirectory, eventCount: Int) throws {
        let core = try WritableLedger(opening: directory, options: Ledger.Options()).core
        var now = Story.start
        try core.perform(
            .modifyProject("p", ProjectChange(concurrencyCount: 2)), at: now, by: .library)
        for round in 0 ..< eventCount / 3 {
            now += .seconds(1)
            try core.settle(at: now, wallOffset: nil)
            try core.perform(.disconnect(user: name), at: now, by: .library)
            try core.perform(.apply(user: name, project: "p"), at: now, by: .library)
            try core.perform(.createSession(user: name), at: now, by: .library)
            if round % 50 == 49 { try core.commit(wallOffset: nil) }
        }
        try core.commit(wallOffset: nil)
    }
}

extension [ForgedBatch] {
    /// Changes a field of an event and seals everything again.
    mutating func apply(_ rewrite: VerifierTests.Rewrite, to position: Position) {
        let index = index(holding: position)
        let offset = self[index].record(of: position) + rewrite.offset
        for byte in 0 ..< rewrite.byteCount {
            self[index].bytes[offset + byte] =
                UInt8(truncatingIfNeeded: rewrite.value >> UInt64(8 * byte))
        }
        self[index].sealTimes()
        sealAll()
    }
}
