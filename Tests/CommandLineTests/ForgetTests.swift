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
            #expect(table.count == 3)
            #expect(table.allSatisfy { $0.contains("user 1 (forgotten) ") })
            let events = try await scratch.done(
                "history", "--project", "p1", "--concurrency", "1", "--json")
            for event in try events.map(object) {
                #expect(event["user"] is NSNull && event["userNumber"] as? Int == 1)
                #expect(event["clientAddress"] is NSNull)
            }
            let tail = try await scratch.done("tail", "-n", "1")
            #expect(tail.last?.contains("user 1 (forgotten) asked to be forgotten") ?? false)
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

    /// The command line cannot write beside a server; the server's own action can.
    @Test func aServerForgetsOnRequest() async throws {
        try await Scratch.with { scratch in
            try await scratch.done("project", "set", "cap-demo", "--concurrencies", "3")
            try await Server.with(scratch, "--anonymous", "--client-addresses", "truncated") {
                server in
                for user in ["u1", "u2"] { try server.connect(user) }
                let applied = try await scratch.done("history", "u1", "--json").map(object)
                let addresses = applied.compactMap { $0["clientAddress"] as? String }
                #expect(!addresses.isEmpty && addresses.allSatisfy { $0.hasSuffix(".0/24") })
                let ending = try await scratch.run(["forget", "u1", "--data", scratch.data])
                ending.expectOneError(status: 1)
                #expect(ending.errors.contains("ForgetUser"), "\(ending.errors)")
                let answer = try server.ask("ForgetUser", ["UserId": "u1"])
                #expect(answer["Outcome"] as? String == "done")
                let gone = try await scratch.run(["history", "u1", "--data", scratch.data])
                gone.expectOneError(status: 1)
                let rest = try await scratch.done("history", "u2", "--json").map(object)
                #expect(rest.contains { $0["clientAddress"] is String })
            }
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
