import CloudAPI
import EventLog
import Ledger
import LedgerServer
import Testing

/// Ordinary calls are answered in the connection's pipeline, all others by the HTTP library's
/// tasks: on one connection the two must not be told apart.
@Suite struct CloudCallHandlerTests {
    private let health = TestRequest(method: "GET", path: "/health", headers: [("Host", "h")])

    private func large(_ server: TestServer) -> TestRequest {
        // Well formed, and longer than what the pipeline answers.
        let spaces = String(repeating: " ", count: 100_000)
        return server.signer.post("DescribeConcurrentCount", "{\(spaces)}")
    }

    @Test func bothKindsSentAtOnceAreAnsweredInOrder() async throws {
        try await TestServer.run { server in
            let ordinary = server.signer.post("DescribeConcurrentCount", "{}")
            let get = server.signer.get("DescribeConcurrentCount", "")
            let requests = [ordinary, health, ordinary, large(server), get, ordinary, ordinary]
            for rounds in 1 ... 3 {
                try await Connection.with(port: server.port) { connection in
                    let bytes = requests.flatMap(\.bytes)
                    for _ in 0 ..< rounds { try await connection.send(bytes: bytes) }
                    for _ in 0 ..< rounds {
                        for request in requests {
                            let reply = try await connection.reply()
                            #expect(reply.status == 200)
                            let isHealth = request.path == "/health"
                            #expect(reply.body.hasPrefix("{\"status\"") == isHealth)
                            if !isHealth { #expect(Answer(reply).number("Total") == 0) }
                        }
                    }
                }
            }
        }
    }

    @Test func whereTheBytesAreCutDoesNotMatter() async throws {
        try await TestServer.run { server in
            let bytes = server.signer.post("DescribeConcurrentCount", "{}").bytes
            try await Connection.with(port: server.port) { connection in
                for end in stride(from: 1, to: bytes.count, by: 7) {
                    try await connection.send(bytes: Array(bytes[..<end]))
                    try await Task.sleep(for: .milliseconds(1))
                    try await connection.send(bytes: Array(bytes[end...]))
                    let answer = Answer(try await connection.reply())
                    #expect(answer.number("Total") == 0, "\(end)")
                }
            }
        }
    }

    @Test func whoStopsSendingIsStillAnswered() async throws {
        try await TestServer.run { server in
            try await Connection.with(port: server.port) { connection in
                try await connection.send(server.signer.post("DescribeConcurrentCount", "{}"))
                connection.finishSending()
                let answer = Answer(try await connection.reply())
                #expect(answer.number("Total") == 0)
                await connection.waitForEnd()
            }
        }
    }

    @Test func aRequestIsAnsweredBeforeWhatFollowsIsRefused() async throws {
        try await TestServer.run { server in
            try await Connection.with(port: server.port) { connection in
                let bytes = server.signer.post("DescribeConcurrentCount", "{}").bytes
                try await connection.send(bytes: bytes + Array("this is no request\r\n\r\n".utf8))
                let answer = Answer(try await connection.reply())
                #expect(answer.number("Total") == 0)
                #expect(try await connection.reply().status == 400)
                await connection.waitForEnd()
            }
        }
    }

    @Test func aConnectionToBeClosedIsClosed() async throws {
        try await TestServer.run { server in
            try await Connection.with(port: server.port) { connection in
                var request = server.signer.post("DescribeConcurrentCount", "{}")
                request.set("Connection", "close")
                let answer = Answer(try await connection.ask(request))
                #expect(answer.number("Total") == 0)
                await connection.waitForEnd()
            }
        }
    }

    @Test func whoGoesAwayBeforeTheAnswerHarmsNobody() async throws {
        try await TestServer.run { server in
            try await server.makeProject()
            for number in 0 ..< 20 {
                try await Connection.with(port: server.port) { connection in
                    let json = #"{"UserId":"u\#(number)"}"#
                    try await connection.send(server.signer.post("DestroySession", json))
                }
            }
            let answer = try await server.ask("DescribeConcurrentCount", "{}")
            #expect(answer.number("Total") == 2)
        }
    }

    /// Answers that nobody reads must not fill the server's memory: what is asked behind them is
    /// not performed before they are read.
    @Test func whoReadsNoAnswersIsNotAnsweredFurther() async throws {
        try await TestServer.run { server in
            try await server.makeProject()
            _ = try await server.ledger.performAll(
                (0 ..< 1_000).map { _ in .createSession(user: "u1") })
            // A quarter of a megabyte an answer: more than the kernel's buffers hold.
            let history = server.signer.post(
                "DescribeReconnectionHistory", #"{"UserId":"u1","Limit":1000}"#)
            let count = 80
            try await Connection.with(port: server.port, receiveBufferByteCount: 4_096) {
                connection in
                let before = server.ledger.head.position
                for _ in 0 ..< count { try await connection.send(history) }
                try await connection.send(
                    server.signer.post("DestroySession", #"{"UserId":"u1"}"#))
                try await Task.sleep(for: .seconds(2))
                #expect(server.ledger.head.position == before)
                for _ in 0 ..< count {
                    #expect(try await connection.reply().body.utf8.count > 100_000)
                }
                #expect(try await connection.reply().status == 200)
                #expect(server.ledger.head.position == before + 1)
            }
        }
    }
}
