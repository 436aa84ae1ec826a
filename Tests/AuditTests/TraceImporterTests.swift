@testable import Audit
import EventLog
import Foundation
import Ledger
import LogForge
import ReconnectionRules
import Testing

/// Plays a trace into a directory.
@discardableResult
func importTrace(
    _ trace: String, into path: String, project: String = "p",
    _ change: ProjectChange = ProjectChange(concurrencyCount: 20)
) throws -> TraceImporter.Report {
    var importer = try TraceImporter(
        trace: TraceReader(path: trace), project: project, change: change)
    return try importer.run(into: DataDirectory(path))
}

/// Imports, in this project's own traces and in the one from outside.
@Suite struct TraceImporterTests {
    private let scratch = ScratchDirectory()

    private func writeTrace(seed: UInt64 = 1, rowCount: Int = 300) -> String {
        let path = scratch("trace-\(seed)-\(rowCount).csv")
        Files.write(Array(syntheticTrace(seed: seed, rowCount: rowCount).utf8), to: path)
        return path
    }

    private func write(_ rows: String, as name: String = "small.csv") -> String {
        Files.write(Array("\(TraceReader.header)\n\(rows)".utf8), to: scratch(name))
        return scratch(name)
    }

    // MARK: - What it comes to

    @Test func everyEventOfASmallTrace() throws {
        let trace = write(
            """
            2020-01-01T00:00:00Z,ann,1,start,
            2020-01-01T00:00:10Z,bob,1,start,
            2020-01-01T00:00:20Z,ann,1,drop,
            2020-01-01T00:00:30Z,bob,1,drop,
            2020-01-01T00:01:50Z,bob,2,start,
            2020-01-01T00:01:50Z,cyd,9,drop,
            2020-01-01T00:01:51Z,ann,2,start,
            2020-01-01T00:01:52Z,ann,3,start,
            2020-01-01T00:01:53Z,ann,2,close,
            2020-01-01T00:01:54Z,ann,3,close,

            """)
        try importTrace(trace, into: scratch("data"), ProjectChange(concurrencyCount: 1))
        let start: Microseconds = 1_577_836_800_000_000
        let lines = try reading(scratch("data")) { reader in
            try reader.allEvents().map { event in
                let named = reader.named(event)
                let second = (event.time - start) / 1_000_000
                let session = event.namesSession ? " names \(event.inputSession)" : ""
                return "\(second) \(named.user) \(event.kind.name) \(event.outcome.name)"
                    + " \(event.state.name) \(event.session)\(session)"
            }
        }
        #expect(
            lines == [
                "0  projectNamed done none 0", "0  projectModified done none 30000000",
                "0 ann userNamed done none 0", "0 ann applied granted reserved 0",
                "0 ann sessionCreated fresh connected 5", "10 bob userNamed done none 0",
                "10 bob applied noIdle none 0",
                "20 ann disconnected waiting waiting 5 names 5",
                // A refused start's connection goes by the refusal's position.
                "30 bob disconnected stale none 0 names 7",
                // The window ends at its end, and the start at that very moment finds it closed.
                "110 ann repossessed windowExpired idle 5",
                "110 bob applied granted reserved 0", "110 bob sessionCreated fresh connected 12",
                // A connection that never was names session 0.
                "110 cyd userNamed done none 0", "110 cyd disconnected stale none 0 names 0",
                "111 ann applied noIdle none 0", "112 ann applied noIdle none 0",
                "113 ann destroyed stale none 0 names 15",
                "114 ann destroyed stale none 0 names 16",
            ])
        let report = try Verifier.verify(DataDirectory(scratch("data")))
        #expect(report.eventCount == 18)
        // Time stops at the last row.
        #expect(report.head.time == start + .seconds(114))
    }

    @Test func nothingOfTodayEntersTheLog() throws {
        let trace = writeTrace()
        try importTrace(trace, into: scratch("data"))
        let reader = try LedgerReader(opening: scratch("data"))
        let events = try reader.allEvents()
        #expect(!events.contains { $0.kind == .opened })
        let times = Story.start ... Story.start + .seconds(100_000)
        #expect(events.allSatisfy { times.contains($0.time) })
        #expect(events[0].kind == .projectNamed && events[0].time == events[2].time)
        var origins: [BatchOrigin?] = []
        try reader.log.forEachBatch { batch in
            #expect(batch.wallOffset == nil)
            origins.append(batch.origin)
            return true
        }
        let digest = try TraceReader(path: trace).digest
        #expect(origins == [BatchOrigin(source: digest, rowCount: 300)])
    }

    @Test func aSecondImportChangesNothing() throws {
        let trace = writeTrace()
        let first = try importTrace(trace, into: scratch("data"))
        #expect(first == TraceImporter.Report(rowCount: 300, resumedRowCount: 0))
        let before = Files.all(below: scratch("data"))
        let second = try importTrace(trace, into: scratch("data"))
        #expect(second == TraceImporter.Report(rowCount: 300, resumedRowCount: 300))
        let after = Files.all(below: scratch("data"))
        for name in ["log/data.mdb", "views/data.mdb"] { #expect(after[name] == before[name]) }
    }

    @Test func aLaterTraceMayFollowAndAnOlderOneMayNot() throws {
        let early = write("2020-01-01T00:00:00Z,ann,1,start,\n", as: "early.csv")
        let late = write("2020-01-02T00:00:00Z,ann,1,start,\n", as: "late.csv")
        try importTrace(late, into: scratch("a"))
        let before = Files.read(scratch("a/log/data.mdb"))
        let error = #expect(throws: LedgerError.self) { try importTrace(early, into: scratch("a")) }
        #expect(error?.code == .invalid)
        #expect(error?.message.contains("2020-01-02T00:00:00.000000Z") ?? false)
        #expect(Files.read(scratch("a/log/data.mdb")) == before)
        try importTrace(early, into: scratch("b"))
        try importTrace(late, into: scratch("b"))
        #expect(try LedgerReader(opening: scratch("b")).state.counters.starts == 2)
        #expect(try Verifier.verify(DataDirectory(scratch("b"))).batchCount == 2)
        // The first is no longer the newest: it is refused, not played twice.
        #expect(throws: LedgerError.self) { try importTrace(early, into: scratch("b")) }
    }

    // MARK: - Broken off

    /// The log ends behind each batch in turn; the views are there, old, or gone.
    @Test func brokenOffBehindAnyBatchItEndsTheSame() throws {
        let trace = writeTrace(seed: 3, rowCount: 9_000)
        try importTrace(trace, into: scratch("whole"))
        let (events, digest) = try reading(scratch("whole")) { whole in
            (try whole.allEvents(), StateDigest.of(whole.state))
        }
        let batches = try { [path = scratch("copy")] in
            _ = scratch.directory("copy")
            Files.copy(scratch("whole/log/data.mdb"), to: path + "/data.mdb")
            return try LogForge.batches(in: path)
        }()
        #expect(batches.count == 5)
        for count in 1 ..< batches.count {
            let data = scratch.directory("cut\(count)")
            let log = scratch.directory("cut\(count)/log")
            Files.copy(scratch("whole/log/data.mdb"), to: log + "/data.mdb")
            Files.copy(scratch("whole/personal.keys"), to: data + "/personal.keys")
            try LogForge.replaceBatches(in: log, by: Array(batches.prefix(count)))
            if count % 2 == 0 {
                // A checkpoint that stands further on than the log.
                _ = scratch.directory("cut\(count)/views")
                Files.copy(scratch("whole/views/data.mdb"), to: data + "/views/data.mdb")
            }
            let report = try importTrace(trace, into: data)
            #expect(report.resumedRowCount == UInt64(2_048 * count) && report.rowCount == 9_000)
            let reader = try LedgerReader(opening: data)
            #expect(try reader.allEvents() == events)
            #expect(StateDigest.of(reader.state) == digest)
        }
    }

    /// A row may find more deadlines due than a batch takes: those batches are part of the import
    /// too.
    @Test func brokenOffAmidstAStormOfDeadlinesItEndsTheSame() throws {
        var rows = ""
        let userCount = 16_500
        for user in 0 ..< userCount { rows += "2020-01-01T00:00:00Z,u\(user),1,start,\n" }
        for user in 0 ..< userCount { rows += "2020-01-01T00:00:01Z,u\(user),1,drop,\n" }
        rows += "2020-01-01T01:00:00Z,u1,2,start,\n2020-01-01T01:00:00Z,u1,2,drop,\n"
        let trace = write(rows)
        let change = ProjectChange(concurrencyCount: UInt32(userCount))
        try importTrace(trace, into: scratch("whole"), change)
        let whole = try LedgerReader(opening: scratch("whole"))
        var origins: [BatchOrigin?] = []
        try whole.log.forEachBatch { batch in
            origins.append(batch.origin)
            return true
        }
        #expect(!origins.contains(nil))
        // The batch that settled the storm alone: all rows before it are in.
        let cut = try #require(
            origins.firstIndex { $0?.rowCount == UInt64(2 * userCount) })
        let data = scratch.directory("cut")
        let log = scratch.directory("cut/log")
        Files.copy(scratch("whole/log/data.mdb"), to: log + "/data.mdb")
        Files.copy(scratch("whole/personal.keys"), to: scratch("cut/personal.keys"))
        try LogForge.rewrite(in: log) { $0 = Array($0.prefix(cut + 1)) }
        try importTrace(trace, into: data, change)
        let events = try reading(data) { reader in try reader.allEvents() }
        let expected = try whole.allEvents()
        #expect(events == expected)
    }

    /// Connections may have any names, and one that is started again is the newer one.
    @Test func brokenOffItKnowsConnectionsByAnyName() throws {
        var rows = ""
        let names = ["1", "01", "c/7", "4294967296", "0", "Ä", "000000001", "999999999"]
        var generator = SeededGenerator(seed: 77)
        for second in 0 ..< 6_000 {
            let time = Timestamp.text(Story.start + .seconds(Int64(second)))
            let name = names[generator.below(names.count)]
            let action = ["start", "drop", "close"][generator.below(3)]
            rows += "\(time),u\(generator.below(5)),\(name),\(action),\n"
        }
        let trace = write(rows)
        try importTrace(trace, into: scratch("whole"))
        let expected = try reading(scratch("whole")) { try $0.allEvents() }
        try importTrace(trace, into: scratch("cut"))
        try LogForge.rewrite(in: scratch("cut/log")) { $0.removeLast(2) }
        Files.remove(scratch("cut/views"))
        #expect(try importTrace(trace, into: scratch("cut")).resumedRowCount == 2_048)
        #expect(try reading(scratch("cut")) { try $0.allEvents() } == expected)
        let reports = expected.filter { $0.namesSession && $0.outcome != .stale }
        #expect(reports.count > 300)
    }

    /// Another project or other settings would end in other events.
    @Test func goingOnOtherwiseIsRefused() throws {
        let trace = writeTrace(seed: 3, rowCount: 3_000)
        let data = scratch("data")
        let change = ProjectChange(concurrencyCount: 20, reconnectWindow: .seconds(60))
        // A second project, created before, with the very same settings.
        let other = write("2019-01-01T00:00:00Z,zoe,1,start,\n")
        try importTrace(other, into: data, project: "q", change)
        try importTrace(trace, into: data, change)
        try LogForge.rewrite(in: data + "/log") { $0.removeLast() }
        Files.remove(data + "/views")
        let before = Files.read(data + "/log/data.mdb")
        for (project, change) in [
            ("unknown", change), ("q", change),
            ("p", ProjectChange(concurrencyCount: 21, reconnectWindow: .seconds(60))),
            ("p", ProjectChange(concurrencyCount: 20, reconnectWindow: .seconds(61))),
            ("p", ProjectChange(concurrencyCount: 20, lockTimeout: .seconds(31))),
            ("p", ProjectChange(concurrencyCount: 20, cleanupTime: .seconds(1))),
            ("p", ProjectChange(concurrencyCount: 20, requiresSessionName: true)),
        ] {
            let error = #expect(throws: LedgerError.self, "\(project) \(change)") {
                try importTrace(trace, into: data, project: project, change)
            }
            #expect(error?.message.contains("half imported") ?? false)
            #expect(Files.read(data + "/log/data.mdb") == before)
        }
        let report = try importTrace(trace, into: data, change)
        #expect(report.resumedRowCount == 2_048 && report.rowCount == 3_000)
    }

    /// SIGKILL at any moment, several times over.
    @Test func killedAgainAndAgainItEndsTheSame() async throws {
        let trace = Traces.isThere ? Traces.chatA : writeTrace(seed: 8, rowCount: 20_000)
        let change = ProjectChange(concurrencyCount: 60, reconnectWindow: .seconds(90))
        try importTrace(trace, into: scratch("whole"), change)
        let whole = try LedgerReader(opening: scratch("whole"))
        let expected = try whole.allEvents()
        let seed = SeededGenerator.announced(99, for: "killed imports")
        let data = scratch("data")
        for round in UInt64(0) ..< 6 {
            await #expect(processExitsWith: .signal(SIGKILL)) {
                [trace = trace as String, data = data as String, seed = seed &+ round as UInt64] in
                var generator = SeededGenerator(seed: seed)
                // Counted from the first batch that is to come, not from the process's start.
                let batchCount = generator.below(4)
                let delay = UInt32(generator.below(60_000))
                var importer = try TraceImporter(
                    trace: TraceReader(path: trace), project: "p",
                    change: ProjectChange(concurrencyCount: 60, reconnectWindow: .seconds(90)))
                var count = 0
                func arm() {
                    if count == batchCount {
                        Thread.detachNewThread {
                            usleep(delay)
                            kill(getpid(), SIGKILL)
                        }
                    }
                    count += 1
                }
                arm()
                _ = try importer.run(into: DataDirectory(data)) { _, _ in arm() }
                kill(getpid(), SIGKILL)
            }
            // Half a trace is taken for no ledger that is whole.
            guard DataDirectory(data).isHalfImported else { continue }
            let error = #expect(throws: LedgerError.self) {
                try WritableLedger(opening: DataDirectory(data), options: Ledger.Options())
            }
            #expect(error?.message.contains("import was broken off") ?? false)
        }
        let report = try importTrace(trace, into: data, change)
        #expect(!DataDirectory(data).isHalfImported)
        print("\(report.resumedRowCount) rows stood after the last kill")
        try reading(data) { reader in
            let events = try reader.allEvents()
            #expect(events == expected)
            #expect(StateDigest.of(reader.state) == StateDigest.of(whole.state))
            #expect(reader.state.jumpStacks == whole.state.jumpStacks)
        }
        _ = try Verifier.verify(DataDirectory(data))
    }

    // MARK: - The trace from outside

    struct Expectation: Sendable {
        var concurrencyCount: UInt32
        var window: Int64
        var counts: [String: UInt64]
    }

    static let expectations = [
        Expectation(
            concurrencyCount: 60, window: 90,
            counts: [
                "starts": 12771, "grantedNew": 7594, "resumed": 1645, "takenOver": 1309,
                "rejectedNoIdle": 2223, "disconnected": 6504, "staleDisconnects": 2856,
                "destroyed": 2675, "staleDestroys": 631, "repossessed": 4859, "heldAtEnd": 60,
                "waitingAtEnd": 0,
            ]),
        Expectation(
            concurrencyCount: 110, window: 120,
            counts: [
                "starts": 12771, "grantedNew": 9170, "resumed": 2103, "takenOver": 1498,
                "rejectedNoIdle": 0, "disconnected": 7899, "staleDisconnects": 1461,
                "destroyed": 3291, "staleDestroys": 15, "repossessed": 5796, "heldAtEnd": 83,
            ]),
    ]

    @Test(.enabled(if: Traces.isThere, "\(Traces.whyNot)"), arguments: expectations)
    func theChatComesToTheseCounts(expectation: Expectation) throws {
        let change = ProjectChange(
            concurrencyCount: expectation.concurrencyCount,
            reconnectWindow: .seconds(expectation.window))
        var digests: Set<Digest32> = []
        for name in ["one", "two"] {
            try importTrace(Traces.chatA, into: scratch(name), change)
            try reading(scratch(name)) { reader in
                let rows = LedgerStatistics(reader).rows
                for (key, count) in expectation.counts {
                    #expect(rows.first { $0.name == key }?.value == count, "\(key)")
                }
                digests.insert(StateDigest.of(reader.state))
            }
        }
        let directory = DataDirectory(scratch("one"))
        digests.insert(try Verifier.verify(directory).stateDigest)
        let rebuilt = try Rebuilder.rebuild(directory)
        #expect(rebuilt.isSame && rebuilt.isReplaced)
        digests.insert(StateDigest.of(try LedgerReader(opening: scratch("one")).state))
        #expect(digests.count == 1)
        #expect(rebuilt.stateDigest == digests.first?.description)
    }
}
