import Audit
import Crypto
import EventLog
import LMDB
import Ledger
import LogForge
import ReconnectionRules
import Testing

/// A ledger of the form before this one: version 1 of the log, every name as it is, no keys, and
/// views with names in them.
@Suite struct OldFormTests {
    private let scratch = ScratchDirectory()
    private var directory: DataDirectory { DataDirectory(scratch("data")) }
    private let now = Story.start

    /// Writes one with today's code and takes it back to the old form, by its document.
    private func makeOld() throws {
        do {
            let core = try WritableLedger(opening: directory, options: Ledger.Options()).core
            let change = ProjectChange(concurrencyCount: 9)
            try core.perform(.modifyProject("demo", change), at: now, by: .library)
            for number in 0 ..< 12 {
                try core.perform(
                    .apply(user: "old-\(number)", project: "demo"), at: now, by: .library)
                if number % 3 == 0 { try core.commit(wallOffset: 3) }
            }
            try core.commit(wallOffset: 3)
            core.checkpointNow()
        }
        let keys = try #require(ForgedKeys(file: Files.read(directory.personalKeys)))
        try LogForge.rewrite(in: directory.log) { batches in
            for index in batches.indices { batches[index].makePlain(keys) }
            batches.sealAll()
        }
        var meta = try LogForge.meta(in: directory.log)
        meta[8] = 1
        meta.replaceSubrange(40..., with: Array(SHA256.hash(data: meta[..<40])))
        try LogForge.setMeta(in: directory.log, to: meta)
        Files.remove(directory.personalKeys)
        // The head of the old views begins with their version; a name in a page that is free again.
        for name in ["head", "spare"] {
            let value = [2, 0, 0, 0, 0, 0, 0, 0] + Array("old-7 in a free page".utf8)
            try LogForge.put(
                value, forKey: [UInt8](repeating: 0, count: 8), table: name, in: directory.views)
        }
    }

    private func kinds(_ path: String) throws -> [UInt16] {
        try LogForge.batches(in: path).map { $0.number(at: 4) }
    }

    @Test func itIsReadAsItStands() throws {
        try makeOld()
        let before = Files.all(below: directory.path)
        try reading(directory.path) { reader in
            #expect(reader.recovery.checkpointPosition == 0)
            #expect(reader.user("old-7")?.number == 8 && reader.userName(of: 12) == "old-11")
            let history = try reader.history(ofUser: "old-7")
            #expect(history.map(\.user) == ["old-7", "old-7"])
        }
        let report = try Verifier.verify(directory)
        #expect(report.unopenedNameCount == 0 && report.userCount == 12)
        let after = Files.all(below: directory.path)
        #expect(after["log/data.mdb"] == before["log/data.mdb"])
        #expect(after["personal.keys"] == nil)
    }

    /// New batches have the new form; the old views, which have names in them, are gone.
    @Test func itIsWrittenOnInTheNewForm() throws {
        try makeOld()
        let digest = try {
            let ledger = try WritableLedger(opening: directory, options: Ledger.Options())
            #expect(ledger.recovery.rejection != nil)
            for user in ["old-7", "new-1"] {
                try ledger.core.perform(
                    .apply(user: user, project: "demo"), at: now, by: .library)
            }
            try ledger.core.commit(wallOffset: 3)
            ledger.core.checkpointNow()
            return StateDigest.of(ledger.core.state)
        }()
        let views = Files.read(directory.views + "/data.mdb")
        let text = String(decoding: views, as: UTF8.self)
        #expect(!text.contains("old-7") && !text.contains("new-1"))
        #expect(Set(try kinds(directory.log)) == [1, 2])
        let keys = try #require(ForgedKeys(file: Files.read(directory.personalKeys)))
        #expect(keys.plainUserCount == 12)
        let report = try Verifier.verify(directory)
        #expect(report.stateDigest == digest && report.unopenedNameCount == 0)
        let reader = try LedgerReader(opening: directory.path)
        #expect(reader.recovery.replayedEventCount == 0)
        #expect(reader.user("old-7")?.number == 8 && reader.user("new-1")?.number == 13)
    }

    /// A name that stands in the log as it is cannot be taken back; one that is sealed can.
    @Test func whoWasNamedInTheOldFormCannotBeForgotten() throws {
        try makeOld()
        try reading(directory.path) { reader in
            _ = #expect(throws: LedgerError.self) { try reader.requireForgettable("old-7") }
        }
        do {
            let core = try WritableLedger(opening: directory, options: Ledger.Options()).core
            try core.perform(.apply(user: "new-1", project: "demo"), at: now, by: .library)
            let position = core.state.position
            let error = #expect(throws: LedgerError.self) {
                try core.perform(.forget(user: "old-7"), at: now, by: .library)
            }
            #expect(error?.code == .invalid && (error?.message.contains("export") ?? false))
            #expect(core.state.position == position)
            try core.perform(.forget(user: "new-1"), at: now, by: .library)
            try core.commit(wallOffset: 3)
        }
        #expect(try Verifier.verify(directory).forgottenCount == 1)
    }

    /// Opened once, and then gone on with by a Holdfast that knows no keys.
    @Test func anOlderHoldfastWentOn() throws {
        try makeOld()
        _ = try WritableLedger(opening: directory, options: Ledger.Options())
        let stale = try #require(ForgedKeys(file: Files.read(directory.personalKeys)))
        #expect(stale.plainUserCount == 12)
        // As if three of the users were younger than the keys.
        var file = ForgedBatch(key: 0, bytes: Files.read(directory.personalKeys))
        file.set(UInt32(9), at: 40)
        file.sealHash()
        Files.write(file.bytes, to: directory.personalKeys)
        let core = try WritableLedger(opening: directory, options: Ledger.Options()).core
        #expect(throws: LedgerError.self) {
            try core.perform(.forget(user: "old-11"), at: now, by: .library)
        }
    }

    @Test func theFormNeverGoesBack() throws {
        try makeOld()
        do {
            let core = try WritableLedger(opening: directory, options: Ledger.Options()).core
            for _ in 0 ..< 2 {
                try core.perform(.apply(user: "old-1", project: "demo"), at: now, by: .library)
                try core.commit(wallOffset: 3)
            }
        }
        var last: UInt64 = 0
        try LogForge.rewrite(in: directory.log) { batches in
            batches[batches.count - 1].set(UInt16(1), at: 4)
            batches.sealAll()
            last = batches[batches.count - 1].firstPosition
        }
        let error = verifyError(directory)
        #expect(damagedPosition(error) == last && error?.message.contains("older form") ?? false)
    }

    /// Neither kinds nor texts that the old form has not.
    @Test func whatTheOldFormHasNotIsDamageInIt() throws {
        let story = try Story(in: scratch("story"))
        let forgotten = story.first { $0.kind == .userForgotten }
        let keys = try #require(ForgedKeys(file: Files.read(story.directory.personalKeys)))
        try LogForge.rewrite(in: story.directory.log) { batches in
            for index in batches.indices { batches[index].makePlain(keys) }
            batches.sealAll()
        }
        #expect(damagedPosition(verifyError(story.directory)) == forgotten.position)
    }
}
