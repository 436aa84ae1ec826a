@testable import Audit
import EventLog
import Ledger
import LedgerModel
import LogForge
import ReconnectionRules
import Testing

/// A what-if over logs on disk.
@Suite(.serialized) struct WhatIfTests {
    private let scratch = ScratchDirectory()

    private func ask(
        _ path: String, _ changes: [ProjectChange], _ edit: (inout WhatIf) -> Void = { _ in }
    ) throws -> WhatIfReport {
        var question = WhatIf()
        question.changes = changes
        edit(&question)
        return try reading(path) { try question.run(on: $0) }
    }

    // MARK: - The trace from outside

    /// Resumed and refused, by concurrencies and reconnect window in seconds.
    private static let expected: [UInt32: [(window: Int64, resumed: UInt64, refused: UInt64)]] = [
        110: [(40, 1_245, 0), (90, 1_875, 0), (120, 2_103, 0), (3_600, 4_676, 0)],
        60: [
            (40, 1_081, 2_274), (90, 1_645, 2_223), (120, 1_836, 2_208), (3_600, 3_926, 2_601),
        ],
    ]

    /// Whatever the trace was recorded with, every combination comes to the state that importing it
    /// with those settings comes to, which its digest tells.
    @Test(.enabled(if: Traces.isThere, "\(Traces.whyNot)"), arguments: [110, 60] as [UInt32])
    func theChatComesToTheSameWhateverItWasRecordedWith(recordedCount: UInt32) throws {
        let change = ProjectChange(
            concurrencyCount: recordedCount, reconnectWindow: .seconds(90))
        try importTrace(Traces.chatA, into: scratch("data"), change)
        let changes = WhatIf.combinations(
            reconnectWindows: [40, 90, 120, 3_600].map { .seconds($0) },
            concurrencyCounts: [60, 110])
        let report = try ask(scratch("data"), changes)
        #expect(report.project == "p" && report.outcomes.count == 8)
        let statistics = try reading(scratch("data")) { LedgerStatistics($0) }
        #expect(report.recorded.statistics == statistics)
        let rows = try Trace.rows(of: Files.read(Traces.chatA))
        for outcome in report.outcomes {
            let settings = outcome.settings
            let expected = try #require(Self.expected[settings.concurrencyCount]).first {
                .seconds($0.window) == settings.reconnectWindow
            }
            let counters = outcome.statistics.counters
            #expect(counters.resumed == expected?.resumed)
            #expect(counters.rejectedNoIdle == expected?.refused)
            var truth = Recorder()
            truth.events.reserveCapacity(60_000)
            Trace.play(rows, settings: settings) { truth.run($0, at: $1) }
            #expect(outcome.statistics.stateDigest == StateDigest.of(truth.state).description)
            #expect(counters == truth.state.counters)
            #expect(outcome.statistics.eventCount == UInt64(truth.events.count))
            let isRecorded = change.applies(to: settings)
            #expect(outcome.differences.isEmpty == isRecorded)
            if isRecorded {
                #expect(outcome.waitingHours == report.recorded.waitingHours)
            }
            // A refused connection's end is known from the report that names the refused apply.
            #expect(outcome.boundCount * 50 < max(outcome.assumedSessionCount, 50 * 12))
        }
        try expectGainsAndLosses(report, recordedCount)
    }

    private func expectGainsAndLosses(_ report: WhatIfReport, _ recordedCount: UInt32) throws {
        func outcome(_ count: UInt32, _ window: Int64) throws -> WhatIfOutcome {
            try #require(
                report.outcomes.first {
                    $0.settings.concurrencyCount == count
                        && $0.settings.reconnectWindow == .seconds(window)
                })
        }
        func sum(_ outcome: WhatIfOutcome, _ part: (WhatIfOutcome.UserDifference) -> UInt64)
            -> UInt64
        { outcome.differences.reduce(0) { $0 + part($1) } }
        if recordedCount == 110 {
            // Nobody is refused at 110: a longer window only gains returns, a shorter one loses.
            let longer = try outcome(110, 120)
            #expect(sum(longer, \.returnsGained) == 2_103 - 1_875)
            #expect(longer.usersLost == 0 && sum(longer, \.grantsGained) == 0)
            let shorter = try outcome(110, 40)
            #expect(sum(shorter, \.returnsLost) == 1_875 - 1_245 && shorter.usersGained == 0)
            #expect(longer.assumedSessionCount == 0)
        } else {
            let larger = try outcome(110, 90)
            #expect(larger.assumedSessionCount == 2_223 && larger.usersLost == 0)
            #expect(sum(larger, \.grantsGained) + sum(larger, \.returnsGained) >= 2_223)
        }
    }

    // MARK: - What is asked

    @Test func passesAndThreadsChangeNothing() throws {
        _ = try Story(in: scratch("data"), seed: 5, stepCount: 2_000)
        let changes = WhatIf.combinations(
            reconnectWindows: [.seconds(5), .seconds(300)], concurrencyCounts: [1, 3, 8],
            lockTimeouts: [.seconds(2), .seconds(60)])
        #expect(changes.count == 12)
        let reference = try ask(scratch("data"), changes) { $0.project = "alpha" }
        #expect(Set(reference.outcomes.map(\.statistics.stateDigest)).count == 12)
        for (threads, byteCount) in [(1, 1), (1, 1 << 30), (2, 1), (3, 1 << 22)] {
            let again = try ask(scratch("data"), changes) {
                $0.project = "alpha"
                $0.threads = threads
                $0.byteCountMax = byteCount
            }
            #expect(again == reference)
        }
        var last: (UInt64, UInt64) = (0, 0)
        try reading(scratch("data")) { reader in
            var question = WhatIf()
            question.project = "alpha"
            question.changes = changes
            question.threads = 1
            question.byteCountMax = 1
            _ = try question.run(on: reader) { done, goal in
                #expect(done >= last.0 && done <= goal)
                last = (done, goal)
            }
            #expect(last.0 == last.1 && last.1 == 13 * reader.head.position)
        }
    }

    /// A ledger with everything in it: outages, operators, moves, changes, cleaning.
    @Test func theRecordedSettingsComeToTheStatistics() throws {
        for seed in 1 ... 4 as ClosedRange<UInt64> {
            let path = scratch("data\(seed)")
            let story = try Story(in: path, seed: seed, stepCount: 600)
            for project in ["alpha", "beta"] {
                let report = try ask(path, [ProjectChange()]) { $0.project = project }
                #expect(report.recorded.statistics.stateDigest == story.digest.description)
                #expect(report.outcomes == [report.recorded])
            }
            let statistics = try reading(path) { LedgerStatistics($0) }
            let report = try ask(path, []) { $0.project = "beta" }
            #expect(report.recorded.statistics == statistics && report.outcomes.isEmpty)
        }
    }

    @Test func whatCannotBeAskedIsRefused() throws {
        _ = try Story(in: scratch("data"))
        let start = Story.start
        let cases: [(name: String, edit: (inout WhatIf) -> Void, text: String)] = [
            ("no project", { $0.project = nil }, "2 projects; name the one"),
            ("another", { $0.project = "gamma" }, "no project gamma"),
            ("window", { $0.changes = [ProjectChange(reconnectWindow: 1)] }, "1 s to 24 h"),
            ("nothing", { $0.until = start - 1 }, "nothing was recorded in that time"),
            ("later", { $0.since = start + .seconds(1_000_000) }, "nothing was recorded"),
            ("early", { $0.since = start - .seconds(1) }, "did not exist yet"),
        ]
        for (name, edit, text) in cases {
            let error = #expect(throws: LedgerError.self, "\(name)") {
                _ = try ask(scratch("data"), [ProjectChange()]) {
                    $0.project = "alpha"
                    edit(&$0)
                }
            }
            #expect(error?.message.contains(text) ?? false, "\(name): \(error?.message ?? "")")
        }
        _ = try WritableLedger(opening: DataDirectory(scratch("none")), options: .init())
        let error = #expect(throws: LedgerError.self) { try ask(scratch("none"), []) }
        #expect(error?.message.contains("no project") ?? false)
    }

    /// Counts from the middle of a log on, and up to a time.
    @Test func aPartOfTheTimeIsAskedFor() throws {
        let path = scratch("trace.csv")
        Files.write(Array(syntheticTrace(seed: 11, rowCount: 4_000).utf8), to: path)
        try importTrace(path, into: scratch("data"))
        let changes = [ProjectChange(), ProjectChange(concurrencyCount: 30)]
        let (middle, last, total) = try reading(scratch("data")) { reader in
            (try reader.log.event(at: 4_000)!.time, reader.head.time, reader.state.counters)
        }
        let early = try ask(scratch("data"), changes) { $0.until = middle }
        let late = try ask(scratch("data"), changes) { $0.since = middle }
        #expect(early.recorded.statistics.lastTime <= middle)
        #expect(late.recorded.statistics.lastTime == last)
        for (name, value) in early.recorded.statistics.rows.prefix(12) {
            let rest = late.recorded.statistics.rows.first { $0.name == name }!.value
            var whole = early.recorded.statistics
            whole.counters = total
            #expect(value + rest == whole.rows.first { $0.name == name }!.value, "\(name)")
        }
        let hours = try ask(scratch("data"), []).recorded.heldHours
        #expect(abs(early.recorded.heldHours + late.recorded.heldHours - hours) < 0.01 * hours)
        // More concurrencies from then on serve more than are refused now.
        let more = late.outcomes[1].statistics.counters
        #expect(more.rejectedNoIdle < late.recorded.statistics.counters.rejectedNoIdle)
        #expect(late.outcomes[1].settings.concurrencyCount == 30)
        #expect(late.outcomes[0] == late.recorded)
    }

    @Test func damageIsNamed() throws {
        let path = scratch("trace.csv")
        Files.write(Array(syntheticTrace(seed: 12, rowCount: 3_000).utf8), to: path)
        try importTrace(path, into: scratch("data"))
        try LogForge.rewrite(in: scratch("data/log")) { batches in
            batches[0].bytes[batches[0].record(of: 101) + 12] ^= 1
        }
        let error = #expect(throws: LogError.self) {
            try ask(scratch("data"), [ProjectChange(concurrencyCount: 3)])
        }
        #expect(damagedPosition(error) == 101)
    }

    // MARK: - Drawn

    @Test func theCurveIsDrawn() throws {
        let path = scratch("trace.csv")
        Files.write(Array(syntheticTrace(seed: 13, rowCount: 2_000).utf8), to: path)
        try importTrace(path, into: scratch("data"), project: "a<b>&\"c")
        let report = try ask(
            scratch("data"),
            WhatIf.combinations(
                reconnectWindows: [.seconds(40), .seconds(90), .seconds(3_600)],
                concurrencyCounts: [10, 20]))
        let svg = WhatIfChart.svg(report)
        #expect(svg.hasPrefix("<svg xmlns=") && svg.hasSuffix("</svg>\n"))
        #expect(svg.contains("project a&lt;b&gt;&amp;&quot;c"))
        #expect(!svg.contains("nan") && !svg.contains("inf"))
        #expect(svg.split(separator: "\n").count { $0.hasPrefix("<polyline") } == 2)
        #expect(svg.split(separator: "\n").count { $0.hasPrefix("<circle") } == 7)
        for text in [">40s<", ">90s<", ">1h<", ">10 concurrencies<", ">20 concurrencies<"] {
            #expect(svg.contains(text), "\(text)")
        }
        // Nothing to draw is a picture too.
        let first = try Timestamp.first(of: path)
        let empty = WhatIfChart.svg(try ask(scratch("data"), []) { $0.until = first })
        #expect(empty.hasSuffix("</svg>\n") && !empty.contains("nan"))
    }
}

extension Timestamp {
    /// The time of a trace's first row.
    static func first(of path: String) throws -> Microseconds {
        let line = String(decoding: Files.read(path), as: UTF8.self).split(separator: "\n")[1]
        return try #require(parse(line.prefix { $0 != "," }.utf8))
    }
}
