import EventLog
import Ledger
import LedgerModel
import ReconnectionRules
import Testing

extension LedgerTests {
    /// Whatever order concurrent actions end up in, the log is what the independent model says.
    @Suite struct Model {
        @Test(arguments: 0 ..< 6)
        func concurrentActionsAreTheModelsInLogOrder(round: UInt64) async throws {
            let scratch = try Scratch()
            let clock = ManualClock()
            let seed = seed("model \(round)") &+ round
            var replies: [Position: Event] = [:]
            for life in 0 ..< 3 as Range<UInt64> {
                let answered = try await withLedger(
                    scratch, clock, { $0.checkpointEventCount = 300 }
                ) { ledger in try await Self.load(ledger, clock, seed: seed &+ life << 32) }
                for reply in answered {
                    #expect(replies.updateValue(reply, forKey: reply.position) == nil)
                }
                clock.advance(by: .seconds(Int64(7 * life)))
            }
            let reader = try LedgerReader(opening: scratch.path)
            var events: [Event] = []
            try reader.log.forEachBatch { batch in
                try batch.forEachEvent { event, _ in events.append(event) }
                return true
            }
            for (position, reply) in replies { #expect(events[Int(position) - 1] == reply) }
            try Self.compare(events, reader)
        }

        /// Callers that act and a clock that moves, all at once.
        private static func load(
            _ ledger: Ledger, _ clock: ManualClock, seed: UInt64
        ) async throws -> [Event] {
            for project in 0 ..< 3 {
                try await ledger.modifyProject(
                    "p\(project)", ProjectChange(concurrencyCount: 6, cleanupTime: .seconds(2)))
            }
            return try await withThrowingTaskGroup(of: [Event].self) { group in
                for caller in 0 ..< 12 as Range<UInt64> {
                    group.addTask {
                        var random = SplitMix64(seed: seed &+ caller)
                        var replies: [Event] = []
                        for _ in 0 ..< 60 {
                            if random.chance(1, in: 5) {
                                let steps: [Microseconds] = [1, 500_000, .seconds(1), .seconds(7)]
                                clock.advance(by: random.pick(steps))
                            }
                            if random.chance(1, in: 6) {
                                let actions = (0 ..< 5).map { _ in Workload.action(&random) }
                                let results = try await ledger.performAll(
                                    actions, by: .credential(UInt32(caller)))
                                replies += try results.map { try $0.get().event }
                            } else {
                                let action = Workload.action(&random)
                                let by = Caller.credential(UInt32(caller))
                                replies.append(try await ledger.perform(action, by: by).event)
                            }
                        }
                        return replies
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
        }

        /// Plays the recorded inputs in the model and compares event by event.
        private static func compare(_ events: [Event], _ reader: LedgerReader) throws {
            var model = LedgerModel()
            var index = 0
            while index < events.count {
                let next = events[index...].first { $0.command != nil }
                let predicted =
                    if let next, let command = next.command {
                        model.run(command, at: next.time, by: Caller(rawValue: next.caller))
                    } else { model.settle(at: events[events.count - 1].time) }
                try #require(!predicted.isEmpty)
                for event in predicted {
                    try #require(index < events.count, "the log ends before \(event)")
                    var recorded = events[index]
                    recorded.jump = 0
                    try #require(recorded == event)
                    index += 1
                }
            }
            // And the view is the model's.
            for user in reader.holders {
                let slot = try #require(model.slot(heldBy: user.number))
                #expect(slot.state == user.state)
                #expect(slot.number == user.concurrency)
                #expect(slot.session == user.session)
                #expect(user.deadline == nil || slot.until == user.deadline)
            }
            #expect(reader.holders.count == model.heldCount)
            for project in reader.projects {
                #expect(Int(project.runningCount) == model.running(of: project.number))
            }
            #expect(Int(reader.state.counters.waitingNow) == model.waitingCount)
        }
    }
}
