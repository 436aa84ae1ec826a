import CloudAPI
import JSON
import Ledger
import Logging
import Synchronization
import Testing

@testable import LedgerServer

@Suite struct LogTests {
    @Test func theLogNamesRequestsButNoUsersAndNoSecrets() async throws {
        let lines = LogLines()
        try await TestServer.run(logger: lines.logger) { server in
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

    /// Everything a stranger may send carries a mark, and so does what a caller says of persons: no
    /// mark shows in the log, and none in a reply that it was not asked for in.
    @Test func whatStrangersSendShowsNowhere() async throws {
        let lines = LogLines()
        try await TestServer.run(logger: lines.logger) { server in
            try await server.makeProject()
            var requests: [TestRequest] = []
            for action in CloudAction.Name.allCases {
                var stranger = server.signer
                stranger.secretId = "HFIDmarked"
                requests.append(stranger.post(action.rawValue, #"{"UserId":"marked"}"#))
                var wrong = server.signer
                wrong.secretKey = "markedKey"
                requests.append(wrong.post(action.rawValue, #"{"UserId":"marked"}"#))
                var late = server.signer
                late.seconds -= 4000
                requests.append(late.post(action.rawValue, #"{"UserIp":"203.0.113.77"}"#))
                for json in [
                    #"{"UserId":"marked\u0000","UserIp":"203.0.113.77","ProjectId":"cap-1"}"#,
                    #"{"UserId":["marked"],"UserIp":"203.0.113.77"}"#, #"{"UserId":"marked"#,
                    #"{"UserId":"\#(String(repeating: "marked", count: 100))","UserIp":"1"}"#,
                    #"{"UserId":"marked","UserIp":"203.0.113.77","ProjectId":"markedProject"}"#,
                    #"{"UserId":"marked","ClientSession":"markedSession","SessionId":"marked"}"#,
                    #"marked"#, #"["marked"]"#,
                ] {
                    requests.append(server.signer.post(action.rawValue, json))
                }
                requests.append(server.signer.get(action.rawValue, "UserId=marked&UserId=marked"))
                requests.append(server.signer.get(action.rawValue, "UserId=%FFmarked"))
                requests.append(wrong.form("POST", action.rawValue, [("UserId", "marked")]))
            }
            for value in ["markedText", "TC3-HMAC-SHA256 Credential=marked/1/car/tc3_request"] {
                var request = server.signer.post("DestroySession", #"{"UserId":"marked"}"#)
                request.set("Authorization", value)
                requests.append(request)
            }
            requests.append(server.signer.get("x", "after=marked", path: "/v1/events"))
            requests.append(server.signer.get("x", "UserId=marked", path: "/marked"))
            for request in requests {
                let reply = try await server.ask(request).reply
                // A user who is told of was asked for under that name, in these two alone.
                for mark in ["marked", "203.0.113.77", server.credential.secretKey] {
                    #expect(!reply.body.contains(mark), "\(request.body) \(reply.body)")
                }
            }
            let fault = #"{"action":"marked","user":"marked","project":"marked"}"# + "\n"
            let bulk = try await Connection.with(port: server.port) { connection in
                try await connection.send(server.signer.stream("/v1/commands", fault))
                return try await connection.streamLine() ?? ""
            }
            #expect(bulk.contains("invalidLine") && !bulk.contains("marked"))
            #expect(lines.all.count > requests.count)
            for mark in ["marked", "203.0.113.77", server.credential.secretKey, "Signature="] {
                #expect(!lines.text.contains(mark), "\(mark)")
            }
        }
    }

    @Test func datesAreThoseOfHTTP() {
        #expect(HTTPDate.render(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(HTTPDate.render(1_795_429_774) == "Mon, 23 Nov 2026 10:29:34 GMT")
    }
}
