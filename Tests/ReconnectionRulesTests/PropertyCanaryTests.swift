import LedgerModel
import ReconnectionRules
import Testing

/// Bugs planted on purpose: an audit that does not see them is worth nothing.
@Suite("The audit sees planted bugs")
struct PropertyCanaryTests {
    enum Bug: CaseIterable, Sendable {
        case deadlineNotDueAtItsMoment
        case highestNumberOfEquallyIdle
        case moveKeepsTheOldOne
        case returnShortensTheDeadline
        case staleNameOpensAWindow
        case unusedLockIsCleaned
        case deadlineHappensWhenSettled
        case outageForgotten
        case takeoverSaysResumed
        case userChainSkipsOne
        case checkpointForgetsIdleness
    }

    /// The rules with one bug, told apart from them only where the bug bites.
    struct Planted: Subject {
        var rules: Rules
        var bug: Bug

        init(resuming state: State) { fatalError("a bug is needed") }

        init(_ state: State, _ bug: Bug) {
            self.bug = bug
            rules = Rules(
                resuming: bug == .checkpointForgetsIdleness ? Self.withoutIdleness(state) : state)
        }

        var state: State { rules.state }

        mutating func run(_ input: TimedCommand) -> [Event] {
            let before = state
            if bug == .outageForgotten, case .open(let outage) = input.command {
                var shorter = input
                shorter.command = .open(outage: 0)
                var events = rules.run(shorter)
                events[0].deadline = outage
                return events
            }
            var events = rules.run(input)
            switch bug {
            case .deadlineNotDueAtItsMoment:
                events.removeAll { !$0.isAction && $0.time == input.time && isDeadline($0) }
            case .highestNumberOfEquallyIdle:
                for index in events.indices where events[index].outcome == .granted {
                    let other = twin(of: events[index], in: before)
                    events[index].concurrency = other ?? events[index].concurrency
                }
            case .moveKeepsTheOldOne:
                events.removeAll { $0.outcome == .moved }
            case .returnShortensTheDeadline:
                for index in events.indices where events[index].outcome == .returned {
                    let settings = before.projects[Int(events[index].project)].settings
                    if events[index].deadline != 0 {
                        events[index].deadline = input.time + settings.lockTimeout
                    }
                }
            case .staleNameOpensAWindow:
                for index in events.indices
                where events[index].kind == .disconnected && events[index].outcome == .stale
                    && events[index].state == .connected
                {
                    let settings = before.projects[Int(events[index].project)].settings
                    events[index].outcome = .waiting
                    events[index].state = .waiting
                    events[index].deadline = input.time + settings.reconnectWindow
                }
            case .unusedLockIsCleaned:
                for index in events.indices
                where events[index].outcome == .lockExpired && events[index].session == 0 {
                    let settings = before.projects[Int(events[index].project)].settings
                    if settings.cleanupTime > 0 {
                        events[index].state = .recovering
                        events[index].deadline = events[index].time + settings.cleanupTime
                    }
                }
            case .deadlineHappensWhenSettled:
                for index in events.indices where isDeadline(events[index]) {
                    events[index].time = input.time
                }
            case .takeoverSaysResumed:
                for index in events.indices where events[index].outcome == .takeover {
                    events[index].outcome = .resumed
                }
            case .userChainSkipsOne:
                for index in events.indices
                where events[index].kind == .destroyed && before.position > 0 {
                    events[index].previousOfUser /= 2
                }
            case .outageForgotten, .checkpointForgetsIdleness: break
            }
            return events
        }

        mutating func settle(at now: Microseconds) -> [Event] { rules.settle(at: now) }

        private func isDeadline(_ event: Event) -> Bool {
            event.outcome == .windowExpired || event.outcome == .lockExpired
                || event.kind == .recovered
        }

        private func twin(of event: Event, in state: State) -> ConcurrencyNumber? {
            guard Int(event.project) < state.projects.count else { return nil }
            let known = state.projects[Int(event.project)].concurrencies
            guard Int(event.concurrency) < known.count else { return nil }
            let chosen = known[Int(event.concurrency)]
            let last = known.indices.last {
                known[$0].state == .idle && known[$0].moment == chosen.moment
            }
            return last.map { ConcurrencyNumber($0) }
        }

