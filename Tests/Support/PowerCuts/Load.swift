import Audit
import EventLog
public import Ledger
import LedgerModel
import Proofs
public import ReconnectionRules
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What is done to ledgers while a journal is kept. Small batches, many checkpoints, and everything
/// that touches the disk in one run or another: which, the seed says.
public struct Load: Sendable {
    public enum Kind: String, Sendable, CaseIterable {
        case engine, backup, restore, importing, rebuild
    }

    public let kind: Kind
    public let seed: UInt64
    private var random: SplitMix64
    private var options = LedgerOptions()
    private let clock = SteppedClock()
    private var callerCount = 1
    private var roundCount = 1
    private var openingCount = 1
    private var syncDelay: UInt32 = 0
    private var publishes = false
    private var forgets = false

    /// The options of a run follow from its seed alone.
    public init(seed: UInt64, kind: Kind? = nil) {
        self.seed = seed
        random = SplitMix64(seed: seed)
        let drawn: Kind = random.chance(7, in: 10) ? .engine : random.pick(Kind.allCases)
        self.kind = kind ?? drawn
        callerCount = random.pick([1, 2, 6, 12])
        roundCount = random.within(4 ... 14)
        openingCount = random.within(1 ... 3)
        syncDelay = random.pick([0, 200, 1_500])
        publishes = random.chance(1, in: 2)
        forgets = random.chance(2, in: 3)
        options.clock = clock.clock
        options.checkpointEventCount = random.pick([10, 40, 150])
        options.keptCheckpoints = CheckpointSpacing(
            eventCount: random.pick([0, 12, 60]), eventCountPerRecord: 0)
        options.clientAddresses = random.pick([.none, .truncated, .full])
        options.random = .repeatable(seed: seed)
    }

    /// One line: what this run is made of.
    public var description: String {
        "\(kind.rawValue): \(callerCount) callers, \(roundCount) rounds, \(openingCount) openings, "
            + "checkpoints every \(options.checkpointEventCount), kept every "
            + "\(options.keptCheckpoints.eventCount), syncs \(syncDelay) µs longer"
            + (publishes ? ", heads" : "") + (forgets ? ", forgetting" : "")
    }

    /// Runs it in a folder that is empty. What it leaves there is the caller's to remove.
    public func record(in folder: String) async throws -> Recording {
        let journal = DiskJournal(of: folder)
        journal.delaySyncs(microseconds: syncDelay)
        let book = Book(journal)
        for opening in 0 ..< openingCount {
            if opening > 0 { _ = try await FreedLedger.reader(folder + "/data") }
            try await run(folder, opening, book)
        }
        let promises = try await operate(folder, book)
        let lockFile = Self.read(folder + "/data/log/lock.mdb")
        let (answers, published) = book.content.withLock { ($0.answers, $0.published) }
        return Recording(
            seed: seed, folder: folder, name: description, steps: journal.steps,
            answers: answers, published: published, promises: promises, lockFile: lockFile)
    }

    /// What was told to whom by when.
    private final class Book: Sendable {
        let journal: DiskJournal
        let content = Mutex<(answers: [Recording.Answer], published: [Recording.Published])>(
            ([], []))

        init(_ journal: DiskJournal) { self.journal = journal }

        func note(_ event: Event, user: String) {
            content.withLock { content in
                // Under the lock, so that the list ascends.
                content.answers.append(
                    Recording.Answer(event: event, user: user, stepCount: journal.count))
            }
        }

        func note(_ head: SignedHead) {
            content.withLock { content in
                content.published.append(
                    Recording.Published(head: head, stepCount: journal.count))
            }
        }
    }

    // MARK: - The engine

    private func run(_ folder: String, _ opening: Int, _ book: Book) async throws {
        let ledger = try Ledger(opening: folder + "/data", options: options)
        for project in 0 ..< 2 {
            let change = ProjectChange(
                concurrencyCount: 6, reconnectWindow: .seconds(20), lockTimeout: .seconds(9),
                cleanupTime: .seconds(Int64(2 * project)))
            let reply = try await ledger.modifyProject("p\(project)", change)
            book.note(reply.event, user: "")
        }
        let publisher =
            publishes
            ? try HeadPublisher(
                ledger, signer: LedgerHeads.signer(owning: ledger),
                to: Outside(file: HeadFile(folder + "/heads")) { book.note($0) }) : nil
        try await withThrowingTaskGroup(of: Void.self) { group in
            for caller in 0 ..< callerCount {
                group.addTask {
                    var random = SplitMix64(seed: seed ^ UInt64(977 * opening + caller + 1))
                    for _ in 0 ..< roundCount {
                        try await turn(ledger, caller, book, &random)
                        if random.chance(1, in: 6) { await publisher?.finish() }
                    }
                }
            }
            try await group.waitForAll()
        }
        await publisher?.finish()
        await ledger.close()
        if let failure = ledger.failure { throw failure }
        clock.advance(by: .seconds(3))
    }

