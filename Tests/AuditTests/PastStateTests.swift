import Audit
import EventLog
import Ledger
import LogForge
import ReconnectionRules
import Testing

/// The state of everything at a past moment is what folding from the first event to it gives.
@Suite struct PastStateTests {
    private let scratch = ScratchDirectory()

    /// A thousand random moments on twenty ledgers of random scenarios.
    @Test func theStateThenIsAFoldFromZero() throws {
        let seed = SeededGenerator.announced(11, for: "past states")
        var momentCount = 0
        for round in 0 ..< 20 as Range<UInt64> {
            let story = try ScenarioLog(in: scratch("data-\(round)"), seed: seed &+ round)
            // Every third ledger has none, the others have them tightly or a few.
            if round % 3 != 0 {
                let kept = try keepCheckpoints(story.directory, every: round % 3 == 1 ? 3 : 40)
                #expect(kept.count >= story.events.count / 60, "\(kept)")
            }
            var generator = SeededGenerator(seed: seed &+ round)
            let moments = TestMoment.random(50, in: story.events, &generator)
            momentCount += try compare(story.directory, story.events, moments, perUser: .max)
        }
        #expect(momentCount == 1_000)
    }

    /// Compares everything at the moments with the truth; returns how many there were.
    private func compare(
        _ directory: DataDirectory, _ events: [Event], _ moments: [TestMoment], perUser: Int
    ) throws -> Int {
        let reader = try LedgerReader(opening: directory.path)
        let several = reader.pastStates()
        var truth = FoldFromZero(events)
        for moment in moments {
            truth.advance(to: moment.position)
            let digest = StateDigest.of(truth.state)
            let past = try reader.state(at: moment.moment)
            #expect(past.position == moment.position, "\(moment)")
            #expect(StateDigest.of(past.state) == digest, "\(moment)")
            #expect(past.state.jumpStacks == truth.state.jumpStacks, "\(moment)")
            let again = try reader.view(at: moment.moment, in: several)
            #expect(StateDigest.of(again.state) == digest, "\(moment)")
            var lines: [String] = []
            past.forEachHolder { lines.append(holderLine($0)) }
            #expect(lines == holderLines(truth.state, reader), "\(moment)")
            try compareUsers(reader, past, moment, perUser)
        }
        return moments.count
    }

    /// The look at one user, by point reads, says the same.
    private func compareUsers(
        _ reader: LedgerReader, _ past: PastView, _ moment: TestMoment, _ countMax: Int
    ) throws {
        let count = reader.state.userCount
        let step = max(1, count / countMax)
        for number in stride(from: 1 + Int(moment.position) % step, through: count, by: step) {
            let one = try reader.user(number: UserNumber(number), at: moment.moment)
            #expect(one == past.user(number: UserNumber(number)), "user \(number) at \(moment)")
        }
        #expect(past.user(number: 0) == nil)
        #expect(past.user(number: UserNumber(past.state.userCount + 1)) == nil)
    }

    // MARK: - From one moment to another

