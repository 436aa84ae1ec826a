import LedgerModel
import ReconnectionRules

/// Something that carries out commands like the rules do: the rules themselves, or the rules with
/// a bug planted in them.
protocol Subject {
    init(resuming state: State)
    var state: State { get }
    /// Everything the command leads to, in order.
    mutating func run(_ input: TimedCommand) -> [Event]
    /// Only what is due, in order.
    mutating func settle(at now: Microseconds) -> [Event]
}

/// The rules as everybody uses them: settle, then perform; an open comes before settling.
struct Rules: Subject {
    private(set) var state: State

    init(resuming state: State) { self.state = state }

    mutating func run(_ input: TimedCommand) -> [Event] {
        var events: [Event] = []
        if input.command.endsOutage {
            state.perform(input.command, at: input.time, by: input.caller) { events.append($0) }
            events += settle(at: input.time)
        } else {
            events = settle(at: input.time)
            state.perform(input.command, at: input.time, by: input.caller) { events.append($0) }
        }
        return events
    }

    /// In portions of one to three events, as a writer does that commits in between.
    mutating func settle(at now: Microseconds) -> [Event] {
        var events: [Event] = []
        var isDone = false
        while !isDone {
            let limit = Int(state.position % 3) + 1
            isDone = state.settle(at: now, limit: limit) { events.append($0) }
        }
        return events
    }
}

/// Where a subject and the model, or a subject and an invariant, part ways.
struct Discrepancy: Error, CustomStringConvertible {
    var description: String
    /// Tells one bug from another, so that shrinking does not drift from the first to a second.
    var topic: String

    init(_ description: String, topic: String = #function) {
        self.description = description
        self.topic = topic
    }
}

/// Plays scenarios in the model and a subject side by side and compares everything.
enum PropertyAudit {
    /// Throws the first discrepancy of a scenario.
    static func run<S: Subject>(
        _ scenario: Scenario, resume: (State) -> S = { S(resuming: $0) }
    ) throws(Discrepancy) {
        var player = ScenarioPlayer()
        var subject = resume(State())
        var events: [Event] = []
        var inputs: [TimedCommand] = []
        var cut: (state: State, inputs: Int, events: Int)?
        for (index, step) in scenario.steps.enumerated() {
            if index == scenario.steps.count / 2 {
                cut = (subject.state, inputs.count, events.count)
            }
            for (input, predicted) in player.play(step) {
                let got = subject.run(input)
                try compare(got, predicted, input)
                events += got
                inputs.append(input)
            }
            try compareTables(subject.state, player.model, scenario.steps[index])
        }
        try checkTimes(events)
        try checkReturns(events)
        try checkChains(events, subject.state)
        try checkCounters(events, subject.state, player.model)
        try checkFold(events, subject.state)
        if let cut {
            let before = Array(events[..<cut.events])
            let after = Array(events[cut.events...])
            try checkResumed(
                cut.state, before: before, after: after, inputs: Array(inputs[cut.inputs...]),
                folds: scenario.steps.count % 2 == 0, end: subject.state, resume: resume)
        }
    }

    /// A state that comes back from its stored records, or from folding the events so far, leads
    /// on to the same events as the one that was never put away. On the way it settles in between
    /// as well: no outcome depends on when somebody looks at the deadlines.
    static func checkResumed<S: Subject>(
        _ state: State, before: [Event], after: [Event], inputs: [TimedCommand], folds: Bool,
        end: State, resume: (State) -> S
    ) throws(Discrepancy) {
        var start = restored(state)
        if folds {
            start = State()
            for event in before { start.evolve(event) }
        }
        var resumed = resume(start)
        var later: [Event] = []
        var last = state.time
        for input in inputs {
            if !input.command.endsOutage {
                later += resumed.settle(at: last + (input.time - last) / 2)
            }
            later += resumed.run(input)
            last = input.time
        }
        let way = folds ? "folding" : "a checkpoint"
        if later != after {
            let first = zip(later, after).first { $0 != $1 }
            throw Discrepancy(
                """
                after \(way) at position \(state.position) the events differ:
                resumed:       \(first.map { describe($0.0) } ?? "\(later.count) events")
                uninterrupted: \(first.map { describe($0.1) } ?? "\(after.count) events")
                """)
        }
        if words(resumed.state) != words(end) {
            throw Discrepancy("after \(way) the same events give another state")
        }
    }

    /// The first discrepancy of a scenario, nil if there is none.
    static func discrepancy<S: Subject>(
        of scenario: Scenario, resume: (State) -> S
    ) -> Discrepancy? {
        do throws(Discrepancy) {
            try run(scenario, resume: resume)
            return nil
        } catch {
            return error
        }
    }

