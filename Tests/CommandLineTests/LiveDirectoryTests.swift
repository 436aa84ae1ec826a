import Foundation
import Glibc
import Testing

/// Commands on the data directory of a running server.
@Suite struct LiveDirectoryTests {
    /// A server with a project of three and one connected user.
    private func withServer(
        _ body: (Scratch, Server) async throws -> Void
    ) async throws {
        try await Scratch.with { scratch in
            try await scratch.done("project", "set", "cap-demo", "--concurrencies", "3")
            try await Server.with(scratch, "--anonymous") { server in
                try server.connect("u1")
                try await body(scratch, server)
            }
        }
    }

    @Test func everyReadingCommandWorks() async throws {
        try await withServer { scratch, _ in
            let projects = try object(try await scratch.done("project", "list", "--json").only)
            #expect(projects["connected"] as? Int == 1)
            let state = try object(try await scratch.done("state", "u1", "--json").only)
            #expect(state["concurrency"] as? Int == 1)
            #expect(try await scratch.done("state").count == 3)
            #expect(try await scratch.done("state", "--at", "2").count == 2)
            let difference = try await scratch.done("diff", "2", "9", "--json").map(object)
            #expect(difference[1]["user"] as? String == "u1")
            let history = try await scratch.done("history", "u1", "--json").map(object)
            #expect(history.last?["outcome"] as? String == "fresh")
            let slot = try await scratch.done(
                "history", "--project", "cap-demo", "--concurrency", "1", "--json")
            #expect(!slot.isEmpty)
            let explained = try await scratch.done("explain", "u1")
            #expect(explained.last?.hasSuffix("connected with session 6. [6]") == true)
            let explanation = try object(
                try await scratch.done("explain", "u1", "--at", "5", "--json").only)
            #expect(explanation["position"] as? Int == 5)
            let statistics = try object(try await scratch.done("stats", "--json").only)
            #expect(statistics["grantedNew"] as? Int == 1)
            #expect(try await scratch.done("tail", "-n", "2").count == 3)
            #expect(try await scratch.done("credential", "list").isEmpty)
            let head = try object(try await scratch.done("head", "--json").only)
            #expect(head["position"] as? Int == statistics["events"] as? Int)
            let key = try await scratch.done("head", "--public-key").only
            let proof = try await scratch.done("prove", "2").only
            let file = scratch.path + "/proof"
            try proof.write(toFile: file, atomically: false, encoding: .utf8)
            let checked = try await scratch.run(["check-proof", file, "--key", key])
            #expect(checked.status == 0, "\(checked.errors)")
            let asked = try await scratch.done("whatif", "--concurrencies", "1,2", "--json").only
            #expect(asked.hasPrefix("[{") && asked.contains("\"grantedNew\":1,"))
        }
    }

    @Test func verifyAndRebuildWork() async throws {
        try await withServer { scratch, server in
            let report = try object(try await scratch.done("verify", "--json").only)
            #expect(report["isSound"] as? Bool == true)
            let rebuilt = try object(try await scratch.done("rebuild", "--json").only)
            #expect(rebuilt["isSame"] as? Bool == true)
            #expect(rebuilt["isReplaced"] as? Bool == false)
            #expect(rebuilt["stateDigest"] as? String == report["stateDigest"] as? String)
            try server.connect("u2")
            let count = try await scratch.eventCount()
            let later = try object(try await scratch.done("verify", "--json").only)
            #expect(later["events"] as? Int == count)
        }
    }

    @Test(arguments: [
        ["project", "set", "cap-demo", "--concurrencies", "5"],
        ["project", "set", "cap-new", "--concurrencies", "5"],
        ["apply", "u2", "--project", "cap-demo"], ["session", "u1"], ["disconnect", "u1"],
        ["destroy", "u1"], ["repossess", "u1"], ["serve", "--listen", "127.0.0.1:0"],
        ["import", "TRACE", "--project", "cap-demo", "--concurrencies", "5"],
    ])
    func aWritingCommandIsRefusedNamingTheServer(command: [String]) async throws {
        try await withServer { scratch, server in
            let trace = try scratch.writeTrace()
            let before = try await scratch.eventCount()
            let words = command.map { $0 == "TRACE" ? trace : $0 }
            let ending = try await scratch.run(words + ["--data", scratch.data])
            ending.expectOneError(status: 1)
            let owner = "\(scratch.data) is in use by process \(server.child.pid)"
            #expect(ending.errors.contains(owner))
            #expect(ending.errors.contains(server.url + ";"))
            #expect(try await scratch.eventCount() == before)
        }
    }

    @Test func aCredentialMadeBesideTheServerIsThereAtOnce() async throws {
        try await withServer { scratch, _ in
            try await scratch.done("credential", "create", "--label", "second", "--json")
            #expect(try await scratch.done("credential", "list").count == 1)
            try await scratch.done("credential", "revoke", "1")
            let entry = try object(try await scratch.done("credential", "list", "--json").only)
            #expect(entry["isDisabled"] as? Bool == true)
        }
    }

    @Test func tailFollowsWhatTheServerWrites() async throws {
        try await withServer { scratch, server in
            let start = try await scratch.eventCount()
            let tail = try scratch.start(
                ["tail", "-f", "--after", "\(start)", "--json", "--data", scratch.data])
            try server.connect("u2")
            try await tail.wait { lines($0.output).count >= 3 }
            try server.connect("u3")
            try await tail.wait { lines($0.output).count >= 6 }
            let events = try lines(tail.output).map(object)
            #expect(events.compactMap { $0["position"] as? Int } == Array(start + 1 ... start + 6))
            let actions = events.filter { $0["kind"] as? String != "userNamed" }
            #expect(
                actions.compactMap { $0["user"] as? String } == ["u2", "u2", "u3", "u3"])
            #expect(
                actions.compactMap { $0["outcome"] as? String }
                    == ["granted", "fresh", "granted", "fresh"])
            tail.send(SIGINT)
            let ending = try await tail.wait()
            #expect(ending.errors == "")
        }
    }

    @Test func afterTheServerEndedTheDirectoryIsWritableAgain() async throws {
        try await withServer { _, _ in }
        try await Scratch.with { scratch in
            try await scratch.done("project", "set", "cap-demo", "--concurrencies", "1")
            try await Server.with(scratch, "--anonymous") { try $0.connect("u1") }
            try await scratch.done("destroy", "u1")
        }
    }
}