    /// Any order of moments, from what is at hand: forward, backward, far and near. No more is at
    /// hand than there is memory for.
    @Test(arguments: [(0, 1), (1, 4), (512 << 20, 48)])
    func anyOrderOfMomentsGivesTheSame(memoryByteCount: Int, heldMax: Int) throws {
        let story = try ScenarioLog(in: scratch("data"), seed: 5, scenarioCount: 20)
        try keepCheckpoints(story.directory, every: 200)
        var digests: [Digest32] = [StateDigest.of(State())]
        var truth = FoldFromZero(story.events)
        for position in 1 ... Position(story.events.count) {
            truth.advance(to: position)
            digests.append(StateDigest.of(truth.state))
        }
        let reader = try LedgerReader(opening: story.directory.path)
        let states = reader.pastStates(memoryByteCount: memoryByteCount)
        let seed = SeededGenerator.announced(3, for: "any order")
        var generator = SeededGenerator(seed: seed)
        var position = story.events.count / 2
        var held: [State] = []
        var mostHeld = 0
        for _ in 0 ..< 600 {
            switch generator.below(8) {
            case 0 ..< 3: position += 1
            case 3 ..< 6: position -= 1
            case 6: position += generator.below(400) - 200
            default: position = generator.below(story.events.count + 2)
            }
            position = min(max(position, 0), story.events.count)
            let state = try states.state(at: Position(position))
            #expect(StateDigest.of(state) == digests[position], "\(position)")
            #expect(states.heldPositions == states.heldPositions.sorted())
            mostHeld = max(mostHeld, states.heldPositions.count)
            // What was handed out stays what it was.
            if generator.below(40) == 0 { held.append(state) }
        }
        for state in held { #expect(StateDigest.of(state) == digests[Int(state.position)]) }
        #expect(mostHeld == heldMax)
        #expect(states.faults.isEmpty)
    }

    @Test func aStepBackReplaysSomeDozenEvents() throws {
        let directory = DataDirectory(scratch("data"))
        try HeavyUser.write(to: directory, eventCount: 150_000)
        let reader = try LedgerReader(opening: directory.path)
        let states = reader.pastStates(memoryByteCount: 1 << 20)
        var position: Position = 140_000
        _ = try states.state(at: position)
        #expect(states.replayedEventCount == 140_000)
        var (worst, sum) = (UInt64(0), UInt64(0))
        for _ in 0 ..< 5_000 {
            position -= 1
            #expect(try states.state(at: position).position == position)
            worst = max(worst, states.replayedEventCount)
            sum += states.replayedEventCount
        }
        #expect(worst <= 32_768, "\(worst) events for one step back")
        #expect(sum < 5_000 * 100, "\(sum) events for 5,000 steps back")
        for _ in 0 ..< 300 {
            position += 1
            _ = try states.state(at: position)
            #expect(states.replayedEventCount <= 1)
        }
    }

    /// What is ended goes on where it stopped, and the state is the same.
    @Test(arguments: [0, 1 << 20])
    func aFoldThatIsEndedLeavesNothingWrong(memoryByteCount: Int) throws {
        struct Ended: Error {}
        let directory = DataDirectory(scratch("data"))
        try HeavyUser.write(to: directory, eventCount: 60_000)
        let reader = try LedgerReader(opening: directory.path)
        let goal = reader.head.position - 10
        let expected = StateDigest.of(try reader.pastStates().state(at: goal))
        let states = reader.pastStates(memoryByteCount: memoryByteCount)
        var heard = 0
        #expect(throws: Ended.self) {
            try states.state(at: goal) { done, all in
                #expect(done <= all && all == goal)
                heard += 1
                if heard == 5 { throw Ended() }
            }
        }
        let reached = states.replayedEventCount
        #expect(reached >= 5 * 8_192 && reached < goal)
        #expect(StateDigest.of(try states.state(at: goal)) == expected)
        #expect(states.replayedEventCount == goal - reached)
    }

    /// The nearest kept checkpoint is used, and no more events than it leaves.
    @Test func theNearestKeptCheckpointIsUsed() throws {
        let story = try ScenarioLog(in: scratch("data"), seed: 8, scenarioCount: 6)
        let kept = try keepCheckpoints(story.directory, every: 25)
        try #require(kept.count > 5)
        let reader = try LedgerReader(opening: story.directory.path)
        for position in 1 ... Position(story.events.count - 1) {
            let states = reader.pastStates()
            _ = try states.state(at: position)
            let nearest = kept.last { $0 <= position } ?? 0
            #expect(states.checkpointPosition == nearest)
            #expect(states.replayedEventCount == position - nearest)
        }
        let last = reader.pastStates()
        _ = try last.state(at: .max)
        #expect(last.replayedEventCount == 0, "the present is at hand")
    }

    /// Where a state is at hand, a kept checkpoint is loaded only if it saves enough.
    @Test(arguments: [0, 1 << 20])
    func aKeptCheckpointHasToBeWorthLoading(memoryByteCount: Int) throws {
        let story = try ScenarioLog(in: scratch("data"), seed: 8, scenarioCount: 6)
        let kept = try keepCheckpoints(story.directory, every: 25)
        let reader = try LedgerReader(opening: story.directory.path)
        let (first, last) = (kept[0], kept[kept.count - 2])
        for (savingMin, isLoaded) in [(last - first - 1, true), (last - first, false)] {
            let states = reader.pastStates(memoryByteCount: memoryByteCount)
            states.savingMin = savingMin
            _ = try states.state(at: first)
            _ = try states.state(at: last + 1)
            #expect(states.checkpointPosition == (isLoaded ? last : 0))
            #expect(states.replayedEventCount == (isLoaded ? 1 : last + 1 - first))
        }
    }

