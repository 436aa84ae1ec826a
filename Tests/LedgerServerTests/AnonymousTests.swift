import CloudAPI
import JSON
import Ledger
import LedgerServer
import ReconnectionRules
import Testing

@Suite struct AnonymousTests {
    private func unsigned(_ server: TestServer, _ action: String, _ json: String) -> TestRequest {
        var request = server.signer.post(action, json)
        request.headers.removeAll { $0.0 == "Authorization" }
        return request
    }

    @Test func unsignedRequestsAreTakenIfAskedFor() async throws {
        try await TestServer.run({ $0.isAnonymous = true }) { server in
            let answer = try await server.ask(
                unsigned(server, "ModifyProject", #"{"ProjectId":"p","Concurrencies":1}"#))
            #expect(answer.code == nil)
            let apply = #"{"UserId":"u","UserIp":"1","ProjectId":"p"}"#
            #expect(try await server.ask(unsigned(server, "ApplyConcurrent", apply)).code == nil)
            let events = try await server.ledger.history(ofUser: "u")
            #expect(events.allSatisfy { $0.event.caller == Caller.anonymous.rawValue })
        }
    }

    @Test func webPagesOfOtherOriginsAreNot() async throws {
        try await TestServer.run({ $0.isAnonymous = true }) { server in
            let headers = [
                ("Origin", "https://example.com", false), ("Origin", "null", false),
                ("Sec-Fetch-Site", "cross-site", false), ("Sec-Fetch-Site", "same-origin", true),
                ("Origin", "http://127.0.0.1:\(server.port)", true),
                ("Host", "localhost:\(server.port)", true), ("Host", "[::1]", true),
                ("Host", "example.com:\(server.port)", false),
            ]
            for (name, value, isTaken) in headers {
                var request = unsigned(server, "DescribeConcurrentCount", "{}")
                request.set(name, value)
                let answer = try await server.ask(request)
                answer.expectEnvelope()
                #expect(answer.code == (isTaken ? nil : "AuthFailure.UnauthorizedOperation"))
            }
        }
    }

    @Test func onlyLoopbackMayBeAnonymous() async throws {
        try await withTemporaryDirectory { directory in
            let ledger = try Ledger(opening: directory)
            for host in ["0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "127.0.0.1.example.com"] {
                var configuration = HoldfastServer.Configuration()
                configuration.isAnonymous = true
                configuration.host = host
                let error = #expect(throws: ServerError.self) {
                    try HoldfastServer(ledger: ledger, configuration: configuration)
                }
                #expect(error?.code == .configuration)
                #expect(error?.message.contains("credential create") == true)
            }
            for host in ["127.0.0.1", "127.1.2.3", "::1", "localhost"] {
                var configuration = HoldfastServer.Configuration()
                configuration.isAnonymous = true
                configuration.host = host
                _ = try HoldfastServer(ledger: ledger, configuration: configuration)
            }
            await ledger.close()
        }
    }
}
