import CloudAPI
import EventLog
import Ledger
import LedgerServer
import NIOSSL
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

@Suite struct TLSTests {
    private func withServer(
        logger lines: LogLines = LogLines(),
        _ configure: (inout HoldfastServer.Configuration) -> Void = { _ in },
        _ body: (TestServer, Certificates) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            let certificates = Certificates(directory: directory)
            try certificates.make()
            try await TestServer.run({
                $0.tls = certificates.files
                configure(&$0)
            }, logger: lines.logger) { server in
                try await body(server, certificates)
            }
        }
    }

    private func count(_ server: TestServer, _ tls: NIOSSLContext) async throws -> Answer {
        let request = server.signer.post("DescribeConcurrentCount", "{}")
        return try await Connection.with(port: server.port, tls: tls) {
            Answer(try await $0.ask(request))
        }
    }

    @Test func everyKindOfRequestIsAnsweredWithinTLS() async throws {
        try await withServer { server, certificates in
            let tls = try certificates.client()
            var unsigned = server.signer
            unsigned.isUnsignedPayload = true
            try await Connection.with(port: server.port, tls: tls) { connection in
                let made = try await connection.ask(
                    server.signer.post("ModifyProject", #"{"ProjectId":"p","Concurrencies":3}"#))
                #expect(Answer(made).number("Concurrencies") == 3)
                let apply = #"{"UserId":"u","UserIp":"1","ProjectId":"p"}"#
                let applied = Answer(
                    try await connection.ask(unsigned.post("ApplyConcurrent", apply)))
                #expect(applied.text("Outcome") == "granted")
                // Longer than a TLS record, and than what is answered in the pipeline.
                let long = String(repeating: "s", count: 200_000)
                let session = Answer(
                    try await connection.ask(
                        server.signer.post(
                            "CreateSession",
                            #"{"UserId":"u","UserIp":"1","ClientSession":"\#(long)"}"#)))
                #expect(session.text("Outcome") == "fresh")
                let lines = #"{"action":"destroy","user":"u"}"# + "\n"
                try await connection.send(server.signer.stream("/v1/commands", lines))
                #expect(try await connection.line() == "HTTP/1.1 200 OK")
                #expect(try await connection.streamLine()?.contains("freed") == true)
                #expect(try await connection.streamLine() == nil)
            }
            let position = server.ledger.head.position
            try await Connection.with(port: server.port, tls: tls) { connection in
                let after = "after=\(position - 1)"
                try await connection.send(
                    server.signer.get("TailEvents", after, path: "/v1/events"))
                #expect(try await connection.line() == "HTTP/1.1 200 OK")
                #expect(try await connection.streamLine()?.contains("freed") == true)
            }
        }
    }

    @Test func anOlderProtocolIsRefused() async throws {
        try await withServer { server, certificates in
            let old = try certificates.client(maximum: .tlsv11)
            await #expect(throws: (any Error).self) { try await count(server, old) }
            let twelve = try certificates.client(maximum: .tlsv12)
            #expect(try await count(server, twelve).number("Total") == 0)
        }
    }

    @Test func plainHTTPIsNotAnswered() async throws {
        try await withServer { server, _ in
            try await Connection.with(port: server.port) { connection in
                try await connection.send(server.signer.post("DescribeConcurrentCount", "{}"))
                let answer = await connection.rest()
                #expect(!answer.contains("HTTP/1.1"))
            }
        }
    }

    @Test func aHandshakeThatDoesNotEndIsNotWaitedForForever() async throws {
        try await withServer({ $0.headTimeoutSeconds = 1 }) { server, _ in
            try await Connection.with(port: server.port) { connection in
                // The beginning of a record that says hello.
                try await connection.send(bytes: [0x16, 0x03, 0x01, 0x01, 0x00, 0x01])
                await connection.waitForEnd()
            }
        }
    }

    @Test func aNewCertificateCountsWithoutARestart() async throws {
        let lines = LogLines()
        try await withServer(logger: lines) { server, certificates in
            let old = try certificates.client()
            try certificates.make("next")
            let new = try certificates.client(trusting: "next")
            try await Connection.with(port: server.port, tls: old) { connection in
                let request = server.signer.post("DescribeConcurrentCount", "{}")
                _ = try await connection.ask(request)
                try certificates.move("next")
                #expect(try await lines.wait(for: "TLS certificate loaded"))
                #expect(try await count(server, new).number("Total") == 0)
                await #expect(throws: (any Error).self) { try await count(server, old) }
                // Who was there stays.
                #expect(Answer(try await connection.ask(request)).number("Total") == 0)
            }
        }
    }

    @Test func aBadNewCertificateLeavesTheOldOne() async throws {
        let lines = LogLines()
        try await withServer(logger: lines) { server, certificates in
            let old = try certificates.client()
            try certificates.make("next")
            let new = try certificates.client(trusting: "next")
            // Half of a change: the certificate without its key.
            let status = rename(
                certificates.directory + "/next.pem", certificates.files.certificatePath)
            try #require(status == 0)
            #expect(try await lines.wait(for: "TLS certificate unchanged: the key in"))
            #expect(try await count(server, old).number("Total") == 0)
            try certificates.write("no certificate", to: "server.pem")
            #expect(try await lines.wait(for: "holds no certificate"))
            #expect(try await count(server, old).number("Total") == 0)
            // And a whole one is taken after all.
            try certificates.make("next")
            let third = try certificates.client(trusting: "next")
            try certificates.move("next")
            #expect(try await lines.wait(for: "TLS certificate loaded"))
            #expect(try await count(server, third).number("Total") == 0)
            await #expect(throws: (any Error).self) { try await count(server, new) }
        }
    }

    @Test func filesThatCannotBeUsedKeepTheServerFromStarting() async throws {
        try await withTemporaryDirectory { path in
            let ledger = try Ledger(opening: path + "/ledger")
            let certificates = Certificates(directory: path)
            func refusal() -> ServerError? {
                var configuration = HoldfastServer.Configuration()
                configuration.tls = certificates.files
                let error = #expect(throws: ServerError.self) {
                    try HoldfastServer(ledger: ledger, configuration: configuration)
                }
                #expect(error?.message.contains("\n") == false)
                return error
            }
            #expect(refusal()?.message.contains("there is no file") == true)
            try certificates.make("other")
            try certificates.make()
            for (mode, isTaken) in [
                (0o600, true), (0o400, true), (0o640, true), (0o644, false), (0o660, false),
                (0o604, false),
            ] as [(mode_t, Bool)] {
                chmod(certificates.files.keyPath, mode)
                if isTaken {
                    var configuration = HoldfastServer.Configuration()
                    configuration.tls = certificates.files
                    try configuration.check()
                } else {
                    #expect(refusal()?.message.contains("chmod 600") == true, "\(mode)")
                }
            }
            chmod(certificates.files.keyPath, 0o600)
            rename(path + "/other.key", certificates.files.keyPath)
            #expect(refusal()?.code == .tls)
            try certificates.write("nothing", to: "server.key")
            #expect(refusal()?.message.contains("no private key") == true)
            try certificates.write("nothing", to: "server.pem")
            #expect(refusal()?.message.contains("no certificate") == true)
            await ledger.close()
        }
    }

    @Test func aCertificateThatEndsSoonIsTold() async throws {
        let lines = LogLines()
        try await withTemporaryDirectory { directory in
            let certificates = Certificates(directory: directory)
            try certificates.make(days: 3)
            try await TestServer.run({ $0.tls = certificates.files }, logger: lines.logger) { _ in
                #expect(lines.text.contains("the TLS certificate expires at"))
            }
        }
    }

    @Test func theEndDoesNotWaitForClients() async throws {
        try await withServer { server, certificates in
            try await Connection.with(port: server.port, tls: certificates.client()) { idle in
                let request = server.signer.post("DescribeConcurrentCount", "{}")
                _ = try await idle.ask(request)
                await server.server.stop()
                await idle.waitForEnd()
            }
        }
    }
}
