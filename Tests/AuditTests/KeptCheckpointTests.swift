@testable import Audit
import Crypto
import EventLog
import Foundation
import Ledger
import LogForge
import ReconnectionRules
import Testing

/// A kept checkpoint is used if it is what was written for this log, and otherwise passed over.
@Suite struct KeptCheckpointTests {
    private let scratch = ScratchDirectory()

    /// A small ledger with three kept checkpoints, and the digest of its state at each position.
    private struct Small {
        let directory: DataDirectory
        let kept: [Position]
        let digests: [Digest32]

        init(in path: String, seed: UInt64 = 2) throws {
            let story = try ScenarioLog(in: path, seed: seed, scenarioCount: 2)
            directory = story.directory
            kept = try keepCheckpoints(directory, every: story.events.count / 4)
            var digests = [StateDigest.of(State())]
            var truth = FoldFromZero(story.events)
            for position in 1 ... Position(story.events.count) {
                truth.advance(to: position)
                digests.append(StateDigest.of(truth.state))
            }
            self.digests = digests
        }

        func file(_ position: Position) -> String {
            let digits = "\(position)"
            return directory.checkpoints + "/" + String(repeating: "0", count: 20 - digits.count)
                + digits
        }

        /// Looks at the moment behind a kept checkpoint and expects the truth whatever stands
        /// there; returns what was wrong with it.
        func look(at position: Position, _ reader: LedgerReader) throws
            -> [KeptCheckpointFault.Reason]
        {
            let states = reader.pastStates()
            let state = try states.state(at: position + 1)
            #expect(StateDigest.of(state) == digests[Int(position + 1)])
            let nearest = kept.last { $0 < position } ?? 0
            #expect(states.checkpointPosition == (states.faults.isEmpty ? position : nearest))
            return states.faults.map(\.reason)
        }
    }

    /// Every byte of a file changed, one after the other.
    @Test func noByteCanBeOtherUnnoticed() throws {
        let small = try Small(in: scratch("data"))
        let position = small.kept[1]
        let whole = Files.read(small.file(position))
        #expect(whole.count > 600)
        let reader = try LedgerReader(opening: small.directory.path)
        #expect(try small.look(at: position, reader) == [])
        for offset in whole.indices {
            var bytes = whole
            bytes[offset] ^= offset % 2 == 0 ? 0x40 : 0x01
            Files.write(bytes, to: small.file(position))
            let reasons = try small.look(at: position, reader)
            #expect(reasons.count == 1, "byte \(offset)")
        }
        Files.write(whole, to: small.file(position))
        #expect(try small.look(at: position, reader) == [])
    }

    @Test func aShorterOrLongerFileIsPassedOver() throws {
        let small = try Small(in: scratch("data"))
        let position = small.kept[1]
        let whole = Files.read(small.file(position))
        let reader = try LedgerReader(opening: small.directory.path)
        for count in stride(from: 0, to: whole.count, by: 7) {
            Files.write(Array(whole.prefix(count)), to: small.file(position))
            #expect(try small.look(at: position, reader) == [.truncated], "\(count) bytes")
        }
        Files.write(whole + [0], to: small.file(position))
        #expect(try small.look(at: position, reader) == [.damaged])
        Files.remove(small.file(position))
        Files.makeDirectory(small.file(position))
        #expect(try small.look(at: position, reader).count == 1)
    }

    /// Sound files in the wrong place, told from damaged ones.
    @Test func aFileOfElsewhereIsPassedOver() throws {
        let small = try Small(in: scratch("data"))
        let (first, second) = (small.kept[0], small.kept[1])
        // The same events in another ledger: equal but for the ledger's id.
        let twin = try Small(in: scratch("twin"))
        try #require(twin.kept == small.kept)
        let whole = Files.read(small.file(second))
        func reasons() throws -> [KeptCheckpointFault.Reason] {
            try reading(small.directory.path) { try small.look(at: second, $0) }
        }
        Files.copy(twin.file(second), to: small.file(second))
        #expect(try reasons() == [.foreign])
        Files.copy(small.file(first), to: small.file(second))
        #expect(try reasons() == [.damaged], "it says another position than its name")
        var newer = whole
        newer[8] = 2
        Files.write(newer, to: small.file(second))
        #expect(try reasons() == [.newerVersion(2)])
        var moved = whole
        moved[70] ^= 1
        Files.write(sealed(moved), to: small.file(second))
        #expect(try reasons() == [.notOfThisLog], "another batch's hash")
        Files.write(whole, to: small.file(second))
        #expect(try reasons() == [])
    }