    /// What to print of a failing seed: how to have it again, and the shortest failing sequence.
    static func report<S: Subject>(
        seed: UInt64, _ found: Discrepancy, resume: (State) -> S
    ) -> String {
        let short = Scenario.random(seed: seed)
            .shrunk { discrepancy(of: $0, resume: resume)?.topic == found.topic }
        var player = ScenarioPlayer()
        let inputs = short.steps.flatMap { player.play($0).map { "  \($0.input)" } }
        return """
            HOLDFAST_SEED=\(seed) HOLDFAST_SEQUENCES=1 fails:
            \(found)
            shrunk to \(inputs.count) commands:
            \(inputs.joined(separator: "\n"))
            \(discrepancy(of: short, resume: resume)?.description ?? "")
            """
    }

    // MARK: After each command

    static func compare(
        _ got: [Event], _ predicted: [Event], _ input: TimedCommand
    ) throws(Discrepancy) {
        for index in 0..<max(got.count, predicted.count) {
            var event = index < got.count ? got[index] : nil
            event?.jump = 0
            let expected = index < predicted.count ? predicted[index] : nil
            if event != expected {
                throw Discrepancy(
                    """
                    \(input)
                    expected: \(expected.map(describe) ?? "no event")
                    got:      \(event.map(describe) ?? "no event")
                    """,
                    topic: [expected, event].map { $0.map { "\($0.kind).\($0.outcome)" } ?? "-" }
                        .joined(separator: " "))
            }
        }
    }

    /// Records against the model's slots, and what must hold of the records whatever the model
    /// says.
    static func compareTables(
        _ state: State, _ model: LedgerModel, _ step: Scenario.Step
    ) throws(Discrepancy) {
        func fail(_ reason: String) -> Discrepancy { Discrepancy("after \(step): \(reason)") }

        var holders = [Int](repeating: 0, count: state.users.count)
        for index in 1..<state.projects.count {
            let project = state.projects[index]
            var running: UInt32 = 0
            var idle: UInt32 = 0
            for number in 1..<project.concurrencies.count {
                let record = project.concurrencies[number]
                switch record.state {
                case .idle: idle += 1
                case .reserved, .connected, .waiting, .recovering: running += 1
                case .withdrawn: break
                case .none: throw fail("concurrency \(index)/\(number) has no state")
                }
                if record.state.isHeld != (record.user != 0) {
                    throw fail("concurrency \(index)/\(number) is \(record.state) by nobody")
                }
                if record.user != 0 {
                    holders[Int(record.user)] += 1
                    let user = state.users[Int(record.user)]
                    if Int(user.project) != index || Int(user.concurrency) != number {
                        throw fail("user \(record.user) does not know of \(index)/\(number)")
                    }
                }
            }
            if project.runningCount != running || project.idleCount != idle
                || project.inServiceCount != running + idle
            {
                throw fail(
                    """
                    project \(index) counts \(project.runningCount) running, \
                    \(project.idleCount) idle, \(project.inServiceCount) in service; its records \
                    say \(running), \(idle), \(running + idle)
                    """)
            }
            let number = ProjectNumber(index)
            if Int(running) != model.running(of: number)
                || Int(project.settings.concurrencyCount) != model.total(of: number)
            {
                throw fail("project \(index): Running or Total differ from the model's")
            }
        }
        for index in 1..<state.users.count {
            let user = state.users[index]
            if holders[index] != (user.holdsConcurrency ? 1 : 0) {
                throw fail("user \(index) is on \(holders[index]) concurrencies")
            }
        }
        try compareSlots(state, model, step)
        if let next = model.runningDeadlines.first {
            guard let known = state.nextDeadline, known <= next else {
                throw fail("a deadline at \(next), but the next is said to be later or none")
            }
        }
        if state.position != model.position || state.time != model.time
            || state.eventCount != model.eventCount
        {
            throw fail("stands at \(state.position), \(state.time)")
        }
    }

    /// Each concurrency's record against the model's slot.
    private static func compareSlots(
        _ state: State, _ model: LedgerModel, _ step: Scenario.Step
    ) throws(Discrepancy) {
        func fail(_ reason: String) -> Discrepancy { Discrepancy("after \(step): \(reason)") }

        for slot in model.slots {
            let known = state.projects[Int(slot.project)].concurrencies
            guard Int(slot.number) < known.count else { throw fail("\(slot) does not exist") }
            let record = known[Int(slot.number)]
            let moment =
                switch slot.state {
                case .idle: slot.idleSince
                case .reserved, .waiting, .recovering: slot.until
                default: Microseconds(0)
                }
            if record.state != slot.state || record.user != slot.user
                || record.session != slot.session || record.moment != moment
                || record.runsWithoutClient != slot.runsWithoutClient || record.last != slot.last
            {
                throw fail("\(record), the model has \(slot)")
            }
        }
    }

