import Foundation
import Testing

/// `forget`, and how those who were forgotten are shown.
@Suite struct ForgetTests {
    @Test func aUserIsForgotten() async throws {
        try await Scratch.with { scratch in
            try await scratch.done("project", "set", "p1", "--concurrencies", "2")
            for user in ["u1", "u2"] {
                try await scratch.done("apply", user, "--project", "p1")
                try await scratch.done("session", user)
            }
            let lines = try await scratch.done("forget", "u1")
            #expect(lines.count == 3)
            #expect(lines[0] == "u1 held p1/1, which was freed")
            #expect(lines[1].hasPrefix("u1 is forgotten: known from now on as user 1, position "))
            #expect(lines[2].contains("backups made before have it still"))
            for words in [["history", "u1"], ["state", "u1"], ["forget", "u1"]] {
                let ending = try await scratch.run(words + ["--data", scratch.data])
                ending.expectOneError(status: 1)
                #expect(ending.errors.contains("no user"), "\(ending.errors)")
            }
            let table = try await scratch.done(
                "history", "--project", "p1", "--concurrency", "1")
            #expect(table.filter { $0.contains("user 1 (forgotten)") }.count == 3, "\(table)")
            #expect(!table.contains { $0.contains("u1") })
            let events = try await scratch.done(
                "history", "--project", "p1", "--concurrency", "1", "--json")
            for event in try events.map(object) {
                #expect(event["user"] is NSNull && event["userNumber"] as? Int == 1)
                #expect(event["clientAddress"] is NSNull)
            }
            let tail = try await scratch.done("tail", "-n", "1")
            #expect(tail.last?.contains("  user 1 (forgotten)  asked to be forgotten") ?? false)
            let report = try object(try await scratch.done("verify", "--json").only)
            #expect(report["forgotten"] as? Int == 1 && report["unopenedNames"] as? Int == 1)
            // Who returns is somebody new, and can be forgotten in turn.
            try await scratch.done("apply", "u1", "--project", "p1")
            let again = try object(try await scratch.done("forget", "u1", "--json").only)
            #expect(again["kind"] as? String == "userForgotten")
            #expect(again["userNumber"] as? Int == 3 && again["user"] is NSNull)
            let rebuilt = try object(try await scratch.done("rebuild", "--json").only)
            #expect(rebuilt["isSame"] as? Bool == true)
            #expect(try await scratch.done("state", "u2").only.contains("p1/2"))
        }
    }

    /// Everything that shows a user says so of one who was forgotten, and tells what is left.
    @Test func theForgottenAreShownByNumber() async throws {
        try await Scratch.with { scratch in
            try await scratch.done("project", "set", "p1", "--concurrencies", "2")
            for user in ["u1", "u2"] {
                try await scratch.done("apply", user, "--project", "p1")
                try await scratch.done("session", user)
            }
            let held = try object(try await scratch.done("state", "u1", "--json").only)
            #expect(held["user"] as? String == "u1" && held["userNumber"] as? Int == 1)
            let before = try #require(held["lastPosition"] as? Int)
            try await scratch.done("disconnect", "u2")
            try await scratch.done("forget", "u1")
            let now = try await scratch.done("state", "--user-number", "1").only
            #expect(now.hasPrefix("user 1 (forgotten) holds nothing"), "\(now)")
            let then = try await scratch.done("state", "--at", "\(before)")
            #expect(then.contains { $0.hasPrefix("user 1 (forgotten) holds p1/1") }, "\(then)")
            let json = try await scratch.done("state", "--at", "\(before)", "--json")
            let past = try object(json.only)
            let holders = try #require(past["holders"] as? [[String: Any]])
            #expect(holders.contains { $0["user"] is NSNull && $0["userNumber"] as? Int == 1 })
            let changed = try await scratch.done("diff", "\(before)", "1000", "--json").map(object)
            let lost = try #require(changed.first { $0["difference"] as? String == "lost" })
            #expect(lost["user"] is NSNull && lost["userNumber"] as? Int == 1)
            let told = try await scratch.done("diff", "\(before)", "1000")
            #expect(told.contains { $0.hasPrefix("  user 1 (forgotten): p1/1") }, "\(told)")
            let replayed = try await scratch.done("replay", "--json").map(object)
            let users = replayed.compactMap { $0["user"] as? [String: Any] }
            #expect(users.contains { $0["user"] is NSNull && $0["userNumber"] as? Int == 1 })
            #expect(!users.contains { $0["user"] as? String == "" })
            let story = try await scratch.done("explain", "--user-number", "1")
            #expect(story.first?.hasPrefix("user 1 (forgotten) as of ") ?? false, "\(story)")
            let other = try await scratch.done("explain", "u2")
            #expect(other.contains { $0.contains("window") }, "\(other)")
            let gone = try await scratch.run(["explain", "u1", "--data", scratch.data])
            gone.expectOneError(status: 1)
            #expect(gone.errors.contains("a number only"), "\(gone.errors)")
        }
    }

