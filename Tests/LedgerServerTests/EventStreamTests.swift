import CloudAPI
import EventLog
import JSON
import Ledger
import LedgerServer
import ReconnectionRules
import Testing

@Suite struct EventStreamTests {
    private func kind(_ line: String?) -> String? {
        guard let line, let event = try? JSONValue.parse(Array(line.utf8)),
            case .string(let kind)? = event["kind"]
        else { return nil }
        return kind
    }

    private func position(_ line: String?) -> UInt64? {
        guard let line, let event = try? JSONValue.parse(Array(line.utf8)),
            case .unsigned(let position)? = event["position"]
        else { return nil }
        return position
    }

    @Test func eventsComeAsTheyHappenAndFromAPosition() async throws {
        try await TestServer.run { server in
            try await server.makeProject()
            let head = server.ledger.head.position
            try await Connection.with(port: server.port) { connection in
                try await connection.send(server.signer.get("TailEvents", "", path: "/v1/events"))
                let reply = try await connection.reply()
                #expect(reply.status == 200)
                #expect(reply.headers["content-type"] == "application/x-ndjson")
                try await server.ledger.apply(user: "u1", project: "cap-1")
                #expect(kind(try await connection.streamLine()) == "userNamed")
                let applied = try await connection.streamLine()
                #expect(kind(applied) == "applied")
                #expect(position(applied) == head + 2)
                let event = try await server.ledger.history(ofUser: "u1", limit: 1)[0]
                #expect(applied == EventJSON.line(event))
                try await server.ledger.repossess(user: "u1")
                #expect(kind(try await connection.streamLine()) == "repossessed")
            }
            try await Connection.with(port: server.port) { connection in
                let query = "after=\(head + 1)"
                try await connection.send(
                    server.signer.get("TailEvents", query, path: "/v1/events"))
                _ = try await connection.reply()
                #expect(position(try await connection.streamLine()) == head + 2)
                #expect(position(try await connection.streamLine()) == head + 3)
            }
        }
    }

    @Test func aLongBacklogArrivesWholeAndInOrder() async throws {
        try await TestServer.run { server in
            try await server.makeProject(concurrencies: 10)
            for start in 0 ..< 10 {
                let actions = (0 ..< 300).map {
                    Action.apply(user: "u\(start * 300 + $0)", project: "cap-1")
                }
                _ = try await server.ledger.performAll(actions)
            }
            let head = server.ledger.head.position
            try await Connection.with(port: server.port) { connection in
                try await connection.send(
                    server.signer.get("TailEvents", "after=0", path: "/v1/events"))
                _ = try await connection.reply()
                for expected in 1 ... head {
                    guard position(try await connection.streamLine()) == expected else {
                        Issue.record("gap before \(expected)")
                        break
                    }
                }
            }
        }
    }

    @Test func aReaderThatGoesAwayIsForgotten() async throws {
        try await TestServer.run { server in
            for _ in 0 ..< 3 {
                try await Connection.with(port: server.port) { connection in
                    try await connection.send(
                        server.signer.get("TailEvents", "after=0", path: "/v1/events"))
                    _ = try await connection.reply()
                }
            }
            try await server.makeProject()
            let start = ContinuousClock.now
            await server.server.stop()
            #expect(ContinuousClock.now - start < .seconds(2))
        }
    }

    @Test func theStreamIsForCallersWithACredential() async throws {
        try await TestServer.run { server in
            let path = "/v1/events"
            var wrong = server.signer
            wrong.secretKey = "wrong"
            var moved = server.signer.get("TailEvents", "", path: "/")
            moved.path = path
            let cases = [
                (TestRequest(method: "GET", path: path, headers: [("Host", "h")]), 401),
                (wrong.get("TailEvents", "", path: path), 401),
                (moved, 401),
                (server.signer.form("GET", "TailEvents", []), 200),
                (server.signer.get("TailEvents", "after=x", path: path), 400),
                (server.signer.get("TailEvents", "from=1", path: path), 400),
                (TestRequest(method: "DELETE", path: path, headers: [("Host", "h")]), 405),
            ]
            for (request, status) in cases {
                let answer = try await server.ask(request)
                #expect(answer.reply.status == status)
                #expect(answer.code != nil)
            }
            var bare = server.signer.get("TailEvents", "after=0", path: path)
            bare.headers.removeAll { $0.0 == "X-TC-Action" || $0.0 == "X-TC-Version" }
            try await Connection.with(port: server.port) { connection in
                let reply = try await connection.ask(bare)
                #expect(reply.status == 200)
            }
        }
    }

    @Test func anAnonymousServerStreamsToAnybody() async throws {
        try await TestServer.run({ $0.isAnonymous = true }) { server in
            try await server.ledger.modifyProject("p", .init(concurrencyCount: 1))
            try await Connection.with(port: server.port) { connection in
                try await connection.send(
                    TestRequest(
                        method: "GET", path: "/v1/events", query: "after=0",
                        headers: [("Host", "127.0.0.1")]))
                #expect(try await connection.reply().status == 200)
                #expect(position(try await connection.streamLine()) == 1)
            }
        }
    }
}
