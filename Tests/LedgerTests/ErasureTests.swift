import Audit
import Glibc
@testable import EventLog
import LMDB
@testable import Ledger
import LedgerModel
import LogForge
import ReconnectionRules
import Testing

extension LedgerTests {
    /// A person is forgotten: nothing that is left anywhere tells who it was, and everything else
    /// is as it was.
    @Suite struct Erasure {
        private static let name = "Aurelia Quisquam 4711"
        private static let address = "2001:db8:77:1234:5678:9abc:def0:1357"
        private static let addressBytes: [UInt8] = [
            0x20, 0x01, 0x0D, 0xB8, 0x00, 0x77, 0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC, 0xDE, 0xF0,
            0x13, 0x57,
        ]
        private let scratch: Scratch
        private let clock = ManualClock()

        init() throws { scratch = try Scratch() }

        private func options(_ options: inout LedgerOptions) {
            options.checkpointEventCount = 64
            options.clientAddresses = .full
        }

        /// Three hundred people who come and come again, over several runs and many checkpoints.
        private func populate(_ scratch: Scratch) async throws {
            for round in 0 ..< 3 {
                try await withLedger(scratch, clock, options) { ledger in
                    try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 400))
                    var actions: [Action] = []
                    for number in 0 ..< 300 where number % 3 <= round {
                        let user = number == 150 ? Self.name : "person \(number)"
                        let address = ClientAddress(
                            number == 150 ? Self.address : "198.51.100.\(number % 250)")
                        actions += [
                            .apply(user: user, project: "demo", address: address),
                            .createSession(user: user, address: address),
                        ]
                        if number % 4 == 0 { actions.append(.disconnect(user: user)) }
                        guard actions.count > 40 || number > 297 else { continue }
                        for result in try await ledger.performAll(actions) { _ = try result.get() }
                        actions = []
                    }
                    clock.advance(by: .seconds(20))
                }
            }
        }

        /// Which of these byte strings stand in which files.
        private func places(of secrets: [(String, [UInt8])], in path: String) -> [String] {
            let files = Files.all(below: path)
            #expect(files.count > 5)
            let search = Search(secrets)
            return files.sorted { $0.key < $1.key }.flatMap { file, bytes in
                search.found(in: bytes).map { "\($0) in \(file)" }
            }
        }

        private func keys(_ scratch: Scratch) throws -> ForgedKeys {
            try #require(ForgedKeys(file: readBytes(scratch.directory.personalKeys)))
        }

        /// Everything that tells who a user was, or leads to it.
        private func secrets(of user: UserNumber, _ keys: ForgedKeys) -> [(String, [UInt8])] {
            let seeds = keys.seeds(of: user).enumerated().flatMap { depth, seed in
                [("seed \(depth)", seed), ("block key \(depth)", ForgedKeys.blockKey(seed))]
            }
            return seeds + [
                ("name", Array(Self.name.utf8)), ("address", Array(Self.address.utf8)),
                ("address bytes", Self.addressBytes),
            ]
        }

        private func userNumber(_ name: String) throws -> UserNumber {
            try #require(LedgerReader(opening: scratch.path).user(name)?.number)
        }

        @Test func nothingOfThePersonIsLeftInAnyFile() async throws {
            try await populate(scratch)
            let number = try userNumber(Self.name)
            let before = try keys(scratch)
            let secrets = secrets(of: number, before)
            #expect(secrets.count == 69)
            // Sealed from the first moment: the one way to the person is the key file.
            #expect(places(of: secrets, in: scratch.path) == ["seed 0 in personal.keys"])
            #expect(try names(in: scratch, by: before)[number] == Self.name)
            try await withLedger(scratch, clock, options) { ledger in
                let reply = try await ledger.forget(user: Self.name)
                #expect(reply.event.user == number && reply.event.kind == .userForgotten)
                // At once, before any checkpoint.
                #expect(places(of: secrets, in: scratch.path) == [])
                #expect(try keys(scratch).seeds(of: number) == [])
                for _ in 0 ..< 100 { try await ledger.createSession(user: "person 1") }
            }
            #expect(places(of: secrets, in: scratch.path) == [])
            let after = try keys(scratch)
            #expect(after.appliedPosition > 0 && after.seeds(of: number) == [])
            var expected = try names(in: scratch, by: before)
            expected[number] = nil
            #expect(try names(in: scratch, by: after) == expected)
            // A copy of the files is a backup made later.
            let copy = ScratchDirectory()
            Files.copy(scratch.path, to: copy("backup"))
            #expect(places(of: secrets, in: copy("backup")) == [])
            let reader = try LedgerReader(opening: copy("backup"))
            #expect(reader.user(Self.name) == nil && reader.isForgotten(number))
        }

        /// The names that the log holds for these keys, by the document of the form.
        private func names(
            in scratch: Scratch, by keys: ForgedKeys
        ) throws -> [UserNumber: String] {
            var names: [UserNumber: String] = [:]
            for batch in try LogForge.batches(in: scratch.directory.log) {
                for (position, range) in batch.texts {
                    let record = batch.record(of: position)
                    guard batch.bytes[record] == 4 else { continue }
                    let user: UInt32 = batch.number(at: record + 12)
                    names[user] = keys.name(
                        Array(batch.bytes[range]), user: user, position: position)
                }
            }
            return names
        }

        @Test func everythingElseIsAsItWas() async throws {
            try await populate(scratch)
            let number = try userNumber(Self.name)
            let before = try Picture(scratch)
            #expect(try Verifier.verify(scratch.directory).unopenedNameCount == 0)
            let reply = try await withLedger(scratch, clock, options) { ledger in
                try await ledger.forget(user: Self.name)
            }
            let after = try Picture(scratch)
            // Opened, freed, forgotten: nothing else happened.
            #expect(after.events.count == before.events.count + 3)
            #expect(Array(after.events.prefix(before.events.count)) == before.events)
            #expect(after.events.suffix(3).map(\.kind) == [.opened, .destroyed, .userForgotten])
            #expect(after.events.suffix(2).map(\.outcome) == [.freed, .done])
            #expect(reply.position == after.events.last?.position)
            for (user, history) in before.histories where user != Self.name {
                #expect(after.histories[user] == history)
            }
            #expect(after.histories[Self.name] == nil)
            #expect(after.histories.count == before.histories.count - 1)
            let report = try Verifier.verify(scratch.directory)
            #expect(report.forgottenCount == 1 && report.unopenedNameCount == 1)
            #expect(try Rebuilder.rebuild(scratch.directory).isSame)
            // Its own events are there, under its number, without a name or an address.
            let reader = try LedgerReader(opening: scratch.path)
            let own = try reader.named(after.events.filter { $0.user == number })
            #expect(own.count > 4)
            for named in own {
                #expect(named.user == "" && named.clientAddress == nil)
                #expect(named.userText == "user \(number) (forgotten)")
                #expect(EventJSON.line(named).contains(#""user":null,"userNumber":\#(number),"#))
            }
            let others = try reader.named(after.events.filter { $0.user == number + 1 })
            #expect(others.contains { $0.clientAddress?.hasPrefix("198.51.100.") ?? false })
        }

        /// What can be asked of a ledger, but for the newest run's own events.
        private struct Picture {
            var events: [Event] = []
            var histories: [String: [NamedEvent]] = [:]

            init(_ scratch: Scratch) throws {
                let reader = try LedgerReader(opening: scratch.path)
                try reader.log.forEachBatch { batch in
                    try batch.forEachEvent { event, _ in events.append(event) }
                    return true
                }
                for number in reader.state.users.indices.dropFirst() {
                    let name = reader.userName(of: UserNumber(number))
                    if !name.isEmpty { histories[name] = try reader.history(ofUser: name) }
                }
            }
        }

        @Test func whoReturnsIsSomebodyNew() async throws {
            try await populate(scratch)
            let number = try userNumber(Self.name)
            try await withLedger(scratch, clock, options) { ledger in
                // In one batch: the name is free at once.
                let results = try await ledger.performAll([
                    .forget(user: Self.name), .apply(user: Self.name, project: "demo"),
                    .forget(user: Self.name), .forget(user: Self.name),
                    .apply(user: Self.name, project: "demo"),
                ])
                let users = results.map { try? $0.get().event.user }
                #expect(users == [number, 301, 301, nil, 302])
                #expect(try await ledger.user(Self.name)?.number == 302)
                #expect(try await ledger.user(Self.name)?.eventCount == 2)
                #expect(try await ledger.history(ofUser: Self.name).count == 2)
                let events = try await ledger.allEvents()
                let named = events.filter { $0.user == Self.name }.map(\.event.user)
                #expect(Set(named) == [302])
            }
            try expectSound(scratch)
            try await withLedger(scratch, clock, options) { ledger in
                let user = try await ledger.user(Self.name)
                #expect(user?.number == 302)
            }
        }

        @Test func onlyAUserThatIsKnownCanBeForgotten() async throws {
            try await withLedger(scratch, clock, options) { ledger in
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 1))
                let position = ledger.head.position
                #expect(await code { try await ledger.forget(user: "nobody") } == .unknownUser)
                #expect(await code { try await ledger.forget(user: "") } == .unknownUser)
                #expect(ledger.head.position == position)
            }
        }

        /// Whatever somebody holds: the events that forgetting comes to, in full. The second time
        /// the name is nobody's, and who returns under it has a number of their own.
        @Test func whatForgettingComesTo() async throws {
            try await withLedger(scratch, clock, options) { ledger in
                try await ledger.modifyProject(
                    "demo", ProjectChange(concurrencyCount: 4, cleanupTime: .seconds(20)))
                for user in ["res", "con", "wai", "had"] {
                    try await ledger.apply(user: user, project: "demo")
                    if user != "res" { try await ledger.createSession(user: user) }
                }
                try await ledger.disconnect(user: "wai")
                try await ledger.destroy(user: "had")
                clock.advance(by: .seconds(1))
                let expected = [
                    "res": ["1 destroyed freed idle 1", "1 userForgotten done none 0"],
                    "con": ["2 destroyed freed recovering 2", "2 userForgotten done none 0"],
                    "wai": ["3 destroyed freed recovering 3", "3 userForgotten done none 0"],
                    "had": ["4 userForgotten done none 0"],
                ]
                for user in ["res", "con", "wai", "had"] {
                    let before = ledger.head.position
                    let reply = try await ledger.forget(user: user, by: .commandLine)
                    let events = try await ledger.allEvents().map(\.event)
                        .filter { $0.position > before }
                    let texts = events.map {
                        "\($0.user) \($0.kind.name) \($0.outcome.name) \($0.state.name) "
                            + "\($0.concurrency)"
                    }
                    #expect(texts == expected[user])
                    #expect(reply.position == events.last?.position)
                    #expect(events.allSatisfy { $0.caller == Caller.commandLine.rawValue })
                    #expect(events.allSatisfy { $0.time == ManualClock.start + .seconds(1) })
                    // Twice: there is nobody of that name.
                    let head = ledger.head.position
                    #expect(await code { try await ledger.forget(user: user) } == .unknownUser)
                    #expect(ledger.head.position == head)
                    #expect(try await ledger.user(user) == nil)
                }
                // The one whose lock only was held is idle at once; the others are being cleaned.
                let project = try await ledger.project("demo")
                #expect(project?.idleCount == 1 && project?.recoveringCount == 3)
                clock.advance(by: .seconds(20))
                for (index, user) in ["wai", "con"].enumerated() {
                    let again = try await ledger.apply(user: user, project: "demo")
                    #expect(again.outcome == .granted)
                    #expect(again.event.user == UserNumber(5 + index))
                }
            }
            try expectSound(scratch)
        }

        // MARK: - Many

        /// Round after round some of seven hundred are forgotten and others come: names are those
        /// of a dictionary, whatever became of the blocks they lie in.
        @Test func manyAreForgotten() async throws {
            var random = SplitMix64(seed: seed("many forgotten"))
            var numbers: [String: UserNumber] = [:]
            var count: UserNumber = 0
            for round in 0 ..< 6 {
                try await withLedger(scratch, clock, { $0.checkpointEventCount = 100 }) { ledger in
                    try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 9_000))
                    for _ in 0 ..< 150 {
                        let name = "n\(random.below(700))"
                        try await ledger.apply(user: name, project: "demo")
                        if numbers[name] == nil {
                            count += 1
                            numbers[name] = count
                        }
                    }
                    let gone = numbers.keys.sorted().filter { _ in random.chance(1, in: 5) }
                    _ = try await ledger.performAll(gone.map { .forget(user: $0) })
                    for name in gone { numbers[name] = nil }
                    for (name, number) in numbers {
                        #expect(try await ledger.user(name)?.number == number)
                    }
                }
                let reader = try LedgerReader(opening: scratch.path)
                #expect(reader.recovery.rejection == nil && reader.recovery.checkpointPosition > 0)
                for (name, number) in numbers {
                    #expect(reader.user(name)?.number == number, "round \(round)")
                }
                for number in 1 ... count {
                    #expect(reader.isForgotten(number) == !numbers.values.contains(number))
                }
            }
            try expectSound(scratch)
        }

        /// A checkpoint from before, its names under a key that is gone: the others' names come
        /// from the log.
        @Test func namesOfACheckpointThatWasLostComeFromTheLog() async throws {
            try await populate(scratch)
            let views = scratch.directory.views + "/data.mdb"
            let old = readBytes(views)
            let before = try Picture(scratch)
            let number = try userNumber(Self.name)
            try await withLedger(scratch, clock, options) {
                _ = try await $0.forget(user: Self.name)
            }
            writeBytes(views, old)
            do {
                let reader = try LedgerReader(opening: scratch.path)
                #expect(reader.recovery.rejection == nil)
                #expect(reader.recovery.replayedEventCount == 3 && reader.isForgotten(number))
            }
            let after = try Picture(scratch)
            let others = Set(before.histories.keys).subtracting([Self.name])
            #expect(Set(after.histories.keys) == others)
            try await withLedger(scratch, clock, options) { ledger in
                #expect(ledger.recovery.checkpointPosition > 0)
            }
            // The next checkpoint has them again.
            try await withLedger(scratch, clock, options) { _ in }
            #expect(try Set(Picture(scratch).histories.keys) == others)
        }

        // MARK: - Crashes

        /// The event is durable and the key still there, in any state that replacing the file goes
        /// through: the next opening makes good what is missing.
        @Test(arguments: PersonalKeyFile.Step.allCases + [nil])
        func aCrashBetweenTheEventAndTheKey(step: PersonalKeyFile.Step?) async throws {
            try await populate(scratch)
            let number = try userNumber(Self.name)
            let neighbour = try userNumber("person 153")
            let path = scratch.directory.personalKeys
            let file = readBytes(path)
            let secrets = secrets(of: number, try keys(scratch))
            try await withLedger(scratch, clock, options) {
                _ = try await $0.forget(user: Self.name)
            }
            let ledgerId = try keys(scratch).ledgerId
            let punctured = try PersonalKeyFile.read(path, ledgerId: ledgerId)
            writeBytes(path, file)
            if let step {
                try PersonalKeyFile.replace(path, ledgerId, by: punctured, through: step)
            }
            // Nobody is shown the name, whatever the keys still open.
            #expect(try LedgerReader(opening: scratch.path).user(Self.name) == nil)
            #expect(try Verifier.verify(scratch.directory).forgottenCount == 1)
            try await withLedger(scratch, clock, options) { ledger in
                #expect(places(of: secrets, in: scratch.path) == [])
                let user = try await ledger.user(Self.name)
                let next = try await ledger.user("person 153")
                #expect(user == nil && next?.number == neighbour)
            }
            #expect(try keys(scratch).seeds(of: number) == [])
            #expect(!Files.exists(path + ".old") && !Files.exists(path + ".new"))
            try expectSound(scratch)
        }

        /// The key file cannot be replaced: nobody is told it was, and the next opening does it.
        @Test func aKeyFileThatCannotBeWritten() async throws {
            try await populate(scratch)
            let number = try userNumber(Self.name)
            let obstacle = scratch.directory.personalKeys + ".new"
            do {
                let ledger = try Ledger(scratch, clock, options)
                Files.makeDirectory(obstacle)
                #expect(await code { _ = try await ledger.forget(user: Self.name) } == .failed)
                #expect(ledger.failure?.message.contains("personal.keys.new") ?? false)
                await ledger.close()
            }
            #expect(try keys(scratch).seeds(of: number).count == 33)
            do {
                _ = try Ledger(scratch, clock, options)
                Issue.record("it opens")
            } catch let error as LedgerError { #expect(error.code == .keys, "\(error)") }
            Files.remove(obstacle)
            let again = try Ledger(scratch, clock, options)
            #expect(try keys(scratch).seeds(of: number) == [])
            await again.close()
        }

        /// An older log beside newer keys: a position the keys have seen is used again.
        @Test func anOlderLogIsPutBack() async throws {
            try await populate(scratch)
            let log = readBytes(scratch.directory.log + "/data.mdb")
            try await withLedger(scratch, clock, options) { ledger in
                for number in 0 ..< 9 { try await ledger.createSession(user: "person \(number)") }
                try await ledger.forget(user: Self.name)
            }
            let applied = try keys(scratch).appliedPosition
            writeBytes(scratch.directory.log + "/data.mdb", log)
            scratch.remove("views")
            var file: [UInt8] = []
            try await withLedger(scratch, clock, options) { ledger in
                // Who was forgotten stays so: the key is gone.
                #expect(try await ledger.user(Self.name) == nil)
                file = readBytes(scratch.directory.personalKeys)
                let reply = try await ledger.forget(user: "person 2")
                #expect(reply.position <= applied)
            }
            // As if the crash had come before the key went.
            writeBytes(scratch.directory.personalKeys, file)
            try await withLedger(scratch, clock, options) { _ in }
            let gone = try Verifier.verify(scratch.directory)
            #expect(gone.forgottenCount == 1 && gone.unopenedNameCount == 2)
        }

        /// As above, and somebody was forgotten whom no event of that log names any more: the key
        /// of that number is gone, so it is given to nobody.
        @Test func aNumberForgottenInLostEventsIsPassedOver() async throws {
            try await populate(scratch)
            let log = readBytes(scratch.directory.log + "/data.mdb")
            try await withLedger(scratch, clock, options) { ledger in
                for name in ["lost 1", "lost 2", "lost 3"] {
                    try await ledger.apply(user: name, project: "demo")
                }
                try await ledger.forget(user: "lost 1")
                try await ledger.forget(user: "lost 3")
            }
            writeBytes(scratch.directory.log + "/data.mdb", log)
            scratch.remove("views")
            try await withLedger(scratch, clock, options) { ledger in
                let reply = try await ledger.apply(user: "new 1", project: "demo")
                #expect(reply.event.user == 302)
                var batch = ActionBatch()
                batch.apply(user: "new 2", project: "demo")
                let position = try await ledger.perform(batch).items[0].position
                #expect(try ledger.log.event(at: position)?.user == 304)
            }
            let report = try Verifier.verify(scratch.directory)
            #expect(report.forgottenCount == 2 && report.unopenedNameCount == 2)
            do {
                let reader = try LedgerReader(opening: scratch.path)
                #expect(reader.userName(of: 302) == "new 1")
                #expect(reader.userName(of: 304) == "new 2")
                #expect(reader.isForgotten(301) && reader.isForgotten(303))
                #expect(StateDigest.of(reader.state) == report.stateDigest)
            }
            #expect(try Rebuilder.rebuild(scratch.directory).isSame)
        }

        // MARK: - The key file

        @Test func withoutItsKeysALedgerIsNotWritten() async throws {
            try await populate(scratch)
            let path = scratch.directory.personalKeys
            let file = readBytes(path)
            let other = try Scratch()
            try await populate(other)
            var damaged = file
            damaged[60] ^= 1
            let cases: [(String, [UInt8]?)] = [
                ("is missing", nil), ("is damaged", damaged), ("is damaged", []),
                ("another ledger", readBytes(other.directory.personalKeys)),
            ]
            for (text, bytes) in cases {
                Files.remove(path)
                if let bytes { writeBytes(path, bytes) }
                do {
                    _ = try Ledger(scratch, clock, options)
                    Issue.record("\(text): it opens")
                } catch let error as LedgerError {
                    #expect(error.code == .keys && error.message.contains(text), "\(error)")
                    #expect(error.message.contains(path) && !error.message.contains("\n"))
                }
                #expect(readBytes(path) == bytes ?? [], "nothing is put in its place")
                #expect(
                    await code { _ = try LedgerReader(opening: scratch.path) } == .keys)
                // Numbers need no names.
                let digest = try {
                    let reader = try LedgerReader(opening: scratch.path, needsNames: false)
                    #expect(reader.state.userCount == 300 && reader.recovery.rejection == nil)
                    #expect(reader.userName(of: 1) == "" && !reader.isForgotten(1))
                    return StateDigest.of(reader.state)
                }()
                let report = try Verifier.verify(scratch.directory)
                #expect(report.stateDigest == digest && report.unopenedNameCount == 300)
            }
            writeBytes(path, file)
            try await withLedger(scratch, clock, options) { ledger in
                let user = try await ledger.user(Self.name)
                #expect(user != nil)
            }
        }

        /// Nothing per person is ever written to it.
        @Test func theKeyFileDoesNotGrowWithUsers() async throws {
            try await withLedger(scratch, clock) { _ in }
            let file = readBytes(scratch.directory.personalKeys)
            #expect(file.count == 48 + 40 + 32)
            try await populate(scratch)
            #expect(readBytes(scratch.directory.personalKeys) == file)
        }

        @Test func theSameSourceGivesTheSameBytes() throws {
            func written() throws -> ([ForgedBatch], [UInt8]) {
                let scratch = try Scratch()
                do {
                    var options = LedgerOptions()
                    options.random = .repeatable(seed: 5)
                    options.clientAddresses = .truncated
                    let core = try WritableLedger(opening: scratch.directory, options: options).core
                    let change = ProjectChange(concurrencyCount: 20)
                    try core.perform(.modifyProject("p", change), at: 5, by: .library)
                    for number in 0 ..< 40 {
                        try core.perform(
                            .apply(
                                user: "u\(number % 13)", project: "p",
                                address: ClientAddress("192.0.2.\(number)")),
                            at: 6, by: .library)
                        if number % 7 == 6 {
                            try core.perform(
                                .forget(user: "u\(number % 13)"), at: 6, by: .library)
                        }
                        if number % 5 == 0 { try core.commit(wallOffset: nil) }
                    }
                    try core.commit(wallOffset: nil)
                }
                return (
                    try LogForge.batches(in: scratch.directory.log),
                    readBytes(scratch.directory.personalKeys))
            }
            let (one, other) = (try written(), try written())
            #expect(one.0 == other.0 && one.1 == other.1)
            #expect(one.0.count > 5)
        }
    }
}

