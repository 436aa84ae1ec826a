import Foundation
import Testing

/// Nine recorded months kept, brought back, stepped through, and one person of them forgotten. What
/// is expected is counted in the trace itself, or determined by it.
@Suite(
    .enabled(
        if: Traces.path("chat-a.csv") != nil,
        "no chat-a.csv in the folder that HOLDFAST_TRACES names"))
struct RealTraceTests {
    private func play(_ scratch: Scratch) async throws {
        let trace = try #require(Traces.path("chat-a.csv"))
        let ending = try await scratch.run([
            "import", trace, "--project", "cap-demo", "--concurrencies", "110",
            "--reconnect-window", "90s", "--json", "--data", scratch.data,
        ])
        try #require(ending.status == 0, "\(ending.errors)")
    }

    /// Rows of the trace by user, then action.
    private func rows() throws -> [Substring: [Substring: Int]] {
        let text = try String(
            contentsOfFile: try #require(Traces.path("chat-a.csv")), encoding: .utf8)
        var counts: [Substring: [Substring: Int]] = [:]
        for line in text.split(separator: "\n").dropFirst() {
            let fields = line.split(separator: ",", omittingEmptySubsequences: false)
            counts[fields[1], default: [:]][fields[3], default: 0] += 1
        }
        return counts
    }

    @Test func aBackupOfItComesBackInANewEpoch() async throws {
        try await Scratch.with { scratch in
            try await play(scratch)
            let backup = scratch.path + "/backup"
            let made = try object(try await scratch.done("backup", backup, "--json").only)
            let statistics = try object(try await scratch.done("stats", "--json").only)
            #expect(made["position"] as? Int == 44_733 && made["events"] as? Int == 44_733)
            #expect(made["stateDigest"] as? String == statistics["stateDigest"] as? String)
            let restored = scratch.path + "/restored"
            let ending = try await scratch.run(
                ["restore", backup, "--json", "--data", restored])
            let report = try object(ending.outputLines.only)
            #expect(report["restoredPosition"] as? Int == 44_733)
            let verified = try await scratch.run(["verify", "--json", "--data", restored])
            let found = try object(verified.outputLines.only)
            #expect(found["isSound"] as? Bool == true && found["events"] as? Int == 44_734)
            // The past is what it was, event by event.
            let old = try await scratch.done("history", "--json")
            let new = try await scratch.run(["history", "--json", "--data", restored])
            #expect(new.outputLines.dropLast().elementsEqual(old) && old.count == 44_733)
            #expect(try object(#require(new.outputLines.last))["kind"] as? String == "epochBegun")
        }
    }

    @Test func replayStepsThroughWhatHistoryLists() async throws {
        try await Scratch.with { scratch in
            try await play(scratch)
            let moments = try await scratch.done(
                "replay", "--from", "30000", "--until", "kind=repossessed", "--json"
            ).map(object)
            let events = moments.compactMap { $0["event"] as? [String: Any] }
            #expect(events.compactMap { $0["position"] as? Int } == Array(30_000 ... 30_006))
            #expect(events.last?["time"] as? String == "2016-12-05T15:55:57.000000Z")
            #expect(events.last?["user"] as? String == "e59f0742b02b")
            #expect(events.last?["outcome"] as? String == "windowExpired")
            #expect(events.last?["session"] as? Int == 30_004)
            #expect((moments.last?["user"] as? [String: Any])?["state"] as? String == "none")
            // The disconnect's window of 90 s ended it.
            let lost = try await scratch.done(
                "history", "e59f0742b02b", "--where", "session=30004", "--json"
            ).map(object)
            #expect(lost.compactMap { $0["position"] as? Int }.last == 30_006)
            #expect(
                lost.contains {
                    $0["outcome"] as? String == "waiting"
                        && $0["deadline"] as? String == "2016-12-05T15:55:57.000000Z"
                })
        }
    }

    /// The person with the most rows: the name goes, every event and every count stays.
    @Test func thePersonWithTheMostRowsIsForgotten() async throws {
        try await Scratch.with { scratch in
            try await play(scratch)
            let rows = try rows()
            let (name, actions) = try #require(
                rows.max { $0.value.values.reduce(0, +) < $1.value.values.reduce(0, +) })
            let user = String(name)
            let before = try await scratch.done("history", user, "--json").map(object)
            #expect(before.count { $0["kind"] as? String == "applied" } == actions["start"])
            #expect(before.count { $0["kind"] as? String == "disconnected" } == actions["drop"])
            #expect(before.count { $0["kind"] as? String == "destroyed" } == actions["close"] ?? 0)
            let number = try #require(before.first?["userNumber"] as? Int)
            let counts = try object(try await scratch.done("stats", "--json").only)
            let done = try object(try await scratch.done("forget", user, "--json").only)
            #expect(done["userNumber"] as? Int == number && done["user"] is NSNull)
            let after = try await scratch.done("history", "--user-number", "\(number)", "--json")
                .map(object)
            #expect(after.last?["kind"] as? String == "userForgotten")
            let kept = after.prefix(before.count)
            #expect(
                kept.map { $0["position"] as? Int } == before.map { $0["position"] as? Int })
            #expect(after.allSatisfy { $0["user"] is NSNull })
            let now = try object(try await scratch.done("stats", "--json").only)
            for key in ["starts", "resumed", "takenOver", "disconnected", "users"] {
                #expect(now[key] as? Int == counts[key] as? Int, "\(key)")
            }
            let report = try object(try await scratch.done("verify", "--json").only)
            #expect(report["isSound"] as? Bool == true && report["forgotten"] as? Int == 1)
            let export = try await scratch.done("export")
            #expect(!export.contains { $0.contains(user) } && export.count > 44_733)
        }
    }
}
