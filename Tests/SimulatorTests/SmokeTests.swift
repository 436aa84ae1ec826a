import LedgerAuditor
import ReconnectionRules
import Simulator
import Testing

/// The simulator in small: Tools/simulate runs the same worlds by the thousand.
@Suite("Simulated worlds") struct SmokeTests {
    private let workshop: Workshop

    init() throws { workshop = try Workshop() }

    private func options(
        _ actionCount: Int, lmdbShare: Int = 0, canary: Canary? = nil
    ) -> SeedOptions {
        var options = SeedOptions()
        options.actionCount = actionCount
        options.lmdbShare = lmdbShare
        options.canary = canary
        return options
    }

    /// What to say of a broken promise: enough to have it again.
    private func explain(_ report: SeedReport, _ options: SeedOptions) -> Comment {
        """
        \(report.violation?.description ?? "")
        repeat: Tools/simulate --seed \(report.seed) --actions-per-seed \(options.actionCount) \
        --lmdb-share \(options.lmdbShare) --verbose
        \(options.swarm(report.seed).text)
        """
    }

    @Test("No promise is broken in memory", arguments: UInt64(1)...16)
    func memory(seed: UInt64) {
        let options = options(1_000)
        let report = workshop.run(seed: seed, options).report
        #expect(report.violation == nil, explain(report, options))
        #expect(report.actions >= 1_000)
        #expect(report.events > 0 && report.simulatedTime > 0)
    }

    @Test("No promise is broken on LMDB", arguments: UInt64(1)...6)
    func lmdb(seed: UInt64) {
        let options = options(400, lmdbShare: 1)
        let report = workshop.run(seed: seed, options).report
        #expect(report.violation == nil, explain(report, options))
        #expect(report.actions >= 400)
    }

    @Test("The same seed gives the same world, event by event")
    func sameSeed() throws {
        let options = options(1_500)
        let first = workshop.run(seed: 7, options, trace: 500)
        let second = try Workshop().run(seed: 7, options, trace: 500)
        #expect(first.report == second.report)
        #expect(first.trace == second.trace)
        #expect(first.trace.count == 500)
        let other = workshop.run(seed: 8, options).report
        #expect(other.digest != first.report.digest)
    }

    /// The store is no part of what happens: where nothing crashes the same is recorded.
    @Test("Memory and LMDB record the same", arguments: UInt64(1)...3)
    func sameOnBothStores(seed: UInt64) {
        var inMemory = options(400)
        inMemory.without = [
            .crashes, .restarts, .failedAppends, .failedSyncs, .lostCheckpoints,
        ]
        var onDisk = inMemory
        onDisk.lmdbShare = 1
        let memory = workshop.run(seed: seed, inMemory).report
        let disk = workshop.run(seed: seed, onDisk).report
        #expect(disk.violation == nil, explain(disk, onDisk))
        #expect(memory.digest == disk.digest)
        #expect(memory == disk)
    }

    @Test("Everything that can go wrong goes wrong somewhere")
    func coverage() {
        var total = SeedReport(seed: 0)
        var options = options(400)
        options.userCountMax = 48
        for seed in UInt64(100)..<130 {
            let report = workshop.run(seed: seed, options).report
            #expect(report.violation == nil, explain(report, options))
            total.add(report)
        }
        for fault in SeedReport.Fault.allCases where fault != .failedSyncs {
            #expect(total[fault] > 0, "\(fault) never happened")
        }
    }

    @Test("Every planted bug is found", arguments: Canary.allCases)
    func canary(_ canary: Canary) {
        let options = options(2_000, canary: canary)
        let found = (UInt64(1)...40).lazy
            .map { workshop.run(seed: $0, options).report }
            .first { $0.violation != nil }
        guard let found else {
            Issue.record("\(canary) was not found")
            return
        }
        // It is the bug that was found: without it the same world keeps every promise.
        let honest = self.options(min(2_000, Int(found.actions)))
        #expect(workshop.run(seed: found.seed, honest).report.violation == nil)
        // And it is found again.
        #expect(workshop.run(seed: found.seed, options).report == found)
    }

    @Test("A failing world shrinks to what it takes")
    func shrinking() throws {
        let options = options(4_000, canary: .staleReportOpensAWindow)
        let seed = try #require(
            (UInt64(1)...20).first { workshop.run(seed: $0, options).report.violation != nil })
        let topic = try #require(workshop.run(seed: seed, options).report.violation?.topic)
        let small = workshop.shrunk(seed: seed, options, topic)
        #expect(workshop.run(seed: seed, small).report.violation?.topic == topic)
        #expect(small.swarm(seed).features.count <= options.swarm(seed).features.count)
        #expect(small.swarm(seed).userCount <= options.swarm(seed).userCount)
    }

    @Test("A campaign adds up, and stops at the first broken promise")
    func campaign() throws {
        let fine = try Campaign.run(
            from: 1, actionCount: 3_000, threadCount: 1, options(1_000))
        #expect(fine.failure == nil)
        var sum = SeedReport(seed: 1)
        for seed in 1...UInt64(fine.seedCount) {
            sum.add(workshop.run(seed: seed, options(1_000)).report)
        }
        #expect(fine.total == sum)
        #expect(sum.actions >= 3_000)
        let broken = try Campaign.run(
            from: 1, actionCount: 1_000_000, threadCount: 2,
            options(1_000, canary: .grantsTheHighestNumber))
        #expect(broken.failure?.violation != nil)
        #expect(broken.seedCount < 100)
    }
}

