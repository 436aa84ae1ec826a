import Audit
import EventLog
import Foundation
import Ledger
import LogForge
import ReconnectionRules
import Synchronization
import Testing

/// Backups: what is in them, what they are refused for, and how a ledger goes on from one.
@Suite struct BackupTests {
    private let scratch = ScratchDirectory()

    private static let restoreTime: Microseconds = Story.start + .seconds(100_000)

    private static func clock(_ time: Microseconds = restoreTime) -> LedgerClock {
        LedgerClock(wall: { time }, monotonic: { 0 })
    }

    private func restoreOptions(_ time: Microseconds = restoreTime) -> Backup.RestoreOptions {
        var options = Backup.RestoreOptions()
        options.clock = Self.clock(time)
        return options
    }

    /// What a refusal says.
    private func message(_ body: () throws -> Void) -> String {
        do {
            try body()
            Issue.record("it was not refused")
            return ""
        } catch { return "\(error)" }
    }

    // MARK: - What is in it

    @Test func aBackupIsTheLedgerAsItWas() throws {
        let story = try Story(in: scratch("data"), hasEpochs: true)
        let head = try reading(story.directory.path) { $0.head }
        var options = Backup.Options()
        options.wall = { Story.start }
        var phases: [Backup.Phase: UInt64] = [:]
        let report = try Backup.create(
            of: story.directory, in: scratch("backup"), options: options
        ) { phase, done, total in
            #expect(done <= total && total == UInt64(story.events.count))
            phases[phase] = done
        }
        let count = UInt64(story.events.count)
        #expect(phases == [.copy: count, .verifyBackup: count])
        #expect(report.manifest.head == head && report.manifest.eventCount == count)
        #expect(report.manifest.stateDigest == story.digest)
        #expect(report.manifest.madeAt == Story.start)
        #expect(!Files.exists(scratch("backup/UNFINISHED")))
        // To be read as the ledger it is of.
        let backup = DataDirectory(scratch("backup"))
        #expect(try Verifier.verify(backup).head == head)
        try reading(backup.path) { reader in
            let events = try reader.allEvents()
            #expect(events == story.events)
            #expect(reader.log.ledgerId == report.manifest.ledgerId)
        }
        // And not to be written to.
        #expect(
            message { _ = try WritableLedger(opening: backup, options: Ledger.Options()) }
                .contains("is a backup and is not written to"))
        #expect(throws: LedgerError.self) { try Ledger(opening: backup.path) }
    }

    @Test func theFilesBesideTheLog() throws {
        let story = try Story(in: scratch("data"))
        let secrets = ["credentials.json", "server-session.key", "head.key"]
        for name in secrets {
            Files.write(Array("secret of \(name)".utf8), to: scratch("data/\(name)"))
        }
        func names(_ options: Backup.Options) throws -> Set<String> {
            let path = scratch("backup-\(UInt32.random(in: 0 ... .max))")
            let manifest = try Backup.create(of: story.directory, in: path, options: options)
                .manifest
            let found = Set(Files.all(below: path).keys.filter { !$0.contains("/") })
                .subtracting(["log", "backup.json"])
            #expect(found == Set(manifest.files.map(\.name)))
            for name in found where secrets.contains(name) {
                #expect(Files.read("\(path)/\(name)") == Files.read(scratch("data/\(name)")))
                let rights = try FileManager.default.attributesOfItem(atPath: "\(path)/\(name)")
                #expect(rights[.posixPermissions] as? Int == 0o600)
            }
            return found.intersection(secrets)
        }
        #expect(try names(Backup.Options()) == ["credentials.json", "server-session.key"])
        var options = Backup.Options()
        options.includesSigningKey = true
        #expect(try names(options) == Set(secrets))
        options.includesCredentials = false
        #expect(try names(options) == ["head.key"])
    }

    @Test func onlyANewDirectoryIsTaken() throws {
        let story = try Story(in: scratch("data"))
        Files.write([1], to: scratch("file"))
        _ = scratch.directory("other")
        Files.write([1], to: scratch("other/important.db"))
        for path in [
            scratch("file"), scratch("other"), scratch("data"), scratch("no/such"),
        ] {
            let before = Files.all(below: path).filter { !$0.key.hasSuffix("lock.mdb") }
            #expect(throws: LedgerError.self) { try Backup.create(of: story.directory, in: path) }
            let after = Files.all(below: path).filter { !$0.key.hasSuffix("lock.mdb") }
            #expect(after == before)
        }
        _ = try Backup.create(of: story.directory, in: scratch("backup"))
        #expect(
            message { _ = try Backup.create(of: story.directory, in: scratch("backup")) }
                .contains("not empty"))
        #expect(
            message { _ = try Backup.create(of: DataDirectory(scratch("new")), in: scratch("b2")) }
                .contains("no ledger at"))
        #expect(!Files.exists(scratch("b2")))
        // An empty ledger has a backup too.
        _ = try WritableLedger(
            opening: DataDirectory(scratch("empty")), options: Ledger.Options())
        let report = try Backup.create(of: DataDirectory(scratch("empty")), in: scratch("b3"))
        #expect(report.manifest.eventCount == 0)
    }

    // MARK: - Beside a writer

    /// Whatever was answered before the backup began is in it, and all of it verifies.
    @Test func aBackupBesideAWriterHasWhatWasAnswered() async throws {
        let ledger = try Ledger(opening: scratch("data"))
        try await ledger.modifyProject("p", ProjectChange(concurrencyCount: 5))
        let load = Load()
        let writer = Task {
            while !load.isOver {
                let user = "u\(load.count % 40)"
                try await ledger.apply(user: user, project: "p")
                try await ledger.createSession(user: user)
                try await ledger.destroy(user: user)
                load.add()
            }
        }
        while load.count < 50 { await Task.yield() }
        for round in 0..<3 {
            let answered = try await ledger.apply(user: "marker-\(round)", project: "p")
            let path = scratch("backup-\(round)")
            let manifest = try Backup.create(of: ledger, in: path).manifest
            #expect(manifest.head.position >= answered.event.position)
            try reading(path) { reader in
                try #require(reader.user("marker-\(round)") != nil)
                #expect(reader.head == manifest.head)
                #expect(StateDigest.of(reader.state) == manifest.stateDigest)
            }
        }
        load.end()
        try await writer.value
        await ledger.close()
    }

    /// How much a writer did, and whether it should go on.
    private final class Load: Sendable {
        private let state = Mutex((count: 0, isOver: false))

        var count: Int { state.withLock { $0.count } }
        var isOver: Bool { state.withLock { $0.isOver } }
        func add() { state.withLock { $0.count += 1 } }
        func end() { state.withLock { $0.isOver = true } }
    }

    /// Somebody is forgotten after the log was copied and before the keys are: the backup has the
    /// event that says so, and nothing that opens the name.
    @Test(arguments: ["while it is copied", "while it is verified"])
    func whoIsForgottenMeanwhileIsForgottenInTheBackup(moment: String) throws {
        let directory = DataDirectory(scratch("data"))
        let now = Story.start
        let core = try WritableLedger(opening: directory, options: Ledger.Options()).core
        func act(_ action: Action) throws {
            _ = try core.perform(action, at: now, by: .library)
            try core.commit(wallOffset: 0)
        }
        try act(.modifyProject("p", ProjectChange(concurrencyCount: 2)))
        for user in ["ann", "bob"] {
            try act(.apply(user: user, project: "p"))
            try act(.createSession(user: user))
        }
        var options = Backup.Options()
        nonisolated(unsafe) let open = core
        let forget: @Sendable () -> Void = {
            _ = try? open.perform(.forget(user: "ann"), at: now, by: .library)
            try? open.commit(wallOffset: 0)
        }
        if moment == "while it is copied" {
            options.betweenCopies = forget
        } else {
            options.afterVerification = forget
        }
        let manifest = try Backup.create(
            ofOpen: core.log, through: core.head.position, directory, in: scratch("backup"),
            options: options)
        #expect(core.state.holding(of: 1) == nil)
        #expect(manifest.head == core.head)
        try reading(scratch("backup")) { reader in
            try #require(reader.user("bob") != nil)
            #expect(reader.user("ann") == nil)
            #expect(reader.view.users.isForgotten(1))
            // The slot is free: nobody without a name holds one.
            #expect(reader.holders.map(\.name) == ["bob"])
            #expect(StateDigest.of(reader.state) == manifest.stateDigest)
        }
        let target = DataDirectory(scratch("restored"))
        _ = try Backup.restore(scratch("backup"), into: target, options: restoreOptions())
        try reading(target.path) { #expect($0.user("ann") == nil && $0.user("bob") != nil) }
    }

    // MARK: - Going on from it

    /// A ledger is backed up, goes on, and is lost. Sessions of the lost part stay below all that
    /// come.
    @Test func aRestoredLedgerOutranksWhatWasLost() throws {
        let directory = DataDirectory(scratch("data"))
        let start = Self.restoreTime - .seconds(1_000)
        var lostSession: SessionId = 0
        do {
            let core = try WritableLedger(opening: directory, options: Ledger.Options()).core
            let change = ProjectChange(concurrencyCount: 2)
            _ = try core.perform(.modifyProject("p", change), at: start, by: .library)
            _ = try core.perform(.apply(user: "ann", project: "p"), at: start, by: .library)
            let session = try core.perform(.createSession(user: "ann"), at: start, by: .library)
            _ = try core.perform(
                .disconnect(user: "ann", session: session.event.session), at: start, by: .library)
            try core.commit(wallOffset: 0)
        }
        _ = try Backup.create(of: directory, in: scratch("backup"))
        do {
            let core = try WritableLedger(opening: directory, options: Ledger.Options()).core
            for _ in 0..<1_000 {
                lostSession = try core.perform(
                    .createSession(user: "ann"), at: start + 1, by: .library
                ).event.session
            }
            try core.commit(wallOffset: 0)
        }
        let target = DataDirectory(scratch("restored"))
        let report = try Backup.restore(scratch("backup"), into: target, options: restoreOptions())
        #expect(report.outage == .seconds(1_000) && report.epochTime == Self.restoreTime)
        #expect(report.epochPosition > lostSession)
        let verified = try Verifier.verify(target)
        #expect(verified.eventCount == report.manifest.eventCount + 1)
        try reading(target.path) { reader in
            // The window was open for a thousand seconds of outage, and is open still.
            let ann = try #require(reader.user("ann"))
            #expect(ann.state == .waiting)
            #expect(ann.deadline == start + .seconds(1_090))
            let before = try reader.user("ann", at: .position(report.manifest.head.position))
            #expect(before?.deadline == start + .seconds(90))
            // The view lies ready beside the log.
            #expect(reader.recovery.replayedEventCount == 0 && reader.recovery.rejection == nil)
            #expect(reader.log.ledgerId == report.manifest.ledgerId)
        }
        let core = try WritableLedger(opening: target, options: Ledger.Options()).core
        let back = try core.perform(
            .createSession(user: "ann"), at: Self.restoreTime + 1, by: .library)
        #expect(back.event.outcome == .resumed && back.event.session > lostSession)
        // Whoever still holds a session of the lost part changes nothing.
        let stale = try core.perform(
            .disconnect(user: "ann", session: lostSession), at: Self.restoreTime + 2, by: .library)
        #expect(stale.event.outcome == .stale)
        try core.commit(wallOffset: 0)
    }

    @Test func historyCrossesTheEpoch() throws {
        let story = try Story(in: scratch("data"))
        _ = try Backup.create(of: story.directory, in: scratch("backup"))
        let target = DataDirectory(scratch("restored"))
        let report = try Backup.restore(scratch("backup"), into: target, options: restoreOptions())
        do {
            let core = try WritableLedger(opening: target, options: Ledger.Options()).core
            let now = Self.restoreTime + .seconds(1)
            try core.settle(at: now, wallOffset: 0)
            _ = try core.perform(.apply(user: "mover", project: "alpha"), at: now, by: .library)
            try core.commit(wallOffset: 0)
        }
        let number = story.events.last!.user
        let reader = try LedgerReader(opening: target.path)
        let history = try reader.history(ofUser: "mover").map(\.event)
        #expect(history.first!.position > report.epochPosition)
        #expect(
            Array(history.dropFirst().reversed().filter { $0.position < report.epochPosition })
                == story.events.filter { $0.user == number })
        // By every way of asking, and at moments on both sides and in the gap.
        var query = EventQuery()
        query.filter.user = "mover"
        var found: [Event] = []
        try query.run(on: reader) { named in
            found.append(named.event)
            return true
        }
        #expect(found == history.reversed())
        let last = story.events.last!
        for moment in [
            Moment.position(last.position), .position(last.position + 1_000_000),
            .position(report.epochPosition - 1), .time(last.time), .time(report.epochTime - 1),
        ] {
            #expect(try reader.event(at: moment).position == last.position)
            #expect(try reader.user("mover", at: moment)?.project == "beta")
        }
        #expect(try reader.event(at: .time(report.epochTime)).position == report.epochPosition)
    }

    /// Two ledgers of one backup: the later one's sessions are above all of the earlier one's.
    @Test func aBackupRestoredTwiceGivesEpochsInOrder() throws {
        let story = try Story(in: scratch("data"))
        _ = try Backup.create(of: story.directory, in: scratch("backup"))
        var epochs: [Position] = []
        for (index, later) in [0, 1, 2, 60, 86_400].enumerated() {
            let report = try Backup.restore(
                scratch("backup"), into: DataDirectory(scratch("restored-\(index)")),
                options: restoreOptions(Self.restoreTime + .seconds(Int64(later))))
            epochs.append(report.epochPosition)
        }
        for (earlier, later) in zip(epochs, epochs.dropFirst()) {
            #expect(later > earlier + 1 << 20)
        }
        // A backup of a restored ledger, restored.
        _ = try Backup.create(of: DataDirectory(scratch("restored-0")), in: scratch("second"))
        let again = try Backup.restore(
            scratch("second"), into: DataDirectory(scratch("again")),
            options: restoreOptions(Self.restoreTime + .seconds(3_600)))
        #expect(again.epochPosition > epochs[3])
        #expect(
            try Verifier.verify(DataDirectory(scratch("again"))).eventCount
                == UInt64(story.events.count + 2))
    }

    @Test func withoutCompensationWindowsEnd() throws {
        let directory = DataDirectory(scratch("data"))
        do {
            let core = try WritableLedger(opening: directory, options: Ledger.Options()).core
            let change = ProjectChange(concurrencyCount: 2)
            _ = try core.perform(.modifyProject("p", change), at: Story.start, by: .library)
            _ = try core.perform(.apply(user: "ann", project: "p"), at: Story.start, by: .library)
            try core.commit(wallOffset: 0)
        }
        _ = try Backup.create(of: directory, in: scratch("backup"))
        var options = restoreOptions()
        options.compensatesOutages = false
        let report = try Backup.restore(
            scratch("backup"), into: DataDirectory(scratch("restored")), options: options)
        #expect(report.outage == 0)
        try reading(scratch("restored")) { reader in
            #expect(reader.user("ann")?.deadline == Story.start + .seconds(30))
        }
    }

    // MARK: - What is no backup

    @Test func aRestoreOverwritesNothing() throws {
        let story = try Story(in: scratch("data"))
        _ = try Backup.create(of: story.directory, in: scratch("backup"))
        Files.write([1], to: scratch("file"))
        _ = scratch.directory("other")
        Files.write([1], to: scratch("other/important.db"))
        _ = scratch.directory("keys")
        Files.write([1], to: scratch("keys/credentials.json"))
        for path in ["data", "file", "other", "keys", "no/such", "backup"].map({ scratch($0) }) {
            let before = Files.all(below: path).filter { !$0.key.hasSuffix("lock.mdb") }
            #expect(throws: LedgerError.self) {
                try Backup.restore(scratch("backup"), into: DataDirectory(path))
            }
            let after = Files.all(below: path).filter { !$0.key.hasSuffix("lock.mdb") }
            #expect(after == before)
        }
    }

    struct Damage: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var says: String
        var make: @Sendable (_ backup: String) throws -> Void

        init(
            _ what: String, says: String, _ make: @escaping @Sendable (String) throws -> Void
        ) {
            testDescription = what
            self.says = says
            self.make = make
        }
    }

    private static func replace(_ old: String, by new: String, in path: String) {
        let text = String(decoding: Files.read(path), as: UTF8.self)
        precondition(text.contains(old))
        Files.write(Array(text.replacingOccurrences(of: old, with: new).utf8), to: path)
    }

    static let damages = [
        Damage("an ordinary directory", says: "is no backup") { Files.remove($0 + "/backup.json") },
        Damage("a mark", says: "is an unfinished backup") {
            Files.write([], to: $0 + "/UNFINISHED")
        },
        Damage("no log", says: "is no backup") { Files.remove($0 + "/log") },
        Damage("a manifest cut off", says: "does not say what a backup says") { path in
            Files.write(Files.read(path + "/backup.json").dropLast(9), to: path + "/backup.json")
        },
        Damage("a newer manifest", says: "written by a newer Holdfast") { path in
            replace("\"backupVersion\":1", by: "\"backupVersion\":2", in: path + "/backup.json")
        },
        Damage("a manifest of another place", says: "does not say what a backup says") { path in
            replace("credentials.json", by: "../../etc/shadow", in: path + "/backup.json")
        },
        Damage("another number of events", says: "not the log its backup.json speaks of") { path in
            let manifest = String(decoding: Files.read(path + "/backup.json"), as: UTF8.self)
            let head = try #require(manifest.firstMatch(of: #/"head":"(..)/#)).1
            replace(
                "\"head\":\"\(head)", by: "\"head\":\"\(head == "00" ? "01" : "00")",
                in: path + "/backup.json")
        },
        Damage("a file changed", says: "credentials.json is not what was backed up") { path in
            Files.write([1], to: path + "/credentials.json")
        },
        Damage("a file missing", says: "cannot read") { Files.remove($0 + "/credentials.json") },
        Damage("the log's tail cut", says: "not the log its backup.json speaks of") { path in
            try LogForge.rewrite(in: path + "/log") { $0.removeLast() }
        },
        Damage("an event rewritten", says: "the rules decide") { path in
            try LogForge.rewrite(in: path + "/log") { batches in
                let offset = batches[3].record(of: batches[3].firstPosition)
                batches[3].bytes[offset + 1] = batches[3].bytes[offset + 1] == 11 ? 9 : 11
                batches.sealAll()
            }
        },
        Damage("a byte of the log changed", says: "damaged") { path in
            var bytes = Files.read(path + "/log/data.mdb")
            bytes[bytes.count / 2] ^= 0x40
            Files.write(bytes, to: path + "/log/data.mdb")
        },
    ]

    @Test(arguments: damages)
    func aDamagedBackupIsRefused(damage: Damage) throws {
        let story = try Story(in: scratch("data"))
        Files.write(Array("secret".utf8), to: scratch("data/credentials.json"))
        _ = try Backup.create(of: story.directory, in: scratch("backup"))
        try damage.make(scratch("backup"))
        let target = DataDirectory(scratch("restored"))
        let message = message { _ = try Backup.restore(scratch("backup"), into: target) }
        #expect(message.contains(damage.says), "\(message)")
        #expect(!Files.exists(target.path))
    }

    /// A log that is damaged is not backed up, and what was begun says so.
    @Test func aDamagedLedgerHasNoBackup() throws {
        let story = try Story(in: scratch("data"))
        try LogForge.rewrite(in: story.directory.log) { batches in
            batches[9].bytes[200] ^= 1
        }
        let message = message {
            _ = try Backup.create(of: story.directory, in: scratch("backup"))
        }
        #expect(message.contains("damaged") && message.contains("marked as unfinished"))
        #expect(Files.exists(scratch("backup/UNFINISHED")))
        #expect(!Files.exists(scratch("backup/log")))
        for use in [
            { _ = try LedgerReader(opening: scratch("backup")) },
            { _ = try Backup.create(of: story.directory, in: scratch("backup")) },
            { _ = try Backup.restore(scratch("backup"), into: DataDirectory(scratch("x"))) },
        ] {
            #expect(self.message(use).contains("is an unfinished backup; remove it"))
        }
    }
}
