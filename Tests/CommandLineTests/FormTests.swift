import Foundation
import Testing

/// The forms that scripts rely on: what is typed, and what comes back.
@Suite struct FormTests {
    @Test func aCredentialIsPrintedAsOneObjectWithItsTwoKeys() async throws {
        try await Scratch.with { scratch in
            let line = try await scratch.done("credential", "create", "--json").only
            let credential = try object(line)
            #expect(Set(credential.keys) == ["secretId", "secretKey"])
            #expect((credential["secretId"] as? String)?.count == 36)
            #expect((credential["secretKey"] as? String)?.count == 32)
            let listed = try object(try await scratch.done("credential", "list", "--json").only)
            #expect(listed["secretId"] as? String == credential["secretId"] as? String)
            #expect(listed["secretKey"] == nil)
        }
    }

    @Test func aProjectIsCreatedThenChangedAndWhatIsNotNamedStays() async throws {
        try await Scratch.with { scratch in
            let created = try await scratch.done(
                "project", "set", "cap-demo", "--concurrencies", "60", "--reconnect-window", "90s",
                "--lock-timeout", "30s", "--cleanup", "0s", "--json")
            let first = try object(created.only)
            #expect(first["project"] as? String == "cap-demo")
            #expect(first["concurrencies"] as? Int == 60)
            #expect(first["reconnectWindowSeconds"] as? Double == 90)
            #expect(first["lockTimeoutSeconds"] as? Double == 30)
            #expect(first["cleanupTimeSeconds"] as? Double == 0)
            let changed = try await scratch.done(
                "project", "set", "cap-demo", "--reconnect-window", "1.5m", "--cleanup", "500ms",
                "--json")
            let second = try object(changed.only)
            #expect(second["concurrencies"] as? Int == 60)
            #expect(second["reconnectWindowSeconds"] as? Double == 90)
            #expect(second["cleanupTimeSeconds"] as? Double == 0.5)
            let listed = try await scratch.done("project", "list", "--json")
            #expect(listed == changed)
        }
    }

    @Test func aProjectIsCreatedWithNothingButItsSize() async throws {
        try await Scratch.with { scratch in
            try await scratch.done("project", "set", "cap-demo", "--concurrencies", "2")
            let project = try object(try await scratch.done("project", "list", "--json").only)
            #expect(project["reconnectWindowSeconds"] as? Double == 90)
            #expect(project["lockTimeoutSeconds"] as? Double == 30)
            #expect(project["cleanupTimeSeconds"] as? Double == 0)
        }
    }

    @Test func historyIsOneObjectALineOldestFirst() async throws {
        try await Scratch.with { scratch in
            try await scratch.done("project", "set", "cap-demo", "--concurrencies", "2")
            try await scratch.done("apply", "u1", "--project", "cap-demo")
            try await scratch.done("session", "u1")
            try await scratch.done("disconnect", "u1")
            try await scratch.done("apply", "u1", "--project", "cap-demo")
            try await scratch.done("session", "u1")
            try await scratch.done("destroy", "u1")
            let events = try await scratch.done("history", "u1", "--json").map(object)
            let keys: Set = [
                "position", "time", "kind", "outcome", "user", "concurrency", "session",
            ]
            for event in events { #expect(keys.isSubset(of: event.keys), "\(event)") }
            let positions = events.compactMap { $0["position"] as? Int }
            #expect(positions.count == events.count)
            #expect(positions == positions.sorted())
            #expect(events.allSatisfy { $0["user"] as? String == "u1" })
            let actions = events.filter { $0["kind"] as? String != "userNamed" }
            #expect(
                actions.compactMap { $0["outcome"] as? String }
                    == ["granted", "fresh", "waiting", "returned", "resumed", "freed"])
            #expect(actions.allSatisfy { $0["concurrency"] as? Int == 1 })
            let newest = try await scratch.done(
                "history", "u1", "--limit", "1", "--newest-first", "--json")
            #expect(try object(newest.only)["outcome"] as? String == "freed")
        }
    }

    @Test func aRefusedActionIsRecordedAndEndsWithOne() async throws {
        try await Scratch.with { scratch in
            try await scratch.done("project", "set", "cap-demo", "--concurrencies", "1")
            try await scratch.done("apply", "u1", "--project", "cap-demo")
            let refused = try await scratch.run(
                ["apply", "u2", "--project", "cap-demo", "--json", "--data", scratch.data])
            #expect(refused.status == 1)
            #expect(try object(refused.outputLines.only)["outcome"] as? String == "noIdle")
            #expect(try refused.errorLines.only.hasPrefix("holdfast: refused: "))
            let events = try await scratch.done("history", "u2", "--json").map(object)
            #expect(events.last?["outcome"] as? String == "noIdle")
        }
    }