    // MARK: After each scenario

    static func checkTimes(_ events: [Event]) throws(Discrepancy) {
        for (index, event) in events.enumerated() {
            let last = index > 0 ? events[index - 1].position : 0
            if event.kind == .epochBegun {
                guard event.position > last + 1 << 40, event.previousOfUser == last,
                    event.session == index, event.position < 1 << 53
                else { throw Discrepancy("the epoch begins at a wrong place: \(event)") }
            } else if event.position != last + 1 {
                throw Discrepancy("positions have a gap at \(last + 1)")
            }
            if index > 0 && event.time < events[index - 1].time {
                throw Discrepancy("time runs backward at position \(event.position)")
            }
        }
    }

    /// From the events alone: who comes back before the window ends gets the same concurrency,
    /// and no window ends early.
    static func checkReturns(_ events: [Event]) throws(Discrepancy) {
        struct Window {
            var project: ProjectNumber
            var concurrency: ConcurrencyNumber
            var end: Microseconds
        }
        var windows: [UserNumber: Window] = [:]
        for event in events {
            if event.kind == .opened || event.kind == .epochBegun {
                for user in windows.keys { windows[user]!.end += event.outage }
            }
            guard let window = windows[event.user] else {
                if event.outcome == .waiting {
                    windows[event.user] = Window(
                        project: event.project, concurrency: event.concurrency,
                        end: event.deadline)
                }
                continue
            }
            let same =
                event.project == window.project && event.concurrency == window.concurrency
            switch (event.kind, event.outcome) {
            case (.applied, _) where event.inputProject == window.project:
                guard same, event.outcome == .returned, event.time < window.end else {
                    throw Discrepancy("not the same concurrency within the window: \(event)")
                }
                windows[event.user] = nil
            case (.sessionCreated, _):
                guard same, event.outcome == .resumed, event.time < window.end else {
                    throw Discrepancy("not resumed within the window: \(event)")
                }
                windows[event.user] = nil
            case (.repossessed, .windowExpired):
                guard same, event.time >= window.end else {
                    throw Discrepancy("the window ended early: \(event)")
                }
                windows[event.user] = nil
            case (.repossessed, .operator_), (.repossessed, .moved), (.destroyed, .freed):
                guard same else { throw Discrepancy("released another one: \(event)") }
                windows[event.user] = nil
            default: break
            }
        }
    }

    static func checkChains(_ events: [Event], _ state: State) throws(Discrepancy) {
        let byPosition = Dictionary(uniqueKeysWithValues: events.map { ($0.position, $0) })
        func walk(
            _ head: Position, _ previous: (Event) -> Position
        ) throws(Discrepancy) -> [Position] {
            var found: [Position] = []
            var at = head
            while at != 0 {
                guard let event = byPosition[at], found.count < events.count else {
                    throw Discrepancy("a chain leads to \(at) and nowhere")
                }
                found.append(at)
                at = previous(event)
            }
            return found.reversed()
        }
        func positions(_ isOne: (Event) -> Bool) -> [Position] {
            events.filter(isOne).map(\.position)
        }
        for index in state.users.indices.dropFirst() {
            let expected = positions { $0.user == UserNumber(index) }
            let found = try walk(state.users[index].last) { $0.previousOfUser }
            if found != expected {
                throw Discrepancy("chain of user \(index): \(found), not \(expected)")
            }
            if state.users[index].eventCount != expected.count {
                throw Discrepancy("user \(index) counts \(state.users[index].eventCount) events")
            }
            try checkJumps(expected, byPosition, user: index)
        }
        for (index, project) in state.projects.enumerated().dropFirst() {
            let found = try walk(project.last) { $0.previousOfConcurrency }
            let expected = positions {
                $0.project == ProjectNumber(index)
                    && ($0.kind == .projectNamed || $0.kind == .projectModified)
            }
            if found != expected {
                throw Discrepancy("chain of project \(index): \(found), not \(expected)")
            }
            for (number, record) in project.concurrencies.enumerated().dropFirst() {
                let found = try walk(record.last) { $0.previousOfConcurrency }
                let expected = positions {
                    $0.project == ProjectNumber(index)
                        && $0.concurrency == ConcurrencyNumber(number)
                }
                if found != expected {
                    throw Discrepancy("chain of \(index)/\(number): \(found), not \(expected)")
                }
            }
        }
        let found = try walk(state.lastOfLedger) { $0.previousOfConcurrency }
        let expected = positions { $0.isOfLedger }
        if found != expected { throw Discrepancy("ledger chain: \(found), not \(expected)") }
    }

