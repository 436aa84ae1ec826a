@testable import Audit
import EventLog
import Ledger
import LedgerModel
import LogForge
import ReconnectionRules
import Testing

/// A ledger in memory that records, so that thousands of workloads take no disk.
struct Recorder {
    var state = State()
    var events: [Event] = []

    @discardableResult
    mutating func run(
        _ command: Command, at time: Microseconds, by caller: Caller = .trace
    ) -> Event {
        settle(at: time)
        return state.perform(command, at: time, by: caller) { events.append($0) }
    }

    /// The ledger was down before `time`.
    mutating func open(at time: Microseconds, after outage: Microseconds) {
        settle(at: time - outage)
        state.perform(.open(outage: outage), at: time, by: .ledger) { events.append($0) }
    }

    mutating func settle(at time: Microseconds) {
        state.settle(at: time) { events.append($0) }
    }
}

/// The recorded events decided again.
func world(
    _ events: [Event], _ change: ProjectChange = ProjectChange(), project: ProjectNumber = 1
) throws -> WhatIfWorld {
    var world = WhatIfWorld(project: project, change: change)
    for event in events { try world.take(event) }
    world.finish()
    return world
}

/// People who come, vanish, return, move and leave; operators, outages and changes of settings.
struct Crowd {
    enum Act {
        case start(user: Int, connection: Int, project: Int)
        case drop(user: Int, connection: Int)
        case close(user: Int, connection: Int)
        case leave(user: Int)
        case repossess(user: Int)
        case change(project: Int, ProjectChange)
        case down(Microseconds)
    }

    var acts: [(time: Microseconds, act: Act)] = []
    let projectCount: Int

    /// `isCalm` leaves out what happens to a ledger rather than in it.
    init(seed: UInt64, isCalm: Bool = false) {
        var random = SplitMix64(seed: seed)
        projectCount = isCalm ? 1 : random.within(1...3)
        let userCount = random.within(2...9)
        var connections = [Int](repeating: 0, count: userCount)
        var now: Microseconds = .seconds(100)
        for _ in 0 ..< random.within(20...150) {
            now += Microseconds(random.below(9)) * 700_000
            let user = random.below(userCount)
            let old = max(0, connections[user] - (random.chance(1, in: 4) ? 1 : 0))
            switch random.below(isCalm ? 18 : 22) {
            case ..<8:
                connections[user] += 1
                let project = random.below(projectCount)
                acts.append(
                    (now, .start(user: user, connection: connections[user], project: project)))
            case ..<14: acts.append((now, .drop(user: user, connection: old)))
            case ..<17: acts.append((now, .close(user: user, connection: old)))
            case 17: acts.append((now, .leave(user: user)))
            case 18: acts.append((now, .repossess(user: user)))
            case 19:
                let outage = Microseconds(random.below(20)) * 500_000
                now += outage
                acts.append((now, .down(outage)))
            default:
                let change = Self.change(&random)
                acts.append((now, .change(project: random.below(projectCount), change)))
            }
        }
    }

    private static func change(_ random: inout SplitMix64) -> ProjectChange {
        switch random.below(4) {
        case 0: ProjectChange(concurrencyCount: UInt32(random.below(5)))
        case 1: ProjectChange(reconnectWindow: .seconds(Int64(random.within(1...9))))
        case 2: ProjectChange(cleanupTime: .seconds(Int64(random.below(3))))
        default: ProjectChange(lockTimeout: .seconds(Int64(random.within(1...9))))
        }
    }

