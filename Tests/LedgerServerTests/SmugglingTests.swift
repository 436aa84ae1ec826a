import CloudAPI
import Foundation
import Ledger
import LedgerServer
import Testing

/// Requests that two readers could take apart differently: a proxy in front would see one request
/// where the server sees two. Each is answered 400 and the connection closed, and nothing of what
/// follows is performed.
@Suite struct SmugglingTests {
    struct Case: Sendable {
        var name: String
        /// The head without its last empty line; LENGTH is that of what is smuggled.
        var head: String
        /// What stands between the head and what is smuggled.
        var between = ""

        init(_ name: String, _ head: String, between: String = "") {
            self.name = name
            self.head = head
            self.between = between
        }
    }

    private static let start = "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
    private static let length = "Content-Length: LENGTH\r\n"
    private static let chunked = "Transfer-Encoding: chunked\r\n"

    static let cases = [
        Case("both lengths", start + length + chunked, between: "0\r\n\r\n"),
        Case("both lengths, the other way", start + chunked + length, between: "0\r\n\r\n"),
        Case("two lengths", start + length + "Content-Length: 0\r\n"),
        Case("two equal lengths", start + length + length),
        Case("a list of lengths", start + "Content-Length: 0, LENGTH\r\n"),
        Case("a length with a sign", start + "Content-Length: +0\r\n"),
        Case("a negative length", start + "Content-Length: -1\r\n"),
        Case("a length in hexadecimal", start + "Content-Length: 0x0\r\n"),
        Case("a length past 64 bits", start + "Content-Length: 18446744073709551616\r\n"),
        Case("a length that is none", start + "Content-Length: none\r\n"),
        Case("an empty length", start + "Content-Length:\r\n"),
        Case("chunked twice, one of them last", start + "Transfer-Encoding: chunked, identity\r\n"),
        Case("an unknown coding", start + "Transfer-Encoding: xchunked\r\n", between: "0\r\n\r\n"),
        Case("no coding", start + "Transfer-Encoding: identity\r\n" + length),
        Case("a blank before the colon", start + "Transfer-Encoding : chunked\r\n" + length,
            between: "0\r\n\r\n"),
        Case("a blank in a name", start + "Transfer Encoding: chunked\r\n" + length),
        Case("a folded header", start + "X-Folded: a\r\n b\r\nContent-Length: 0\r\n"),
        Case("a folded coding", start + "Transfer-Encoding:\r\n chunked\r\n", between: "0\r\n\r\n"),
        Case("a line without its name", start + ": nothing\r\nContent-Length: 0\r\n"),
        Case("a line without a colon", start + "nothing\r\nContent-Length: 0\r\n"),
        Case("line feeds alone", "POST / HTTP/1.1\nHost: h\nContent-Length: 0\n\n"),
        Case("a carriage return in a value", start + "X-Bare: a\rb\r\nContent-Length: 0\r\n"),
        Case("a NUL in a value", start + "X-Nul: a\0b\r\nContent-Length: 0\r\n"),
        Case("a NUL in a name", start + "X-\0Nul: a\r\nContent-Length: 0\r\n"),
        Case("a chunk size with a sign", start + chunked, between: "+0\r\n\r\n"),
        Case("a chunk size in C", start + chunked, between: "0x0\r\n\r\n"),
        Case("a chunk size past 64 bits", start + chunked, between: "10000000000000000\r\n\r\n"),
        Case("a negative chunk size", start + chunked, between: "-1\r\n\r\n"),
        Case("no chunk size", start + chunked, between: "\r\n\r\n"),
        Case("a chunk longer than it says", start + chunked, between: "1\r\nab\r\n0\r\n\r\n"),
        Case("a chunk ended by a line feed", start + chunked, between: "0\n\n"),
        Case("chunk data ended by a line feed", start + chunked, between: "1\r\na\n0\r\n\r\n"),
        Case("an extension with a line feed", start + chunked, between: "0;a\nb\r\n\r\n"),
        Case("a NUL in an extension", start + chunked, between: "0;\0\r\n\r\n"),
        Case("another version", "POST / HTTP/2.0\r\nHost: h\r\nContent-Length: 0\r\n"),
        Case("no version", "POST /\r\nHost: h\r\nContent-Length: 0\r\n"),
        Case("a version of its own", "POST / HTTP/1.1.1\r\nHost: h\r\nContent-Length: 0\r\n"),
        Case("the preface of HTTP/2", "PRI * HTTP/2.0\r\n", between: "SM\r\n\r\n"),
        Case("an unknown method", "POSTED / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n"),
        Case("a method in small letters", "post / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n"),
        Case("a target with a NUL", "POST /\0 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n"),
        Case("a chunked request of HTTP/1.0",
            "POST / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n" + chunked + length,
            between: "0\r\n\r\n"),
    ]

    @Test func nothingIsSmuggled() async throws {
        try await TestServer.run { server in
            let hidden = server.signer.post(
                "ModifyProject", #"{"ProjectId":"smuggled","Concurrencies":1}"#).bytes
            for one in Self.cases {
                let length = one.between.utf8.count + hidden.count
                let head = one.head.replacing("LENGTH", with: "\(length)")
                let answer = try await Connection.with(port: server.port) { connection in
                    try await connection.send(
                        bytes: Array((head + "\r\n" + one.between).utf8) + hidden)
                    return await connection.rest()
                }
                #expect(answer.hasPrefix("HTTP/1.1 400 "), "\(one.name): \(answer)")
                let answers = answer.components(separatedBy: "HTTP/1.1 ").count - 1
                #expect(answers == 1, "\(one.name): \(answer)")
                let project = try await server.ledger.project("smuggled")
                #expect(project == nil, "\(one.name)")
            }
            // The same is performed where it is not hidden.
            let open = try await Connection.with(port: server.port) { connection in
                try await connection.send(bytes: hidden)
                return Answer(try await connection.reply())
            }
            #expect(open.number("Concurrencies") == 1)
        }
    }

    /// What is unusual and still means one thing.
    @Test func whatMeansOneThingIsTaken() async throws {
        try await TestServer.run { server in
            var request = server.signer.post("DescribeConcurrentCount", "{}")
            let head = String(decoding: request.bytes, as: UTF8.self)
                .replacing("Content-Length: 2\r\n\r\n{}", with: "")
            let bodies = [
                "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
                "Transfer-Encoding: chunked\r\n\r\n1;a=b;c=\"d\"\r\n{\r\n01\r\n}\r\n000;x\r\n\r\n",
                "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Trailer: t\r\n\r\n",
                "Transfer-Encoding: CHUNKED\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
                "Content-Length:2\r\n\r\n{}", "Content-Length:   2  \r\n\r\n{}",
                "Content-Length: 02\r\n\r\n{}",
            ]
            for body in bodies {
                try await Connection.with(port: server.port) { connection in
                    try await connection.send(head + body)
                    #expect(Answer(try await connection.reply()).number("Total") == 0, "\(body)")
                    #expect(Answer(try await connection.ask(request)).number("Total") == 0)
                }
            }
            request.set("Host", "h")
            #expect(try await server.ask(request).code == "AuthFailure.SignatureFailure")
        }
    }
}
