import CloudAPI
import JSON
import Ledger
import Logging
import Synchronization
import Testing

@testable import LedgerServer

@Suite struct LogTests {
    /// Keeps every line with its metadata.
    private final class Lines: Sendable {
        private let lines = Mutex<[String]>([])
        var all: [String] { lines.withLock { $0 } }
        func add(_ line: String) { lines.withLock { $0.append(line) } }
    }

    private struct Handler: LogHandler {
        let lines: Lines
        var logLevel = Logger.Level.trace
        var metadata: Logger.Metadata = [:]

        init(lines: Lines) { self.lines = lines }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            lines.add("\(event.message) \(event.metadata ?? [:])")
        }
    }

    @Test func theLogNamesRequestsButNoUsersAndNoSecrets() async throws {
        let lines = Lines()
        let logger = Logger(label: "test") { _ in Handler(lines: lines) }
        try await TestServer.run(logger: logger) { server in
            try await server.makeProject()
            let json = #"{"UserId":"somebody","UserIp":"203.0.113.9","ProjectId":"cap-1"}"#
            let answer = try await server.ask("ApplyConcurrent", json)
            _ = try await server.ask("ReportDisconnection", #"{"UserId":"somebody"}"#)
            var wrong = server.signer
            wrong.secretKey = "wrong"
            _ = try await server.ask(wrong.post("AttackersAction", json))
            let text = lines.all.joined(separator: "\n")
            for secret in [
                "somebody", "203.0.113", server.credential.secretKey, server.credential.secretId,
                "Signature=", "TC3-HMAC", "Attacker",
            ] {
                #expect(!text.contains(secret), "\(secret)")
            }
            let line = try #require(
                lines.all.first { $0.contains(answer.text("RequestId") ?? "?") })
            for part in ["ApplyConcurrent", "granted", "credential 1", "microseconds"] {
                #expect(line.contains(part))
            }
            #expect(text.contains("AuthFailure.SignatureFailure"))
        }
    }

    @Test func datesAreThoseOfHTTP() {
        #expect(HTTPDate.render(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(HTTPDate.render(1_795_429_774) == "Mon, 23 Nov 2026 10:29:34 GMT")
    }
}
