import CloudAPI
import EventLog
import JSON
import Ledger
import LedgerServer
import ReconnectionRules
import Testing

/// A reply line, read.
struct ReplyLine {
    private let value: JSONValue?
    let text: String

    init?(_ text: String?) {
        guard let text else { return nil }
        self.text = text
        value = try? JSONValue.parse(Array(text.utf8))
    }

    subscript(_ name: String) -> JSONValue? { value?[name] }

    var line: UInt64? { Self.number(value?["line"]) }
    var position: UInt64? { Self.number(value?["position"]) }
    var outcome: String? { Self.string(value?["outcome"]) }
    var state: String? { Self.string(value?["state"]) }
    var error: String? { Self.string(value?["error"]?["code"]) }

    var outcomes: [String]? {
        guard case .array(let values)? = value?["outcomes"] else { return nil }
        return values.compactMap(Self.string)
    }

    static func string(_ value: JSONValue?) -> String? {
        if case .string(let text)? = value { text } else { nil }
    }

    static func number(_ value: JSONValue?) -> UInt64? {
        if case .unsigned(let number)? = value { number } else { nil }
    }
}

extension Connection {
    static let streamHead =
        "POST /v1/commands HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-ndjson\r\n"

    /// Begins a stream of commands in chunks.
    func beginCommands() async throws {
        try await send(Self.streamHead + "Transfer-Encoding: chunked\r\n\r\n")
        #expect(try await reply().status == 200)
    }

    func sendChunk(_ bytes: [UInt8]) async throws {
        let size = Array((String(bytes.count, radix: 16) + "\r\n").utf8)
        try await send(bytes: size + bytes + [0x0D, 0x0A])
    }

    func sendChunk(_ text: String) async throws { try await sendChunk(Array(text.utf8)) }

    func endChunks() async throws { try await send("0\r\n\r\n") }

    func replyLine() async throws -> ReplyLine? { ReplyLine(try await streamLine()) }

    /// Sends a whole body and reads every line that answers it.
    func commands(_ body: [UInt8]) async throws -> [ReplyLine] {
        try await send(Self.streamHead + "Content-Length: \(body.count)\r\n\r\n")
        try await send(bytes: body)
        let reply = try await reply()
        #expect(reply.status == 200)
        #expect(reply.headers["content-type"] == "application/x-ndjson")
        var lines: [ReplyLine] = []
        while let line = try await replyLine() { lines.append(line) }
        return lines
    }

    func commands(_ body: String) async throws -> [ReplyLine] {
        try await commands(Array(body.utf8))
    }
}

@Suite struct CommandStreamTests {
    private func run(_ body: (TestServer, Connection) async throws -> Void) async throws {
        try await TestServer.run({ $0.isAnonymous = true }) { server in
            try await server.ledger.modifyProject("p", .init(concurrencyCount: 2))
            try await Connection.with(port: server.port) { try await body(server, $0) }
        }
    }

    private func destroy(_ user: String) -> String {
        #"{"action":"destroy","user":"\#(user)"}"# + "\n"
    }