    /// Jumps as `JumpTable` describes them: every 16th event of a user is a node; other events
    /// point to the newest node, a node past its two predecessors if they root equal trees.
    static func checkJumps(
        _ positions: [Position], _ events: [Position: Event], user: Int
    ) throws(Discrepancy) {
        var trees: [(root: Position, size: Int)] = []
        for (index, position) in positions.enumerated() {
            var expected = trees.last?.root ?? 0
            if (index + 1) % 16 == 0 {
                var size = 1
                if trees.count >= 2, trees[trees.count - 1].size == trees[trees.count - 2].size {
                    size += 2 * trees.removeLast().size
                    trees.removeLast()
                    expected = trees.last?.root ?? 0
                }
                trees.append((position, size))
            }
            let jump = events[position]?.jump
            if jump != expected {
                throw Discrepancy("user \(user): \(position) jumps to \(jump ?? 0), not \(expected)")
            }
        }
    }

    static func checkCounters(
        _ events: [Event], _ state: State, _ model: LedgerModel
    ) throws(Discrepancy) {
        var counts = TraceCounts()
        // The rules count a disconnect refused for want of a name among the stale ones.
        counts.staleDisconnects = events.count { $0.outcome == .sessionNameRequired }
        var lockTimeouts = 0
        var kept = 0
        for event in events {
            counts.count(event)
            if event.outcome == .lockTimeout { lockTimeouts += 1 }
            if event.outcome == .keptRunning { kept += 1 }
        }
        counts.heldAtEnd = model.heldCount
        counts.waitingAtEnd = model.waitingCount
        let known = state.counters
        if TraceCounts(known) != counts || known.rejectedLockTimeout != UInt64(lockTimeouts)
            || known.keptRunning != UInt64(kept)
        {
            throw Discrepancy("counters are \(known), events say \(counts)")
        }
    }

    /// Folding the events alone gives the same state; deciding each recorded input again in the
    /// state before it gives the same event.
    static func checkFold(_ events: [Event], _ state: State) throws(Discrepancy) {
        var folded = State()
        for event in events {
            if let command = event.command {
                let again = folded.decide(
                    command, at: event.time, by: Caller(rawValue: event.caller))
                if again != event {
                    throw Discrepancy(
                        "decided again: \(describe(again)), recorded: \(describe(event))")
                }
            }
            folded.evolve(event)
        }
        if words(folded) != words(state) || folded.jumpStacks != state.jumpStacks {
            throw Discrepancy("folding the events gives another state")
        }
    }

    static func words(_ state: State) -> [UInt64] {
        var words: [UInt64] = []
        state.forEachCanonicalWord { words.append($0) }
        return words
    }

    /// The state as it comes back from stored records: public fields only.
    static func restored(_ state: State) -> State {
        var records = state.records
        for project in records.projects.indices {
            let stored = records.projects[project].concurrencies
            records.projects[project].concurrencies = RecordTable(
                stored.map { stored in
                    var record = ConcurrencyRecord()
                    record.state = stored.state
                    record.runsWithoutClient = stored.runsWithoutClient
                    record.user = stored.user
                    record.session = stored.session
                    record.moment = stored.moment
                    record.last = stored.last
                    return record
                }, blank: ConcurrencyRecord())
        }
        return State(records)
    }

    static func describe(_ event: Event) -> String {
        """
        #\(event.position) @\(event.time) \(event.kind).\(event.outcome) user \(event.user) \
        on \(event.project)/\(event.concurrency) -> \(event.state) until \(event.deadline) \
        session \(event.session) asked for \(event.inputProject), \
        named \(event.namesSession ? "\(event.inputSession)" : "none (\(event.inputSession))"), \
        flag \(event.flag), caller \(event.caller), \
        previous \(event.previousOfUser)/\(event.previousOfConcurrency), jump \(event.jump)
        """
    }
}

extension TraceCounts {
    /// The rules' own counters in the words of a trace.
    init(_ counters: Counters) {
        self.init()
        starts = Int(counters.starts)
        grantedNew = Int(counters.grantedNew)
        resumed = Int(counters.resumed)
        takenOver = Int(counters.takenOver)
        rejectedNoIdle = Int(counters.rejectedNoIdle)
        disconnected = Int(counters.disconnected)
        staleDisconnects = Int(counters.staleDisconnects)
        destroyed = Int(counters.destroyed)
        staleDestroys = Int(counters.staleDestroys)
        repossessed = Int(counters.repossessed)
        heldAtEnd = Int(counters.heldNow)
        waitingAtEnd = Int(counters.waitingNow)
    }
}
