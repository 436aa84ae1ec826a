import EventLog
import Ledger
import ReconnectionRules
import Testing

extension LedgerTests {
    /// The feed shows every durable event once, in order, from where one asks, and ends with the
    /// ledger or its reader.
    @Suite struct Feed {
        private let scratch: Scratch
        private let clock = ManualClock()

        init() throws { scratch = try Scratch() }

        private func fill(_ ledger: Ledger, count: Int) async throws {
            try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 10))
            var actions: [Action] = []
            for number in 0 ..< count {
                actions.append(.apply(user: "u\(number % 20)", project: "demo"))
            }
            _ = try await ledger.performAll(actions)
        }

        @Test(arguments: [0, 1, 2, 511, 512, 513, 700, 1_021, 1_022])
        func itResumesExactly(after position: Position) async throws {
            try await withLedger(scratch, clock) { ledger in
                try await fill(ledger, count: 1_000)
                let head = ledger.head.position
                #expect(head == 1_022)
                if position == head { try await ledger.createSession(user: "u1") }
                var next = position + 1
                for try await event in ledger.events(after: position) {
                    #expect(event.event.position == next)
                    #expect(event.event.user == 0 || !event.user.isEmpty)
                    next += 1
                    if next > ledger.head.position { break }
                }
                #expect(next == ledger.head.position + 1)
            }
        }

        @Test func eventsComeAsTheyBecomeDurable() async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 10))
                var feed = ledger.events(after: ledger.head.position).makeAsyncIterator()
                for round in 0 ..< 20 {
                    let reply = try await ledger.createSession(user: "u\(round % 3)")
                    if round < 3 { #expect(try await feed.next()?.event.kind == .userNamed) }
                    let event = try #require(try await feed.next())
                    #expect(event.event == reply.event)
                    #expect(event.user == "u\(round % 3)")
                }
            }
        }

        @Test func severalFeedsAndASlowOneHoldNobodyUp() async throws {
            let ledger = try Ledger(scratch, clock)
            try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 10))
            let goal: Position = 1_000
            let feeds = (0 ..< 4).map { number in
                Task {
                    var positions: [Position] = []
                    for try await event in ledger.events(after: 0) {
                        #expect(event.event.position <= ledger.head.position)
                        positions.append(event.event.position)
                        if number == 0, positions.count % 100 == 0 {
                            try await Task.sleep(for: .milliseconds(15))
                        }
                        if positions.count == goal { break }
                    }
                    return positions
                }
            }
            var actions = 0
            while ledger.head.position < goal {
                try await ledger.createSession(user: "u\(actions % 50)")
                actions += 1
            }
            for feed in feeds { #expect(try await feed.value == Array(1 ... goal)) }
            await ledger.close()
        }

        @Test func aFeedEndsWithTheLedger() async throws {
            let ledger = try Ledger(scratch, clock)
            try await fill(ledger, count: 100)
            let waiting = (0 ..< 8).map { _ in
                Task {
                    var count = 0
                    for try await _ in ledger.events(after: 0) { count += 1 }
                    return count
                }
            }
            try await Task.sleep(for: .milliseconds(50))
            await ledger.close()
            for feed in waiting { #expect(try await feed.value == 122) }
            // One that asks only now ends at once, without an error.
            for try await _ in ledger.events(after: 122) { Issue.record("nothing is there") }
            for try await _ in ledger.events(after: 0) {}
        }

        @Test(arguments: [0, 122] as [Position])
        func aCancelledReaderEndsPromptly(after position: Position) async throws {
            let ledger = try Ledger(scratch, clock)
            try await fill(ledger, count: 100)
            let reading = Task {
                var count = 0
                for try await _ in ledger.events(after: position) {
                    count += 1
                    // A reader that is behind: there is always more.
                    if position == 0 { try? await Task.sleep(for: .milliseconds(20)) }
                }
                return count
            }
            try await Task.sleep(for: .milliseconds(50))
            let start = ContinuousClock.now
            reading.cancel()
            #expect(try await reading.value < 60)
            #expect(ContinuousClock.now - start < .milliseconds(500))
            await ledger.close()
        }

        /// Very many readers come and go; none is left behind.
        @Test func waitersThatGiveUpAreForgotten() async throws {
            let ledger = try Ledger(scratch, clock)
            try await fill(ledger, count: 10)
            let head = ledger.head.position
            for _ in 0 ..< 20 {
                let readers = (0 ..< 50).map { _ in
                    Task { for try await _ in ledger.events(after: head) {} }
                }
                for reader in readers { reader.cancel() }
                for reader in readers { try await reader.value }
            }
            var feed = ledger.events(after: head).makeAsyncIterator()
            let reply = try await ledger.createSession(user: "u1")
            #expect(try await feed.next()?.event == reply.event)
            await ledger.close()
        }
    }
}