    /// The command line cannot write beside a server; the server's own action can.
    @Test func aServerForgetsOnRequest() async throws {
        // What a shell and JSON have to be told to leave alone.
        let name = #"it's "u1""#
        try await Scratch.with { scratch in
            try await scratch.done("project", "set", "cap-demo", "--concurrencies", "3")
            try await Server.with(scratch, "--anonymous", "--client-addresses", "truncated") {
                server in
                for user in [name, "u2"] { try server.connect(user) }
                let applied = try await scratch.done("history", name, "--json").map(object)
                let addresses = applied.compactMap { $0["clientAddress"] as? String }
                #expect(!addresses.isEmpty && addresses.allSatisfy { $0.hasSuffix(".0/24") })
                let replayed = try await scratch.done("replay", "--user", name, "--json")
                let events = try replayed.map { try object($0)["event"] as? [String: Any] }
                #expect(
                    events.map { $0?["clientAddress"] as? String }
                        == applied.map { $0["clientAddress"] as? String })
                let ending = try await scratch.run(["forget", name, "--data", scratch.data])
                ending.expectOneError(status: 1)
                // The call stands there whole, to be copied.
                let start = try #require(ending.errors.range(of: "curl -s "), "\(ending.errors)")
                let line = ending.errors[start.lowerBound...].dropLast()
                #expect(line.contains("'X-TC-Action: ForgetUser'") && line.contains(server.url))
                let call = try scratch.start(shell: String(line))
                let answer = try await call.wait().output
                #expect(answer.contains("\"Outcome\":\"done\""), "\(answer)")
                let gone = try await scratch.run(["history", name, "--data", scratch.data])
                gone.expectOneError(status: 1)
                let rest = try await scratch.done("history", "u2", "--json").map(object)
                #expect(rest.contains { $0["clientAddress"] is String })
            }
        }
    }

    @Test func aServerThatWantsSignaturesIsNamed() async throws {
        try await Scratch.with { scratch in
            try await scratch.done("project", "set", "cap-demo", "--concurrencies", "1")
            try await scratch.done("apply", "u1", "--project", "cap-demo")
            try await Server.with(scratch) { server in
                let error = try await scratch.refused("forget", "u1")
                let says = "call ForgetUser on \(server.url), signed as docs/operations.md"
                #expect(error.contains(says), "\(error)")
                #expect(!error.contains("curl"))
            }
            try await scratch.done("forget", "u1")
        }
    }

    @Test func withoutItsKeysNamesAreNotReadAndNumbersAre() async throws {
        try await Scratch.with { scratch in
            try await scratch.done("project", "set", "p1", "--concurrencies", "2")
            try await scratch.done("apply", "u1", "--project", "p1")
            let keys = scratch.data + "/personal.keys"
            try FileManager.default.moveItem(atPath: keys, toPath: scratch.path + "/kept")
            for words in [
                ["history", "u1"], ["state"], ["tail"], ["rebuild"], ["forget", "u1"],
                ["apply", "u1", "--project", "p1"], ["serve", "--listen", "127.0.0.1:0"],
            ] {
                let ending = try await scratch.run(words + ["--data", scratch.data])
                ending.expectOneError(status: 1)
                #expect(
                    ending.errors.contains("personal.keys is missing")
                        && ending.errors.contains("restore it"), "\(words): \(ending.errors)")
                #expect(!FileManager.default.fileExists(atPath: keys))
            }
            let counts = try object(try await scratch.done("stats", "--json").only)
            #expect(counts["users"] as? Int == 1)
            let report = try object(try await scratch.done("verify", "--json").only)
            #expect(report["isSound"] as? Bool == true && report["unopenedNames"] as? Int == 1)
            try FileManager.default.moveItem(atPath: scratch.path + "/kept", toPath: keys)
            #expect(try await scratch.done("state", "u1").only.contains("p1/1"))
        }
    }
}
