import CloudAPI
import Ledger
import LedgerServer
import Testing

/// Clients that take their time, and how many of them there may be.
@Suite struct SlowClientTests {
    private func count(_ connection: Connection, _ signer: Signer) async throws -> Answer {
        Answer(try await connection.ask(signer.post("DescribeConcurrentCount", "{}")))
    }

    // MARK: - Deadlines

    @Test func aHeadThatComesByteByByteIsGivenUp() async throws {
        try await TestServer.run({ $0.headTimeoutSeconds = 1 }) { server in
            try await Connection.with(port: server.port) { connection in
                let sender = connection.sender
                let trickle = Task {
                    for _ in 0 ..< 600 {
                        try await sender.send("X")
                        try await Task.sleep(for: .milliseconds(50))
                    }
                }
                try await connection.send("POST / HTTP/1.1\r\nHost: h\r\nX-Slow: ")
                await connection.waitForEnd()
                trickle.cancel()
                _ = await trickle.result
            }
        }
    }

    @Test func whoConnectsAndSaysNothingIsNotKept() async throws {
        try await TestServer.run({ $0.headTimeoutSeconds = 1 }) { server in
            try await Connection.with(port: server.port) { await $0.waitForEnd() }
        }
    }

    @Test func aLaterHeadHasADeadlineToo() async throws {
        try await TestServer.run({ $0.headTimeoutSeconds = 1 }) { server in
            try await Connection.with(port: server.port) { connection in
                #expect(try await count(connection, server.signer).code == nil)
                try await connection.send("POST / HTTP/1.1\r\nHost")
                await connection.waitForEnd()
            }
        }
    }

    @Test func whoWaitsBetweenRequestsIsKept() async throws {
        try await TestServer.run({ $0.headTimeoutSeconds = 1 }) { server in
            try await Connection.with(port: server.port) { connection in
                for _ in 0 ..< 2 {
                    #expect(try await count(connection, server.signer).code == nil)
                    try await Task.sleep(for: .milliseconds(2500))
                }
                #expect(try await count(connection, server.signer).code == nil)
            }
        }
    }

    @Test func aBodyThatComesByteByByteIsGivenUp() async throws {
        try await TestServer.run({ $0.readTimeoutSeconds = 1 }) { server in
            // As the pipeline reads it, and as the HTTP library's tasks do.
            for length in ["Content-Length: 1000", "Transfer-Encoding: chunked"] {
                try await Connection.with(port: server.port) { connection in
                    let sender = connection.sender
                    let piece = length.hasPrefix("T") ? "1\r\nx\r\n" : "x"
                    try await connection.send("POST / HTTP/1.1\r\nHost: h\r\n\(length)\r\n\r\n")
                    let trickle = Task {
                        for _ in 0 ..< 600 {
                            try await sender.send(piece)
                            try await Task.sleep(for: .milliseconds(50))
                        }
                    }
                    await connection.waitForEnd()
                    trickle.cancel()
                    _ = await trickle.result
                }
            }
        }
    }

    // MARK: - Limits

    @Test func strangersPushEachOtherOutAndNobodyElse() async throws {
        try await TestServer.run({ $0.connectionCountMax = 4 }) { server in
            try await Connection.with(port: server.port) { known in
                #expect(try await count(known, server.signer).code == nil)
                try await withStrangers(3, server) { strangers in
                    // One more: the oldest makes room, and the newcomer may prove who it is.
                    try await Connection.with(port: server.port) { newcomer in
                        let first = try await count(newcomer, server.signer)
                        #expect(first.code == nil)
                        await strangers[0].waitForEnd()
                        try await withStrangers(1, server) { _ in
                            await strangers[1].waitForEnd()
                            let isThere = try await isRefused(strangers[2], server)
                            #expect(isThere)
                        }
                        #expect(try await count(newcomer, server.signer).code == nil)
                        #expect(try await count(known, server.signer).code == nil)
                    }
                }
            }
        }
    }

    /// Connections on which a call was refused.
    private func withStrangers(
        _ count: Int, _ server: TestServer, _ before: [Connection] = [],
        _ body: ([Connection]) async throws -> Void
    ) async throws {
        guard before.count < count else { return try await body(before) }
        try await Connection.with(port: server.port) { connection in
            #expect(try await isRefused(connection, server))
            try await withStrangers(count, server, before + [connection], body)
        }
    }

    private func isRefused(_ connection: Connection, _ server: TestServer) async throws -> Bool {
        var wrong = server.signer
        wrong.secretKey = "wrong"
        return try await count(connection, wrong).code == "AuthFailure.SignatureFailure"
    }

    @Test func anAddressHasItsShare() async throws {
        try await TestServer.run({
            $0.connectionsPerAddressMax = 2
            $0.connectionCountMax = 100
        }) { server in
            try await Connection.with(port: server.port) { first in
                #expect(try await count(first, server.signer).code == nil)
                try await Connection.with(port: server.port) { second in
                    #expect(try await count(second, server.signer).code == nil)
                    try await Connection.with(port: server.port) { third in
                        await third.waitForEnd()
                    }
                    try await Connection.with(port: server.port, from: "127.0.0.2") { other in
                        let answer = try await count(other, server.signer)
                        #expect(answer.code == nil)
                    }
                    #expect(try await count(second, server.signer).code == nil)
                }
                // One went, so there is room again, once the server has seen it go.
                var isIn = false
                for _ in 0 ..< 100 where !isIn {
                    isIn = (try? await Connection.with(port: server.port) {
                        try await count($0, server.signer).code == nil
                    }) ?? false
                }
                #expect(isIn)
            }
        }
    }

    @Test func aCredentialHasItsShare() async throws {
        try await TestServer.run({ $0.connectionsPerCredentialMax = 1 }) { server in
            let store = try CredentialStore(DataDirectory(server.directory))
            let other = Signer(try store.create(), port: server.port)
            try await Connection.with(port: server.port) { first in
                #expect(try await count(first, server.signer).code == nil)
                #expect(try await count(first, server.signer).code == nil)
                try await Connection.with(port: server.port) { second in
                    let refused = try await count(second, server.signer)
                    #expect(refused.code == "RequestLimitExceeded")
                    #expect(refused.reply.headers["retry-after"] == "1")
                    #expect(try await count(second, other).code == nil)
                    // Handed over, as a proxy does: the first is free for one of the other's.
                    #expect(try await count(first, other).code == "RequestLimitExceeded")
                }
                #expect(try await count(first, server.signer).code == nil)
            }
        }
    }
}
