import EventLog
import Ledger
import ReconnectionRules
import Testing

extension LedgerTests {
    /// Everybody is answered, and nothing is left behind.
    @Suite struct Shutdown {
        private let scratch: Scratch
        private let clock = ManualClock()

        init() throws { scratch = try Scratch() }

        @Test(arguments: 0 ..< 6)
        func closingAnswersEverybody(round: Int) async throws {
            let acknowledged = Shared<[Event]>([])
            let others = Shared<[LedgerError.Code]>([])
            let callers = 64
            try await load(callers, closingAfter: round * 7, acknowledged, others)
            #expect(others.value == Array(repeating: .closed, count: callers))
            // Closed and let go: the directory is free at once.
            let reader = try LedgerReader(opening: scratch.path)
            for event in acknowledged.value {
                #expect(try reader.log.event(at: event.position) == event)
            }
            #expect(reader.recovery.replayedEventCount == 0)
        }

        private func load(
            _ callers: Int, closingAfter milliseconds: Int, _ acknowledged: Shared<[Event]>,
            _ others: Shared<[LedgerError.Code]>
        ) async throws {
            let ledger = try Ledger(scratch, clock)
            try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 50))
            await withTaskGroup(of: Void.self) { group in
                for caller in 0 ..< callers {
                    group.addTask {
                        while true {
                            do throws(LedgerError) {
                                let reply = try await ledger.apply(
                                    user: "u\(caller)", project: "demo")
                                acknowledged.change { $0.append(reply.event) }
                                _ = try await ledger.user("u\(caller)")
                            } catch {
                                others.change { $0.append(error.code) }
                                return
                            }
                        }
                    }
                }
                for _ in 0 ..< 3 {
                    group.addTask {
                        try? await Task.sleep(for: .milliseconds(milliseconds))
                        await ledger.close()
                    }
                }
            }
            #expect(ledger.failure == nil)
            await ledger.close()
        }

        @Test func closingIsIdempotent() async throws {
            let ledger = try Ledger(scratch, clock)
            for _ in 0 ..< 3 { await ledger.close() }
            #expect(await code { _ = try await ledger.status() } == .closed)
            #expect(await code { try await ledger.destroy(user: "ann") } == .closed)
            #expect(await code { _ = try await ledger.performAll([]) } == .closed)
        }

        /// Closed and let go, a directory can be opened again at once; every time.
        @Test func aHundredCyclesLeaveNothingBehind() async throws {
            _ = try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 5))
            }
            let files = openFileCount()
            let threads = threadCount()
            for cycle in 0 ..< 100 {
                let ledger = try Ledger(scratch, clock)
                try await ledger.apply(user: "u\(cycle % 9)", project: "demo")
                await ledger.close()
            }
            #expect(openFileCount() <= files + 1, "one may belong to another test")
            #expect(await eventually { threadCount() <= threads + 3 }, "\(threads)")
            print("100 cycles: \(files) to \(openFileCount()) files, \(threads) to "
                + "\(threadCount()) threads")
        }

        @Test func ledgersLetGoWithoutClosingEndTheirThreads() async throws {
            let threads = threadCount()
            let files = openFileCount()
            for _ in 0 ..< 20 {
                let other = try Scratch()
                let ledger = try Ledger(other, clock)
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 5))
            }
            #expect(await eventually { threadCount() <= threads + 3 }, "\(threads)")
            #expect(await eventually { openFileCount() <= files + 1 }, "\(files)")
        }

        /// An opening that fails lets go of all it took, and of nothing it did not.
        @Test func refusedOpeningsLeaveNothingBehind() async throws {
            let ledger = try Ledger(scratch, clock)
            try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 5))
            let files = openFileCount()
            for _ in 0 ..< 50 {
                #expect(await code { _ = try Ledger(scratch, clock) } == .owned)
            }
            #expect(openFileCount() <= files + 1)
            try await ledger.apply(user: "ann", project: "demo")
            await ledger.close()
        }
    }
}