/// The auditor by itself, against histories written by hand.
@Suite("The auditor") struct AuditorTests {
    /// A user applies, connects, vanishes, and comes back; and the state the events leave.
    private static func history() -> (asks: [Ask], events: [Event], state: State) {
        let caller = Caller.credential(1)
        var state = State()
        var events: [Event] = []
        func perform(_ command: Command, _ now: Microseconds) {
            state.settle(at: now) { events.append($0) }
            state.perform(command, at: now, by: caller) { events.append($0) }
        }
        let settings = ProjectSettings(
            concurrencyCount: 2, reconnectWindow: .seconds(90), cleanupTime: .seconds(5))
        perform(.nameProject(1), 10)
        perform(.modifyProject(1, settings), 10)
        perform(.nameUser(1), 20)
        perform(.apply(user: 1, project: 1), 20)
        perform(.createSession(user: 1, runsWithoutClient: false), 30)
        perform(.disconnect(user: 1, session: 5), 40)
        perform(.apply(user: 1, project: 1), 40 + .seconds(90))
        let raw = caller.rawValue
        let asks = [
            Ask(.modify, caller: raw, now: 10),
            Ask(.apply, caller: raw, now: 20),
            Ask(.createSession, caller: raw, now: 30),
            Ask(.disconnect, session: 5, flag: true, caller: raw, now: 40),
            Ask(.apply, caller: raw, now: 40 + .seconds(90)),
        ]
        return (asks, events, state)
    }

    private static func audit(_ asks: [Ask], _ events: [Event]) throws -> Auditor {
        var auditor = Auditor(userCount: 1, projectCount: 1)
        auditor.changes = [Change(capacity: 2, window: .seconds(90), cleanup: .seconds(5))]
        auditor.begin(events)
        for ask in asks { _ = try auditor.expect(ask) }
        try auditor.end()
        return auditor
    }

    @Test("An honest history passes, and leaves the ledger's view")
    func honest() throws {
        let (asks, events, state) = Self.history()
        let auditor = try Self.audit(asks, events)
        try auditor.compare(state)
        // At the very end of the window it is closed: the user was granted another.
        #expect(events.last?.outcome == .granted && events.last?.concurrency == 2)
    }

    @Test("No field of any event may be another")
    func tampered() throws {
        let (asks, events, _) = Self.history()
        let changes: [(String, (inout Event) -> Void)] = [
            ("time", { $0.time += 1 }), ("state", { $0.state = .withdrawn }),
            ("outcome", { $0.outcome = $0.outcome == .stale ? .done : .stale }),
            ("user", { $0.user += 1 }), ("concurrency", { $0.concurrency += 1 }),
            ("deadline", { $0.deadline += 1 }), ("session", { $0.session += 1 }),
            ("caller", { $0.caller += 1 }), ("flag", { $0.flag.toggle() }),
            ("input project", { $0.inputProject += 1 }),
            ("input session", { $0.inputSession += 1 }),
            ("names a session", { $0.namesSession.toggle() }),
            ("chain of the user", { $0.previousOfUser += 1 }),
            ("chain of the concurrency", { $0.previousOfConcurrency += 1 }),
            ("jump", { $0.jump += 1 }), ("position", { $0.position += 1 }),
        ]
        for index in events.indices {
            for (field, change) in changes {
                var copy = events
                change(&copy[index])
                #expect(throws: Violation.self, "\(field) of \(events[index].text)") {
                    try Self.audit(asks, copy)
                }
            }
        }
    }

    @Test("No event may be missing, twice, or too many")
    func counted() throws {
        let (asks, events, state) = Self.history()
        for index in events.indices {
            var fewer = events
            fewer.remove(at: index)
            #expect(throws: Violation.self) { try Self.audit(asks, fewer) }
            var more = events
            more.insert(events[index], at: index)
            #expect(throws: Violation.self) { try Self.audit(asks, more) }
        }
        // A view that is one event behind is not the log's.
        let auditor = try Self.audit(asks, events)
        var behind = State()
        for event in events.dropLast() { behind.evolve(event) }
        #expect(throws: Violation.self) { try auditor.compare(behind) }
        #expect(throws: Never.self) { try auditor.compare(state) }
    }

    @Test("An outage that costs somebody time, or is made up for too generously, is seen")
    func outages() throws {
        let (asks, events, state) = Self.history()
        let end = state.time
        for (outage, isRight) in [
            (Microseconds.seconds(7), true), (.seconds(8), true), (.seconds(7) - 1, false),
            (.seconds(8) + 1, false), (0, false),
        ] {
            var auditor = try Self.audit(asks, events)
            var opened = state
            var event: Event?
            opened.perform(
                .open(outage: outage), at: end + .seconds(7), by: .ledger
            ) { event = $0 }
            auditor.begin([try #require(event)])
            let opening = Opening(
                lastRan: end, wall: end + .seconds(7), compensates: true, hadDeadlines: true)
            let result = Result { try auditor.expect(opening) }
            #expect(((try? result.get()) != nil) == isRight, "made up for \(outage)")
        }
    }
}
