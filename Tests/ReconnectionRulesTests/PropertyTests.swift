import Foundation
import LedgerModel
import ReconnectionRules
import Testing

/// The rules against an independent model, over random sequences of commands.
///
/// `HOLDFAST_SEED` sets the first seed (`random` draws one), `HOLDFAST_SEQUENCES` how many
/// sequences are played. `HOLDFAST_SHOW_SEEDS=1` prints each seed before it is played, to find the
/// one that traps.
@Suite("Rules against the model")
struct PropertyTests {
    static let chunkCount = 8

    static let firstSeed: UInt64 = {
        let isRandom = ProcessInfo.processInfo.environment["HOLDFAST_SEED"] == "random"
        let seed =
            isRandom
            ? UInt64.random(in: 0 ... UInt64.max >> 16)
            : UInt64(number("HOLDFAST_SEED") ?? 20_260_101)
        print("HOLDFAST_SEED=\(seed) HOLDFAST_SEQUENCES=\(sequenceCount)")
        return seed
    }()

    static let sequenceCount = number("HOLDFAST_SEQUENCES") ?? 10_000

    /// A whole number from the environment; anything else that is set there stops the run.
    static func number(_ variable: String) -> Int? {
        guard let text = ProcessInfo.processInfo.environment[variable] else { return nil }
        guard let value = Int(text), value >= 0 else {
            preconditionFailure("\(variable) must be a whole number, not \(text)")
        }
        return value
    }

    static let showsSeeds = ProcessInfo.processInfo.environment["HOLDFAST_SHOW_SEEDS"] == "1"

    @Test("Every event, every table and every chain agree", arguments: 0..<chunkCount)
    func sequences(chunk: Int) {
        for index in stride(from: chunk, to: Self.sequenceCount, by: Self.chunkCount) {
            let seed = Self.firstSeed &+ UInt64(index)
            if Self.showsSeeds { print("seed \(seed)") }
            let found = PropertyAudit.discrepancy(of: .random(seed: seed)) {
                Rules(resuming: $0)
            }
            if let found {
                let report = PropertyAudit.report(seed: seed, found) { Rules(resuming: $0) }
                Issue.record("\(report)")
                return
            }
        }
    }

    /// The first thing this audit found: such a deadline was settled at a time before the `opened`.
    @Test("A deadline overdue before the outage happens when the ledger opens")
    func overdueAtOpen() {
        let settings = ProjectSettings(concurrencyCount: 1, lockTimeout: .seconds(3))
        let inputs: [(Command, Microseconds)] = [
            (.nameProject(1), .seconds(1)), (.modifyProject(1, settings), .seconds(1)),
            (.nameUser(1), .seconds(1)), (.apply(user: 1, project: 1), .seconds(1)),
            (.open(outage: .seconds(2)), .seconds(7)),
        ]
        var rules = Rules(resuming: State())
        var events: [Event] = []
        for (command, time) in inputs {
            events += rules.run(TimedCommand(command: command, time: time, caller: .library))
        }
        #expect(events.map(\.kind).suffix(2) == [.opened, .repossessed])
        #expect(events.map(\.time).suffix(2) == [.seconds(7), .seconds(7)])
        #expect(rules.state.projects[1].concurrencies[1].moment == .seconds(7))
    }

    @Test("The scenarios reach every kind of event with every outcome")
    func coverage() {
        var seen: Set<String> = []
        var ties = 0
        for seed in 0..<400 {
            var player = ScenarioPlayer()
            var events: [Event] = []
            for step in Scenario.random(seed: UInt64(seed)).steps {
                for (input, predicted) in player.play(step) {
                    events += predicted
                    ties += predicted.count { !$0.isAction && $0.time == input.time }
                }
            }
            for event in events { seen.insert("\(event.kind).\(event.outcome)") }
        }
        let expected: Set<String> = [
            "opened.done", "projectNamed.done", "projectModified.done", "userNamed.done",
            "applied.granted", "applied.returned", "applied.noIdle", "sessionCreated.fresh",
            "sessionCreated.resumed", "sessionCreated.takeover", "sessionCreated.lockTimeout",
            "disconnected.waiting", "disconnected.keptRunning", "disconnected.stale",
            "disconnected.sessionNameRequired", "destroyed.freed", "destroyed.nothingHeld",
            "destroyed.stale", "repossessed.windowExpired", "repossessed.lockExpired",
            "repossessed.moved", "repossessed.operator_", "repossessed.nothingHeld",
            "recovered.done", "withdrawn.done", "restored.done", "userForgotten.done",
            "epochBegun.done",
        ]
        #expect(seen == expected)
        #expect(ties > 1_000)
    }

    @Test("A seed gives the same scenario every time")
    func sameSeedSameScenario() {
        #expect(Scenario.random(seed: 5).steps == Scenario.random(seed: 5).steps)
        #expect(Scenario.random(seed: 5).steps != Scenario.random(seed: 6).steps)
        var random = SplitMix64(seed: 1_234_567)
        // The generator's published test vector.
        #expect(random.next() == 6_457_827_717_110_365_317)
        #expect(random.next() == 3_203_168_211_198_807_973)
    }
}
