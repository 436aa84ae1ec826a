import Audit
import EventLog
import Ledger
import LogForge
import ReconnectionRules
import Testing

/// Views may go at any time: the log brings them back.
@Suite struct RebuilderTests {
    private let scratch = ScratchDirectory()

    @Test(arguments: [1, 2, 3] as [UInt64])
    func aRebuildGivesTheSameState(seed: UInt64) throws {
        let story = try Story(in: scratch("data"), seed: seed)
        let before = try reading(story.directory.path) { reader in
            #expect(reader.recovery.checkpointPosition == Position(story.events.count))
            return reader.answers
        }
        var last: (Position, Position) = (0, 0)
        let report = try Rebuilder.rebuild(story.directory) { last = ($0, $1) }
        #expect(report.isSame && report.isReplaced)
        #expect(report.stateDigest == story.digest.description)
        #expect(report.eventCount == UInt64(story.events.count))
        #expect(last.0 == last.1 && last.0 == Position(story.events.count))
        let after = try LedgerReader(opening: story.directory.path)
        #expect(after.recovery.checkpointPosition == Position(story.events.count))
        #expect(after.recovery.replayedEventCount == 0)
        #expect(after.answers == before)
    }

    /// Opening a name takes longer than all else with an event: it is done where batches are
    /// checked, on all cores, and not again in the fold. A fold without keys knows only those.
    @Test func sealedNamesAreOpenedOnce() throws {
        let story = try Story(in: scratch("data"), seed: 2)
        let reader = try LedgerReader(opening: story.directory.path)
        let keys = try #require(reader.view.keys)
        let folds: [any BatchFold] = [KeepingFold(nil), ViewFold()]
        _ = try LogScan(reader.log, segmentByteCount: 1, keys: keys).run(folds)
        for view in [(folds[0] as? KeepingFold)?.view, (folds[1] as? ViewFold)?.view] {
            let users = try #require(view).users
            let names = (1 ... UserNumber(reader.state.userCount)).map { users.name(of: $0) }
            let expected = (1 ... UserNumber(reader.state.userCount)).map {
                reader.view.users.name(of: $0)
            }
            #expect(names == expected && names.contains { !$0.isEmpty })
        }
    }

    @Test func deletedViewsAreNoLoss() throws {
        let story = try Story(in: scratch("data"))
        let before = try LedgerReader(opening: story.directory.path).answers
        Files.remove(story.directory.views)
        try reading(story.directory.path) { reader in
            #expect(reader.recovery.checkpointPosition == 0)
            #expect(reader.recovery.replayedEventCount == UInt64(story.events.count))
            #expect(reader.answers == before)
        }
        #expect(try Rebuilder.rebuild(story.directory).isSame)
        #expect(
            try LedgerReader(opening: story.directory.path).recovery.replayedEventCount == 0)
    }

    /// A view that stands further on, or elsewhere, in another ledger's history.
    @Test func viewsOfAnotherLedgerAreRejected() throws {
        let story = try Story(in: scratch("data"))
        let before = try LedgerReader(opening: story.directory.path).answers
        let others = [("same", UInt64(1), 220), ("other", 9, 220), ("long", 9, 400)]
        for (name, seed, stepCount) in others {
            let other = try Story(in: scratch(name), seed: seed, stepCount: stepCount)
            Files.copy(
                other.directory.views + "/data.mdb", to: story.directory.views + "/data.mdb")
            let reader = try LedgerReader(opening: story.directory.path)
            #expect(reader.answers == before)
            if name == "same" { continue }
            #expect(reader.recovery.checkpointPosition == 0)
            #expect(reader.recovery.rejection?.contains("not of this log") ?? false)
        }
        #expect(try Rebuilder.rebuild(story.directory).isSame)
    }

    /// An older checkpoint of the same ledger, and the events after it.
    @Test func anOlderCheckpointIsBroughtUpToDate() throws {
        let story = try Story(in: scratch("data"))
        let old = Files.read(story.directory.views + "/data.mdb")
        do {
            let ledger = try WritableLedger(opening: story.directory, options: Ledger.Options())
            let now = story.events.last!.time + .seconds(500)
            try ledger.core.settle(at: now, wallOffset: nil)
            try ledger.core.perform(.destroy(user: "mover"), at: now, by: .library)
            try ledger.core.commit(wallOffset: nil)
            ledger.core.checkpointNow()
        }
        let expected = try LedgerReader(opening: story.directory.path).answers
        Files.write(old, to: story.directory.views + "/data.mdb")
        let reader = try LedgerReader(opening: story.directory.path)
        #expect(reader.recovery.checkpointPosition == Position(story.events.count))
        #expect(reader.recovery.replayedEventCount > 0)
        #expect(reader.answers == expected)
    }

    @Test(arguments: ["", "no LMDB file", String(repeating: "x", count: 9_000)])
    func viewsThatAreNoDatabaseAreReplaced(content: String) throws {
        let story = try Story(in: scratch("data"))
        let before = try LedgerReader(opening: story.directory.path).answers
        Files.write(Array(content.utf8), to: story.directory.views + "/data.mdb")
        #expect(try LedgerReader(opening: story.directory.path).answers == before)
        let report = try Rebuilder.rebuild(story.directory)
        #expect(report.isSame && report.isReplaced)
        #expect(
            try LedgerReader(opening: story.directory.path).recovery.replayedEventCount == 0)
    }

    /// Where somebody else writes, views are only compared.
    @Test func anotherOwnersViewsAreLeftAlone() async throws {
        let story = try Story(in: scratch("data"))
        let path = story.directory.path
        let ledger = try WritableLedger(opening: story.directory, options: Ledger.Options())
        await #expect(processExitsWith: .success) { [path = path as String] in
            let report = try Rebuilder.rebuild(DataDirectory(path))
            try #require(report.isSame && !report.isReplaced)
        }
        withExtendedLifetime(ledger) {}
    }

    @Test func aDamagedLogIsNotRebuiltFrom() throws {
        let story = try Story(in: scratch("data"))
        Files.remove(story.directory.views)
        try LogForge.rewrite(in: story.directory.log) { $0[3].bytes[120] ^= 1 }
        #expect(throws: (any Error).self) { try Rebuilder.rebuild(story.directory) }
        #expect(!Files.exists(story.directory.views))
    }
}