    /// Plays without end on a ledger of the machine's clock, and hands every answer on: for whoever
    /// wants to kill it. Returns only with an error.
    public func play(
        in path: String, saying say: @escaping @Sendable (NamedEvent) -> Void
    ) async throws {
        var options = options
        options.clock = .system
        options.random = .system
        let ledger = try Ledger(opening: path, options: options)
        for project in ["p0", "p1"] {
            let change = ProjectChange(
                concurrencyCount: 8, reconnectWindow: .seconds(1), lockTimeout: .seconds(1))
            try await ledger.modifyProject(project, change)
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for caller in 0 ..< callerCount {
                group.addTask {
                    var random = SplitMix64(seed: seed ^ UInt64(caller + 1))
                    while true {
                        let user = "u\(caller)-\(random.below(9))"
                        if random.chance(1, in: 12) {
                            if let reply = try? await ledger.perform(.forget(user: user)) {
                                say(NamedEvent(reply, user: ""))
                            }
                            continue
                        }
                        let reply = try await ledger.perform(action(user, &random).action)
                        say(NamedEvent(reply, user: user))
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    private func turn(
        _ ledger: Ledger, _ caller: Int, _ book: Book, _ random: inout SplitMix64
    ) async throws {
        clock.advance(by: Microseconds(random.below(1_500_000)))
        if forgets, random.chance(1, in: 7) {
            let name = "u\(caller)-\(random.below(5))"
            guard let reply = try? await ledger.perform(.forget(user: name)) else { return }
            return book.note(reply.event, user: "")
        }
        let actions = (0 ..< random.pick([1, 1, 3, 10])).map { _ in
            action("u\(caller)-\(random.below(5))", &random)
        }
        let replies = try await ledger.performAll(actions.map(\.action))
        for (reply, action) in zip(replies, actions) {
            book.note(try reply.get().event, user: action.user)
        }
    }

    private func action(
        _ user: String, _ random: inout SplitMix64
    ) -> (action: Action, user: String) {
        let project = "p\(random.below(2))"
        switch random.below(8) {
        case 0 ... 2:
            return (
                .apply(user: user, project: project, address: ClientAddress("203.0.113.7")), user
            )
        case 3, 4: return (.createSession(user: user), user)
        case 5, 6: return (.disconnect(user: user), user)
        default: return (.destroy(user: user), user)
        }
    }

    /// Notes what was delivered.
    private struct Outside: HeadDestination {
        let file: HeadFile
        let note: @Sendable (SignedHead) -> Void

        func deliver(_ head: SignedHead, timeout: Duration) async throws {
            try file.append(head)
            note(head)
        }
    }

    // MARK: - Operations

    private func operate(_ folder: String, _ book: Book) async throws -> [Recording.Promise] {
        let source = DataDirectory(folder + "/data")
        func promise(
            _ kind: Recording.Promise.Kind, _ path: String
        ) throws -> Recording.Promise {
            let count = book.journal.count
            let reader = try LedgerReader(opening: folder + path)
            return Recording.Promise(
                kind: kind, path: path, stepCount: count, head: reader.head.position,
                stateDigest: StateDigest.of(reader.state))
        }
        switch kind {
        case .engine: return []
        case .rebuild:
            _ = try await FreedLedger.reader(source.path)
            _ = try Rebuilder.rebuild(source, threads: 1, keeping: options.keptCheckpoints)
            return []
        case .backup:
            _ = try await FreedLedger.reader(source.path)
            _ = try Backup.create(of: source, in: folder + "/backup")
            return [try promise(.backup, "/backup")]
        case .restore:
            _ = try await FreedLedger.reader(source.path)
            _ = try Backup.create(of: source, in: folder + "/backup")
            let backup = try promise(.backup, "/backup")
            var options = Backup.RestoreOptions()
            options.clock = clock.clock
            _ = try Backup.restore(
                folder + "/backup", into: DataDirectory(folder + "/restored"), options: options)
            return [backup, try promise(.ledger, "/restored")]
        case .importing:
            let file = FileBytes.parent(of: folder) + "/export.jsonl"
            unlink(file)
            defer { unlink(file) }
            do {
                let reader = try await FreedLedger.reader(source.path)
                let export = try ExportFile(creating: file)
                _ = try EventExporter(reader, .jsonl).run { try export.write($0) }
                try export.finish()
            }
            _ = try EventImporter(path: file).run(into: DataDirectory(folder + "/imported"))
            return [try promise(.importing, "/imported")]
        }
    }

    static func read(_ path: String) -> [UInt8] {
        let file = open(path, O_RDONLY)
        guard file >= 0 else { return [] }
        defer { close(file) }
        return FileBytes.readAll(from: file) ?? []
    }
}

extension NamedEvent {
    /// What was answered, as an export tells it.
    fileprivate init(_ reply: ActionReply, user: String) {
        let asked = reply.event.kind == .applied ? reply.project : ""
        self.init(event: reply.event, user: user, project: reply.project, inputProject: asked)
    }
}

/// Both clocks in the load's hands.
public final class SteppedClock: Sendable {
    /// 2026-11-23T10:00:00Z.
    public static let start: Microseconds = .seconds(1_795_428_000)

    private let time = Mutex(Microseconds(0))

    public init() {}

    public var clock: LedgerClock {
        LedgerClock(
            wall: { Self.start + self.time.withLock { $0 } },
            monotonic: { self.time.withLock { $0 } })
    }

    public func advance(by length: Microseconds) { time.withLock { $0 += length } }
}