/// Looks for byte strings, each of eight bytes or more, in one pass.
struct Search {
    private var candidates: [UInt64: [(what: String, bytes: [UInt8])]] = [:]
    /// By the first two bytes: whether any begins with them.
    private var begins = [Bool](repeating: false, count: 1 << 16)

    init(_ secrets: [(String, [UInt8])]) {
        for (what, bytes) in secrets {
            let word = bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
            candidates[word, default: []].append((what, bytes))
            begins[Int(word & 0xFFFF)] = true
        }
    }

    /// What stands in the bytes.
    func found(in bytes: [UInt8]) -> [String] {
        var found: [String] = []
        bytes.withUnsafeBytes { buffer in
            var end = buffer.count
            while end >= 8, buffer.loadUnaligned(fromByteOffset: end - 8, as: UInt64.self) == 0 {
                end -= 8
            }
            begins.withUnsafeBufferPointer { begins in
                var offset = 0
                while offset + 8 <= end {
                    let two = buffer.loadUnaligned(fromByteOffset: offset, as: UInt16.self)
                    if begins[Int(two)] {
                        let word = buffer.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                        for (what, secret) in candidates[word] ?? []
                        where buffer[offset...].starts(with: secret) { found.append(what) }
                    }
                    offset += 1
                }
            }
        }
        return found
    }
}
