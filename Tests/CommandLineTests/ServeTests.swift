import Foundation
import Glibc
import Testing

@Suite struct ServeTests {
    @Test func itPrintsOneLineWhenItAcceptsRequests() async throws {
        try await Scratch.with { scratch in
            try await Server.with(scratch) { server in
                #expect(server.greeting == "holdfast serves \(scratch.data) on \(server.url)")
                _ = try Connection(port: server.port)
            }
        }
    }

    @Test func theFirstStartPrintsTheCredentialOnceAndTheSecondDoesNot() async throws {
        try await Scratch.with { scratch in
            try await Server.with(scratch) { server in
                let line = try #require(lines(server.child.errors).first)
                let words = line.split(separator: " ")
                try #require(words.count == 6)
                #expect(words[..<3] == ["first", "start:", "SecretId"])
                let id = String(words[3])
                #expect(server.child.errors.components(separatedBy: id).count == 2)
                let listed = try object(try await scratch.done("credential", "list", "--json").only)
                #expect(listed["secretId"] as? String == id)
            }
            try await Server.with(scratch) { server in
                #expect(!server.child.errors.contains("SecretId"))
                #expect(!server.child.errors.contains("SecretKey"))
            }
        }
    }

    @Test func withACredentialThereTheFirstStartMakesNone() async throws {
        try await Scratch.with { scratch in
            try await scratch.done("credential", "create", "--json")
            try await Server.with(scratch) { server in
                #expect(!server.child.errors.contains("SecretKey"))
            }
            #expect(try await scratch.done("credential", "list").count == 1)
        }
    }

    @Test(arguments: [SIGTERM, SIGINT])
    func aSignalEndsItWithIdleConnectionsOpen(signal: Int32) async throws {
        try await Scratch.with { scratch in
            let server = try await Server.start(scratch, ["--anonymous"])
            var idle: [Connection] = []
            for _ in 0 ..< 8 {
                let connection = try Connection(port: server.port)
                _ = try connection.ask("DescribeConcurrentCount", [:])
                idle.append(connection)
            }
            let silent = try Connection(port: server.port)
            server.child.send(signal)
            let ending = try await server.child.wait(seconds: 10)
            #expect(ending.status == 0, "\(ending.errors)")
            #expect(ending.outputLines == [server.greeting])
            for connection in idle + [silent] { #expect(connection.isClosed()) }
        }
    }

    @Test func whatWasAnsweredIsThereAfterAKill() async throws {
        try await Scratch.with { scratch in
            try await scratch.done("project", "set", "cap-demo", "--concurrencies", "2")
            let server = try await Server.start(scratch, ["--anonymous"])
            try server.connect("u1")
            server.child.send(SIGKILL)
            #expect(try await server.child.wait().status == 1000 + SIGKILL)
            let state = try object(try await scratch.done("state", "u1", "--json").only)
            #expect(state["state"] as? String == "connected")
            try await scratch.done("verify")
            try await Server.with(scratch, "--anonymous") { server in
                let reply = try server.ask("DescribeUserConcurrency", ["UserId": "u1"])
                #expect(reply["State"] as? String == "connected")
            }
        }
    }

    @Test func aPortInUseIsRefusedBeforeAnythingIsWritten() async throws {
        try await Scratch.with { scratch in
            try await Server.with(scratch) { server in
                let other = scratch.path + "/other"
                let ending = try await scratch.run(
                    ["serve", "--data", other, "--listen", "127.0.0.1:\(server.port)"])
                ending.expectOneError(status: 1)
                #expect(ending.errors.contains("127.0.0.1:\(server.port) is in use"))
                #expect(try tree(other).isEmpty)
            }
        }
    }
}
