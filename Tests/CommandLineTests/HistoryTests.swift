import Foundation
import Glibc
import Testing

/// `holdfast history` as people and scripts use it.
@Suite struct HistoryTests {
    /// Two users and one concurrency: refused, lost, back too late.
    private func withLedger(_ body: (Scratch) async throws -> Void) async throws {
        try await Scratch.with { scratch in
            let path = scratch.path + "/trace.csv"
            let trace = """
                time,user,connection,action,reason
                2026-03-01T09:00:00Z,ann,1,start,
                2026-03-01T09:00:10Z,bob,1,start,
                2026-03-01T09:05:00Z,ann,1,drop,connection-reset
                2026-03-01T09:06:30.5Z,bob,2,start,
                2026-03-01T09:06:31Z,ann,2,start,
                2026-03-03T12:06:31Z,bob,2,close,

                """
            try trace.write(toFile: path, atomically: false, encoding: .utf8)
            try await scratch.done("import", path, "--project", "demo", "--concurrencies", "1")
            try await body(scratch)
        }
    }

    private func positions(_ scratch: Scratch, _ words: [String]) async throws -> [Int] {
        let ending = try await scratch.run(
            ["history", "--json", "--data", scratch.data] + words)
        #expect(ending.status == 0 && ending.errors == "", "\(ending.errors)")
        return try ending.outputLines.map { try #require(object($0)["position"] as? Int) }
    }

    @Test func aTableOfEverything() async throws {
        try await withLedger { scratch in
            let lines = try await scratch.done("history")
            #expect(
                lines.map { String($0.prefix(70)) } == [
                    "position  time                                 gap  user  what happened",
                    "       1  2026-03-01T09:00:00.000000Z                     project demo c",
                    "       2  2026-03-01T09:00:00.000000Z          +0s        project demo s",
                    "       3  2026-03-01T09:00:00.000000Z          +0s  ann   seen for the f",
                    "       4  2026-03-01T09:00:00.000000Z          +0s  ann   applied for de",
                    "       5  2026-03-01T09:00:00.000000Z          +0s  ann   created a sess",
                    "       6  2026-03-01T09:00:10.000000Z         +10s  bob   seen for the f",
                    "       7  2026-03-01T09:00:10.000000Z          +0s  bob   applied for de",
                    "       8  2026-03-01T09:05:00.000000Z      +4m 50s  ann   disconnected: ",
                    "       9  2026-03-01T09:06:30.000000Z      +1m 30s  ann   repossessed: w",
                    "      10  2026-03-01T09:06:30.500000Z       +500ms  bob   applied for de",
                    "      11  2026-03-01T09:06:30.500000Z          +0s  bob   created a sess",
                    "      12  2026-03-01T09:06:31.000000Z       +500ms  ann   applied for de",
                    "      13  2026-03-03T12:06:31.000000Z      +2d 03h  bob   destroyed: fre",
                ].map { String($0.prefix(70)) })
            #expect(
                lines[9].hasSuffix("  repossessed: windowExpired demo/1 (session 5, now idle)"))
        }
    }

    @Test func eventsAreChosen() async throws {
        try await withLedger { scratch in
            let rows: [(words: [String], positions: [Int])] = [
                ([], Array(1 ... 13)),
                (["ann"], [3, 4, 5, 8, 9, 12]),
                (["--user-number", "2"], [6, 7, 10, 11, 13]),
                (["--project", "demo"], [1, 2, 4, 5, 7, 8, 9, 10, 11, 12, 13]),
                (["--project", "demo", "--concurrency", "1"], [4, 5, 8, 9, 10, 11, 13]),
                (["--session", "5"], [5, 8, 9]),
                // A refused apply: reports of its connection would name it.
                (["--session", "7"], []),
                (["--kind", "applied"], [4, 7, 10, 12]),
                (["--kind", "applied", "--outcome", "noIdle"], [7, 12]),
                (["--kind", "repossessed", "--kind", "destroyed"], [9, 13]),
                (
                    ["--since", "2026-03-01T09:05:00Z", "--until", "2026-03-01T09:06:30Z"],
                    [8, 9]
                ),
                (["ann", "--since", "4", "--until", "8"], [4, 5, 8]),
                (["--where", "user=ann and not outcome=waiting"], [3, 4, 5, 9, 12]),
                (["bob", "--where", "user=ann"], []),
                (["--limit", "3"], [11, 12, 13]),
                (["--limit", "3", "--before", "11"], [8, 9, 10]),
                (["--limit", "3", "--after", "4"], [5, 6, 7]),
                (["--limit", "3", "--newest-first"], [13, 12, 11]),
                (["ann", "--limit", "2"], [9, 12]),
            ]
            for (words, expected) in rows {
                let found = try await positions(scratch, words)
                #expect(found == expected, "\(words)")
            }
        }
    }

    @Test func aPageSaysWhereTheNextOneIs() async throws {
        try await withLedger { scratch in
            let cases: [(words: [String], says: String)] = [
                (["--limit", "3"], "older events: --before 11\n"),
                (["--limit", "3", "--newest-first"], "older events: --before 11\n"),
                (["--limit", "3", "--after", "4"], "more events: --after 7\n"),
                (["ann", "--limit", "2"], "older events: --before 9\n"),
                (["--limit", "13"], ""), (["--limit", "20"], ""),
                (["--limit", "13", "--newest-first"], ""), (["ann", "--limit", "6"], ""),
                (["--limit", "13", "--after", "0"], ""), ([], ""),
            ]
            for (words, says) in cases {
                let ending = try await scratch.run(["history", "--data", scratch.data] + words)
                #expect(ending.status == 0)
                #expect(ending.errors == says, "\(words)")
            }
        }
    }

    /// Each row says how long after the event before it it happened, whatever the order.
    @Test func newestFirstHasTheSameGaps() async throws {
        try await withLedger { scratch in
            let forward = try await scratch.done("history")
            let backward = try await scratch.done("history", "--newest-first")
            let expected = [forward[0]] + forward.dropFirst().reversed()
            #expect(backward == expected)
        }
    }

    @Test func anOutageThatMovedADeadlineIsInTheStory() async throws {
        try await Scratch.with { scratch in
            try await scratch.done("project", "set", "p", "--concurrencies", "1")
            try await scratch.done("apply", "u", "--project", "p")
            try await scratch.done("session", "u")
            let lines = try await scratch.done("history", "u")
            let outages = lines.filter { $0.contains("ledger opened after") }
            #expect(outages.count == 1, "reserved while the ledger was closed: \(lines)")
            #expect(try await scratch.done("history", "u", "--no-outages").count == 4)
            let events = try await scratch.done("history", "u", "--json").map(object)
            #expect(events.allSatisfy { $0["user"] as? String == "u" })
            let all = try await scratch.done("history", "u", "--json", "--outages").map(object)
            let kinds = all.compactMap { $0["kind"] as? String }
            #expect(kinds == ["userNamed", "applied", "opened", "sessionCreated"])
            let place = try await scratch.done(
                "history", "--project", "p", "--concurrency", "1", "--json", "--outages")
            #expect(place.count == 3)
        }
    }

    // MARK: - Colours

    @Test func coloursComeOnATerminalOrWhenAskedFor() async throws {
        try await withLedger { scratch in
            let words = ["history", "ann", "--data", scratch.data]
            func shown(_ more: [String], _ environment: [String: String]) async throws -> String {
                let child = try TerminalChild(
                    words + more, columns: 200, rows: 50, environment: environment)
                let status = try await child.end()
                #expect(status == 0)
                return String(decoding: child.bytes, as: UTF8.self)
            }
            let coloured = try await shown([], [:])
            #expect(coloured.contains("\u{1B}[32mapplied for demo: granted demo/1"))
            #expect(coloured.contains("\u{1B}[33mdisconnected: waiting demo/1"))
            #expect(coloured.contains("\u{1B}[31mrepossessed: windowExpired demo/1"))
            #expect(coloured.contains("\u{1B}[31mapplied for demo: noIdle"))
            #expect(coloured.contains("\u{1B}[2mseen for the first time"))
            for plain in [
                try await shown([], ["NO_COLOR": "1"]), try await shown([], ["TERM": "dumb"]),
                try await shown(["--color", "never"], [:]),
                try await scratch.run(words).output,
                try await scratch.run(words + ["--json", "--color", "always"]).output,
            ] { #expect(!plain.contains("\u{1B}")) }
            let asked = try await scratch.run(words + ["--color", "always"]).output
            #expect(asked.replacingOccurrences(of: "\n", with: "\r\n") == coloured)
            let unset = try await shown([], ["NO_COLOR": ""])
            #expect(unset == coloured)
        }
    }

    // MARK: - Streams

    /// A reader that has enough goes away, and nobody complains.
    @Test func aReaderThatGoesAwayEndsItQuietly() async throws {
        try await Scratch.with { scratch in
            let path = scratch.path + "/trace.csv"
            var trace = "time,user,connection,action,reason\n"
            for index in 0 ..< 4_000 {
                let (hour, minute) = (index / 60 % 24, index % 60)
                let day = 1 + index / 1_440
                func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
                trace += "2026-03-\(two(day))T\(two(hour)):\(two(minute)):00Z,u\(index % 7),"
                    + "\(index),start,\n"
            }
            try trace.write(toFile: path, atomically: false, encoding: .utf8)
            try await scratch.done("import", path, "--project", "p", "--concurrencies", "9")
            for words in ["history", "history u1", "history --newest-first --json", "replay"] {
                let child = try scratch.start(shell: """
                    \(Program.path) \(words) --data \(scratch.data) | head -n 3
                    """)
                let ending = try await child.wait()
                #expect(ending.outputLines.count == 3)
                #expect(ending.errors == "")
            }
        }
    }
}