    /// With the digest made anew: what no look can notice, but whoever folds the events does.
    @Test func aForgedStateIsFoundByVerifyAndMadeAnewByRebuild() throws {
        let small = try Small(in: scratch("data"))
        let position = small.kept[1]
        let whole = Files.read(small.file(position))
        var forged = whole
        // The first counter.
        forged[160] ^= 1
        Files.write(sealed(forged), to: small.file(position))
        let report = try Verifier.verify(small.directory)
        #expect(report.checkpointFaults.map(\.reason) == [.otherState])
        #expect(report.checkpointFaults[0].description.contains("\(position)"))
        #expect(report.keptCheckpointCount == small.kept.count - 1)
        let rebuilt = try Rebuilder.rebuild(small.directory, keeping: .every(1_000_000))
        #expect(rebuilt.isSame && rebuilt.madeCheckpointCount == 1)
        #expect(rebuilt.checkpointFaults.map(\.reason) == [.otherState])
        #expect(Files.read(small.file(position)) == whole)
        let after = try Verifier.verify(small.directory)
        #expect(after.checkpointFaults.isEmpty && after.keptCheckpointCount == small.kept.count)
    }

    @Test func damageIsAWarningOfVerifyAndStats() throws {
        let small = try Small(in: scratch("data"))
        let position = small.kept[2]
        var bytes = Files.read(small.file(position))
        bytes[200] ^= 1
        Files.write(bytes, to: small.file(position))
        Files.write(Array(bytes.prefix(100)), to: small.file(small.kept[0]))
        for report in [
            try Verifier.verify(small.directory), try Verifier.verifyChain(small.directory),
        ] {
            #expect(report.checkpointFaults.map(\.reason) == [.truncated, .damaged])
            #expect(report.keptCheckpointCount == small.kept.count - 2)
        }
        let storage = try StorageStatistics(LedgerReader(opening: small.directory.path))
        #expect(storage.checkpointFaults.map(\.reason) == [.truncated])
        #expect(storage.checkpointCount == small.kept.count - 1)
        let rebuilt = try Rebuilder.rebuild(
            small.directory, keeping: .every(small.digests.count / 4))
        #expect(rebuilt.checkpointFaults.count == 2 && rebuilt.madeCheckpointCount == 2)
        #expect(try Verifier.verify(small.directory).checkpointFaults.isEmpty)
    }

    /// They may go at any time; a rebuild brings them back, the same byte for byte.
    @Test func deletedOnesAreNoLoss() throws {
        let small = try Small(in: scratch("data"))
        let before = Files.all(below: small.directory.checkpoints)
        #expect(before.count == small.kept.count)
        Files.remove(small.directory.checkpoints)
        try reading(small.directory.path) { reader in
            for position in 0 ..< Position(small.digests.count) {
                let state = try reader.state(at: .position(position)).state
                #expect(StateDigest.of(state) == small.digests[Int(position)])
            }
        }
        try keepCheckpoints(small.directory, every: (small.digests.count - 1) / 4)
        #expect(Files.all(below: small.directory.checkpoints) == before)
    }

    // MARK: - Keeping them

