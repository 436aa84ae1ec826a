import CloudAPI
import EventLog
import Ledger
import LedgerServer
import ReconnectionRules
import Testing

/// How a stream of commands begins and ends other than well.
@Suite struct CommandStreamEndTests {
    private func destroy(_ user: String) -> String {
        #"{"action":"destroy","user":"\#(user)"}"# + "\n"
    }

    private func run(
        _ configure: (inout HoldfastServer.Configuration) -> Void = { _ in },
        _ body: (TestServer) async throws -> Void
    ) async throws {
        try await TestServer.run({
            $0.isAnonymous = true
            configure(&$0)
        }, body)
    }

    @Test func whoDoesNotReadIsNotReadFrom() async throws {
        try await run { server in
            try await Connection.with(port: server.port, receiveBufferByteCount: 4096) {
                connection in
                let blockCount = 80
                let block = (0 ..< 1000).map { destroy("u\($0)") }.joined()
                try await connection.beginCommands()
                try await withThrowingTaskGroup(of: Void.self) { group in
                    let sender = connection.sender
                    group.addTask {
                        for _ in 0 ..< blockCount { try await sender.sendChunk(block) }
                        try await sender.send("0\r\n\r\n")
                    }
                    // What the buffers hold is performed; then the server waits.
                    var head = server.ledger.head.position
                    var quiet = 0
                    while quiet < 5 {
                        try await Task.sleep(for: .milliseconds(100))
                        let now = server.ledger.head.position
                        quiet = now == head ? quiet + 1 : 0
                        head = now
                    }
                    #expect(head < UInt64(blockCount * 1000))
                    var count: UInt64 = 0
                    while let line = try await connection.streamLine() {
                        count += 1
                        if !line.hasPrefix("{\"line\":\(count),") { break }
                    }
                    #expect(count == UInt64(blockCount * 1000))
                    try await group.waitForAll()
                }
            }
        }
    }

