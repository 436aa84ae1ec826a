import Audit
import EventLog
import Ledger
import Proofs
import ReconnectionRules
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

extension LedgerTests {
    /// Nothing is answered before it is durable, and a disk that fails costs nothing answered.
    @Suite(.enabled(if: Faults.isAvailable, "needs glibc, dynamically linked"))
    struct Durability {
        private let scratch: Scratch
        private let clock = ManualClock()

        init() throws { scratch = try Scratch() }

        private func watch() -> Faults { Faults(on: scratch.directory.log) }

        @Test func aCommitIsTwoBarriers() async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 1_000))
                let faults = watch()
                let before = ledger.currentMetrics.commitCount
                for round in 0 ..< 10 { try await ledger.apply(user: "u\(round)", project: "demo") }
                #expect(ledger.currentMetrics.commitCount == before + 10)
                #expect(faults.count(.sync) == 20)
                #expect(faults.count(.durable) == 0)
                // Pages, their sync, the meta page that makes them count, its sync.
                var steps: [Faults.Kind] = []
                for kind in faults.order where steps.last != kind { steps.append(kind) }
                #expect(steps == (0 ..< 20).flatMap { _ in [Faults.Kind.write, .sync] })
                // A thousand commands that arrive together cost no more.
                let actions = (0 ..< 1_000).map { Action.createSession(user: "v\($0)") }
                _ = try await ledger.performAll(actions)
                #expect(faults.barrierCount == 22)
                // Queries cost nothing.
                _ = try await ledger.status()
                _ = try await ledger.history(ofUser: "u1")
                #expect(faults.barrierCount == 22)
            }
        }

        @Test(arguments: [Faults.Kind.write, .sync])
        func nothingIsAnsweredBeforeItsBarrier(kind: Faults.Kind) async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 10))
                let faults = watch()
                let head = ledger.head
                faults.hold(kind)
                let answered = Shared(0)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        try await ledger.apply(user: "ann", project: "demo")
                        answered.change { $0 += 1 }
                    }
                    #expect(await eventually { faults.isHolding })
                    // These arrive while the first batch waits for the disk.
                    group.addTask {
                        let view = try await ledger.user("ann")
                        #expect(view?.state == .reserved)
                        answered.change { $0 += 1 }
                    }
                    group.addTask {
                        for try await event in ledger.events(after: head.position) {
                            #expect(event.event.position == head.position + 1)
                            break
                        }
                        answered.change { $0 += 1 }
                    }
                    try await Task.sleep(for: .milliseconds(60))
                    #expect(answered.value == 0)
                    #expect(ledger.head == head)
                    faults.release(kind)
                    try await group.waitForAll()
                }
                #expect(answered.value == 3)
                #expect(ledger.head.position == head.position + 2)
            }
        }

        /// While one batch waits for the disk, what arrives becomes the next two: what is queued at
        /// once, and all the rest; a few more where the machine is slow. Each has one wait, and one
        /// more where no other followed at once.
        @Test func whatArrivesDuringACommitSharesCommits() async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 100))
                let faults = watch()
                faults.hold(.sync)
                let before = ledger.currentMetrics.commitCount
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await ledger.apply(user: "first", project: "demo") }
                    #expect(await eventually { faults.isHolding })
                    for caller in 0 ..< 50 {
                        group.addTask {
                            try await ledger.apply(user: "u\(caller)", project: "demo")
                        }
                    }
                    try await Task.sleep(for: .milliseconds(60))
                    faults.release(.sync)
                    try await group.waitForAll()
                }
                let commits = ledger.currentMetrics.commitCount - before
                #expect((2 ... 9).contains(commits))
                #expect((commits + 1 ... 2 * commits).contains(faults.count(.sync)))
            }
        }

        /// The figures of one answer belong to one moment, also amid a batch.
        @Test func theHeadAndTheCountersOfAStatusBelongTogether() async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 100))
                let faults = watch()
                faults.hold(.sync)
                let first = Task { try await ledger.apply(user: "first", project: "demo") }
                #expect(await eventually { faults.isHolding })
                let second = Task { try await ledger.apply(user: "second", project: "demo") }
                try await Task.sleep(for: .milliseconds(50))
                let asking = Task { try await ledger.status() }
                try await Task.sleep(for: .milliseconds(50))
                faults.release(.sync)
                let status = try await asking.value
                _ = try await first.value
                let position = try await second.value.position
                #expect(status.counters.starts == 2)
                #expect(status.position >= position)
            }
        }

        /// A batch that is on its way to the disk is in no head: somebody would hold the ledger to
        /// what a power cut took away.
        @Test func noHeadCoversWhatIsNotDurable() async throws {
            struct Desk: HeadDestination {
                let heads = Shared<[UInt64?]>([])
                func deliver(_ head: SignedHead, timeout: Swift.Duration) async throws {
                    heads.change { $0.append(head.head.position) }
                }
            }
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 10))
                let desk = Desk()
                let publisher = try HeadPublisher(
                    ledger, signer: LedgerHeads.signer(owning: ledger), to: desk)
                await publisher.finish()
                let faults = watch()
                faults.delay(.sync, microseconds: 300_000)
                let applying = Task { try await ledger.apply(user: "ann", project: "demo") }
                // Committed, and for anybody to see in LMDB; the second barrier is still to come.
                #expect(try await eventually { try ledger.log.uncheckedEnd().position > 2 })
                await publisher.finish()
                let durable = ledger.head.position
                #expect(desk.heads.value.allSatisfy { $0! <= durable })
                let position = try await applying.value.position
                await publisher.finish()
                #expect(desk.heads.value.last == position)
            }
        }

        struct Failure: Sendable, CustomTestStringConvertible {
            var kind: Faults.Kind
            var error: Int32
            var testDescription: String { "\(kind) fails with errno \(error)" }
        }

        @Test(arguments: [
            Failure(kind: .sync, error: EIO), Failure(kind: .write, error: EIO),
            Failure(kind: .write, error: ENOSPC), Failure(kind: .sync, error: ENOSPC),
        ])
        func aFailedCommitStopsTheLedgerAndLosesNothingAnswered(failure: Failure) async throws {
            let acknowledged = Shared<[Event]>([])
            let failures = Shared<[LedgerError.Code]>([])
            let callers = 32
            do {
                let ledger = try Ledger(scratch, clock)
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 20))
                let faults = watch()
                faults.fail(failure.kind, after: 15, times: .max, with: failure.error)
                await withTaskGroup(of: Void.self) { group in
                    for caller in 0 ..< callers {
                        group.addTask {
                            for round in 0 ..< 2_000 {
                                do throws(LedgerError) {
                                    let action: Action =
                                        round % 2 == 0
                                        ? .apply(user: "u\(caller)", project: "demo")
                                        : .createSession(user: "u\(caller)")
                                    let reply = try await ledger.perform(action)
                                    acknowledged.change { $0.append(reply.event) }
                                } catch {
                                    failures.change { $0.append(error.code) }
                                    // The disk is well again, the ledger must not be.
                                    let again = await code {
                                        try await ledger.apply(user: "u1", project: "demo")
                                    }
                                    #expect(again == .failed)
                                    return
                                }
                            }
                        }
                    }
                }
                #expect(failures.value == Array(repeating: .failed, count: callers))
                #expect(await code { _ = try await ledger.status() } == .failed)
                #expect(await code { _ = try await ledger.performAll([]) } == .failed)
                #expect(await code { _ = try await ledger.history(ofUser: "u1") } == .failed)
                await ledger.close()
                #expect(ledger.failure?.code == .failed)
                // Nobody was shown what is not durable.
                #expect(
                    ledger.head.position == acknowledged.value.map(\.position).max())
            }
            #expect(try await eventually { try isFree() })
            let replies = acknowledged.value
            #expect(replies.count > 10)
            do {
                let reader = try LedgerReader(opening: scratch.path)
                for reply in replies { #expect(try reader.log.event(at: reply.position) == reply) }
            }
            try expectSound(scratch)
            // And it works again.
            try await withLedger(scratch, clock) { ledger in
                try await ledger.apply(user: "ann", project: "demo")
                #expect(ledger.failure == nil)
            }
            try expectSound(scratch)
        }

        private func isFree() throws -> Bool {
            try LedgerReader(opening: scratch.path).head.position > 0
        }

        /// The last commit of an orderly end can fail as well: close() must still return.
        @Test func aFailureWhileClosingIsTold() async throws {
            let ledger = try Ledger(scratch, clock)
            try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 1))
            try await ledger.apply(user: "ann", project: "demo")
            clock.advance(by: .seconds(31))
            let faults = watch()
            faults.fail(.sync, times: .max, with: EIO)
            await ledger.close()
            #expect(ledger.failure?.code == .failed)
            #expect(await code { try await ledger.apply(user: "b", project: "demo") } == .failed)
        }

        /// A checkpoint that cannot be written costs time at the next opening and nothing else.
        @Test func aFailedCheckpointIsNoFailureOfTheLedger() async throws {
            do {
                let faults = Faults(on: scratch.directory.views)
                try await withLedger(scratch, clock, { $0.checkpointEventCount = 10 }) { ledger in
                    try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 5))
                    faults.fail(.write, after: 2, times: 3, with: ENOSPC)
                    for round in 0 ..< 200 {
                        try await ledger.apply(user: "u\(round % 7)", project: "demo")
                    }
                }
                #expect(faults.count(.write) > 5)
            }
            let digest = try expectSound(scratch)
            try await withLedger(scratch, clock) { ledger in
                #expect(ledger.recovery.rejection == nil)
                #expect(ledger.recovery.replayedEventCount == 0)
            }
            scratch.remove("views")
            #expect(try expectSound(scratch) != digest, "the opening is an event")
        }

        /// The sign of life is no part of a commit: that it cannot be written stops nothing.
        @Test func aSignOfLifeThatCannotBeWrittenStopsNothing() async throws {
            let faults = Faults(on: scratch.directory.signOfLife)
            faults.fail(.write, times: .max, with: EIO)
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 1))
                try await ledger.apply(user: "ann", project: "demo")
                clock.advance(by: .seconds(1))
                _ = try await ledger.status()
                #expect(await eventually { faults.count(.write) > 0 })
                #expect(try await ledger.createSession(user: "ann").outcome == .fresh)
            }
        }
    }
}
