import EventLog
import Ledger
import ReconnectionRules
import Testing

extension LedgerTests {
    /// What arrives together is committed together.
    @Suite struct GroupCommit {
        private let scratch: Scratch
        private let clock = ManualClock()

        init() throws { scratch = try Scratch() }

        @Test func concurrentCallersShareCommits() async throws {
            let callers = 64
            let rounds = 25
            try await withLedger(scratch, clock) { ledger in
                let size = ProjectChange(concurrencyCount: UInt32(callers))
                try await ledger.modifyProject("demo", size)
                let before = ledger.currentMetrics
                var positions: [Position] = []
                try await withThrowingTaskGroup(of: [Position].self) { group in
                    for caller in 0 ..< callers {
                        group.addTask {
                            var positions: [Position] = []
                            for _ in 0 ..< rounds {
                                let applied = try await ledger.apply(
                                    user: "u\(caller)", project: "demo")
                                let session = try await ledger.createSession(user: "u\(caller)")
                                positions += [applied.position, session.position]
                            }
                            return positions
                        }
                    }
                    for try await answered in group { positions += answered }
                }
                let after = ledger.currentMetrics
                let commands = callers * rounds * 2
                #expect(after.commandCount - before.commandCount == UInt64(commands))
                #expect(positions.count == commands)
                #expect(Set(positions).count == commands)
                // Every position is an answer's, or names a user.
                let events = try await ledger.allEvents()
                #expect(events.map(\.event.position) == Array(1 ... ledger.head.position))
                let unanswered = events.filter { !positions.contains($0.event.position) }
                #expect(unanswered.count { $0.event.kind == .userNamed } == callers)
                #expect(unanswered.count == callers + 2, "and the project's two")
                let commits = after.commitCount - before.commitCount
                print(
                    "group commit: \(commands) commands of \(callers) callers, "
                        + "\(commits) commits")
                #expect(commits * 8 < UInt64(commands))
                #expect(after.batchSizes.reduce(0, +) == after.commitCount)
            }
        }

        @Test func manyActionsAtOnceAreOneCommit() async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 400))
                let before = ledger.currentMetrics.commitCount
                let actions = (0 ..< 500).map { Action.apply(user: "u\($0)", project: "demo") }
                let results = try await ledger.performAll(actions)
                #expect(ledger.currentMetrics.commitCount == before + 1)
                #expect(ledger.currentMetrics.batchEventCountMax == 1_000)
                let replies = try results.map { try $0.get() }
                #expect(replies.count { $0.outcome == .granted } == 400)
                #expect(replies.count { $0.outcome == .noIdle } == 100)
                #expect(replies.map(\.position) == replies.map(\.position).sorted())
            }
        }

        @Test func oneThatIsNoActionDoesNotStopTheOthers() async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 1))
                let results = try await ledger.performAll([
                    .apply(user: "ann", project: "demo"), .apply(user: "", project: "demo"),
                    .apply(user: "bob", project: "none"), .createSession(user: "ann"),
                ])
                #expect(try results[0].get().outcome == .granted)
                #expect(try results[3].get().outcome == .fresh)
                func code(_ result: Result<ActionReply, LedgerError>) -> LedgerError.Code? {
                    if case .failure(let error) = result { error.code } else { nil }
                }
                #expect(code(results[1]) == .invalid)
                #expect(code(results[2]) == .unknownProject)
                #expect(try await ledger.user("bob") == nil)
                #expect(try await ledger.performAll([]).isEmpty)
            }
        }

        @Test func moreThanABatchHoldsIsCutBetweenCommands() async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 1))
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for caller in 0 ..< 10 {
                        group.addTask {
                            let actions = (0 ..< 5_000).map { _ in
                                Action.createSession(user: "u\(caller)")
                            }
                            return try await ledger.performAll(actions).count
                        }
                    }
                    for try await count in group { #expect(count == 5_000) }
                }
                #expect(ledger.head.position == 50_000 + 12)
                #expect(ledger.currentMetrics.batchEventCountMax < 16_384 + 5_002)
            }
            try expectSound(scratch)
        }

        /// A query sees what was answered before it, and its figures belong together.
        @Test func queriesSeeWhatWasAnswered() async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 64))
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for caller in 0 ..< 16 {
                        group.addTask {
                            for _ in 0 ..< 20 {
                                let user = "u\(caller)"
                                try await ledger.apply(user: user, project: "demo")
                                let session = try await ledger.createSession(user: user)
                                let view = try await ledger.user(user)
                                #expect(view?.session == session.position)
                                #expect(view?.lastPosition == session.position)
                                #expect(ledger.head.position >= session.position)
                                try await ledger.destroy(user: user, session: session.position)
                                #expect(try await ledger.user(user)?.state == ConcurrencyState.none)
                            }
                        }
                    }
                    try await group.waitForAll()
                }
            }
        }
    }
}
