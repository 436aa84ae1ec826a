import CloudAPI
import Ledger
import LedgerServer
import Testing

/// What of a request is signed, and where what is not signed is accepted all the same.
@Suite struct SignedActionTests {
    private let destroy = #"{"UserId":"u"}"#
    /// An address of this machine that is not known to be one: what a server beyond loopback does,
    /// without listening there.
    private let notKnownAsLoopback = "127.1"

    @Test func theVendorsSignatureLeavesTheActionOpen() async throws {
        try await TestServer.run { server in
            var swapped = server.signer.post("DestroySession", destroy)
            swapped.set("X-TC-Action", "RepossessConcurrency")
            // Inherent to what the SDKs sign: the threat model says so.
            let taken = try await server.ask(swapped)
            #expect(taken.text("Outcome") == "nothingHeld")
            var signer = server.signer
            signer.signsAction = true
            var signed = signer.post("DestroySession", destroy)
            #expect(try await server.ask(signed).code == nil)
            signed.set("X-TC-Action", "RepossessConcurrency")
            #expect(try await server.ask(signed).code == "AuthFailure.SignatureFailure")
        }
    }

    @Test func aSettingDemandsThatActionAndPayloadAreSigned() async throws {
        try await TestServer.run({ $0.requiresSignedAction = true }) { server in
            var signer = server.signer
            let plain = try await server.ask(signer.post("DestroySession", destroy))
            #expect(plain.code == "AuthFailure.InvalidAuthorization")
            #expect(plain.reply.body.contains("x-tc-action"))
            signer.signsAction = true
            #expect(try await server.ask(signer.post("DestroySession", destroy)).code == nil)
            #expect(try await server.ask(signer.get("DestroySession", "UserId=u")).code == nil)
            // Everything stands among the parameters there, the action too.
            let form = signer.form("POST", "DestroySession", [("UserId", "u")])
            #expect(try await server.ask(form).code == nil)
            var swapped = signer.post("DestroySession", destroy)
            swapped.set("X-TC-Action", "RepossessConcurrency")
            #expect(try await server.ask(swapped).code == "AuthFailure.SignatureFailure")
            signer.isUnsignedPayload = true
            let open = try await server.ask(signer.post("DestroySession", destroy))
            #expect(open.code == "AuthFailure.InvalidAuthorization")
            let stream = signer.stream("/v1/commands", #"{"action":"destroy","user":"u"}"#)
            #expect(try await server.ask(stream).reply.status == 401)
            // Its path says what is asked for, and is signed.
            let events = server.signer.get("TailEvents", "after=x", path: "/v1/events")
            #expect(try await server.ask(events).code == "InvalidParameterValue")
        }
    }

    @Test func withoutTLSAnUnsignedPayloadIsForLoopbackAlone() async throws {
        try await TestServer.run({
            $0.host = notKnownAsLoopback
            $0.allowsPlainHTTP = true
        }) { server in
            var signer = server.signer
            #expect(try await server.ask(signer.post("DestroySession", destroy)).code == nil)
            signer.isUnsignedPayload = true
            let open = try await server.ask(signer.post("DestroySession", destroy))
            #expect(open.code == "AuthFailure.InvalidAuthorization")
            #expect(open.reply.body.contains("without TLS"))
            let stream = signer.stream("/v1/commands", #"{"action":"destroy","user":"u"}"#)
            #expect(try await server.ask(stream).reply.status == 401)
        }
        try await withTemporaryDirectory { directory in
            let certificates = Certificates(directory: directory)
            try certificates.make()
            try await TestServer.run({
                $0.host = notKnownAsLoopback
                $0.tls = certificates.files
            }) { server in
                var signer = server.signer
                signer.isUnsignedPayload = true
                let tls = try certificates.client()
                let reply = try await Connection.with(port: server.port, tls: tls) {
                    try await $0.ask(signer.post("DestroySession", destroy))
                }
                #expect(Answer(reply).code == nil)
            }
        }
    }

    @Test func beyondLoopbackWithoutTLSTheServerDoesNotStart() async throws {
        try await withTemporaryDirectory { directory in
            let ledger = try Ledger(opening: directory)
            for host in ["0.0.0.0", "::", "10.0.0.1", notKnownAsLoopback, "holdfast.example"] {
                var configuration = HoldfastServer.Configuration()
                configuration.host = host
                let error = #expect(throws: ServerError.self) {
                    try HoldfastServer(ledger: ledger, configuration: configuration)
                }
                #expect(error?.code == .configuration)
                #expect(error?.message.contains("--tls-certificate") == true)
                #expect(error?.message.contains("--plain-http") == true)
                let lines = LogLines()
                configuration.allowsPlainHTTP = true
                _ = try HoldfastServer(
                    ledger: ledger, configuration: configuration, logger: lines.logger)
                #expect(lines.text.contains("served without TLS"))
            }
            await ledger.close()
        }
    }
}