    /// Plays it as a trace is played: a start is apply, then createSession unless refused.
    ///
    /// `override` holds for project 1, against later changes too; from `since` on, or from the
    /// beginning.
    func play(
        _ settings: [ProjectSettings], override: ProjectChange = ProjectChange(),
        since: Microseconds? = nil
    ) -> Recorder {
        var recorder = Recorder()
        var current = settings
        var names: [Int: [Int: SessionId]] = [:]
        var numbers: [Int: UserNumber] = [:]
        var isChanged = since == nil
        func set(_ project: Int, at time: Microseconds) {
            let isOverridden = isChanged && project == 0
            recorder.run(
                .modifyProject(
                    ProjectNumber(project + 1),
                    isOverridden ? override.applied(to: current[project]) : current[project]),
                at: time)
        }
        func number(_ user: Int, _ time: Microseconds) -> UserNumber {
            if let number = numbers[user] { return number }
            let number = UserNumber(numbers.count + 1)
            numbers[user] = number
            recorder.run(.nameUser(number), at: time)
            return number
        }
        for project in 0 ..< projectCount {
            recorder.run(.nameProject(ProjectNumber(project + 1)), at: .seconds(1))
            set(project, at: .seconds(1))
        }
        for (time, act) in acts {
            if let since, !isChanged, time > since {
                isChanged = true
                recorder.settle(at: since)
                if !override.applies(to: current[0]) { set(0, at: since) }
            }
            switch act {
            case .start(let user, let connection, let project):
                let number = number(user, time)
                let applied = recorder.run(
                    .apply(user: number, project: ProjectNumber(project + 1)), at: time)
                names[user, default: [:]][connection] =
                    applied.outcome == .noIdle
                    ? applied.position
                    : recorder.run(
                        .createSession(user: number, runsWithoutClient: false), at: time
                    ).session
            case .drop(let user, let connection):
                let session = names[user]?[connection] ?? 0
                recorder.run(
                    .disconnect(user: number(user, time), session: session), at: time)
            case .close(let user, let connection):
                let session = names[user]?[connection] ?? 0
                recorder.run(.destroy(user: number(user, time), session: session), at: time)
            case .leave(let user):
                recorder.run(.destroy(user: number(user, time), session: nil), at: time)
            case .repossess(let user):
                recorder.run(.repossess(user: number(user, time)), at: time)
            case .change(let project, let change):
                current[project] = change.applied(to: current[project])
                set(project, at: time)
            case .down(let outage): recorder.open(at: time, after: outage)
            }
        }
        return recorder
    }

    static func settings(_ random: inout SplitMix64) -> ProjectSettings {
        ProjectSettings(
            concurrencyCount: UInt32(random.within(1...5)),
            reconnectWindow: .seconds(Int64(random.within(1...9))),
            lockTimeout: .seconds(Int64(random.within(1...9))),
            cleanupTime: .seconds(Int64(random.below(4))))
    }

    static func override(_ random: inout SplitMix64) -> ProjectChange {
        let settings = settings(&random)
        return ProjectChange(
            concurrencyCount: random.chance(2, in: 3) ? settings.concurrencyCount : nil,
            reconnectWindow: random.chance(2, in: 3) ? settings.reconnectWindow : nil,
            lockTimeout: random.chance(1, in: 3) ? settings.lockTimeout : nil,
            cleanupTime: random.chance(1, in: 3) ? settings.cleanupTime : nil)
    }
}

/// Whether the recorded inputs, decided again, come to what they would have come to.
@Suite struct WhatIfWorldTests {
    private func words(_ state: State) -> [UInt64] {
        var words: [UInt64] = []
        state.forEachCanonicalWord { words.append($0) }
        return words
    }

    // MARK: - As recorded

    /// Everything there is: sessions that run without a client, unnamed and stale reports, moves,
    /// operators, cleaning, openings with overdue deadlines and without. Not a word of the state
    /// differs.
    @Test func theRecordedSettingsComeToTheRecord() throws {
        let first = SeededGenerator.announced(4_100, for: "recorded settings")
        for seed in first ..< first + 1_500 {
            var player = ScenarioPlayer()
            var events: [Event] = []
            for step in Scenario.random(seed: seed).steps {
                for played in player.play(step) { events += played.predicted }
            }
            if seed % 2 == 0 {
                var model = player.model
                events += model.settle(at: player.now + .seconds(Int64(seed % 7)))
            }
            var recorded = State()
            for event in events { recorded.evolve(event) }
            for project in 1 ... player.projectCount {
                let again = try world(events, project: ProjectNumber(project))
                try #require(words(again.state) == words(recorded), "HOLDFAST_SEED=\(seed)")
                #expect(again.differences.byUser.isEmpty && again.assumed.count == 0)
            }
        }
    }

