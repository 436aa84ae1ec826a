import CloudAPI
import JSON
import Ledger
import LedgerServer
import ReconnectionRules
import Testing

@Suite struct SignatureTests {
    private let apply = #"{"UserId":"u 1","UserIp":"1","ProjectId":"cap-1"}"#

    @Test func everyWayToSignIsAccepted() async throws {
        try await TestServer.run { server in
            try await server.makeProject()
            var unsigned = server.signer
            unsigned.isUnsignedPayload = true
            let pairs = [("UserId", "u 1"), ("UserIp", "1"), ("ProjectId", "cap-1")]
            let requests = [
                server.signer.post("ApplyConcurrent", apply),
                server.signer.get("ApplyConcurrent", "UserId=u+1&UserIp=1&ProjectId=cap-1"),
                unsigned.post("ApplyConcurrent", apply),
                server.signer.form("POST", "ApplyConcurrent", pairs),
                server.signer.form("POST", "ApplyConcurrent", pairs, sha256: false),
                server.signer.form("GET", "ApplyConcurrent", pairs),
                server.signer.form("GET", "ApplyConcurrent", pairs, sha256: false),
            ]
            for (index, request) in requests.enumerated() {
                let answer = try await server.ask(request)
                answer.expectEnvelope()
                #expect(answer.text("ConcurrencyId") == "cap-1/1", "request \(index)")
                #expect(answer.text("Outcome") == (index == 0 ? "granted" : "returned"))
            }
            let events = try await server.ledger.history(ofUser: "u 1")
            #expect(events.allSatisfy { $0.event.caller == Caller.credential(1).rawValue })
        }
    }

    @Test func whatWasChangedOnTheWayIsRefused() async throws {
        try await TestServer.run { server in
            try await server.makeProject()
            var body = server.signer.post("ApplyConcurrent", apply)
            body.body = body.body.replacing("u 1", with: "u 2")
            var query = server.signer.get("DestroySession", "UserId=u1")
            query.query = "UserId=u2"
            var form = server.signer.form("POST", "DestroySession", [("UserId", "u1")])
            form.body = form.body.replacing("UserId=u1", with: "UserId=u2")
            var host = server.signer.post("ApplyConcurrent", apply)
            host.set("Host", "elsewhere:1")
            var wrongKey = server.signer
            wrongKey.secretKey = "wrong"
            for request in [body, query, form, host, wrongKey.post("ApplyConcurrent", apply)] {
                let answer = try await server.ask(request)
                answer.expectEnvelope()
                #expect(answer.code == "AuthFailure.SignatureFailure")
            }
            #expect(try await server.ledger.user("u 2") == nil)
        }
    }

    @Test func whoCannotBeIdentifiedIsRefused() async throws {
        try await TestServer.run { server in
            var stranger = server.signer
            stranger.secretId = "HFIDnobody"
            var old = server.signer
            old.seconds -= 301
            var early = server.signer
            early.seconds += 310
            var nobody = server.signer.post("ApplyConcurrent", apply)
            nobody.headers.removeAll { $0.0 == "Authorization" }
            var skip = nobody
            skip.set("Authorization", "SKIP")
            var twoHosts = server.signer.post("ApplyConcurrent", apply)
            twoHosts.headers.append(("Host", "elsewhere"))
            let oldForm = old.form("GET", "DestroySession", [("UserId", "u")])
            let cases = [
                (stranger.post("ApplyConcurrent", apply), "AuthFailure.SecretIdNotFound"),
                (old.post("ApplyConcurrent", apply), "AuthFailure.SignatureExpire"),
                (early.post("ApplyConcurrent", apply), "AuthFailure.SignatureExpire"),
                (oldForm, "AuthFailure.SignatureExpire"),
                (nobody, "AuthFailure.InvalidAuthorization"),
                (skip, "AuthFailure.InvalidAuthorization"),
                (twoHosts, "AuthFailure.InvalidAuthorization"),
            ]
            for (request, code) in cases {
                let answer = try await server.ask(request)
                answer.expectEnvelope()
                #expect(answer.code == code)
            }
        }
    }

    @Test func aRunningServerNoticesNewAndDisabledCredentials() async throws {
        try await TestServer.run { server in
            // A store of its own, as another process would have.
            let store = try CredentialStore(DataDirectory(server.directory))
            let second = try store.create(label: "second")
            let signer = Signer(second, port: server.port)
            #expect(try await server.ask(signer.post("DescribeConcurrentCount", "{}")).code == nil)
            try store.disable(number: second.number)
            try await Task.sleep(for: .milliseconds(1100))
            #expect(try await server.ask(signer.post("DescribeConcurrentCount", "{}")).code
                == "AuthFailure.SecretIdNotFound")
            #expect(try await server.ask("DescribeConcurrentCount", "{}").code == nil)
        }
    }
}
