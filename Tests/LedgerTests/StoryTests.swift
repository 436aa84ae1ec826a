import EventLog
import Ledger
import ReconnectionRules
import Testing

extension LedgerTests {
    /// What an embedder sees: actions, views, history, and what is no action.
    @Suite struct Story {
        private let scratch: Scratch
        private let clock = ManualClock()

        init() throws { scratch = try Scratch() }

        @Test func aVanishedClientGetsTheSameConcurrencyBack() async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 2))
                let applied = try await ledger.apply(user: "ann", project: "demo")
                #expect(applied.outcome == .granted)
                #expect(applied.project == "demo")
                #expect(applied.event.deadline == ManualClock.start + .seconds(30))
                let first = try await ledger.createSession(user: "ann")
                #expect(first.outcome == .fresh)
                #expect(first.event.session == first.position)
                clock.advance(by: .seconds(5))
                let gone = try await ledger.disconnect(user: "ann", session: first.event.session)
                #expect(gone.outcome == .waiting)
                #expect(gone.event.deadline == ManualClock.start + .seconds(95))
                clock.advance(by: .seconds(60))
                let again = try await ledger.apply(user: "ann", project: "demo")
                #expect(again.outcome == .returned)
                #expect(again.event.concurrency == applied.event.concurrency)
                let second = try await ledger.createSession(user: "ann")
                #expect(second.outcome == .resumed)
                #expect(second.event.session > first.event.session)
                let late = try await ledger.disconnect(user: "ann", session: first.event.session)
                #expect(late.outcome == .stale)
                #expect(try await ledger.user("ann")?.state == .connected)
                let freed = try await ledger.destroy(user: "ann")
                #expect(freed.outcome == .freed)
                #expect(try await ledger.destroy(user: "ann").outcome == .nothingHeld)
            }
        }

        @Test func aRepossessedUserGetsANewOne() async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 2))
                try await ledger.apply(user: "ann", project: "demo")
                let session = try await ledger.createSession(user: "ann").event.session
                try await ledger.disconnect(user: "ann", session: session)
                clock.advance(by: .seconds(90))
                #expect(try await ledger.user("ann")?.state == ConcurrencyState.none)
                let again = try await ledger.apply(user: "ann", project: "demo")
                #expect(again.outcome == .granted)
                #expect(again.event.concurrency == 2, "the one idle longest")
            }
        }

        @Test func everyActionHasItsReply() async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("one", ProjectChange(concurrencyCount: 1))
                try await ledger.modifyProject("two", ProjectChange(concurrencyCount: 1))
                try await ledger.apply(user: "ann", project: "one")
                let refused = try await ledger.apply(user: "bob", project: "one")
                #expect(refused.outcome == .noIdle)
                #expect(refused.isRefusal)
                #expect(refused.project == "")
                #expect(try await ledger.createSession(user: "bob").outcome == .lockTimeout)
                try await ledger.createSession(user: "ann", runsWithoutClient: true)
                #expect(try await ledger.disconnect(user: "ann").outcome == .keptRunning)
                #expect(try await ledger.createSession(user: "ann").outcome == .takeover)
                let moved = try await ledger.apply(user: "ann", project: "two")
                #expect(moved.outcome == .granted)
                #expect(moved.project == "two")
                let gone = try await ledger.history(ofUser: "ann", limit: 1)
                #expect(gone.first?.event.outcome == .moved)
                #expect(gone.first?.project == "one")
                #expect(try await ledger.repossess(user: "ann").outcome == .operator_)
                #expect(try await ledger.repossess(user: "ann").outcome == .nothingHeld)
                try await ledger.modifyProject("one", ProjectChange(requiresSessionName: true))
                try await ledger.apply(user: "bob", project: "one")
                try await ledger.createSession(user: "bob")
                #expect(try await ledger.disconnect(user: "bob").outcome == .sessionNameRequired)
            }
        }

        @Test func theCallerIsRecorded() async throws {
            try await withLedger(scratch, clock) { ledger in
                let size = ProjectChange(concurrencyCount: 1)
                try await ledger.modifyProject("demo", size, by: .commandLine)
                let reply = try await ledger.apply(user: "ann", project: "demo", by: .credential(7))
                #expect(reply.event.caller == Caller.credential(7).rawValue)
                let named = try await ledger.event(of: reply)
                #expect(named.user == "ann")
                #expect(named.project == "demo")
                #expect(named.inputProject == "demo")
            }
        }

        @Test func viewsTellWhatIsHeld() async throws {
            try await withLedger(scratch, clock) { ledger in
                #expect(try await ledger.user("ann") == nil)
                #expect(try await ledger.project("demo") == nil)
                #expect(try await ledger.projects().isEmpty)
                var change = ProjectChange(concurrencyCount: 5)
                change.cleanupTime = .seconds(10)
                try await ledger.modifyProject("demo", change)
                try await ledger.modifyProject("other", ProjectChange(concurrencyCount: 0))
                for user in ["res", "con", "wai", "rec"] {
                    try await ledger.apply(user: user, project: "demo")
                    if user != "res" { try await ledger.createSession(user: user) }
                }
                try await ledger.disconnect(user: "wai")
                try await ledger.destroy(user: "rec")
                let view = try #require(try await ledger.project("demo"))
                #expect(view.settings.cleanupTime == .seconds(10))
                #expect(view.totalCount == 5)
                #expect(view.runningCount == 4)
                #expect(view.idleCount == 1)
                #expect(
                    [
                        view.reservedCount, view.connectedCount, view.waitingCount,
                        view.recoveringCount,
                    ]
                        == [1, 1, 1, 1])
                #expect(try await ledger.projects().map(\.name) == ["demo", "other"])
                let waiting = try #require(try await ledger.user("wai"))
                #expect(waiting.state == .waiting)
                #expect(waiting.project == "demo")
                #expect(waiting.concurrency == 3)
                #expect(waiting.deadline == ManualClock.start + .seconds(90))
                #expect(waiting.eventCount == 4, "named, applied, session, disconnected")
                let recovered = try #require(try await ledger.user("rec"))
                #expect(recovered.project == nil)
                #expect(recovered.concurrency == 0)
                let status = try await ledger.status()
                #expect(status.userCount == 4)
                #expect(status.projectCount == 2)
                #expect(status.counters.starts == 4)
                #expect(status.counters.heldNow == 3)
                #expect(status.position == ledger.head.position)
                #expect(status.metrics.commandCount == 11)
                #expect(ledger.currentMetrics.eventCount == ledger.head.position)
            }
        }

        @Test func settingsNotNamedAreKept() async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject(
                    "demo",
                    ProjectChange(
                        concurrencyCount: 3, reconnectWindow: .seconds(7), lockTimeout: .seconds(8),
                        cleanupTime: .seconds(9), requiresSessionName: true))
                try await ledger.modifyProject("demo", ProjectChange(lockTimeout: .seconds(11)))
                let settings = try #require(try await ledger.project("demo")).settings
                #expect(
                    settings
                        == ProjectSettings(
                            concurrencyCount: 3, reconnectWindow: .seconds(7),
                            lockTimeout: .seconds(11), cleanupTime: .seconds(9),
                            requiresSessionName: true))
            }
        }

        // MARK: - History

        @Test(arguments: [1, 3, 7, 100])
        func aUsersHistoryComesInPages(limit: Int) async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 3))
                for round in 0 ..< 40 {
                    for user in ["ann", "bob"] {
                        try await ledger.apply(user: user, project: "demo")
                        try await ledger.createSession(user: user)
                        if round % 3 == 0 { try await ledger.destroy(user: user) }
                    }
                }
                let expected = try await ledger.allEvents().filter { $0.user == "ann" }
                var pages: [NamedEvent] = []
                var before: Position?
                while true {
                    let page = try await ledger.history(
                        ofUser: "ann", before: before, limit: limit)
                    if page.isEmpty { break }
                    #expect(page.count <= limit)
                    pages += page
                    before = page.last?.event.position
                }
                #expect(pages == Array(expected.reversed()))
                // From any position, of this user or not.
                for before: Position in [1, 2, 3, 50, 51, 111, 112, 5_000] {
                    let page = try await ledger.history(ofUser: "ann", before: before, limit: 2)
                    let wanted = expected.reversed().filter { $0.event.position < before }.prefix(2)
                    #expect(page == Array(wanted), "before \(before)")
                }
                #expect(try await ledger.history(ofUser: "ann", limit: 0).isEmpty)
                #expect(try await ledger.history(ofUser: "nobody").isEmpty)
            }
        }

        @Test func aConcurrencysHistoryComesInPages() async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 2))
                try await ledger.modifyProject("other", ProjectChange(concurrencyCount: 2))
                for round in 0 ..< 30 {
                    let user = "u\(round % 5)"
                    let project = round % 4 == 0 ? "other" : "demo"
                    try await ledger.apply(user: user, project: project)
                    try await ledger.createSession(user: user)
                    try await ledger.destroy(user: user)
                    clock.advance(by: 1)
                }
                let expected = try await ledger.allEvents().filter {
                    $0.project == "demo" && $0.event.concurrency == 1
                }
                #expect(!expected.isEmpty)
                var pages: [NamedEvent] = []
                var before: Position?
                while true {
                    let page = try await ledger.history(
                        ofConcurrency: 1, inProject: "demo", before: before, limit: 4)
                    if page.isEmpty { break }
                    pages += page
                    before = page.last?.event.position
                }
                #expect(pages == Array(expected.reversed()))
                for (number, project) in [(0, "demo"), (3, "demo"), (1, "none")] {
                    let history = try await ledger.history(
                        ofConcurrency: ConcurrencyNumber(number), inProject: project)
                    #expect(history.isEmpty)
                }
            }
        }

        // MARK: - No action

        @Test func whatIsNoActionLeavesNothing() async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 1))
                let head = ledger.head
                let long = String(repeating: "ä", count: 129)
                for name in ["", "a\nb", "\u{7F}", "\u{0}", long] {
                    #expect(
                        await code { try await ledger.apply(user: name, project: "demo") }
                            == .invalid)
                    #expect(await code { try await ledger.createSession(user: name) } == .invalid)
                    #expect(await code { try await ledger.disconnect(user: name) } == .invalid)
                    #expect(await code { try await ledger.destroy(user: name) } == .invalid)
                    #expect(await code { try await ledger.repossess(user: name) } == .invalid)
                    let change = ProjectChange(concurrencyCount: 1)
                    #expect(await code { try await ledger.modifyProject(name, change) } == .invalid)
                }
                #expect(
                    await code { try await ledger.apply(user: "ann", project: "none") }
                        == .unknownProject)
                #expect(
                    await code { try await ledger.modifyProject("new", ProjectChange()) }
                        == .unknownProject)
                let outOfRange: [ProjectChange] = [
                    ProjectChange(concurrencyCount: 16_000_001),
                    ProjectChange(concurrencyCount: 1, reconnectWindow: .seconds(1) - 1),
                    ProjectChange(concurrencyCount: 1, reconnectWindow: .seconds(86_400) + 1),
                    ProjectChange(concurrencyCount: 1, lockTimeout: 0),
                    ProjectChange(concurrencyCount: 1, lockTimeout: .max),
                    ProjectChange(concurrencyCount: 1, cleanupTime: -1),
                    ProjectChange(concurrencyCount: 1, cleanupTime: .min),
                ]
                for change in outOfRange {
                    for project in ["demo", "new"] {
                        #expect(
                            await code { try await ledger.modifyProject(project, change) }
                                == .invalid)
                    }
                }
                #expect(ledger.head == head)
                let status = try await ledger.status()
                #expect(status.userCount == 0)
                #expect(status.projectCount == 1)
                #expect(status.metrics.commandCount == 1)
                #expect(try await ledger.user("ann") == nil)
                // A name of exactly 256 bytes is one.
                let longest = String(repeating: "ä", count: 128)
                #expect(try await ledger.apply(user: longest, project: "demo").outcome == .granted)
                #expect(try await ledger.user(longest)?.number == 1)
            }
        }

        @Test func namesAreComparedByteByByte() async throws {
            try await withLedger(scratch, clock) { ledger in
                try await ledger.modifyProject("demo", ProjectChange(concurrencyCount: 9))
                for name in ["é", "e\u{301}", "E", "e", " e"] {
                    #expect(try await ledger.apply(user: name, project: "demo").outcome == .granted)
                }
                #expect(try await ledger.status().userCount == 5)
            }
            // They come back from the log and from the checkpoint as they went in.
            for _ in 0 ..< 2 {
                try await withLedger(scratch, clock) { ledger in
                    let composed = try await ledger.user("é")
                    #expect(composed?.number == 1)
                    let decomposed = try await ledger.user("e\u{301}")
                    #expect(decomposed?.number == 2)
                }
                scratch.remove("views")
            }
        }
    }
}
