import EventLog
import Ledger
import LogForge
import ReconnectionRules
import Testing

extension LedgerTests {
    /// Actions in one flat buffer come to the same as the same actions one by one.
    @Suite struct ActionBatches {
        private let scratch: Scratch
        private let other: Scratch
        private let clock = ManualClock()
        private let otherClock = ManualClock()

        init() throws {
            scratch = try Scratch()
            other = try Scratch()
        }

        @Test func aBatchComesToTheSameAsItsActionsOneByOne() async throws {
            var generator = SeededGenerator(
                seed: SeededGenerator.announced(77, for: "batches of actions"))
            try await withLedger(scratch, clock) { batched in
                try await withLedger(other, otherClock) { single in
                    for ledger in [batched, single] {
                        for project in ["p", "q"] {
                            try await ledger.modifyProject(
                                project, ProjectChange(concurrencyCount: 30, cleanupTime: 5))
                        }
                    }
                    for _ in 0..<40 {
                        clock.advance(by: .seconds(7))
                        otherClock.advance(by: .seconds(7))
                        let actions = (0..<200).map { _ in anAction(&generator) }
                        let reply = try await batched.perform(batch(actions))
                        for (index, action) in actions.enumerated() {
                            try await expectSame(reply, index, action, single)
                        }
                    }
                    let digests = (try await batched.stateDigest(), try await single.stateDigest())
                    #expect(digests.0 == digests.1)
                    let events = try await batched.allEvents().map(\.event)
                    #expect(try await single.allEvents().map(\.event) == events)
                }
            }
        }

        private func expectSame(
            _ reply: ActionBatchReply, _ index: Int, _ action: Action, _ single: Ledger
        ) async throws {
            let item = reply[index]
            do {
                let answer = try await single.perform(action)
                #expect(item.position == answer.position && item.outcome == answer.outcome)
                #expect(item.deadline == answer.event.deadline)
                #expect(item.session == answer.event.session)
                #expect(item.concurrency == answer.event.concurrency)
                #expect(item.kind == answer.event.kind && item.state == answer.event.state)
                #expect(item.isRefusal == answer.isRefusal && item.fault == .none)
                if item.project != 0 {
                    #expect(reply.projectNames[item.project] == answer.project)
                }
            } catch {
                let expected: ActionBatchReply.Fault =
                    error.code == .unknownProject ? .unknownProject : .invalidUser
                #expect(item.fault == expected && item.position == 0, "\(action): \(error)")
            }
        }

        private func anAction(_ generator: inout SeededGenerator) -> Action {
            var user = "user-\(generator.below(50))"
            if generator.below(40) == 0 {
                user = ["", "a\u{7}", "a\u{85}b", String(repeating: "x", count: 257)][
                    generator.below(4)]
            }
            let session = generator.below(3) == 0 ? nil : SessionId(generator.below(9_000))
            switch generator.below(10) {
            case 0..<4:
                return .apply(
                    user: user, project: ["p", "q", "nowhere"][min(2, generator.below(7) / 3)])
            case 4..<7:
                return .createSession(user: user, runsWithoutClient: generator.below(5) == 0)
            case 7: return .disconnect(user: user, session: session)
            case 8: return .destroy(user: user, session: session)
            default: return .repossess(user: user)
            }
        }

        private func batch(_ actions: [Action]) -> ActionBatch {
            var batch = ActionBatch()
            for action in actions {
                switch action {
                case .apply(let user, let project, _): batch.apply(user: user, project: project)
                case .createSession(let user, let runsWithoutClient, _):
                    batch.createSession(user: user, runsWithoutClient: runsWithoutClient)
                case .disconnect(let user, let session):
                    batch.disconnect(user: user, session: session)
                case .destroy(let user, let session): batch.destroy(user: user, session: session)
                case .repossess(let user): batch.repossess(user: user)
                case .modifyProject, .forget: Issue.record("not of a batch")
                }
            }
            return batch
        }

        /// More events than one batch of the log takes: several commits, one answer.
        @Test func aLongBatchIsSeveralCommits() async throws {
            let count = 2 * LogFormat.batchEventCountMax
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject(
                    "p", ProjectChange(concurrencyCount: UInt32(count)))
                let before = ledger.currentMetrics
                var batch = ActionBatch()
                for number in 0..<count { batch.apply(user: "u\(number)", project: "p") }
                let reply = try await ledger.perform(batch)
                #expect(reply.items.allSatisfy { $0.outcome == .granted })
                #expect(ledger.head.position >= reply.items.last!.position)
                let after = ledger.currentMetrics
                #expect(after.eventCount - before.eventCount == UInt64(2 * count))
                #expect((4...5).contains(after.commitCount - before.commitCount))
                #expect(after.batchEventCountMax <= UInt64(LogFormat.batchEventCountMax) + 1)
                // All of it at one moment: what arrives together is decided together.
                let times = try await ledger.allEvents().suffix(2 * count).map(\.event.time)
                #expect(Set(times).count == 1)
            }
            try expectSound(scratch)
        }

        /// "é" is spelt in two ways: two projects, in one batch too.
        @Test func projectsThatOnlyLookAlikeAreTwo() async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("\u{e9}", ProjectChange(concurrencyCount: 4))
                var batch = ActionBatch()
                batch.apply(user: "ann", project: "\u{e9}")
                batch.apply(user: "bob", project: "e\u{301}")
                batch.apply(user: "cid", project: "\u{e9}")
                let reply = try await ledger.perform(batch)
                #expect(reply.items.map(\.fault) == [.none, .unknownProject, .none])
                #expect(try await ledger.user("bob") == nil)
            }
        }

        @Test func whatIsNoActionNamesNobody() async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("p", ProjectChange(concurrencyCount: 1))
                let position = ledger.head.position
                var batch = ActionBatch()
                batch.apply(user: "ann", project: "nowhere")
                batch.apply(user: "", project: "p")
                [UInt8]([0x61, 0xFF]).withUnsafeBytes { batch.destroy(userBytes: $0) }
                let reply = try await ledger.perform(batch)
                #expect(reply.items.map(\.fault) == [.unknownProject, .invalidUser, .invalidUser])
                #expect(ledger.head.position == position)
                #expect(try await ledger.user("ann") == nil)
                #expect(try await ledger.perform(ActionBatch()).count == 0)
            }
        }
    }
}
