import EventLog
import Ledger
import ReconnectionRules
import Testing

extension LedgerTests {
    /// Deadlines are punctual, and what they do never depends on how punctual they were.
    @Suite struct Deadlines {
        private let scratch: Scratch
        private let clock = ManualClock()

        init() throws { scratch = try Scratch() }

        private static let oneSecond = ProjectChange(
            concurrencyCount: 100, reconnectWindow: .seconds(1), lockTimeout: .seconds(1))

        /// Nobody asks anything: the writer wakes by itself. Real clock.
        @Test func atRestADeadlineFiresWithin50Milliseconds() async throws {
            let ledger = try Ledger(opening: scratch.path)
            try await ledger.modifyProject("demo", Self.oneSecond)
            let users = 9
            let watching = Task {
                var lateness: [Microseconds] = []
                for try await event in ledger.events(after: 0)
                where event.event.kind == .repossessed {
                    #expect(event.event.outcome == .windowExpired)
                    lateness.append(LedgerClock.system.wall() - event.event.time)
                    if lateness.count == users { break }
                }
                return lateness
            }
            for user in 0 ..< users {
                try await ledger.apply(user: "u\(user)", project: "demo")
                try await ledger.createSession(user: "u\(user)")
                try await ledger.disconnect(user: "u\(user)")
                try await Task.sleep(for: .milliseconds(40))
            }
            let lateness = try await watching.value.sorted()
            let text = lateness.map { "\(Double($0) / 1_000)" }.joined(separator: " ")
            print("deadlines at rest, milliseconds late: \(text)")
            #expect(lateness[0] >= 0, "none is early")
            #expect(lateness[users / 2] <= 50_000, "the median")
            #expect(lateness[users - 1] <= 2_000_000, "also on a machine under load")
            await ledger.close()
        }

