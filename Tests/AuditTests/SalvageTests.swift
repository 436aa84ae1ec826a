import Audit
import EventLog
import Foundation
import JSON
import Ledger
import LogForge
import ReconnectionRules
import Testing

/// `salvage`: what it keeps is exactly the sound part, whatever was damaged.
@Suite(.serialized) struct SalvageTests {
    private let scratch = ScratchDirectory()

    private func salvage(_ source: DataDirectory, _ name: String = "new") throws -> SalvageReport {
        Files.remove(scratch(name))
        return try Salvage.run(source, into: DataDirectory(scratch(name)))
    }

    /// Ways in which a log file goes bad, the whole range of them.
    enum Damage: CaseIterable, Sendable {
        case nothing, metaPages, branchAndLeafPages, bit, manyBits, sector, page, cutShort, tail,
            firstBatch

        func apply(to bytes: inout [UInt8], _ batches: [ForgedBatch], seed: UInt64) {
            var random = SeededGenerator(seed: seed)
            func flip(_ offset: Int) {
                bytes[offset] ^= 1 << UInt8.random(in: 0 ... 7, using: &random)
            }
            func blank(_ range: Range<Int>) { for index in range { bytes[index] = 0 } }
            let pageCount = bytes.count / 4096
            func pages(_ flags: ClosedRange<UInt8>) -> [Int] {
                (2 ..< pageCount).filter { flags.contains(bytes[$0 * 4096 + 10]) }
            }
            switch self {
            case .nothing: break
            case .metaPages: blank(0 ..< 8192)
            case .branchAndLeafPages:
                // The structure alone: headers, and where nodes lie.
                for page in pages(1 ... 2) { blank(page * 4096 ..< page * 4096 + 16) }
            case .bit: flip(random.below(bytes.count))
            case .manyBits: for _ in 0 ..< 40 { flip(random.below(bytes.count)) }
            case .sector:
                let sector = random.below(bytes.count / 512)
                blank(sector * 512 ..< sector * 512 + 512)
            case .page:
                let page = 2 + random.below(pageCount - 2)
                blank(page * 4096 ..< page * 4096 + 4096)
            case .cutShort: bytes.removeLast(random.below(bytes.count - 8192))
            case .tail:
                // Every copy of the last batch, in pages that are free too.
                while let place = place(of: batches.last!.bytes, in: bytes) { flip(place + 100) }
            case .firstBatch:
                while let place = place(of: batches[0].bytes, in: bytes) { flip(place + 100) }
            }
        }
    }

