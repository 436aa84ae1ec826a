import Foundation
import Testing

/// `diff`, and `state --at` of everything, in the forms that people and scripts read.
@Suite struct DiffTests {
    /// Three people and two concurrencies: ann loses hers, cyd gets it, bob vanishes.
    private static let rows = """
        time,user,connection,action,reason
        2020-01-01T00:00:00Z,ann,1,start,
        2020-01-01T00:00:10Z,bob,1,start,
        2020-01-01T00:00:20Z,ann,1,drop,reset
        2020-01-01T00:02:00Z,cyd,1,start,
        2020-01-01T00:02:10Z,bob,1,drop,reset

        """

    private func withLedger(_ body: (Scratch) async throws -> Void) async throws {
        try await Scratch.with { scratch in
            let trace = scratch.path + "/trace.csv"
            try Self.rows.write(toFile: trace, atomically: false, encoding: .utf8)
            try await scratch.done("import", trace, "--project", "p1", "--concurrencies", "2")
            try await body(scratch)
        }
    }

    @Test func theTextSaysWhoGainedLostAndChanged() async throws {
        try await withLedger { scratch in
            let lines = try await scratch.done("diff", "2020-01-01T00:00:20Z", "14")
            #expect(
                lines == [
                    "from position 9, 2020-01-01T00:00:20.000000Z",
                    "to   position 14, 2020-01-01T00:02:10.000000Z: 5 events, 1m 50s",
                    "gained 1",
                    "  cyd: p1/1 connected, session 13; applied granted at 12, "
                        + "2020-01-01T00:02:00.000000Z",
                    "lost 1",
                    "  ann: p1/1 waiting until 2020-01-01T00:01:50.000000Z, session 5; "
                        + "repossessed windowExpired at 10, 2020-01-01T00:01:50.000000Z",
                    "changed 1", "  bob: p1/2 connected, session 8",
                    "    -> p1/2 waiting until 2020-01-01T00:03:40.000000Z, session 8; "
                        + "disconnected waiting at 14, 2020-01-01T00:02:10.000000Z",
                    "projects 0", "counters", "  starts              2 -> 3                  +1",
                    "  grantedNew          2 -> 3                  +1",
                    "  disconnected        1 -> 2                  +1",
                    "  repossessed         0 -> 1                  +1",
                ])
            let one = try await scratch.done("diff", "9", "10", "--user", "ann")
            #expect(one.count == 4 && one[2] == "lost 1" && one[3].hasPrefix("  ann: p1/1 waiting"))
            let none = try await scratch.done("diff", "9", "9", "--user-number", "1")
            #expect(none.last == "nothing changed for this user")
        }
    }

    @Test func theJSONIsAnObjectALine() async throws {
        try await withLedger { scratch in
            let all = try await scratch.done("diff", "0", "14", "--json").map(object)
            #expect(
                all.compactMap { $0["difference"] as? String }
                    == ["moments", "gained", "gained", "project", "counters"])
            #expect(all[0]["events"] as? Int == 14)
            #expect((all[0]["to"] as? [String: Any])?["position"] as? Int == 14)
            #expect(all[1]["user"] as? String == "bob" && all[1]["before"] is NSNull)
            let after = try #require(all[1]["after"] as? [String: Any])
            #expect(after["state"] as? String == "waiting" && after["concurrency"] as? Int == 2)
            let event = try #require(all[1]["event"] as? [String: Any])
            #expect(event["position"] as? Int == 7 && event["outcome"] as? String == "granted")
            #expect(all[3]["before"] is NSNull && all[3]["project"] as? String == "p1")
            let counts = try #require(all[4]["after"] as? [String: Any])
            #expect(counts["starts"] as? Int == 3 && counts["repossessed"] as? Int == 1)
            let part = try await scratch.done("diff", "9", "14", "--project", "p1", "--json")
            #expect(
                try part.map(object).compactMap { $0["difference"] as? String }
                    == ["moments", "gained", "lost", "changed"])
        }
    }

    @Test func everythingIsShownAsOfAMoment() async throws {
        try await withLedger { scratch in
            try await scratch.done("rebuild", "--checkpoint-spacing", "1")
            let text = try await scratch.done("state", "--at", "2020-01-01T00:01:49Z")
            #expect(
                text == [
                    "position 9, 2020-01-01T00:00:20.000000Z",
                    "p1: 2 concurrencies, 2 running (1 connected, 1 waiting, 0 reserved, "
                        + "0 recovering); window 90s, lock 30s, cleanup 0s",
                    "ann holds p1/1, waiting until 2020-01-01T00:01:50.000000Z, session 5",
                    "bob holds p1/2, connected, session 8",
                ])
            #expect(try await scratch.done("state", "--at", "10").count == 3)
            let first = try await scratch.done("state", "--at", "0")
            #expect(first == ["position 0, before the first event"])
            // The end is the present, whichever way it is asked for.
            for words in [[], ["--project", "p1"]] {
                let now = try await scratch.run(
                    ["state", "--json"] + words + ["--data", scratch.data])
                let then = try await scratch.run(
                    ["state", "--at", "14", "--json"] + words + ["--data", scratch.data])
                #expect(now.status == 0 && now.output == then.output)
                let state = try object(now.outputLines.only)
                #expect((state["holders"] as? [Any])?.count == 2)
                #expect((state["projects"] as? [Any])?.count == 1)
            }
            let byName = try await scratch.done("state", "cyd", "--json")
            #expect(try await scratch.done("state", "--user-number", "3", "--json") == byName)
            let past = try await scratch.done("state", "--user-number", "1", "--at", "9")
            #expect(past.last?.hasPrefix("ann holds p1/1, waiting") ?? false)
        }
    }

    @Test func statsTellsOfGrowthAndOfKeptCheckpoints() async throws {
        try await withLedger { scratch in
            let rebuilt = try object(
                try await scratch.done("rebuild", "--checkpoint-spacing", "1", "--json").only)
            #expect(rebuilt["madeCheckpoints"] as? Int == 0, "eight for each user and concurrency")
            let statistics = try object(try await scratch.done("stats", "--json").only)
            let growth = try #require(statistics["growth"] as? [[String: Any]])
            #expect(growth.compactMap { $0["over"] as? String } == ["day", "week", "life"])
            for part in growth {
                #expect(part["seconds"] as? Int == 130 && part["events"] as? Int == 14)
                // Two minutes are no rate of a day.
                #expect(part["eventsPerDay"] is NSNull && part["growthBytesPerDay"] is NSNull)
            }
            let bytes = try #require(statistics["logBytes"] as? Int)
            #expect(statistics["bytesPerEvent"] as? Double == (Double(bytes) / 1.4).rounded() / 10)
            #expect(statistics["growthBytesPerDay"] is NSNull)
            #expect(statistics["logFreeBytes"] is Int && statistics["viewsBytes"] is Int)
            #expect(statistics["checkpoints"] as? Int == 0)
            #expect(statistics["checkpointFaults"] as? [String] == [])
            let text = try await scratch.done("stats")
            #expect(text.contains { $0.hasPrefix("bytesPerEvent") })
            #expect(text.contains("  events in 2m 10s, too short a time to tell a rate"))
            let logBytes = try #require(text.first { $0.hasPrefix("logBytes") })
            #expect(logBytes.contains(" \(bytes)  ") && logBytes.hasSuffix(" kB"))
            #expect(!text.contains { $0.hasSuffix(" a day") })
        }
    }

    /// A file that is no checkpoint of this ledger is a warning, and no answer is other for it.
    @Test func aDamagedCheckpointIsAWarning() async throws {
        try await withLedger { scratch in
            let folder = scratch.data + "/checkpoints"
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true)
            let file = folder + "/00000000000000000009"
            try "HOLDKEPT, or so it says".write(toFile: file, atomically: false, encoding: .utf8)
            #expect(try await scratch.done("state", "--at", "9").count == 4)
            for command in ["stats", "verify"] {
                let ending = try await scratch.run([command, "--json", "--data", scratch.data])
                #expect(ending.status == 0)
                #expect(try ending.errorLines.only.contains("warning: the kept checkpoint \(file)"))
                let report = try object(ending.outputLines.only)
                #expect((report["checkpointFaults"] as? [String])?.count == 1)
            }
            let rebuilt = try await scratch.run(["rebuild", "--data", scratch.data])
            #expect(rebuilt.status == 0 && rebuilt.errors.contains("warning: "))
            #expect(!FileManager.default.fileExists(atPath: file))
            try await scratch.done("verify")
        }
    }

    @Test(
        .enabled(
            if: Traces.path("chat-a.csv") != nil,
            "no chat-a.csv in the folder that HOLDFAST_TRACES names"))
    func theRecordedTraceFromItsBeginningToItsEnd() async throws {
        let trace = try #require(Traces.path("chat-a.csv"))
        try await Scratch.with { scratch in
            let imported = try await scratch.run([
                "import", trace, "--project", "p", "--concurrencies", "60", "--json",
                "--data", scratch.data,
            ])
            #expect(imported.status == 0)
            let lines = try await scratch.done("diff", "0", "999999", "--json").map(object)
            let kinds = lines.compactMap { $0["difference"] as? String }
            #expect(kinds.filter { $0 == "gained" }.count == 60)
            #expect(kinds.filter { ["lost", "changed"].contains($0) }.isEmpty)
            let expected = [
                "starts": 12_771, "grantedNew": 7_594, "resumed": 1_645, "takenOver": 1_309,
                "rejectedNoIdle": 2_223, "disconnected": 6_504, "staleDisconnects": 2_856,
                "destroyed": 2_675, "staleDestroys": 631, "repossessed": 4_859, "heldAtEnd": 60,
                "waitingAtEnd": 0,
            ]
            let before = try #require(lines.last?["before"] as? [String: Any])
            let after = try #require(lines.last?["after"] as? [String: Any])
            for (name, count) in expected {
                #expect(before[name] as? Int == 0 && after[name] as? Int == count, "\(name)")
            }
            let state = try object(
                try await scratch.done("state", "--at", "2999-01-01T00:00:00Z", "--json").only)
            let holders = try #require(state["holders"] as? [[String: Any]])
            #expect(holders.count == 60)
            #expect(holders.allSatisfy { $0["state"] as? String == "connected" })
        }
    }
}