        @Test(arguments: [-1, 0, 1] as [Microseconds])
        func anApplyAtTheEndOfTheWindowFindsItClosed(offset: Microseconds) async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 1))
                try await ledger.apply(user: "ann", project: "demo")
                try await ledger.createSession(user: "ann")
                let deadline = try await ledger.disconnect(user: "ann").event.deadline
                clock.advance(by: .seconds(90) + offset)
                let again = try await ledger.apply(user: "ann", project: "demo")
                #expect(again.outcome == (offset < 0 ? .returned : .granted))
                let history = try await ledger.history(ofUser: "ann", limit: 2)
                if offset >= 0 {
                    #expect(history[1].event.outcome == .windowExpired)
                    #expect(history[1].event.time == deadline, "the deadline, not the settling")
                }
            }
        }

        @Test func whatADeadlineDoesCountsFromTheDeadline() async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject(
                    "demo", ProjectChange(concurrencyCount: 2, cleanupTime: .seconds(10)))
                let first = try await ledger.apply(user: "ann", project: "demo").event
                try await ledger.createSession(user: "ann")
                try await ledger.disconnect(user: "ann")
                // Nothing happens for hours; then it all happens at its own time.
                clock.advance(by: .seconds(10_000))
                _ = try await ledger.status()
                let events = try await ledger.history(
                    ofConcurrency: first.concurrency, inProject: "demo", limit: 2)
                #expect(events.map(\.event.kind) == [.recovered, .repossessed])
                #expect(
                    events.map { $0.event.time - ManualClock.start }
                        == [.seconds(100), .seconds(90)])
                let head = ledger.head
                #expect(head.time == ManualClock.start + .seconds(100))
            }
            try expectSound(scratch)
        }

        @Test func aStepOfTheWallClockChangesNothing() async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 2))
                for user in ["ann", "bob"] {
                    try await ledger.apply(user: user, project: "demo")
                    try await ledger.createSession(user: user)
                    try await ledger.disconnect(user: user)
                }
                for step: Microseconds in [.seconds(86_400), .seconds(-200_000)] {
                    clock.stepWall(by: step)
                    clock.advance(by: .seconds(30))
                    #expect(try await ledger.user("ann")?.state == .waiting)
                    let other = try await ledger.apply(user: "other", project: "demo")
                    #expect(other.outcome == .noIdle)
                }
                clock.advance(by: .seconds(30))
                #expect(try await ledger.user("ann")?.state == ConcurrencyState.none)
                let gone = try await ledger.history(ofUser: "ann", limit: 1)
                #expect(gone[0].event.time == ManualClock.start + .seconds(90))
                let times = try await ledger.allEvents().map(\.event.time)
                #expect(times == times.sorted())
            }
            // The wall clock's offset is in the log, beside the events.
            let reader = try LedgerReader(opening: scratch.path)
            var offsets: [Microseconds?] = []
            try reader.log.forEachBatch { batch in
                offsets.append(batch.wallOffset)
                return true
            }
            #expect(offsets.first == 0)
            #expect(offsets.contains(.seconds(86_400)))
            #expect(offsets.last == .seconds(86_400 - 200_000))
        }

        /// The first deadline is found without looking at the others.
        @Test func veryManyWaitingCostADeadlineNothing() async throws {
            func settleCost(waiting count: Int) async throws -> Double {
                let scratch = try Scratch()
                let clock = ManualClock()
                return try await withLedger(scratch, clock) { ledger in
                    let size = ProjectChange(
                        concurrencyCount: UInt32(count + 64), reconnectWindow: .seconds(3_600))
                    try await ledger.modifyProject("many", size)
                    var actions: [Action] = []
                    for user in 0 ..< count {
                        actions += [
                            .apply(user: "u\(user)", project: "many"),
                            .createSession(user: "u\(user)"), .disconnect(user: "u\(user)"),
                        ]
                        if actions.count >= 15_000 {
                            _ = try await ledger.performAll(actions)
                            actions = []
                        }
                    }
                    _ = try await ledger.performAll(actions)
                    // The lock timeouts left in the schedule are looked at once.
                    clock.advance(by: .seconds(60))
                    _ = try await ledger.status()
                    // 64 that are due one after the other, in a window of their own.
                    try await ledger.modifyProject(
                        "many", ProjectChange(reconnectWindow: .seconds(1)))
                    for user in 0 ..< 64 {
                        _ = try await ledger.performAll([
                            .apply(user: "v\(user)", project: "many"),
                            .createSession(user: "v\(user)"), .disconnect(user: "v\(user)"),
                        ])
                        clock.advance(by: 1_000)
                    }
                    clock.advance(by: .seconds(1) - 64_000)
                    // Processor time: what else runs on the machine is no part of it.
                    let start = processorMicroseconds()
                    for _ in 0 ..< 64 {
                        _ = try await ledger.user("v1")
                        clock.advance(by: 1_000)
                    }
                    let length = processorMicroseconds() - start
                    let status = try await ledger.status()
                    #expect(status.counters.repossessed == 64)
                    #expect(status.counters.waitingNow == UInt64(count))
                    return length / 64
                }
            }
            let few = try await settleCost(waiting: 100)
            // Without optimisation it takes long to bring them there.
            #if DEBUG
                let count = environmentNumber("HOLDFAST_WAITING", default: 20_000)
            #else
                let count = environmentNumber("HOLDFAST_WAITING", default: 100_000)
            #endif
            let many = try await settleCost(waiting: count)
            print("settling one deadline with its commit, µs of processor time: \(few) of 100, "
                + "\(many) of \(count)")
            #expect(many < 3 * few + 500)
        }

        /// Very many deadlines at one moment are cut into batches, and nobody is skipped.
        @Test func manyDeadlinesAtOnceAreAllSettled() async throws {
            let count = 20_000
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject(
                    "demo", ProjectChange(concurrencyCount: UInt32(count)))
                let actions = (0 ..< count).map { Action.apply(user: "u\($0)", project: "demo") }
                _ = try await ledger.performAll(actions)
                let commits = ledger.currentMetrics.commitCount
                clock.advance(by: .seconds(31))
                let status = try await ledger.status()
                #expect(status.counters.repossessed == UInt64(count))
                #expect(status.counters.heldNow == 0)
                #expect(ledger.currentMetrics.commitCount == commits + 2)
                #expect(ledger.head.position == UInt64(3 * count + 2))
            }
            try expectSound(scratch)
        }

        /// A deadline far away must not be slept past when a nearer one arrives.
        @Test func aNearerDeadlineWakesTheWriterInTime() async throws {
            let ledger = try Ledger(opening: scratch.path)
            try await ledger.modifyProject("far", ProjectChange(concurrencyCount: 1))
            try await ledger.apply(user: "far", project: "far")
            try await Task.sleep(for: .milliseconds(20))
            try await ledger.modifyProject("near", Self.oneSecond)
            let deadline = try await ledger.apply(user: "near", project: "near").event.deadline
            for try await event in ledger.events(after: 0)
                where event.event.kind == .repossessed {
                #expect(event.user == "near")
                #expect(event.event.time == deadline)
                #expect(LedgerClock.system.wall() - deadline < 1_000_000)
                break
            }
            await ledger.close()
        }
    }
}