    /// The same question to a running ledger, in the process that owns it.
    @Test func aRunningLedgerAnswersForThePast() async throws {
        var options = Ledger.Options()
        options.keptCheckpoints = .every(10)
        let ledger = try Ledger(opening: scratch("live"), options: options)
        try await ledger.modifyProject("p", ProjectChange(concurrencyCount: 3))
        for round in 0 ..< 30 {
            let user = "u\(round % 5)"
            _ = try await ledger.apply(user: user, project: "p")
            _ = try await ledger.createSession(user: user)
            if round % 2 == 0 { try await ledger.destroy(user: user) }
        }
        let head = ledger.head
        let now = try await ledger.state(at: .position(.max))
        #expect(StateDigest.of(now) == (try await ledger.stateDigest()))
        #expect(now.position == head.position)
        #expect(try await ledger.state(at: .time(.max)).position == head.position)
        #expect(try await ledger.state(at: .time(0)).position == 0)
        let then = try await ledger.state(at: .position(head.position / 2))
        #expect(then.position == head.position / 2)
        #expect(try await ledger.userNames(of: [1, 2, 99]) == ["u0", "u1", ""])
        await ledger.close()
    }

    // MARK: - The recorded trace

    @Test(.enabled(if: Traces.isThere, Comment(rawValue: Traces.whyNot)))
    func onTheRecordedTraceToo() throws {
        let path = scratch("data")
        try importTrace(Traces.chatA, into: path, ProjectChange(concurrencyCount: 60))
        let directory = DataDirectory(path)
        let kept = try keepCheckpoints(directory, every: 2_000)
        #expect(kept.count > 10)
        let events = try reading(path) { try $0.allEvents() }
        let seed = SeededGenerator.announced(17, for: "past states of chat-a")
        var generator = SeededGenerator(seed: seed)
        let moments = TestMoment.random(1_000, in: events, &generator)
        #expect(try compare(directory, events, moments, perUser: 3) == 1_000)
        try reading(path) { reader in
            let end = try reader.state(at: .time(.max))
            #expect(end.state.counters.heldNow == 60 && end.state.counters.waitingNow == 0)
            #expect(end.state.counters.repossessed == 4_859)
            #expect(end.projects.map(\.runningCount) == [60])
            let start = try reader.state(at: .position(0))
            #expect(start.projects.isEmpty && start.state.userCount == 0)
            // Project and its size, then each first user's naming, apply and session.
            let first = try reader.state(at: .time(events[0].time))
            #expect(first.state.counters.heldNow == 1 && first.position == 5)
        }
    }

    /// Where nobody is ever refused, what each held follows from that person's own rows: an oracle
    /// of ten lines.
    @Test(.enabled(if: Traces.isThere, Comment(rawValue: Traces.whyNot)))
    func theRecordedTracesHoldersFollowFromItsRows() throws {
        let path = scratch("wide")
        try importTrace(Traces.chatA, into: path, ProjectChange(concurrencyCount: 600))
        try keepCheckpoints(DataDirectory(path), every: 3_000)
        var rows: [TraceRow] = []
        try TraceReader(path: Traces.chatA).forEachRow { row, _, _ in rows.append(row) }
        let reader = try LedgerReader(opening: path)
        let states = reader.pastStates()
        for share in 1 ... 20 {
            let time = rows[(rows.count - 1) * share / 20].time
            var held: [String: (connection: String, until: Microseconds?)] = [:]
            for row in rows.prefix(while: { $0.time <= time }) {
                if let until = held[row.user]?.until, until <= row.time { held[row.user] = nil }
                let isCurrent = held[row.user].map { $0.connection == row.connection } ?? false
                let isConnected = isCurrent && held[row.user]?.until == nil
                switch row.action {
                case .start: held[row.user] = (row.connection, nil)
                case .drop where isConnected:
                    held[row.user]?.until = row.time + .seconds(90)
                case .close where isConnected: held[row.user] = nil
                default: break
                }
            }
            let expected = held.filter { $0.value.until.map { $0 > time } ?? true }
                .mapValues(\.until)
            var found: [String: Microseconds?] = [:]
            try reader.view(at: .time(time), in: states).forEachHolder {
                found[$0.name] = $0.deadline
            }
            #expect(found == expected, "at \(Timestamp.text(time))")
        }
    }
}
