import Audit
import EventLog
import Ledger
import LedgerModel
import LogForge
import ReconnectionRules

/// A ledger that a random scenario was played on: outages, moves, cleaning, capacity changes.
struct ScenarioLog {
    let directory: DataDirectory
    let events: [Event]

    /// Plays it. The same seed gives the same events, cut into batches of a few commands.
    init(in path: String, seed: UInt64, scenarioCount: Int = 3) throws {
        directory = DataDirectory(path)
        var generator = SeededGenerator(seed: seed)
        do {
            let ledger = try WritableLedger(opening: directory, options: Ledger.Options())
            let core = ledger.core
            var start = Story.start
            for round in 0 ..< scenarioCount {
                try Self.play(
                    Scenario.random(seed: seed &* 31 &+ UInt64(round)), round, core, start,
                    &generator)
                start = core.state.time + .seconds(100)
            }
            core.checkpointNow()
        }
        events = try LedgerReader(opening: path).allEvents()
    }

    private static func play(
        _ scenario: Scenario, _ round: Int, _ core: LedgerCore, _ start: Microseconds,
        _ generator: inout SeededGenerator
    ) throws {
        var player = ScenarioPlayer()
        var lastTime = start
        for step in scenario.steps {
            for played in player.play(step) {
                let now = max(lastTime, start + played.input.time)
                if case .open(let outage) = played.input.command {
                    // What an opening moves back must not be settled before it.
                    try core.commit(wallOffset: 0)
                    core.open(at: now, outage: min(outage, now - lastTime), by: .ledger)
                } else if let action = action(played.input.command, round) {
                    try core.settle(at: now, wallOffset: 0)
                    try core.perform(action, at: now, by: played.input.caller)
                }
                lastTime = max(now, core.state.time)
                if generator.below(3) == 0 { try core.commit(wallOffset: 0) }
            }
        }
        try core.commit(wallOffset: 0)
    }

    /// Names are numbers here; the engine gives them theirs.
    private static func action(_ command: Command, _ round: Int) -> Action? {
        func user(_ number: UserNumber) -> String { "user-\(number)" }
        func project(_ number: ProjectNumber) -> String { "project-\(number)" }
        switch command {
        case .apply(let number, let place):
            return .apply(user: user(number), project: project(place))
        case .createSession(let number, let alone):
            return .createSession(user: user(number), runsWithoutClient: alone)
        case .disconnect(let number, let session):
            return .disconnect(user: user(number), session: session)
        case .destroy(let number, let session):
            return .destroy(user: user(number), session: session)
        case .repossess(let number): return .repossess(user: user(number))
        case .modifyProject(let place, let settings):
            return .modifyProject(
                project(place),
                ProjectChange(
                    concurrencyCount: settings.concurrencyCount,
                    reconnectWindow: settings.reconnectWindow, lockTimeout: settings.lockTimeout,
                    cleanupTime: settings.cleanupTime,
                    requiresSessionName: settings.requiresSessionName))
        default: return nil
        }
    }
}

/// States by folding from the first event, in ascending order: the truth that everything else is
/// compared with.
struct FoldFromZero {
    private(set) var state = State()
    private let events: [Event]

    init(_ events: [Event]) { self.events = events }

    mutating func advance(to position: Position) {
        while state.position < position { state.evolve(events[Int(state.position)]) }
    }
}

/// A moment, and the position of the newest event it covers, found by looking at every event.
struct TestMoment: Sendable {
    var moment: Moment
    var position: Position

    /// Random moments, a good part of them at the edges, ordered by position.
    static func random(
        _ count: Int, in events: [Event], _ generator: inout SeededGenerator
    ) -> [TestMoment] {
        let last = Position(events.count)
        let times = events.map(\.time)
        func time(_ time: Microseconds) -> TestMoment {
            // Times never decrease: the number of events not later is a position.
            var (low, high) = (0, times.count)
            while low < high {
                let middle = (low + high) / 2
                if times[middle] <= time { low = middle + 1 } else { high = middle }
            }
            return TestMoment(moment: .time(time), position: Position(low))
        }
        var moments = [
            time(times[0] - 1), time(times[0]), time(.min), time(.max), time(times.last! + 1),
            TestMoment(moment: .position(0), position: 0),
            TestMoment(moment: .position(1), position: 1),
            TestMoment(moment: .position(last), position: last),
            TestMoment(moment: .position(last + 1), position: last),
            TestMoment(moment: .position(.max), position: last),
        ]
        while moments.count < count {
            let index = generator.below(events.count)
            switch generator.below(6) {
            case 0, 1:
                let position = Position(index + 1)
                moments.append(TestMoment(moment: .position(position), position: position))
            case 2: moments.append(time(times[index]))
            case 3: moments.append(time(times[index] - 1))
            case 4: moments.append(time(times[index] + 1))
            default:
                let next = times[min(index + 1, times.count - 1)]
                moments.append(time(times[index] + (next - times[index]) / 2))
            }
        }
        return moments.sorted { $0.position < $1.position }
    }
}

/// Somebody who holds something, as a line.
func holderLine(_ user: UserView) -> String {
    "\(user.number) \(user.name) \(user.project ?? "-")/\(user.concurrency) \(user.state.name) "
        + "\(user.deadline ?? 0) \(user.session) \(user.eventCount) \(user.lastPosition)"
}

/// The same of a state, read off its records.
func holderLines(_ state: State, _ reader: LedgerReader) -> [String] {
    state.users.indices.dropFirst().compactMap { index in
        let number = UserNumber(index)
        guard let held = state.holding(of: number) else { return nil }
        let record = state.users[index]
        return "\(number) \(reader.view.users.name(of: number)) "
            + "\(reader.view.projects.name(of: UInt32(held.project)))/\(held.concurrency) "
            + "\(held.record.state.name) \(held.record.deadline ?? 0) \(held.record.session) "
            + "\(record.eventCount) \(record.last)"
    }
}

extension CheckpointSpacing {
    /// As tight as batches allow.
    static func every(_ eventCount: Int) -> CheckpointSpacing {
        CheckpointSpacing(eventCount: eventCount, eventCountPerRecord: 0)
    }
}

/// Makes the kept checkpoints of a directory; returns their positions.
@discardableResult
func keepCheckpoints(_ directory: DataDirectory, every eventCount: Int) throws -> [Position] {
    let report = try Rebuilder.rebuild(directory, keeping: .every(eventCount))
    guard report.isSame else { throw LogError(.foreign, "the view differs from the events") }
    return try reading(directory.path) { $0.keptCheckpoints.positions() }
}
