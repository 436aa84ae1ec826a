import Audit
import EventLog
import Foundation
import Ledger
import LogForge
import ReconnectionRules

/// A ledger with a bit of everything, written in made-up time.
struct Story {
    static let start: Microseconds = .seconds(1_700_000_000)

    let directory: DataDirectory
    let events: [Event]
    let digest: Digest32

    /// Writes it. The same seed gives the same events.
    init(
        in path: String, seed: UInt64 = 1, stepCount: Int = 220, hasEpochs: Bool = false
    ) throws {
        directory = DataDirectory(path)
        var generator = SeededGenerator(seed: seed)
        do {
            let ledger = try WritableLedger(opening: directory, options: Ledger.Options())
            try Self.play(on: ledger.core, stepCount, hasEpochs, &generator)
            digest = StateDigest.of(ledger.core.state)
            ledger.core.checkpointNow()
        }
        events = try LedgerReader(opening: path).allEvents()
    }

    private static func play(
        on core: LedgerCore, _ stepCount: Int, _ hasEpochs: Bool,
        _ generator: inout SeededGenerator
    ) throws {
        var now = start
        func perform(_ action: Action) throws -> ActionReply {
            try core.settle(at: now, wallOffset: 7)
            return try core.perform(action, at: now, by: .library)
        }
        for (name, change) in [
            ("alpha", ProjectChange(concurrencyCount: 3, cleanupTime: .seconds(5))),
            ("beta", ProjectChange(concurrencyCount: 2, reconnectWindow: .seconds(20))),
        ] { _ = try perform(.modifyProject(name, change)) }
        for step in 0 ..< stepCount {
            now += .seconds(Int64(generator.below(8)))
            let user = "user-\(min(generator.below(9), generator.below(9)))"
            switch generator.below(20) {
            case 0 ..< 8:
                let project = generator.below(3) == 0 ? "beta" : "alpha"
                let reply = try perform(.apply(user: user, project: project))
                if reply.outcome != .noIdle, generator.below(8) > 0 {
                    let isAlone = generator.below(6) == 0
                    _ = try perform(.createSession(user: user, runsWithoutClient: isAlone))
                }
            case 8 ..< 13: _ = try perform(.disconnect(user: user))
            case 13: _ = try perform(.createSession(user: user))
            case 14: _ = try perform(.disconnect(user: user, session: 3))
            case 15, 16: _ = try perform(.destroy(user: user))
            case 17: _ = try perform(.repossess(user: user))
            case 18:
                let count = UInt32(1 + generator.below(4))
                let change = ProjectChange(concurrencyCount: count)
                _ = try perform(.modifyProject("alpha", change))
            default: try reopen(core, &now, inNewEpoch: hasEpochs && step % 2 == 0)
            }
            if step % 4 == 3 { try core.commit(wallOffset: 7) }
        }
        // Somebody comes, is forgotten while connected, and comes again: two users.
        now += .seconds(200)
        for isForgotten in [true, false] {
            _ = try perform(.apply(user: "leaver", project: "beta"))
            _ = try perform(.createSession(user: "leaver"))
            if isForgotten { _ = try perform(.forget(user: "leaver")) }
        }
        try core.commit(wallOffset: 7)
        // A move ends it: two events of one action.
        _ = try perform(.modifyProject("alpha", ProjectChange(concurrencyCount: 4)))
        _ = try perform(.modifyProject("beta", ProjectChange(concurrencyCount: 4)))
        _ = try perform(.apply(user: "mover", project: "alpha"))
        _ = try perform(.apply(user: "mover", project: "beta"))
        try core.commit(wallOffset: 7)
    }

    private static func reopen(
        _ core: LedgerCore, _ now: inout Microseconds, inNewEpoch: Bool
    ) throws {
        try core.settle(at: now, wallOffset: 7)
        try core.commit(wallOffset: 7)
        now += .seconds(11)
        if inNewEpoch {
            try core.beginEpoch(at: now, outage: .seconds(11), by: .ledger)
        } else {
            core.open(at: now, outage: .seconds(11), by: .ledger)
        }
    }