    /// The owner keeps them while it runs; what it wrote is what a rebuild would write.
    @Test func theOwnerKeepsThemOnItsWay() async throws {
        let path = scratch("live")
        var options = Ledger.Options()
        options.keptCheckpoints = .every(20)
        for life in 0 ..< 2 {
            let ledger = try Ledger(opening: path, options: options)
            try await ledger.modifyProject("p", ProjectChange(concurrencyCount: 3))
            for round in 0 ..< 60 {
                let user = "u\(round % 7)-\(life)"
                _ = try await ledger.apply(user: user, project: "p")
                _ = try await ledger.createSession(user: user)
                try await ledger.disconnect(user: user)
            }
            await ledger.close()
        }
        let kept = Files.all(below: path + "/checkpoints")
        #expect(kept.count > 3 && kept.keys.allSatisfy { $0.count == 20 }, "\(kept.keys)")
        let positions = kept.keys.compactMap { Position($0) }.sorted()
        for (one, next) in zip(positions, positions.dropFirst()) { #expect(next - one >= 20) }
        // Each stands at the end of a batch: made anew at the same places they are the same.
        for position in positions {
            Files.remove(path + "/checkpoints")
            let directory = DataDirectory(path)
            _ = try Rebuilder.rebuild(directory, keeping: .every(Int(position)))
            let name = try #require(kept.keys.first { Position($0) == position })
            #expect(Files.all(below: path + "/checkpoints")[name] == kept[name], "\(position)")
        }
    }

    @Test func anImportKeepsThemAndZeroKeepsNone() throws {
        let trace = scratch("trace.csv")
        Files.write(Array(syntheticTrace(seed: 4, rowCount: 9_000).utf8), to: trace)
        for (name, spacing) in [("some", 1_000), ("none", 0)] {
            var importer = try TraceImporter(
                trace: TraceReader(path: trace), project: "p",
                change: ProjectChange(concurrencyCount: 20))
            _ = try importer.run(into: DataDirectory(scratch(name)), keeping: .every(spacing))
            let files = Files.all(below: scratch(name) + "/checkpoints")
            #expect(files.isEmpty == (spacing == 0))
            #expect(try Verifier.verify(DataDirectory(scratch(name))).checkpointFaults.isEmpty)
        }
    }

    /// The stated spacing: so many events, and eight for each user and concurrency.
    @Test func theSpacingGrowsWithTheState() throws {
        #expect(CheckpointSpacing().eventCount == 4_194_304)
        let story = try ScenarioLog(in: scratch("data"), seed: 6, scenarioCount: 12)
        let report = try Rebuilder.rebuild(
            story.directory, keeping: CheckpointSpacing(eventCount: 10, eventCountPerRecord: 8))
        let positions = try reading(story.directory.path) { $0.keptCheckpoints.positions() }
        #expect(report.madeCheckpointCount == positions.count && positions.count > 3)
        var truth = FoldFromZero(story.events)
        var last: Position = 0
        for position in positions {
            truth.advance(to: position)
            let records = truth.state.projects.reduce(truth.state.userCount) {
                $0 + Int($1.numberCount)
            }
            #expect(position - last >= Position(max(10, 8 * records)))
            last = position
        }
    }

    @Test func whatAProcessThatIsGoneLeftHalfWrittenGoes() throws {
        let small = try Small(in: scratch("data"))
        let leftover = small.file(7) + ".4194304999.new"
        let gone = small.file(7) + ".4194303.new"
        let strange = small.directory.checkpoints + "/notes.txt"
        for path in [leftover, gone, strange] { Files.write([1, 2, 3], to: path) }
        withExtendedLifetime(
            try WritableLedger(opening: small.directory, options: Ledger.Options())
        ) {}
        #expect(!Files.exists(gone))
        #expect(Files.exists(strange) && Files.exists(leftover), "it is not ours to remove")
        #expect(try reading(small.directory.path) { $0.keptCheckpoints.positions() } == small.kept)
    }

    /// The form on disk, so that nobody changes it without a new version.
    @Test func theFormIsFixed() throws {
        let small = try Small(in: scratch("data"))
        let bytes = Files.read(small.file(small.kept[0]))
        func number(_ offset: Int, _ count: Int = 8) -> UInt64 {
            bytes[offset ..< offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        let id = try reading(small.directory.path) { $0.log.ledgerId }
        let state = try reading(small.directory.path) {
            try $0.state(at: .position(small.kept[0])).state
        }
        #expect(String(decoding: bytes.prefix(8), as: UTF8.self) == "HOLDKEPT")
        #expect(number(8, 4) == 1 && number(12, 4) == 272)
        #expect(String(decoding: bytes[16 ..< 48], as: UTF8.self) == id)
        #expect(number(48) == small.kept[0] && number(56) == UInt64(state.time))
        #expect(number(96) == state.lastOfLedger && number(104) == UInt64(state.users.count))
        #expect(number(128) == UInt64(state.projects.count))
        #expect([136, 140, 144, 148].map { number($0, 4) } == [30, 29, 30, 44])
        #expect(number(152) == 0)
        #expect(number(160) == state.counters.starts)
        #expect(number(264) == state.counters.waitingNow)
        #expect(number(272, 4) == UInt64(state.projects[1].settings.concurrencyCount))
        let users = 272 + 44 * state.projectCount
        #expect(number(users + 30) == state.users[1].last)
        let jumps = users + 30 * state.users.count
        let concurrencies = jumps + 29 * Int(number(112))
        #expect(number(concurrencies + 30 + 16) == state.projects[1].concurrencies[1].last)
        let numbers = state.projects.dropFirst().reduce(0) { $0 + $1.concurrencies.count }
        #expect(bytes.count == concurrencies + 30 * numbers + 32)
        #expect(sealed(bytes) == bytes)
    }

    /// A state that no state has, and flags that are neither: with a digest that fits, too, the
    /// file is not used.
    @Test func valuesThatMeanNothingAreRefused() throws {
        let small = try Small(in: scratch("data"))
        let position = small.kept[1]
        let whole = Files.read(small.file(position))
        let last = whole.count - 32 - 30
        let reader = try LedgerReader(opening: small.directory.path)
        for (offset, value) in [(last + 28, 7), (last + 29, 2), (272 + 28, 2), (272 + 31, 1)] {
            var changed = whole
            changed[offset] = UInt8(value)
            Files.write(sealed(changed), to: small.file(position))
            #expect(try small.look(at: position, reader) == [.damaged], "byte \(offset)")
        }
    }

    /// The digest at the end made anew.
    private func sealed(_ bytes: [UInt8]) -> [UInt8] {
        let content = bytes.dropLast(32)
        return content + Array(SHA256.hash(data: Data(content)))
    }
}
