import CloudAPI
import EventLog
import JSON
import Ledger
import LedgerServer
import Testing

@Suite struct ShutdownTests {
    /// Starts the end and measures how long it takes.
    private func stopping(_ server: TestServer) async throws -> Duration {
        let start = ContinuousClock.now
        await server.server.stop()
        while (try? await server.ledger.status()) != nil {
            try await Task.sleep(for: .milliseconds(5))
        }
        return ContinuousClock.now - start
    }

    @Test func idleConnectionsDoNotHoldItUp() async throws {
        try await TestServer.run { server in
            try await Connection.with(port: server.port) { idle in
                try await Connection.with(port: server.port) { used in
                    let request = server.signer.post("DescribeConcurrentCount", "{}")
                    _ = try await used.ask(request)
                    #expect(try await stopping(server) < .seconds(2))
                    await used.waitForEnd()
                    await idle.waitForEnd()
                }
            }
        }
    }

    @Test func halfAHeadDoesNotHoldItUp() async throws {
        try await TestServer.run { server in
            try await Connection.with(port: server.port) { half in
                try await half.send("POST / HTTP/1.1\r\nHost: h\r\n")
                try await Task.sleep(for: .milliseconds(100))
                #expect(try await stopping(server) < .seconds(2))
            }
        }
    }

    @Test func halfABodyIsBrokenOff() async throws {
        try await TestServer.run { server in
            try await server.makeProject()
            let before = server.ledger.head.position
            try await Connection.with(port: server.port) { half in
                var request = server.signer.post("DestroySession", #"{"UserId":"u"}"#)
                let whole = request.bytes
                request.body = ""
                try await half.send(String(decoding: whole.dropLast(3), as: UTF8.self))
                try await Task.sleep(for: .milliseconds(100))
                #expect(try await stopping(server) < .seconds(8))
                await half.waitForEnd()
            }
            #expect(server.ledger.head.position == before)
        }
    }

    @Test func aChunkedBodyBrokenOffIsNotTakenForAWholeOne() async throws {
        try await TestServer.run({
            $0.isAnonymous = true
            $0.shutdownGraceSeconds = 1
        }) { server in
            try await server.ledger.modifyProject("p", .init(concurrencyCount: 1))
            try await server.ledger.apply(user: "u", project: "p")
            let before = server.ledger.head.position
            try await Connection.with(port: server.port) { half in
                let form = "Action=DestroySession&Version=2022-01-10&UserId=u"
                try await half.send(
                    "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
                        + "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
                        + String(form.utf8.count, radix: 16) + "\r\n" + form + "\r\n")
                try await Task.sleep(for: .milliseconds(100))
                #expect(try await stopping(server) < .seconds(4))
            }
            #expect(server.ledger.head.position == before)
        }
    }

    @Test func streamsEnd() async throws {
        try await TestServer.run { server in
            try await Connection.with(port: server.port) { connection in
                try await connection.send(
                    server.signer.get("TailEvents", "", path: "/v1/events"))
                _ = try await connection.reply()
                #expect(try await stopping(server) < .seconds(2))
                #expect(try await connection.streamLine() == nil)
            }
        }
    }

    @Test func aReaderThatDoesNotReadDoesNotHoldItUp() async throws {
        try await TestServer.run({ $0.shutdownGraceSeconds = 1 }) { server in
            try await server.makeProject()
            for start in 0 ..< 20 {
                let actions = (0 ..< 1000).map {
                    Action.apply(user: "u\(start * 1000 + $0)", project: "cap-1")
                }
                _ = try await server.ledger.performAll(actions)
            }
            try await Connection.with(port: server.port, receiveBufferByteCount: 4096) {
                connection in
                try await connection.send(
                    server.signer.get("TailEvents", "after=0", path: "/v1/events"))
                _ = try await connection.reply()
                try await Task.sleep(for: .milliseconds(1500))
                #expect(try await stopping(server) < .seconds(4))
            }
        }
    }

    @Test func whoseRequestWasTakenGetsTheAnswer() async throws {
        try await TestServer.run { server in
            try await server.makeProject(concurrencies: 100)
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for index in 0 ..< 40 {
                    group.addTask {
                        let json = #"{"UserId":"u\#(index)","UserIp":"1","ProjectId":"cap-1"}"#
                        guard let answer = try? await server.ask("ApplyConcurrent", json) else {
                            return false
                        }
                        #expect(answer.text("Outcome") == "granted")
                        return true
                    }
                }
                group.addTask {
                    await server.server.stop()
                    return true
                }
                try await group.waitForAll()
            }
        }
    }
}
