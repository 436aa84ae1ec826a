import Foundation
import LedgerModel
import ReconnectionRules
import Testing

/// A real trace, which is no part of this project: `HOLDFAST_TRACES` names the directory that
/// holds it, by default `../shared/traces` beside the package.
enum TraceDirectory {
    static let chat: URL = {
        let package = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let named = ProcessInfo.processInfo.environment["HOLDFAST_TRACES"]
        let directory =
            named.map { URL(filePath: $0, relativeTo: package) }
            ?? package.appending(path: "../shared/traces").standardized
        return directory.appending(path: "chat-a.csv")
    }()

    static let hasChat: Bool = {
        let isThere = FileManager.default.fileExists(atPath: chat.path)
        if !isThere {
            print("no trace at \(chat.path): set HOLDFAST_TRACES to the directory of chat-a.csv")
        }
        return isThere
    }()
}

@Suite("Traces")
struct PropertyTraceTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var capacity: UInt32
        var window: Int64
        var counts: TraceCounts
        var testDescription: String { "\(capacity) concurrencies, \(window) s" }
    }

    static let cases: [Case] = [
        Case(
            capacity: 60, window: 90,
            counts: TraceCounts(
                starts: 12_771, grantedNew: 7_594, resumed: 1_645, takenOver: 1_309,
                rejectedNoIdle: 2_223, disconnected: 6_504, staleDisconnects: 2_856,
                destroyed: 2_675, staleDestroys: 631, repossessed: 4_859, heldAtEnd: 60,
                waitingAtEnd: 0)),
        Case(
            capacity: 110, window: 120,
            counts: TraceCounts(
                starts: 12_771, grantedNew: 9_170, resumed: 2_103, takenOver: 1_498,
                rejectedNoIdle: 0, disconnected: 7_899, staleDisconnects: 1_461,
                destroyed: 3_291, staleDestroys: 15, repossessed: 5_796, heldAtEnd: 83,
                waitingAtEnd: 0)),
    ]

    @Test(
        "Model and rules agree on every event of chat-a.csv and on its counts",
        .enabled(
            if: TraceDirectory.hasChat,
            "chat-a.csv is absent: set HOLDFAST_TRACES to the directory that holds it"),
        arguments: cases)
    func chat(expected: Case) throws {
        let rows = try Trace.rows(of: Array(Data(contentsOf: TraceDirectory.chat)))
        #expect(rows.count == 25_437)
        let settings = ProjectSettings(
            concurrencyCount: expected.capacity, reconnectWindow: .seconds(expected.window))

        var model = LedgerModel()
        var rules = Rules(resuming: State())
        var byModel = TraceCounts()
        var byRules = TraceCounts()
        try Trace.play(rows, settings: settings) { command, time in
            let input = TimedCommand(command: command, time: time, caller: .trace)
            let predicted = model.run(command, at: time, by: .trace)
            let events = rules.run(input)
            try PropertyAudit.compare(events, predicted, input)
            for event in predicted { byModel.count(event) }
            for event in events { byRules.count(event) }
            return try #require(events.last { $0.caller == Caller.trace.rawValue })
        }
        byModel.heldAtEnd = model.heldCount
        byModel.waitingAtEnd = model.waitingCount
        byRules.heldAtEnd = rules.state.users.count { $0.holdsConcurrency }
        byRules.waitingAtEnd = rules.state.projects[1].concurrencies.count {
            $0.state == .waiting
        }
        #expect(byModel == expected.counts)
        #expect(byRules == expected.counts)
        #expect(TraceCounts(rules.state.counters) == expected.counts)
    }

    @Test("Rows are read with their times, and faults are named by line")
    func reading() throws {
        let text = """
            time,user,connection,action,reason
            2024-02-29T00:00:00Z,a,1,start,
            2024-02-29T00:00:00.25Z,a,1,drop,"gone, it seems"

            """
        let rows = try Trace.rows(of: Array(text.utf8))
        #expect(rows.map(\.time) == [1_709_164_800_000_000, 1_709_164_800_250_000])
        #expect(rows.map(\.action) == [.start, .drop])
        for (line, fault) in [
            "2024-02-29T00:00:00,a,1,start,", "2024-02-29T00:00:00Z,a,1,stop,",
            "2024-02-29T00:00:00Z,a", "1999-13-01T00:00:00Z,a,1,start,",
        ].enumerated() {
            let broken = Array((text + fault + "\n").utf8)
            #expect(throws: TraceFault.self, "row \(line)") { try Trace.rows(of: broken) }
        }
    }

    @Test("A connection whose start was refused stays attributable and stale")
    func refusedStart() throws {
        let text = """
            time,user,connection,action,reason
            2024-01-01T00:00:00Z,a,1,start,
            2024-01-01T00:00:00Z,b,1,start,
            2024-01-01T00:00:10Z,a,1,close,quit
            2024-01-01T00:00:10Z,b,2,start,
            2024-01-01T00:00:11Z,b,1,drop,reset
            2024-01-01T00:00:12Z,b,1,close,quit
            2024-01-01T00:00:13Z,b,2,drop,reset
            2024-01-01T00:01:42Z,b,3,start,
            2024-01-01T00:01:43Z,b,2,drop,reset

            """
        let rows = try Trace.rows(of: Array(text.utf8))
        let counts = Trace.counts(rows, settings: ProjectSettings(concurrencyCount: 1))
        let expected = TraceCounts(
            starts: 4, grantedNew: 2, resumed: 1, takenOver: 0, rejectedNoIdle: 1,
            disconnected: 1, staleDisconnects: 2, destroyed: 1, staleDestroys: 1,
            repossessed: 0, heldAtEnd: 1, waitingAtEnd: 0)
        #expect(counts == expected)
    }
}