    // MARK: - Otherwise

    /// A log recorded under any settings, asked for any others, is the log recorded under those.
    @Test func otherSettingsComeToWhatTheyWouldHave() throws {
        let first = SeededGenerator.announced(4_200, for: "other settings")
        var refusedHere = 0
        var assumed: UInt64 = 0
        for seed in first ..< first + 3_000 {
            var random = SplitMix64(seed: seed)
            let crowd = Crowd(seed: seed)
            let settings = (0 ..< crowd.projectCount).map { _ in Crowd.settings(&random) }
            let override = Crowd.override(&random)
            let recorded = crowd.play(settings)
            let truth = crowd.play(settings, override: override)
            let found = try world(recorded.events, override)
            try #require(words(found.state) == words(truth.state), "HOLDFAST_SEED=\(seed)")
            refusedHere += found.differences.byUser.values.count { $0.grantsLost > 0 }
            assumed += found.assumed.count
        }
        // Both ways round, many times.
        #expect(refusedHere > 100 && assumed > 1_000)
    }

    /// The settings change in the middle.
    @Test func fromATimeOnToo() throws {
        let first = SeededGenerator.announced(4_300, for: "since a time")
        for seed in first ..< first + 1_500 {
            var random = SplitMix64(seed: seed)
            let crowd = Crowd(seed: seed)
            let settings = (0 ..< crowd.projectCount).map { _ in Crowd.settings(&random) }
            let override = Crowd.override(&random)
            let last = crowd.acts[crowd.acts.count - 1].time
            let since = Microseconds(random.within(200...Int(last / 1_000))) * 1_000
            // A time at which the ledger was down is another story: what is changed then?
            let isUp = !crowd.acts.contains { time, act in
                if case .down(let outage) = act { (time - outage ... time) ~= since } else { false }
            }
            guard isUp, since > .seconds(1), since < last else { continue }
            let recorded = crowd.play(settings)
            let truth = crowd.play(settings, override: override, since: since)
            var start = State()
            let early = recorded.events.prefix { $0.time <= since }
            for event in early { start.evolve(event) }
            var found = WhatIfWorld(project: 1, change: override, from: start, at: since)
            for event in recorded.events.dropFirst(early.count) { try found.take(event) }
            try #require(words(found.state) == words(truth.state), "HOLDFAST_SEED=\(seed)")
        }
    }

    // MARK: - Measures

    /// Hours and peaks, against adding up the states of all concurrencies between any two events.
    @Test func theMeasuresAddUp() throws {
        let first = SeededGenerator.announced(4_400, for: "measures")
        for seed in first ..< first + 300 {
            var random = SplitMix64(seed: seed)
            let crowd = Crowd(seed: seed)
            let settings = (0 ..< crowd.projectCount).map { _ in Crowd.settings(&random) }
            let events = crowd.play(settings).events
            var state = State()
            var (held, waiting, peak): (Int64, Int64, Int) = (0, 0, 0)
            for event in events {
                let length = event.time - state.time
                let slots = state.projects.count > 1 ? Array(state.projects[1].concurrencies) : []
                held += length * Int64(slots.count { $0.state.isHeld })
                waiting += length * Int64(slots.count { $0.state == .waiting })
                state.evolve(event)
                if state.projects.count > 1 {
                    peak = max(peak, state.projects[1].concurrencies.count { $0.state.isHeld })
                }
            }
            let meter = try world(events).meter
            #expect(Int64(meter.heldTime) == held && Int64(meter.waitingTime) == waiting)
            #expect(meter.heldMax == UInt64(peak), "HOLDFAST_SEED=\(seed)")
            var reasons: [Event.Outcome: UInt64] = [:]
            for event in events where event.kind == .repossessed && event.project == 1 {
                reasons[event.outcome, default: 0] += 1
            }
            #expect(meter.windowExpired == reasons[.windowExpired] ?? 0)
            #expect(meter.moved == reasons[.moved] ?? 0)
            #expect(meter.byOperator == reasons[.operator_] ?? 0)
        }
    }