    @Test func everyActionIsAnsweredInOrder() async throws {
        try await run { server, connection in
            let lines = try await connection.commands(
                """
                {"action":"apply","user":"u1","project":"p"}
                {"action":"createSession","user":"u1"}
                {"action":"disconnect","user":"u1"}
                {"action":"reconnect","user":"u1","project":"p"}
                {"action":"apply","user":"u2","project":"p"}
                {"action":"apply","user":"u3","project":"p"}
                {"action":"createSession","user":"u3"}
                {"action":"createSession","user":"u2","runMode":"RunWithoutClient"}
                {"action":"disconnect","user":"u2"}
                {"action":"destroy","user":"u1","session":"1"}
                {"action":"destroy","user":"u1"}
                {"action":"repossess","user":"u2"}

                """)
            #expect(lines.map(\.line) == Array(1 ... 12))
            #expect(
                lines.map(\.outcome) == [
                    "granted", "fresh", "waiting", nil, "granted", "noIdle", "lockTimeout", "fresh",
                    "keptRunning", "stale", "freed", "operator",
                ])
            #expect(lines[3].outcomes == ["stale", "returned", "resumed"])
            #expect(lines[3].state == "connected")
            #expect(lines[0].state == "reserved")
            #expect(lines[5].state == nil && lines[5]["concurrency"] == .null)
            #expect(lines[1]["concurrency"] == .string("p/1"))
            #expect(lines[1]["session"] == .string("\(lines[1].position!)"))
            #expect(lines[1]["deadline"] == .null)
            for (index, line) in lines.enumerated() where index != 3 {
                let position = try #require(line.position)
                let user = ["u1", "u1", "u1", "", "u2", "u3", "u3", "u2", "u2", "u1", "u1", "u2"]
                let event = try await server.ledger.history(
                    ofUser: user[index], before: position + 1, limit: 1)[0].event
                #expect(event.position == position)
                #expect(event.outcome.name == line.outcome)
                #expect(event.caller == Caller.anonymous.rawValue)
                let deadline = ReplyLine.string(line["deadline"])
                #expect(deadline == (event.deadline == 0 ? nil : Timestamp.text(event.deadline)))
            }
        }
    }

    @Test func whatIsWrongIsNamedByItsLineAndTheOthersProceed() async throws {
        try await run { server, connection in
            let carriage = #"{"action":"destroy","user":"b"}"# + "\r\n"
            var body = Array(("nonsense\n" + destroy("a") + "\n\r\n" + carriage).utf8)
            body += Array(#"{"action":"destroy","user":""#.utf8) + [0xFF] + Array("\"}\n".utf8)
            body += Array(#"{"action":"destroy","user":""#.utf8) + [0] + Array("\"}\n".utf8)
            body += Array((#"{"action":"destroy","user":"\u0000"}"# + "\n").utf8)
            body += Array(destroy("").utf8)
            body += Array(destroy(String(repeating: "u", count: 257)).utf8)
            body += Array(destroy(String(repeating: "u", count: 9000)).utf8)
            body += Array((#"{"action":"apply","user":"u","project":"none"}"# + "\n").utf8)
            body += Array((#"{"action":"reconnect","user":"u","project":"none"}"# + "\n").utf8)
            body += Array(#"{"action":"destroy","user":"last"}"#.utf8)
            let before = server.ledger.head.position
            let lines = try await connection.commands(body)
            #expect(lines.map(\.line) == [1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14])
            #expect(
                lines.map(\.error) == [
                    "invalidLine", nil, nil, "invalidLine", "invalidLine", "invalidUser",
                    "invalidUser", "invalidUser", "lineTooLong", "unknownProject",
                    "unknownProject", nil,
                ])
            // Three users were named and three actions recorded, nothing for the rest.
            #expect(server.ledger.head.position == before + 6)
            #expect(try await server.ledger.user("u") == nil)
        }
    }

    @Test func aReconnectIsSafeForWhoNeverCame() async throws {
        try await run { server, connection in
            let line = try await connection.commands(
                #"{"action":"reconnect","user":"new","project":"p","session":"3"}"#)[0]
            #expect(line.outcomes == ["stale", "granted", "fresh"])
        }
    }

    @Test func namesAreWrittenAsJSON() async throws {
        try await run { server, connection in
            try await server.ledger.modifyProject("q\"\\é", .init(concurrencyCount: 1))
            let lines = try await connection.commands(
                #"{"action":"apply","user":"u","project":"q\"\\é"}"#)
            #expect(lines[0]["concurrency"] == .string("q\"\\é/1"))
        }
    }

    @Test func aConnectionGoesOnAfterAStream() async throws {
        try await run { _, connection in
            for _ in 0 ..< 3 {
                let lines = try await connection.commands(destroy("u"))
                #expect(lines.count == 1)
                #expect(try await connection.commands("").isEmpty)
            }
            let health = TestRequest(method: "GET", path: "/health", headers: [("Host", "h")])
            #expect(try await connection.ask(health).status == 200)
        }
    }

    @Test func oneByteAtATimeIsAnsweredTheSame() async throws {
        try await run { _, connection in
            try await connection.beginCommands()
            for byte in Array((destroy("u1") + "no\n" + destroy("u2")).utf8) {
                try await connection.sendChunk([byte])
            }
            try await connection.endChunks()
            var lines: [ReplyLine] = []
            while let line = try await connection.replyLine() { lines.append(line) }
            #expect(lines.map(\.line) == [1, 2, 3])
            #expect(lines.map(\.error) == [nil, "invalidLine", nil])
        }
    }

    @Test func answersComeWhileTheBodyGoesOn() async throws {
        try await run { _, connection in
            try await connection.beginCommands()
            for number in 1 ... 20 {
                try await connection.sendChunk(destroy("u\(number)") + destroy("v\(number)"))
                #expect(try await connection.replyLine()?.line == UInt64(2 * number - 1))
                #expect(try await connection.replyLine()?.line == UInt64(2 * number))
            }
            try await connection.endChunks()
            #expect(try await connection.replyLine() == nil)
        }
    }

    @Test func manyBatchesAreAnsweredInOrder() async throws {
        try await run { server, connection in
            let count = 20_000
            let before = server.ledger.head.position
            let block = (0 ..< 1000).map { destroy("u\($0)") }.joined()
            try await connection.beginCommands()
            try await withThrowingTaskGroup(of: Void.self) { group in
                let sender = connection.sender
                group.addTask {
                    for _ in 0 ..< count / 1000 { try await sender.sendChunk(block) }
                    try await sender.send("0\r\n\r\n")
                }
                for number in 1 ... count {
                    let line = try #require(try await connection.streamLine())
                    guard line.hasPrefix("{\"line\":\(number),\"position\":") else {
                        Issue.record("line \(number) is \(line)")
                        break
                    }
                }
                #expect(try await connection.replyLine() == nil)
                // A thousand users were named.
                #expect(server.ledger.head.position == before + UInt64(count + 1000))
                group.cancelAll()
            }
        }
    }
}
