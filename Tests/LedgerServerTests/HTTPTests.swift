import CloudAPI
import EventLog
import JSON
import Ledger
import LedgerServer
import Testing

@Suite struct HTTPTests {
    private func plain(_ method: String, _ path: String) -> TestRequest {
        TestRequest(method: method, path: path, headers: [("Host", "h")])
    }

    @Test func whateverReachesTheApiIsAnsweredInTheEnvelope() async throws {
        try await TestServer.run({ $0.bodyByteCountMax = 2000 }) { server in
            let big = #"{"UserId":"\#(String(repeating: "u", count: 300_000))"}"#
            let requests = [
                (plain("GET", "/"), "MissingParameter"), (plain("POST", "/"), "AuthFailure"),
                (plain("PUT", "/"), "UnsupportedProtocol"),
                (server.signer.post("DestroySession", big), "RequestSizeLimitExceeded"),
                (server.signer.post("DestroySession", "no"), "InvalidParameter.JsonParseError"),
            ]
            for (request, code) in requests {
                let answer = try await server.ask(request)
                answer.expectEnvelope()
                #expect(answer.code?.hasPrefix(code) == true, "\(request.method) \(code)")
            }
        }
    }

    @Test func aConnectionServesManyRequestsInARow() async throws {
        try await TestServer.run({ $0.bodyByteCountMax = 2000 }) { server in
            let big = #"{"UserId":"\#(String(repeating: "u", count: 300_000))"}"#
            try await Connection.with(port: server.port) { connection in
                for index in 0 ..< 20 {
                    let json = index % 4 == 3 ? big : "{}"
                    let request = server.signer.post("DescribeConcurrentCount", json)
                    let answer = Answer(try await connection.ask(request))
                    answer.expectEnvelope()
                    #expect((answer.code == nil) == (index % 4 != 3))
                    #expect(answer.reply.headers["date"]?.hasSuffix(" GMT") == true)
                }
            }
        }
    }

    @Test func requestsSentAtOnceAreAnsweredInOrder() async throws {
        try await TestServer.run { server in
            try await Connection.with(port: server.port) { connection in
                for _ in 0 ..< 5 {
                    try await connection.send(server.signer.post("DescribeConcurrentCount", "{}"))
                    try await connection.send(server.signer.post("DestroySession", "{}"))
                }
                for _ in 0 ..< 5 {
                    #expect(Answer(try await connection.reply()).number("Total") == 0)
                    #expect(Answer(try await connection.reply()).code == "MissingParameter")
                }
            }
        }
    }

    @Test func otherPathsAreNotFound() async throws {
        try await TestServer.run { server in
            for path in ["/x", "//", "/health/", "/v1", "/v1/events/"] {
                let answer = try await server.ask(plain("GET", path))
                #expect(answer.reply.status == 404)
                #expect(answer.code == "InvalidRequest")
                #expect(answer.text("RequestId")?.count == 36)
            }
        }
    }

    @Test func healthTellsThePositionToAnybody() async throws {
        try await TestServer.run { server in
            try await server.makeProject()
            let reply = try await server.ask(plain("GET", "/health")).reply
            #expect(reply.status == 200)
            #expect(reply.body == #"{"status":"ok","position":\#(server.ledger.head.position)}"#)
            #expect(try await server.ask(plain("HEAD", "/health")).reply.status == 200)
            #expect(try await server.ask(plain("POST", "/health")).reply.status == 405)
        }
    }

    @Test func theNativeAPIDescribesItself() async throws {
        try await TestServer.run { server in
            let reply = try await server.ask(plain("GET", "/v1/openapi.json")).reply
            #expect(reply.status == 200)
            let document = try JSONValue.parse(Array(reply.body.utf8))
            for path in ["/v1/commands", "/v1/events", "/health"] {
                #expect(document["paths"]?[path] != nil)
            }
            #expect(try await server.ask(plain("POST", "/v1/openapi.json")).reply.status == 405)
        }
    }

    @Test func headersHaveABound() async throws {
        try await TestServer.run { server in
            var request = plain("GET", "/health")
            request.set("X-Long", String(repeating: "x", count: 40_000))
            var answer = try await server.ask(request)
            #expect(answer.reply.status == 400)
            request = plain("GET", "/health")
            for index in 0 ..< 120 { request.set("X-\(index)", "1") }
            answer = try await server.ask(request)
            #expect(answer.reply.status == 400)
        }
    }

    @Test func aBodyThatDoesNotComeIsNotWaitedForForever() async throws {
        try await TestServer.run({ $0.readTimeoutSeconds = 1 }) { server in
            try await Connection.with(port: server.port) { connection in
                try await connection.send(
                    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf")
                let start = ContinuousClock.now
                await connection.waitForEnd()
                #expect(ContinuousClock.now - start < .seconds(4))
            }
            try await server.makeProject()
        }
    }

    @Test func anIdleConnectionIsClosed() async throws {
        try await TestServer.run({ $0.idleTimeoutSeconds = 1 }) { server in
            try await Connection.with(port: server.port) { connection in
                let start = ContinuousClock.now
                await connection.waitForEnd()
                #expect(ContinuousClock.now - start < .seconds(4))
            }
        }
    }

    @Test func anAddressInUseIsOneClearLine() async throws {
        try await TestServer.run { first in
            try await withTemporaryDirectory { directory in
                let ledger = try Ledger(opening: directory)
                var configuration = HoldfastServer.Configuration()
                configuration.port = first.port
                let second = try HoldfastServer(ledger: ledger, configuration: configuration)
                let error = await #expect(throws: ServerError.self) {
                    try await second.run(handlesSignals: false)
                }
                #expect(error?.code == .addressInUse)
                #expect(error?.message.contains("127.0.0.1:\(first.port)") == true)
                #expect(error?.message.contains("\n") == false)
            }
        }
    }
}