    @Test func aHoldingWithoutASignOfLifeIsFound() throws {
        let day: Microseconds = .seconds(86_400)
        var recorder = Self.recorder(concurrencies: 3, users: 3)
        let session = Self.start(1, at: .seconds(10), &recorder)
        Self.start(2, at: .seconds(20), &recorder)
        Self.start(3, at: .seconds(30), &recorder)
        // A stale report is no sign; a takeover is one.
        recorder.run(.disconnect(user: 1, session: 3), at: day)
        Self.start(2, at: 2 * day, &recorder)
        recorder.run(.destroy(user: 1, session: session), at: 3 * day)
        recorder.run(.destroy(user: 3, session: nil), at: 3 * day)
        let meter = try world(recorder.events).meter
        #expect(meter.silentCount == 4)
        let found = meter.silences.map { "\($0.user) \($0.since) \($0.until) \($0.isOpen)" }
        #expect(
            found == [
                "1 10000000 \(3 * day) false", "3 30000000 \(3 * day) false",
                "2 20000000 \(2 * day) false", "2 \(2 * day) \(3 * day) true",
            ])
    }

    // MARK: - One by one

    private static func recorder(
        concurrencies: UInt32, users: Int, window: Int64 = 90
    ) -> Recorder {
        var recorder = Recorder()
        recorder.run(.nameProject(1), at: .seconds(1))
        let settings = ProjectSettings(
            concurrencyCount: concurrencies, reconnectWindow: .seconds(window))
        recorder.run(.modifyProject(1, settings), at: .seconds(1))
        for user in 1 ... users { recorder.run(.nameUser(UserNumber(user)), at: .seconds(1)) }
        return recorder
    }

    @discardableResult
    private static func start(
        _ user: UserNumber, at time: Microseconds, _ recorder: inout Recorder
    ) -> SessionId {
        let applied = recorder.run(.apply(user: user, project: 1), at: time)
        if applied.outcome == .noIdle { return applied.position }
        return recorder.run(.createSession(user: user, runsWithoutClient: false), at: time).session
    }

    @Test func aRefusedApplyThatIsGrantedHereGetsASession() throws {
        var recorder = Self.recorder(concurrencies: 1, users: 4)
        Self.start(1, at: .seconds(10), &recorder)
        let second = Self.start(2, at: .seconds(20), &recorder)
        Self.start(3, at: .seconds(30), &recorder)
        // A server's client that was refused may try a session all the same: it is the one assumed.
        recorder.run(.createSession(user: 3, runsWithoutClient: false), at: .seconds(31))
        recorder.run(.disconnect(user: 2, session: second), at: .seconds(40))
        recorder.run(.disconnect(user: 2, session: second), at: .seconds(41))
        let found = try world(recorder.events, ProjectChange(concurrencyCount: 4))
        let counters = found.state.counters
        #expect(counters.grantedNew == 3 && counters.takenOver == 0)
        #expect(counters.rejectedNoIdle == 0 && counters.rejectedLockTimeout == 0)
        #expect(counters.disconnected == 1 && counters.staleDisconnects == 1)
        #expect(found.state.holding(of: 2)?.record.state == .waiting)
        #expect(found.state.holding(of: 3)?.record.state == .connected)
        // Two assumed; of the third user's nobody knows when it ended.
        #expect(found.assumed.count == 2 && found.assumed.boundCount == 1)
        #expect(found.differences.byUser.keys.sorted() == [2, 3])
        #expect(found.differences.byUser[2]?.grantsGained == 1)
    }

    @Test func anApplyThatIsRefusedHereTakesItsSessionsWithIt() throws {
        var recorder = Self.recorder(concurrencies: 2, users: 2)
        Self.start(1, at: .seconds(10), &recorder)
        let second = Self.start(2, at: .seconds(20), &recorder)
        recorder.run(.disconnect(user: 2, session: second), at: .seconds(30))
        recorder.run(.createSession(user: 2, runsWithoutClient: false), at: .seconds(40))
        recorder.run(.destroy(user: 1, session: nil), at: .seconds(50))
        let third = Self.start(2, at: .seconds(60), &recorder)
        recorder.run(.destroy(user: 2, session: third), at: .seconds(70))
        let found = try world(recorder.events, ProjectChange(concurrencyCount: 1))
        let counters = found.state.counters
        #expect(counters.rejectedNoIdle == 1 && counters.rejectedLockTimeout == 0)
        #expect(counters.staleDisconnects == 1 && counters.destroyed == 2)
        // The last attempt was a takeover in the record, and a fresh concurrency here.
        #expect(counters.grantedNew == 2 && counters.resumed == 0 && counters.takenOver == 0)
        let counts = try #require(found.differences.byUser[2])
        #expect(counts.grantsLost == 1 && counts.returnsLost == 1)
    }

    /// What fell due while the ledger was up is not moved back by an outage that came later.
    @Test func anOutageMovesOnlyWhatStillRan() throws {
        var recorder = Self.recorder(concurrencies: 2, users: 2, window: 300)
        let first = Self.start(1, at: .seconds(10), &recorder)
        recorder.run(.disconnect(user: 1, session: first), at: .seconds(20))
        // Up until 200, down until 500; the window of 300 s ends at 620 instead of 320.
        recorder.open(at: .seconds(500), after: .seconds(300))
        recorder.settle(at: .seconds(700))
        recorder.run(.nameUser(3), at: .seconds(700))
        func ends(_ seconds: Int64) throws -> UInt64 {
            let change = ProjectChange(reconnectWindow: .seconds(seconds))
            return UInt64(try world(recorder.events, change).meter.waitingTime / 1_000_000)
        }
        #expect(try ends(300) == 600)
        #expect(try ends(90) == 90, "it ended at 110, long before the outage")
        #expect(try ends(179) == 179)
        #expect(try ends(181) == 481, "one second was left when the ledger went down")
    }

    @Test func recordedChangesOfTheSettingAskedForAreOverridden() throws {
        var recorder = Self.recorder(concurrencies: 1, users: 2)
        Self.start(1, at: .seconds(10), &recorder)
        let change = ProjectSettings(concurrencyCount: 2, reconnectWindow: .seconds(60))
        recorder.run(.modifyProject(1, change), at: .seconds(15))
        Self.start(2, at: .seconds(20), &recorder)
        let found = try world(recorder.events, ProjectChange(concurrencyCount: 1))
        let settings = found.state.projects[1].settings
        #expect(settings.concurrencyCount == 1 && settings.reconnectWindow == .seconds(60))
        #expect(found.state.counters.rejectedNoIdle == 1)
    }

    /// A log that somebody rewrote ends in an error, not in a trap.
    @Test func whatTheRulesCannotTakeIsAnError() throws {
        var recorder = Self.recorder(concurrencies: 1, users: 2)
        Self.start(1, at: .seconds(10), &recorder)
        let events = recorder.events
        let bad: [(String, (inout Event) -> Void)] = [
            ("an unknown user", { $0.user = 9 }), ("nobody", { $0.user = 0 }),
            ("an unknown project", { $0.inputProject = 7 }),
            ("no project", { $0.inputProject = 0 }),
            ("time runs backward", { $0.time = 1 }),
            ("another project", { $0.project = 40_000 }),
            ("another concurrency", { $0.concurrency = .max }),
        ]
        let applied = try #require(events.firstIndex { $0.kind == .applied })
        for (name, edit) in bad {
            var edited = events
            edit(&edited[applied])
            let error = #expect(throws: LogError.self, "\(name)") { _ = try world(edited) }
            #expect(damagedPosition(error) == events[applied].position, "\(name)")
        }
    }
}
