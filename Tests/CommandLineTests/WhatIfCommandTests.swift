import Foundation
import Testing

/// `whatif` and `generate` as scripts and people use them.
@Suite struct WhatIfCommandTests {
    /// Generates a trace and imports it.
    private func makeLedger(_ scratch: Scratch, concurrencies: Int) async throws {
        let trace = scratch.path + "/trace.csv"
        if !FileManager.default.fileExists(atPath: trace) {
            let made = try await scratch.run([
                "generate", "--users", "60", "--days", "12", "--seed", "3", "--output", trace,
                "--json",
            ])
            #expect(made.status == 0)
        }
        _ = try await lines(
            scratch, "import", trace, "--project", "cap", "--concurrencies", "\(concurrencies)")
    }

    /// Runs a command on the data directory; on a slow machine it may tell how far it is.
    private func lines(_ scratch: Scratch, _ words: String...) async throws -> [String] {
        let ending = try await scratch.run(words + ["--data", scratch.data])
        try #require(ending.status == 0, "\(ending.errors)")
        return ending.outputLines
    }

    private func array(_ line: String) throws -> [[String: Any]] {
        let value = try JSONSerialization.jsonObject(with: Data(line.utf8))
        return try #require(value as? [[String: Any]])
    }

    @Test func itIsAnArrayOfObjectsWithTheKeysOfStats() async throws {
        try await Scratch.with { scratch in
            try await makeLedger(scratch, concurrencies: 12)
            let before = try tree(scratch.data)
            // What the record counts; what the ledger's files take is asked of no other world.
            let storage: Set = [
                "bytesPerEvent", "growthBytesPerDay", "logFreeBytes", "viewsBytes", "checkpoints",
                "checkpointsBytes", "checkpointFaults", "growth",
            ]
            let statistics = try object(try await scratch.done("stats", "--json").only)
                .filter { !storage.contains($0.key) }
            let asked = try array(
                try await lines(
                    scratch, "whatif", "--reconnect-window", "40s,90s,1h", "--concurrencies",
                    "8,12", "--json"
                ).only)
            #expect(
                asked.map { $0["concurrencies"] as? Int } == [8, 8, 8, 12, 12, 12])
            #expect(
                asked.map { $0["reconnectWindowSeconds"] as? Int }
                    == [40, 90, 3_600, 40, 90, 3_600])
            for combination in asked {
                #expect(Set(statistics.keys).isSubset(of: combination.keys))
            }
            // As recorded: the very state.
            for (key, value) in statistics {
                #expect(asked[4][key] as? NSObject == value as? NSObject, "\(key)")
            }
            #expect(asked.allSatisfy { $0["isRecorded"] as? Bool == false })
            #expect(asked[4]["assumedSessions"] as? Int == 0)
            // The record itself, where it is asked for: the same keys, and before the others.
            let more = try array(
                try await lines(
                    scratch, "whatif", "--reconnect-window", "40s", "--json", "--with-recorded"
                ).only)
            #expect(more.map { $0["isRecorded"] as? Bool } == [true, false])
            #expect(Set(more[0].keys) == Set(asked[0].keys))
            for (key, value) in statistics {
                #expect(more[0][key] as? NSObject == value as? NSObject, "\(key)")
            }
            #expect(more[0]["resumedAgainstRecorded"] as? Int == 0)
            for key in ["rejectedNoIdle", "waitingHours", "stateDigest"] {
                #expect(more[0][key] as? NSObject == asked[4][key] as? NSObject)
            }
            #expect(asked[4]["usersGained"] as? Int == 0 && asked[4]["usersLost"] as? Int == 0)
            #expect(asked[1]["asRecorded"] as? [String] == [
                "lockTimeoutSeconds", "cleanupTimeSeconds",
            ])
            #expect(try tree(scratch.data) == before, "it writes nothing")
            // The same from a log of another size.
            let other = Scratch(path: scratch.path + "/other")
            mkdir(other.path, 0o755)
            try FileManager.default.copyItem(
                atPath: scratch.path + "/trace.csv", toPath: other.path + "/trace.csv")
            try await makeLedger(other, concurrencies: 5)
            let again = try array(
                try await lines(
                    other, "whatif", "--reconnect-window", "40s,90s,1h", "--concurrencies", "8,12",
                    "--json"
                ).only)
            for (one, two) in zip(asked, again) {
                #expect(one["stateDigest"] as? String == two["stateDigest"] as? String)
                #expect(one["waitingHours"] as? Double == two["waitingHours"] as? Double)
            }
        }
    }

    @Test func thePersonReadsATableAndWhatItCannotKnow() async throws {
        try await Scratch.with { scratch in
            try await makeLedger(scratch, concurrencies: 8)
            let lines = try await lines(
                scratch, "whatif", "--reconnect-window", "2m", "--concurrencies", "20", "--users",
                "--silent", "2", "--svg", scratch.path + "/curve.svg")
            let text = lines.joined(separator: "\n")
            #expect(lines[0] == "project cap")
            #expect(lines.contains { $0.hasSuffix("recorded") && $0.contains(" 90s ") })
            #expect(lines.contains { $0.hasPrefix("      2m     20 ") })
            #expect(text.contains("window 2m, 20 concurrencies"))
            #expect(text.contains(": returns +") && text.contains("\nreturns +1 -2  "))
            #expect(!text.contains(" 1 windows") && !text.contains(" 1 locks"))
            #expect(text.contains("What this cannot know:"))
            #expect(text.contains("people would have acted differently"))
            let svg = try String(contentsOfFile: scratch.path + "/curve.svg", encoding: .utf8)
            #expect(svg.hasPrefix("<svg") && svg.hasSuffix("</svg>\n"))
        }
    }

    /// docs/what-if.md shows this table and this curve.
    @Test func theExampleOfTheDocsIsAsItSays() async throws {
        var docs = URL(filePath: #filePath)
        for _ in 0 ..< 3 { docs.deleteLastPathComponent() }
        docs.append(path: "docs")
        let page = try String(contentsOf: docs.appending(path: "what-if.md"), encoding: .utf8)
        let curve = try String(contentsOf: docs.appending(path: "what-if.svg"), encoding: .utf8)
        try await Scratch.with { scratch in
            let trace = scratch.path + "/demo.csv"
            let made = try await scratch.run([
                "generate", "--users", "200", "--days", "28", "--seed", "11", "--output", trace,
            ])
            #expect(made.status == 0)
            _ = try await lines(
                scratch, "import", trace, "--project", "demo", "--concurrencies", "60")
            let shown = try await lines(
                scratch, "whatif", "--reconnect-window", "40s,90s,2m,5m,15m,1h",
                "--concurrencies", "60,80,100", "--svg", scratch.path + "/curve.svg")
            let table = shown.dropFirst().prefix { !$0.hasPrefix("waiting h") }
                .filter { !$0.isEmpty }
            #expect(table.count == 20)
            #expect(page.contains(table.joined(separator: "\n")))
            let drawn = try String(
                contentsOfFile: scratch.path + "/curve.svg", encoding: .utf8)
            #expect(drawn == curve)
        }
    }

    @Test func severalProjectsNeedAName() async throws {
        try await Scratch.with { scratch in
            try await scratch.done("project", "set", "a", "--concurrencies", "1")
            try await scratch.done("project", "set", "b", "--concurrencies", "1")
            let error = try await scratch.refused("whatif", "--concurrencies", "2")
            #expect(error.contains("2 projects"))
            let asked = try array(
                try await scratch.done(
                    "whatif", "--project", "b", "--concurrencies", "2", "--json"
                ).only)
            #expect(asked[0]["project"] as? String == "b" && asked[0]["concurrencies"] as? Int == 2)
        }
    }

    // MARK: - generate

    @Test func theTraceGoesWhereItIsToldTo() async throws {
        try await Scratch.with { scratch in
            let words = ["generate", "--users", "20", "--starts", "200", "--seed", "9"]
            let shown = try await scratch.run(words + ["--json"])
            #expect(shown.status == 0)
            #expect(shown.output.hasPrefix("time,user,connection,action,reason\n"))
            let summary = try object(shown.errors)
            #expect(summary["starts"] as? Int == 200)
            #expect(summary["bytes"] as? Int == shown.output.utf8.count)
            #expect(summary["rows"] as? Int == shown.outputLines.count - 1)
            let path = scratch.path + "/trace.csv"
            let written = try await scratch.run(words + ["-o", path])
            #expect(written.status == 0 && written.errors == "")
            #expect(written.output.contains("starts") && written.output.contains("200"))
            #expect(try String(contentsOfFile: path, encoding: .utf8) == shown.output)
            let other = try await scratch.run(words.dropLast() + ["10"])
            #expect(other.output != shown.output)
        }
    }

    @Test func returnTimesComeFromAFile() async throws {
        try await Scratch.with { scratch in
            let path = scratch.path + "/times.csv"
            try "reset,10,100\n".write(toFile: path, atomically: false, encoding: .utf8)
            let words = ["generate", "--days", "2", "--endings", "1,0,0", "--users", "30"]
            let quick = try await scratch.run(words + ["--return-times", path, "--json"])
            #expect(quick.status == 0)
            let summary = try object(quick.errors)
            #expect(summary["exits"] as? Int == 0 && summary["pingTimeouts"] as? Int == 0)
            // Everybody is back at once, all the time.
            #expect((summary["starts"] as? Int ?? 0) > 150)
            try "reset,10\n".write(toFile: path, atomically: false, encoding: .utf8)
            let wrong = try await scratch.run(words + ["--return-times", path])
            wrong.expectOneError(status: 1)
            #expect(wrong.errors.contains("\(path): line 1"))
        }
    }

    @Test(arguments: [
        (["--users", "0"], 2, "--users"), (["--days", "0"], 2, "--days"),
        (["--starts", "x"], 2, "'x'"), (["--ghosts", "2"], 2, "share"),
        (["--endings", "1,2"], 2, "'1,2'"), (["--endings", "0,0,0"], 2, "weights"),
        (["--session", "0s"], 2, "median"), (["--arrivals", "never"], 2, "never"),
        (["--mass-share", "1.5"], 2, "share"), (["--seed", "-1"], 2, "--seed"),
        (["--from", "now"], 2, "'now'"), (["--output", ""], 2, "--output"),
        (["--output", "/no/trace.csv"], 1, "/no/trace.csv"),
        (["--return-times", "/no/times.csv"], 1, "/no/times.csv"),
        (["--output", "/dev/full"], 1, "No space left"),
    ] as [([String], Int32, String)])
    func aWorkloadIsWrong(words: [String], status: Int32, text: String) async throws {
        try await Scratch.with { scratch in
            let ending = try await scratch.run(["generate"] + words)
            ending.expectOneError(status: status)
            #expect(ending.errors.contains(text), "\(ending.errors)")
        }
    }
}
