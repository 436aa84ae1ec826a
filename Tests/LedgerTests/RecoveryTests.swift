import EventLog
import LMDB
import Ledger
import LedgerModel
import ReconnectionRules
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

extension LedgerTests {
    /// Opening is checkpoint plus tail; a restart costs nobody a slot.
    @Suite struct Recovering {
        private let scratch: Scratch
        private let clock = ManualClock()

        init() throws { scratch = try Scratch() }

        private func waitUntilFree() async -> Bool {
            await eventually { (try? LedgerReader(opening: scratch.path)) != nil }
        }

        private func digest() throws -> Digest32 {
            StateDigest.of(try LedgerReader(opening: scratch.path).state)
        }

        private func populate(_ ledger: Ledger, users: Int = 30) async throws {
            try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 20))
            for user in 0 ..< users {
                try await ledger.apply(user: "u\(user)", project: "demo")
                if user % 2 == 0 { try await ledger.createSession(user: "u\(user)") }
                if user % 4 == 0 { try await ledger.disconnect(user: "u\(user)") }
            }
        }

        // MARK: - Checkpoints

        @Test func afterAnOrderlyCloseNothingIsReplayed() async throws {
            var head = LogHead.empty
            try await withLedger(scratch, clock) { ledger in
                #expect(ledger.recovery.checkpointPosition == 0)
                #expect(ledger.recovery.replayedEventCount == 0)
                #expect(ledger.recovery.rejection == nil)
                try await populate(ledger)
                head = ledger.head
            }
            let digest = try digest()
            try await withLedger(scratch, clock) { ledger in
                #expect(ledger.recovery.checkpointPosition == head.position)
                #expect(ledger.recovery.replayedEventCount == 0)
                #expect(ledger.recovery.rejection == nil)
            }
            #expect(try self.digest() != digest, "the opening is an event")
            try expectSound(scratch)
        }

        @Test func aLedgerThatIsDroppedClosesItself() async throws {
            do {
                let ledger = try Ledger(scratch, clock)
                try await populate(ledger)
            }
            #expect(await waitUntilFree())
            try expectSound(scratch)
            let ledger = try await reopened()
            #expect(ledger.recovery.replayedEventCount == 0)
            #expect(try await ledger.status().userCount == 30)
            await ledger.close()
        }

        /// The thread of a ledger that was let go still holds the directory for a moment.
        private func reopened() async throws -> Ledger {
            var ledger: Ledger?
            _ = try await eventually {
                do {
                    ledger = try Ledger(scratch, clock)
                    return true
                } catch let error as LedgerError where error.code == .owned { return false }
            }
            return try #require(ledger)
        }

        /// The state by the newest checkpoint and the tail is the state by the events alone, byte
        /// for byte, wherever the checkpoints were cut.
        @Test(arguments: 0 ..< 8)
        func checkpointAndTailAreTheEvents(round: Int) async throws {
            var random = SplitMix64(seed: seed("checkpoints \(round)") &+ UInt64(round))
            for _ in 0 ..< 4 {
                try await withLedger(scratch, clock, { $0.checkpointEventCount = 1 + round * 7 }) {
                    ledger in
                    #expect(ledger.recovery.rejection == nil)
                    for _ in 0 ..< 60 {
                        _ = try await ledger.performAll(
                            (0 ..< random.within(1 ... 12)).map { _ in Workload.action(&random) })
                        clock.advance(by: .seconds(Int64(random.below(20))))
                        if random.chance(1, in: 4) {
                            // What stands in the views right now, in the middle of it.
                            let copy = try copyOfDirectory()
                            try expectSound(copy)
                        }
                    }
                }
                clock.advance(by: .seconds(Int64(random.below(100))))
                try expectSound(scratch)
            }
        }

        /// A copy of the files of a ledger at rest between two answers.
        private func copyOfDirectory() throws -> Scratch {
            let copy = try Scratch()
            writeBytes(copy.directory.personalKeys, readBytes(scratch.directory.personalKeys))
            for part in ["log", "views"] {
                mkdir(copy.path + "/" + part, 0o700)
                // The log first: a checkpoint that is written meanwhile would be ahead of it.
                let path = part + "/data.mdb"
                var bytes = readBytes(scratch.path + "/" + path)
                // A checkpoint may be on its way.
                while case let again = readBytes(scratch.path + "/" + path), again != bytes {
                    bytes = again
                }
                writeBytes(copy.path + "/" + path, bytes)
            }
            return copy
        }

        @Test func withoutViewsTheEventsAreEnough() async throws {
            try await withLedger(scratch, clock) { try await populate($0) }
            let digest = try digest()
            scratch.remove("views")
            #expect(try self.digest() == digest)
            try await withLedger(scratch, clock) { ledger in
                #expect(ledger.recovery.checkpointPosition == 0)
                #expect(ledger.recovery.replayedEventCount > 60)
                #expect(ledger.recovery.rejection == nil)
                let user = try await ledger.user("u2")
                #expect(user?.state == .connected)
            }
            try await withLedger(scratch, clock) { ledger in
                #expect(ledger.recovery.replayedEventCount == 0, "written anew by the close")
            }
        }

        @Test func aCheckpointOfAnotherLedgerIsRejected() async throws {
            let other = try Scratch()
            try await withLedger(scratch, clock) { try await populate($0) }
            // Other times, other hashes: the same events would be the same history.
            clock.advance(by: 1)
            try await withLedger(other, clock) { try await populate($0, users: 10) }
            writeBytes(
                scratch.directory.views + "/data.mdb",
                readBytes(other.directory.views + "/data.mdb"))
            try await expectRejection(part: "is not of this log")
        }

        @Test func aCheckpointOfAnotherVersionIsRejected() async throws {
            try await withLedger(scratch, clock) { try await populate($0) }
            try changeViews(table: "head") { $0[0] ^= 2 }
            try await expectRejection(part: "damaged or of another version")
        }

        @Test(arguments: [
            "head", "users", "projects", "concurrencies", "userNames", "projectNames", "jumps",
        ])
        func aDamagedCheckpointIsRejected(table: String) async throws {
            try await withLedger(scratch, clock) { ledger in
                try await populate(ledger)
                for _ in 0 ..< 40 { try await ledger.createSession(user: "u1") }
            }
            try changeViews(table: table) { $0[$0.count / 2] ^= 0x10 }
            try await expectRejection(part: "damaged")
        }

        /// Views that are no LMDB file at all are made anew.
        @Test(arguments: [[], Array("not a database".utf8), [UInt8](repeating: 0, count: 100_000)])
        func viewsThatAreNoneAreMadeAnew(bytes: [UInt8]) async throws {
            try await withLedger(scratch, clock) { try await populate($0) }
            let digest = try digest()
            writeBytes(scratch.directory.views + "/data.mdb", bytes)
            #expect(try self.digest() == digest)
            try await withLedger(scratch, clock) { ledger in
                #expect(ledger.recovery.checkpointPosition == 0)
                let user = try await ledger.user("u2")
                #expect(user?.state == .connected)
            }
            try expectSound(scratch)
            try await withLedger(scratch, clock) { ledger in
                #expect(ledger.recovery.replayedEventCount == 0)
            }
        }

        /// A row fewer, all the rest in order.
        @Test func aCheckpointWithAPieceMissingIsRejected() async throws {
            try await withLedger(scratch, clock) { try await populate($0, users: 300) }
            do {
                let views = try Environment(directory: scratch.directory.views)
                try delete(UInt64(1), table: "users", in: views)
            }
            try await expectRejection(part: "damaged")
        }

        private func delete(_ key: UInt64, table: String, in views: Environment) throws {
            var transaction = try WriteTransaction(views)
            let table = try transaction.table(named: table, create: false)
            try transaction.delete(key, in: table)
            try transaction.commit()
        }

        private func changeViews(table: String, _ change: (inout [UInt8]) -> Void) throws {
            let views = try Environment(directory: scratch.directory.views)
            var transaction = try WriteTransaction(views)
            let handle = try transaction.table(named: table, create: false)
            // The head has key 0, as have the blocks of numbers from 0; the others begin at 1.
            for key in [UInt64(0), 1, 1 << 32, 2] {
                guard var bytes = try Self.value(of: key, handle, transaction) else { continue }
                change(&bytes)
                try transaction.put(bytes.span.bytes, forKey: key, in: handle)
                try transaction.commit()
                return
            }
            Issue.record("no block in \(table)")
        }

        private static func value(
            of key: UInt64, _ table: Table, _ transaction: borrowing WriteTransaction
        ) throws -> [UInt8]? {
            guard let span = try transaction.get(key, in: table) else { return nil }
            return span.withUnsafeBytes { Array($0) }
        }

        /// Reader and writer alike must see through it, and the close must mend it.
        private func expectRejection(part: String) async throws {
            let head = try readerRejects(part)
            try await withLedger(scratch, clock) { ledger in
                #expect(ledger.recovery.checkpointPosition == 0)
                #expect(ledger.recovery.replayedEventCount == head)
                #expect(ledger.recovery.rejection?.contains(part) == true)
            }
            try expectSound(scratch)
            try await withLedger(scratch, clock) { #expect($0.recovery.replayedEventCount == 0) }
        }

        private func readerRejects(_ part: String) throws -> Position {
            let reader = try LedgerReader(opening: scratch.path)
            #expect(reader.recovery.checkpointPosition == 0)
            #expect(reader.recovery.rejection?.contains(part) == true, "\(reader.recovery)")
            return reader.head.position
        }

        // MARK: - Outages

        @Test func aFreshLedgerHasNoOpening() async throws {
            try await withLedger(scratch, clock) { #expect($0.head == LogHead.empty) }
            try await withLedger(scratch, clock) { ledger in
                #expect(ledger.head == LogHead.empty, "nothing was ever recorded")
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 1))
                #expect(try await ledger.allEvents().first?.event.kind == .projectNamed)
            }
        }

        @Test(arguments: [Int64(0), 1, 60, 89, 91, 86_400])
        func anOutageMovesDeadlines(seconds: Int64) async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 3))
                for user in ["waiting", "connected"] {
                    try await ledger.apply(user: user, project: "demo")
                    try await ledger.createSession(user: user)
                }
                try await ledger.disconnect(user: "waiting")
                try await ledger.apply(user: "reserved", project: "demo")
                clock.advance(by: .seconds(10))
            }
            clock.reboot(after: .seconds(seconds))
            try await withLedger(scratch, clock) { ledger in
                let opened = try #require(try await ledger.allEvents().last).event
                #expect(opened.kind == .opened)
                #expect(opened.outage == .seconds(seconds))
                #expect(opened.time == ManualClock.start + .seconds(10 + seconds))
                #expect(opened.caller == Caller.ledger.rawValue)
                let moved = ManualClock.start + .seconds(seconds)
                #expect(try await ledger.user("waiting")?.deadline == moved + .seconds(90))
                #expect(try await ledger.user("reserved")?.deadline == moved + .seconds(30))
                #expect(try await ledger.user("connected")?.state == .connected)
                clock.advance(by: .seconds(20))
                #expect(try await ledger.user("reserved")?.state == ConcurrencyState.none)
                clock.advance(by: .seconds(59))
                #expect(try await ledger.user("waiting")?.state == .waiting)
                clock.advance(by: .seconds(1))
                #expect(try await ledger.user("waiting")?.state == ConcurrencyState.none)
            }
            try expectSound(scratch)
        }

        @Test func compensationCanBeSwitchedOff() async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 1))
                try await ledger.apply(user: "ann", project: "demo")
            }
            clock.advance(by: .seconds(60))
            try await withLedger(scratch, clock, { $0.compensatesOutages = false }) { ledger in
                #expect(try await ledger.user("ann")?.state == ConcurrencyState.none)
                let events = try await ledger.allEvents().suffix(2).map(\.event)
                #expect(events.map(\.kind) == [.opened, .repossessed])
                #expect(events[0].outage == 0)
            }
            try expectSound(scratch)
        }

        /// Without an orderly end the outage counts from the last sign of life, which is at most a
        /// second old. Time passes only in steps smaller than that.
        @Test func theSignOfLifeIsFresh() async throws {
            let path = scratch.directory.signOfLife
            let copy = try Scratch()
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 1))
                clock.advance(by: .seconds(3))
                _ = try await ledger.status()
                #expect(readBytes(path).isEmpty, "no deadline runs")
                try await ledger.apply(user: "ann", project: "demo")
                for _ in 0 ..< 33 {
                    clock.advance(by: 300_000)
                    _ = try await ledger.status()
                }
                // As after a power cut at this moment.
                mkdir(copy.path + "/log", 0o700)
                writeBytes(
                    copy.directory.log + "/data.mdb",
                    readBytes(scratch.directory.log + "/data.mdb"))
                writeBytes(copy.directory.signOfLife, readBytes(path))
                writeBytes(
                    copy.directory.personalKeys, readBytes(scratch.directory.personalKeys))
            }
            clock.advance(by: .seconds(100))
            try await withLedger(copy, clock) { ledger in
                let opened = try #require(try await ledger.allEvents().last).event
                #expect(opened.kind == .opened)
                #expect(opened.outage >= .seconds(100))
                #expect(opened.outage <= .seconds(101))
                #expect(try await ledger.user("ann")?.state == .reserved)
            }
        }

        /// The writer shows life by itself while a deadline runs. Real clock.
        @Test func lifeIsShownWithoutBeingAsked() async throws {
            let ledger = try Ledger(opening: scratch.path)
            let path = ledger.directory.signOfLife
            try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 1))
            try await ledger.apply(user: "ann", project: "demo")
            var seen = readBytes(path)
            var changes: [ContinuousClock.Instant] = [.now]
            while changes.count < 5 {
                #expect(await eventually(3) { readBytes(path) != seen })
                seen = readBytes(path)
                changes.append(.now)
            }
            let gaps = zip(changes, changes.dropFirst()).map { $1 - $0 }
            print("signs of life, apart: \(gaps.map { "\($0)" }.joined(separator: ", "))")
            #expect(gaps.sorted()[2] <= .seconds(1))
            await ledger.close()
        }

        @Test func aTornSignOfLifeLeavesTheOther() async throws {
            let path = scratch.directory.signOfLife
            var bytes: [UInt8] = []
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 1))
                try await ledger.apply(user: "ann", project: "demo")
                for seconds in [2, 4] as [Int64] {
                    clock.advance(by: .seconds(2))
                    _ = try await ledger.status()
                    let moment = UInt64(ManualClock.start + .seconds(seconds))
                    #expect(
                        await eventually {
                            bytes = readBytes(path)
                            return bytes.count >= 24 && newestSign(bytes).moment == moment
                        })
                }
            }
            // As after a power cut that tore the newer of the two.
            bytes[newestSign(bytes).offset + 9] ^= 0xFF
            writeBytes(path, bytes)
            clock.advance(by: .seconds(50))
            try await withLedger(scratch, clock) { ledger in
                let opened = try #require(try await ledger.allEvents().last).event
                #expect(opened.outage == .seconds(52), "from the one before")
            }
        }

        private func newestSign(_ bytes: [UInt8]) -> (offset: Int, moment: UInt64) {
            [0, 512].filter { $0 + 24 <= bytes.count }
                .map { ($0, word(bytes, $0 + 8)) }.max { $0.1 < $1.1 } ?? (0, 0)
        }

        private func word(_ bytes: [UInt8], _ offset: Int) -> UInt64 {
            bytes[offset ..< offset + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }

        /// Ledger time never runs backward, whatever the wall clock says at the next opening.
        @Test func aClockThatWentBackBetweenRuns() async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 1))
                try await ledger.apply(user: "ann", project: "demo")
                clock.advance(by: .seconds(20))
                _ = try await ledger.status()
            }
            clock.reboot(after: .seconds(-5_000))
            let copy = try Scratch()
            try await withLedger(scratch, clock) { ledger in
                let opened = try #require(try await ledger.allEvents().last).event
                #expect(opened.kind == .opened)
                #expect(opened.outage == 0)
                #expect(opened.time == ManualClock.start, "the last event's time")
                #expect(try await ledger.user("ann")?.state == .reserved)
                // A power cut right now: the sign of life from the future must not hide the outage.
                mkdir(copy.path + "/log", 0o700)
                writeBytes(
                    copy.directory.log + "/data.mdb",
                    readBytes(scratch.directory.log + "/data.mdb"))
                writeBytes(copy.directory.signOfLife, readBytes(scratch.directory.signOfLife))
                writeBytes(
                    copy.directory.personalKeys, readBytes(scratch.directory.personalKeys))
                clock.advance(by: .seconds(29))
                #expect(try await ledger.user("ann")?.state == .reserved)
                clock.advance(by: .seconds(1))
                #expect(try await ledger.user("ann")?.state == ConcurrencyState.none)
            }
            // Wall clock: start + 20 − 5,000 + 30. Right again, 15 s after that opening.
            clock.advance(by: .seconds(5_000 - 20 - 30 + 15))
            try await withLedger(copy, clock) { ledger in
                let opened = try #require(try await ledger.allEvents().last).event
                #expect(opened.outage == .seconds(15))
            }
        }
    }
}
