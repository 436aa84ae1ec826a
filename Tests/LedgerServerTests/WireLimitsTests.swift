import CloudAPI
import EventLog
import Ledger
import LedgerServer
import ReconnectionRules
import Testing

/// What a request may hold, at the limit and one past it, over a real socket.
@Suite struct WireLimitsTests {
    private func apply(_ user: String, project: String = "cap-1") -> String {
        #"{"UserId":"\#(user)","UserIp":"1","ProjectId":"\#(project)"}"#
    }

    @Test func idsHave256Bytes() async throws {
        try await TestServer.run { server in
            let long = String(repeating: "é", count: 128)
            let project = String(repeating: "p", count: 256)
            let made = try await server.ask(
                "ModifyProject", #"{"ProjectId":"\#(project)","Concurrencies":1}"#)
            #expect(made.code == nil)
            let taken = try await server.ask("ApplyConcurrent", apply(long, project: project))
            #expect(taken.text("Outcome") == "granted")
            #expect(try await server.ledger.user(long)?.state == .reserved)
            for json in [apply(long + "x", project: project), apply("u", project: project + "p")] {
                let answer = try await server.ask("ApplyConcurrent", json)
                #expect(answer.code == "InvalidParameterValue")
                #expect(answer.reply.body.contains("256"))
            }
            let lines = [long, long + "x"].map { #"{"action":"destroy","user":"\#($0)"}"# }
            let replies = try await bulk(server, lines)
            #expect(replies[0].contains("freed") && replies[1].contains("invalidUser"))
        }
    }

    private func bulk(_ server: TestServer, _ lines: [String]) async throws -> [String] {
        try await Connection.with(port: server.port) { connection in
            let body = lines.joined(separator: "\n") + "\n"
            try await connection.send(server.signer.stream("/v1/commands", body))
            var replies: [String] = []
            while let line = try await connection.streamLine() { replies.append(line) }
            return replies
        }
    }

    /// Bytes as they are, signed: a text cannot hold them.
    private func post(_ server: TestServer, _ bytes: [UInt8]) async throws -> Answer {
        // Only what is not signed may be put in afterwards.
        var signer = server.signer
        signer.isUnsignedPayload = true
        var request = signer.post("ApplyConcurrent", "")
        request.body = String(repeating: "x", count: bytes.count)
        let head = request.bytes.dropLast(bytes.count)
        let reply = try await Connection.with(port: server.port) { connection in
            try await connection.send(bytes: Array(head) + bytes)
            return try await connection.reply()
        }
        return Answer(reply)
    }

    @Test func idsAreTextWithoutControlCharacters() async throws {
        try await TestServer.run { server in
            try await server.makeProject()
            let before = server.ledger.head.position
            for escape in ["\\u0000", "\\u0001", "\\n", "\\u007f", "\\u0085", "\\ud800"] {
                let answer = try await server.ask("ApplyConcurrent", apply("a\(escape)b"))
                #expect(answer.code == "InvalidParameterValue", "\(escape)")
                let line = #"{"action":"apply","user":"a\#(escape)b","project":"cap-1"}"#
                let reply = try await bulk(server, [line])[0]
                #expect(reply.contains("invalid"), "\(reply)")
            }
            let bad: [[UInt8]] = [
                [0x00], [0x1F], [0xFF], [0xC3], [0xC0, 0x80], [0xED, 0xA0, 0x80],
                [0xF5, 0x80, 0x80, 0x80],
            ]
            for bytes in bad {
                let parts = apply("?").utf8.split(separator: UInt8(ascii: "?"))
                let answer = try await post(server, Array(parts[0]) + bytes + Array(parts[1]))
                answer.expectEnvelope()
                let codes = ["InvalidParameterValue", "InvalidParameter.JsonParseError"]
                #expect(codes.contains(answer.code ?? "ok"), "\(bytes)")
            }
            for query in ["UserId=%00", "UserId=%FF", "UserId=%C0%80", "UserId=%", "UserId=%0"] {
                let answer = try await server.ask(server.signer.get("DestroySession", query))
                answer.expectEnvelope()
                #expect(answer.code?.hasPrefix("InvalidParameter") == true, "\(query)")
            }
            #expect(server.ledger.head.position == before)
        }
    }

    @Test func deeplyNestedJSONIsRefusedAndHarmsNobody() async throws {
        try await TestServer.run { server in
            for depth in [100, 10_000, 120_000] {
                let nested = String(repeating: "[", count: depth)
                    + String(repeating: "]", count: depth)
                let objects = String(repeating: #"{"a":"#, count: depth / 4) + "1"
                    + String(repeating: "}", count: depth / 4)
                for value in [nested, objects] {
                    let json = #"{"UserId":\#(value)}"#
                    let answer = try await server.ask("DestroySession", json)
                    answer.expectEnvelope()
                    #expect(answer.code?.hasPrefix("InvalidParameter") == true, "\(depth)")
                }
            }
            let line = #"{"action":\#(String(repeating: "[", count: 4000))"#
            #expect(try await bulk(server, [line])[0].contains("invalidLine"))
            try await server.makeProject()
        }
    }

    @Test func bodiesHaveABound() async throws {
        try await TestServer.run { server in
            func json(_ byteCount: Int) -> String {
                let rest = #"{"UserId":"u","X":""}"#.utf8.count
                return #"{"UserId":"u","X":"\#(String(repeating: "x", count: byteCount - rest))"}"#
            }
            let most = try await server.ask("DestroySession", json(512 << 10))
            #expect(most.code == "UnknownParameter")
            for count in [(512 << 10) + 1, 2 << 20] {
                let answer = try await server.ask("DestroySession", json(count))
                #expect(answer.code == "RequestSizeLimitExceeded")
            }
            let query = "UserId=" + String(repeating: "u", count: 32 << 10)
            let answer = try await server.ask(server.signer.get("DestroySession", query))
            // Past the bound of heads, or past that of queries.
            #expect(answer.reply.status == 400 || answer.code == "RequestSizeLimitExceeded")
            let long = [#"{"action":"destroy","user":"u"}"# + String(repeating: " ", count: 4096)]
            #expect(try await bulk(server, long)[0].contains("lineTooLong"))
        }
    }

    @Test func headsHaveABound() async throws {
        try await TestServer.run { server in
            func ask(_ fields: Int, _ byteCount: Int) async throws -> Int {
                var request = server.signer.post("DescribeConcurrentCount", "{}")
                for index in request.headers.count ..< fields - 1 {
                    request.set("X-\(index)", String(repeating: "x", count: byteCount))
                }
                return try await server.ask(request).reply.status
            }
            // Content-Length is one of them.
            #expect(try await ask(100, 1) == 200)
            #expect(try await ask(101, 1) == 400)
            #expect(try await ask(40, 700) == 200)
            #expect(try await ask(60, 700) == 400)
            var request = server.signer.post("DescribeConcurrentCount", "{}")
            request.set("Authorization", String(repeating: "a", count: 5000))
            let answer = try await server.ask(request)
            #expect(answer.code == "AuthFailure.InvalidAuthorization")
        }
    }

    @Test func trailersCountWithTheHead() async throws {
        try await TestServer.run { server in
            let start = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
            let trailer = "X-T: \(String(repeating: "t", count: 300))\r\n"
            let trailers = String(repeating: trailer, count: 200)
            let answer = try await Connection.with(port: server.port) { connection in
                try await connection.send(start + trailers + "\r\n")
                return await connection.rest()
            }
            #expect(answer.hasPrefix("HTTP/1.1 400 "))
        }
    }
}