    @Test(arguments: Damage.allCases, [11, 12, 13] as [UInt64])
    func whatIsKeptIsExactlyTheSoundPart(damage: Damage, seed: UInt64) throws {
        let story = try Story(in: scratch("data"), seed: seed, hasEpochs: seed % 2 == 1)
        let batches = try LogForge.batches(in: story.directory.log)
        let path = story.directory.log + "/data.mdb"
        let used = try reading(story.directory.path) { $0.log.byteCount }
        var bytes = Array(Files.read(path).prefix(used))
        damage.apply(to: &bytes, batches, seed: seed)
        Files.write(bytes, to: path)
        let before = Files.all(below: story.directory.path)

        // A batch is sound if its bytes are there, wherever that is.
        let isSound = batches.map { place(of: $0.bytes, in: bytes) != nil }
        let kept = zip(batches, isSound).prefix { $0.1 }.map(\.0)
        let later = zip(batches, isSound).dropFirst(kept.count).filter(\.1).map(\.0)

        guard isSound.contains(true) else {
            #expect(throws: LedgerError.self) { try salvage(story.directory) }
            return
        }
        let report = try salvage(story.directory)
        let new = DataDirectory(scratch("new"))
        #expect(Files.all(below: story.directory.path) == before, "the source was changed")
        #expect(report.head.position == kept.last?.lastPosition ?? 0)
        #expect(report.exported.reduce(0) { $0 + $1.batchCount } == UInt64(later.count))
        if damage != .cutShort { #expect(report.isComplete == !isSound.contains(false)) }
        #expect(Files.read(new.path + "/salvage.json") == report.json)
        let json = try JSONValue.parse(report.json)
        #expect(json["epochPosition"] == .unsigned(report.epochPosition))
        // Behind the gap, line by line.
        let lines = Files.read(new.path + "/salvaged.jsonl").split(separator: 0x0A)
        #expect(lines.count == later.reduce(0) { $0 + $1.eventCount })
        if let first = later.first, let line = lines.first {
            #expect(try JSONValue.parse(Array(line))["position"] == .unsigned(first.firstPosition))
        }
        guard !kept.isEmpty else { return #expect(!Files.exists(new.log)) }
        // Byte for byte what was there, and the epoch.
        let written = try LogForge.batches(in: new.log)
        #expect(written.dropLast() == kept[...])
        let verified = try Verifier.verify(new)
        #expect(verified.head.position == report.epochPosition)
        #expect(report.epochPosition > batches.last!.lastPosition)
        try goOn(new)
    }

    /// The ledger works: old users are found by name, new ones have keys.
    private func goOn(_ directory: DataDirectory) throws {
        do {
            let core = try WritableLedger(opening: directory, options: Ledger.Options()).core
            let now = core.state.time + .seconds(200)
            try core.settle(at: now, wallOffset: nil)
            if core.projects.number(of: "alpha") == nil {
                _ = try core.perform(
                    .modifyProject("alpha", ProjectChange(concurrencyCount: 2)), at: now,
                    by: .library)
            }
            for user in ["user-0", "somebody new"] {
                _ = try core.perform(.apply(user: user, project: "alpha"), at: now, by: .library)
            }
            try core.commit(wallOffset: nil)
        }
        #expect(verifyError(directory) == nil)
        try reading(directory.path) { reader in
            #expect(reader.user("somebody new") != nil)
        }
    }

    @Test func gapsAreNamedWithTheirReasons() throws {
        let story = try Story(in: scratch("data"))
        let batches = try LogForge.batches(in: story.directory.log)
        let path = story.directory.log + "/data.mdb"
        var bytes = Files.read(path)
        let lost = batches[batches.count / 2]
        while let place = place(of: lost.bytes, in: bytes) { bytes[place + 99] ^= 1 }
        Files.write(bytes, to: path)
        let report = try salvage(story.directory)
        let gap = try #require(report.lost.first)
        #expect(report.lost.count == 1)
        #expect((gap.first, gap.last) == (lost.firstPosition, lost.lastPosition))
        #expect(gap.reason.contains("the SHA-256 of the batch at byte"))
        #expect(report.exported.map(\.first) == [lost.lastPosition + 1])
        #expect(report.exported.map(\.last) == [batches.last!.lastPosition])
        // Names bound before the gap stand in the lines behind it.
        let text = String(decoding: Files.read(scratch("new") + "/salvaged.jsonl"), as: UTF8.self)
        #expect(text.contains("\"user\":\"user-0\""))
    }

    // MARK: - Keys

    /// Lets a salvage run with a damaged key file, and returns what became of the names.
    private func salvage(
        keysChanged change: (inout [UInt8]) -> Void
    ) throws -> (report: SalvageReport, names: [String]) {
        let story = try Story(in: scratch("data"))
        let path = story.directory.personalKeys
        var keys = Files.read(path)
        change(&keys)
        Files.write(keys, to: path)
        let report = try salvage(story.directory)
        let new = DataDirectory(scratch("new"))
        let names = try reading(new.path) { reader in
            reader.state.users.indices.dropFirst().map { reader.userName(of: UserNumber($0)) }
        }
        try goOn(new)
        return (report, names)
    }

    @Test func aWholeKeyFileOpensEveryName() throws {
        let (report, names) = try salvage { _ in }
        #expect(report.keyOutcome == "whole" && report.unopenedNameCount == 0)
        #expect(names.count { $0.isEmpty } == 1, "the one who was forgotten")
    }

    @Test func aDamagedHeaderLosesNoName() throws {
        let (report, names) = try salvage { $0[33] ^= 16 }
        #expect(report.keyOutcome == "partial" && report.unopenedNameCount == 0)
        #expect(names.count { $0.isEmpty } == 1)
    }

    /// Somebody was forgotten, so there are many nodes, and each stands for itself.
    @Test func aDamagedNodeLosesTheNamesBelowIt() throws {
        let (report, names) = try salvage { $0[48 + 8] ^= 1 }
        #expect(report.keyOutcome == "partial" && report.unopenedNameCount > 0)
        #expect(names.contains("mover") || names.contains("user-0"))
        #expect(names.count { $0.isEmpty } == 1 + report.unopenedNameCount)
    }

    @Test func withoutAKeyNobodyHasANameAndTheLedgerGoesOn() throws {
        let (report, names) = try salvage { $0 = [] }
        #expect(report.keyOutcome == "lost")
        #expect(names == names.map { _ in "" })
    }

    // MARK: - Refusals

    @Test func nothingIsOverwrittenAndNoWriterIsDisturbed() throws {
        let story = try Story(in: scratch("data"))
        _ = try salvage(story.directory)
        #expect(throws: LedgerError.self) {
            try Salvage.run(story.directory, into: DataDirectory(scratch("new")))
        }
        Files.makeDirectory(scratch("other"))
        Files.write([1], to: scratch("other/mine"))
        #expect(throws: LedgerError.self) {
            try Salvage.run(story.directory, into: DataDirectory(scratch("other")))
        }
        let owner = try WritableLedger(opening: story.directory, options: Ledger.Options())
        let error = #expect(throws: LedgerError.self) {
            try Salvage.run(story.directory, into: DataDirectory(scratch("third")))
        }
        #expect(error?.code == .owned && !Files.exists(scratch("third")))
        withExtendedLifetime(owner) {}
    }

    /// A commit that a power cut took back leaves its bytes: what the next batch does not name
    /// never was the log's.
    @Test func whatALaterBatchDoesNotNameIsNotKept() throws {
        let story = try Story(in: scratch("data"))
        let batches = try LogForge.batches(in: story.directory.log)
        let path = story.directory.log + "/data.mdb"
        var bytes = Files.read(path)
        let index = batches.count / 2
        // Another batch with the same positions, sound in itself.
        var other = batches[index]
        other.set(Int64(77), at: 48)
        other.sealHash()
        while let place = place(of: batches[index].bytes, in: bytes) {
            bytes.replaceSubrange(place ..< place + other.bytes.count, with: other.bytes)
        }
        Files.write(bytes, to: path)
        let report = try salvage(story.directory)
        #expect(report.head.position == batches[index - 1].lastPosition)
        #expect(report.exported.last?.last == batches.last!.lastPosition)
        #expect(report.exported.first?.first == batches[index + 1].firstPosition)
    }
}