    private static let counts: Set = [
        "starts", "grantedNew", "resumed", "takenOver", "rejectedNoIdle", "disconnected",
        "staleDisconnects", "destroyed", "staleDestroys", "repossessed", "heldAtEnd",
        "waitingAtEnd", "events",
    ]

    @Test func anImportIsOneLineWithEveryCountAndStatsAddTheDigest() async throws {
        try await Scratch.with { scratch in
            let trace = scratch.path + "/trace.csv"
            let rows = """
                time,user,connection,action,reason
                2020-01-01T00:00:00Z,a,c1,start,
                2020-01-01T00:00:01Z,b,c2,start,
                2020-01-01T00:00:10Z,a,c1,drop,reset
                2020-01-01T00:00:20Z,a,c3,start,
                2020-01-01T00:00:21Z,a,c1,drop,late
                2020-01-01T00:00:30Z,a,c4,start,
                2020-01-01T00:00:40Z,a,c4,drop,reset
                2020-01-01T00:02:11Z,b,c5,start,
                2020-01-01T00:02:12Z,b,c5,close,
                2020-01-01T00:02:13Z,b,c5,close,

                """
            try rows.write(toFile: trace, atomically: false, encoding: .utf8)
            let line = try await scratch.done(
                "import", trace, "--project", "cap-demo", "--concurrencies", "1", "--json").only
            let report = try object(line)
            #expect(Self.counts.isSubset(of: report.keys))
            let expected = [
                "starts": 5, "grantedNew": 2, "resumed": 1, "takenOver": 1, "rejectedNoIdle": 1,
                "disconnected": 2, "staleDisconnects": 1, "destroyed": 1, "staleDestroys": 1,
                "repossessed": 1, "heldAtEnd": 0, "waitingAtEnd": 0,
            ]
            for (name, count) in expected {
                #expect(report[name] as? Int == count, "\(name): \(line)")
            }
            let statistics = try object(try await scratch.done("stats", "--json").only)
            #expect(Self.counts.isSubset(of: statistics.keys))
            #expect((statistics["stateDigest"] as? String)?.count == 64)
            for name in Self.counts {
                #expect(statistics[name] as? Int == report[name] as? Int, "\(name)")
            }
        }
    }

    @Test(
        .enabled(
            if: Traces.path("chat-a.csv") != nil,
            "no chat-a.csv in the folder that HOLDFAST_TRACES names"))
    func theRecordedTraceComesToItsCounts() async throws {
        let trace = try #require(Traces.path("chat-a.csv"))
        try await Scratch.with { scratch in
            let ending = try await scratch.run([
                "import", trace, "--project", "cap-demo", "--concurrencies", "60", "--json",
                "--data", scratch.data,
            ])
            // Progress on standard error is welcome if it takes long.
            #expect(ending.status == 0)
            let report = try object(ending.outputLines.only)
            let expected = [
                "starts": 12_771, "grantedNew": 7_594, "resumed": 1_645, "takenOver": 1_309,
                "rejectedNoIdle": 2_223, "disconnected": 6_504, "staleDisconnects": 2_856,
                "destroyed": 2_675, "staleDestroys": 631, "repossessed": 4_859, "heldAtEnd": 60,
                "waitingAtEnd": 0,
            ]
            for (name, count) in expected { #expect(report[name] as? Int == count, "\(name)") }
            let sound = try object(try await scratch.done("verify", "--json").only)
            #expect(sound["isSound"] as? Bool == true)
        }
    }

    @Test func versionsArePrinted() async throws {
        try await Scratch.with { scratch in
            let text = try await scratch.run(["version"])
            #expect(text.status == 0)
            #expect(try text.outputLines.only.hasPrefix("holdfast "))
            let json = try object(try await scratch.run(["version", "--json"]).outputLines.only)
            #expect(json["holdfast"] is String)
            #expect(json["logFormat"] is Int)
        }
    }
}

/// Recorded traces, which lie outside the project: in the folder that `HOLDFAST_TRACES` names, by
/// default `../shared/traces` beside the package.
enum Traces {
    static func path(_ name: String) -> String? {
        let package = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let folder = ProcessInfo.processInfo.environment["HOLDFAST_TRACES"] ?? "../shared/traces"
        let path = URL(filePath: folder, relativeTo: package).appending(path: name).path
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }
}