        private static func withoutIdleness(_ state: State) -> State {
            var records = state.records
            for project in records.projects.indices {
                for number in records.projects[project].concurrencies.indices
                where records.projects[project].concurrencies[number].state == .idle {
                    records.projects[project].concurrencies[number].moment = 0
                }
            }
            return State(records)
        }
    }

    @Test("Caught within 300 sequences, and shrunk", arguments: Bug.allCases)
    func caught(bug: Bug) {
        let seeds = UInt64(1)...300
        func discrepancy(_ scenario: Scenario) -> Discrepancy? {
            PropertyAudit.discrepancy(of: scenario) { Planted($0, bug) }
        }
        guard let seed = seeds.first(where: { discrepancy(.random(seed: $0)) != nil }) else {
            Issue.record("\(bug) was not seen")
            return
        }
        let topic = discrepancy(.random(seed: seed))?.topic
        let short = Scenario.random(seed: seed).shrunk { discrepancy($0)?.topic == topic }
        #expect(discrepancy(short) != nil)
        #expect(short.steps.count <= 12, "\(bug), seed \(seed):\n\(short)")
        #expect(PropertyAudit.discrepancy(of: short) { Rules(resuming: $0) } == nil)
    }

    /// The checks that need no model, each against a history that was tampered with.
    @Test("The invariants see tampered histories without the model")
    func invariants() throws {
        var events: [Event] = []
        var rules = Rules(resuming: State())
        let settings = ProjectSettings(
            concurrencyCount: 2, reconnectWindow: .seconds(90), cleanupTime: .seconds(5))
        let commands: [(Command, Microseconds)] = [
            (.nameProject(1), .seconds(1)), (.modifyProject(1, settings), .seconds(1)),
            (.nameUser(1), .seconds(1)), (.apply(user: 1, project: 1), .seconds(1)),
            (.createSession(user: 1, runsWithoutClient: false), .seconds(2)),
            (.disconnect(user: 1, session: 5), .seconds(3)),
            (.apply(user: 1, project: 1), .seconds(90)),
            (.destroy(user: 1, session: nil), .seconds(91)),
        ]
        for (command, time) in commands {
            events += rules.run(TimedCommand(command: command, time: time, caller: .library))
        }
        try PropertyAudit.checkTimes(events)
        try PropertyAudit.checkReturns(events)
        try PropertyAudit.checkChains(events, rules.state)
        try PropertyAudit.checkFold(events, rules.state)

        func tampered(_ position: Int, _ change: (inout Event) -> Void) -> [Event] {
            var copy = events
            change(&copy[position - 1])
            return copy
        }
        #expect(throws: Discrepancy.self, "time runs backward") {
            try PropertyAudit.checkTimes(tampered(6) { $0.time = .seconds(1) })
        }
        #expect(throws: Discrepancy.self, "another concurrency on return") {
            try PropertyAudit.checkReturns(tampered(7) { $0.concurrency = 2 })
        }
        #expect(throws: Discrepancy.self, "returned at the end of the window") {
            try PropertyAudit.checkReturns(tampered(7) { $0.time = .seconds(93) })
        }
        #expect(throws: Discrepancy.self, "the user's chain skips an event") {
            try PropertyAudit.checkChains(tampered(7) { $0.previousOfUser = 5 }, rules.state)
        }
        #expect(throws: Discrepancy.self, "the concurrency's chain skips an event") {
            let broken = tampered(8) { $0.previousOfConcurrency = 6 }
            try PropertyAudit.checkChains(broken, rules.state)
        }
        #expect(throws: Discrepancy.self, "another deadline than was decided") {
            try PropertyAudit.checkFold(tampered(6) { $0.deadline += 1 }, rules.state)
        }
        #expect(throws: Discrepancy.self, "another end of cleaning") {
            try PropertyAudit.checkFold(tampered(8) { $0.deadline += 1 }, rules.state)
        }
    }
}