    @Test func whoVanishesLeavesWholeLinesPerformed() async throws {
        try await run { server in
            try await Connection.with(port: server.port) { connection in
                try await connection.beginCommands()
                try await connection.sendChunk(destroy("whole"))
                _ = try await connection.replyLine()
                try await connection.sendChunk(destroy("more") + #"{"action":"destroy","user":"ha"#)
            }
            let start = ContinuousClock.now
            while try await server.ledger.user("more") == nil {
                guard ContinuousClock.now - start < .seconds(5) else { break }
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(try await server.ledger.user("whole") != nil)
            #expect(try await server.ledger.user("more") != nil)
            #expect(try await server.ledger.user("ha") == nil)
        }
    }

    @Test func aBodyThatIsMalformedEndsTheStreamWithALine() async throws {
        try await run { server in
            try await Connection.with(port: server.port) { connection in
                try await connection.beginCommands()
                try await connection.sendChunk(destroy("u"))
                #expect(try await connection.replyLine()?.line == 1)
                try await connection.send("this is no chunk\r\n")
                #expect(try await connection.replyLine()?.error == "malformedBody")
                await connection.waitForEnd()
            }
        }
    }

    @Test func aStoppingServerAnswersWhatArrivedAndSaysSo() async throws {
        try await run { server in
            try await Connection.with(port: server.port) { connection in
                try await connection.beginCommands()
                try await connection.sendChunk(destroy("u1"))
                #expect(try await connection.replyLine()?.line == 1)
                let start = ContinuousClock.now
                await server.server.stop()
                #expect(try await connection.replyLine()?.error == "stopping")
                #expect(try await connection.replyLine() == nil)
                await connection.waitForEnd()
                #expect(ContinuousClock.now - start < .seconds(2))
            }
        }
    }

    @Test func aReaderThatDoesNotReadDoesNotHoldTheEndUp() async throws {
        try await run({ $0.shutdownGraceSeconds = 1 }) { server in
            try await Connection.with(port: server.port, receiveBufferByteCount: 4096) {
                connection in
                let block = (0 ..< 1000).map { destroy("u\($0)") }.joined()
                try await connection.beginCommands()
                let sender = connection.sender
                let sending = Task {
                    for _ in 0 ..< 200 { try await sender.sendChunk(block) }
                }
                try await Task.sleep(for: .milliseconds(500))
                let start = ContinuousClock.now
                await server.server.stop()
                while (try? await server.ledger.status()) != nil {
                    try await Task.sleep(for: .milliseconds(5))
                }
                #expect(ContinuousClock.now - start < .seconds(4))
                sending.cancel()
                _ = await sending.result
            }
        }
    }

    @Test func nothingIsClaimedOfALedgerThatCannotAnswer() async throws {
        try await run { server in
            try await Connection.with(port: server.port) { connection in
                try await connection.beginCommands()
                try await connection.sendChunk(destroy("u1"))
                #expect(try await connection.replyLine()?.line == 1)
                await server.ledger.close()
                try await connection.sendChunk(destroy("u2"))
                #expect(try await connection.replyLine()?.error == "unavailable")
                #expect(try await connection.replyLine() == nil)
            }
        }
    }

    // MARK: - Who gets in

    private func stream(_ headers: [(String, String)], method: String = "POST") -> TestRequest {
        var request = TestRequest(method: method, path: "/v1/commands", headers: headers)
        if method == "POST" { request.body = destroy("u") }
        return request
    }

    @Test func callersNeedACredential() async throws {
        try await TestServer.run { server in
            let host = ("Host", server.signer.host)
            let type = ("Content-Type", "application/x-ndjson")
            var wrong = server.signer
            wrong.secretKey = "wrong"
            var late = server.signer
            late.seconds -= 1000
            let cases = [
                (stream([host, type]), 401),
                (wrong.stream("/v1/commands", destroy("u")), 401),
                (late.stream("/v1/commands", destroy("u")), 401),
                // Another path was signed.
                (server.signer.stream("/", destroy("u"), sentTo: "/v1/commands"), 401),
                // The payload was signed, which a stream cannot be.
                (server.signer.stream("/v1/commands", destroy("u"), isUnsigned: false), 401),
                (stream([host, ("Content-Type", "application/json")]), 415),
                (stream([host], method: "GET"), 405),
                (server.signer.stream("/v1/commands", destroy("u"), query: "a=1"), 400),
            ]
            for (request, status) in cases {
                let answer = try await server.ask(request)
                #expect(answer.reply.status == status, "\(request.headers)")
                #expect(answer.code != nil)
            }
            #expect(try await server.ledger.user("u") == nil)
            try await Connection.with(port: server.port) { connection in
                try await connection.send(server.signer.stream("/v1/commands", destroy("u")))
                #expect(try await connection.reply().status == 200)
                #expect(try await connection.replyLine()?.outcome == "nothingHeld")
            }
            let event = try await server.ledger.history(ofUser: "u", limit: 1)[0].event
            #expect(event.caller == Caller.credential(1).rawValue)
        }
    }

    @Test func webPagesOfOtherOriginsDoNotGetIn() async throws {
        try await run { server in
            let headers = [("Host", "127.0.0.1"), ("Content-Type", "application/x-ndjson")]
            let foreign = stream(headers + [("Origin", "https://example.com")])
            let renamed = stream([("Host", "example.com"), headers[1]])
            for request in [foreign, renamed] {
                let reply = try await server.ask(request).reply
                #expect(reply.status == 403)
            }
            #expect(try await server.ledger.user("u") == nil)
        }
    }

    @Test func whoAsksBeforeSendingIsAnswered() async throws {
        try await run { server in
            try await Connection.with(port: server.port) { connection in
                let body = destroy("u")
                try await connection.send(
                    Connection.streamHead + "Expect: 100-continue\r\n"
                        + "Content-Length: \(body.utf8.count)\r\n\r\n")
                #expect(try await connection.reply(hasBody: false).status == 100)
                try await connection.send(body)
                #expect(try await connection.reply().status == 200)
                #expect(try await connection.replyLine()?.line == 1)
            }
        }
    }
}