    /// The name that a userNamed event binds, by the document of the form.
    func name(of event: Event, _ keys: ForgedKeys) throws -> String? {
        for batch in try LogForge.batches(in: directory.log) {
            for (position, range) in batch.texts where position == event.position {
                return keys.name(
                    Array(batch.bytes[range]), user: event.user, position: position)
            }
        }
        return nil
    }

    /// Puts another text of the same length with an event, and makes the chain anew.
    func putText(of event: Event, _ text: [UInt8]?) throws {
        try LogForge.rewrite(in: directory.log) { batches in
            let index = batches.index(holding: event.position)
            let range = batches[index].texts.first { $0.position == event.position }!.range
            precondition(text?.count == range.count)
            batches[index].bytes.replaceSubrange(range, with: text!)
            batches.sealAll()
        }
    }

    /// The first event that fits.
    func first(where fits: (Event) -> Bool) -> Event { events.first(where: fits)! }
}

extension LedgerReader {
    func allEvents() throws -> [Event] {
        var events: [Event] = []
        try log.forEachBatch { batch in
            try batch.forEachEvent { event, _ in events.append(event) }
            return true
        }
        return events
    }

    /// Everything that can be asked of a view, names and jump trees included.
    var answers: Answers {
        Answers(
            digest: StateDigest.of(state), head: head, jumpStacks: state.jumpStacks,
            users: state.users.indices.dropFirst().map { view.users.name(of: UserNumber($0)) },
            projects: state.projects.indices.dropFirst().map { view.projects.name(of: UInt32($0)) },
            numbers: state.users.indices.dropFirst().map {
                user(view.users.name(of: UserNumber($0)))?.number ?? 0
            })
    }
}

struct Answers: Equatable {
    var digest: Digest32
    var head: LogHead
    var jumpStacks: [UserNumber: [Position]]
    var users: [String]
    var projects: [String]
    var numbers: [UserNumber]
}

/// Opens a data directory to read, hands it over, and closes it: one process has a log open once.
func reading<Result>(_ path: String, _ body: (LedgerReader) throws -> Result) throws -> Result {
    try body(LedgerReader(opening: path))
}

/// What verifying throws, nil if the ledger is sound.
func verifyError(_ directory: DataDirectory) -> LogError? {
    do {
        _ = try Verifier.verify(directory)
        return nil
    } catch {
        return error as? LogError ?? LogError(.foreign, "not a LogError: \(error)")
    }
}

/// The position a damage names.
func damagedPosition(_ error: LogError?) -> Position? {
    if case .corrupt(let position) = error?.code { position } else { nil }
}

/// The traces that lie outside the project.
enum Traces {
    static let directory: String = {
        if let path = ProcessInfo.processInfo.environment["HOLDFAST_TRACES"] { return path }
        var root = URL(filePath: #filePath)
        for _ in 0 ..< 3 { root.deleteLastPathComponent() }
        return root.appending(path: "../shared/traces").standardizedFileURL.path
    }()

    static let chatA = directory + "/chat-a.csv"
    static let isThere = Files.exists(chatA)
    static let whyNot: String = "no \(chatA): set HOLDFAST_TRACES to the directory of the traces"
}

/// A trace of our own: people who come, vanish, return and leave.
func syntheticTrace(seed: UInt64, rowCount: Int, userCount: Int = 40) -> String {
    var generator = SeededGenerator(seed: seed)
    var now = Story.start
    var connections = [Int](repeating: 0, count: userCount)
    var lines = [TraceReader.header]
    for _ in 0 ..< rowCount {
        now += Microseconds(generator.below(20_000_000))
        let user = generator.below(userCount)
        let action = ["start", "start", "drop", "drop", "close"][generator.below(5)]
        if action == "start" { connections[user] += 1 }
        let stale = generator.below(9) == 0 ? 1 : 0
        let connection = max(0, connections[user] - (action == "start" ? 0 : stale))
        lines.append("\(Timestamp.text(now)),user-\(user),\(connection),\(action),")
    }
    return lines.joined(separator: "\n") + "\n"
}
