import CFaults
import CloudAPI
import EventLog
import Ledger
import ReconnectionRules
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A disk that fails under a server: what clients are told, and what is there afterwards.
@Suite(.serialized, .enabled(if: faults_available(), "needs glibc, dynamically linked"))
struct FailingDiskTests {
    struct Failure: Sendable, CustomTestStringConvertible {
        var kind: faults_kind
        var error: Int32
        var testDescription: String
    }

    @Test(arguments: [
        Failure(kind: faults_sync, error: EIO, testDescription: "a wait fails"),
        Failure(kind: faults_write, error: ENOSPC, testDescription: "the disk is full"),
    ])
    func clientsAreToldAndNothingIsLost(failure: Failure) async throws {
        var answered: [(UInt64, String)] = []
        try await withTemporaryDirectory { kept in
            try await TestServer.run { server in
                try await server.makeProject(concurrencies: 50)
                for number in 0 ..< 5 {
                    let user = "u\(number)"
                    let answer = try await server.ask("ApplyConcurrent", Self.apply(user))
                    answered.append((try #require(answer.number("Position")), user))
                }
                try await expectHealth(server, 200, "ok")
                let watch = faults_watch(server.directory + "/log")
                try #require(watch >= 0)
                defer { faults_unwatch(watch) }
                faults_fail(watch, Int32(failure.kind.rawValue), 0, .max, failure.error)
                try await expectRefusals(server)
                // The disk is well again; the ledger does not guess what it holds.
                faults_fail(watch, Int32(failure.kind.rawValue), 0, 0, 0)
                try await expectRefusals(server)
                try await expectHealth(server, 503, "unavailable")
                let message = server.ledger.failure?.message ?? ""
                #expect(message.contains("nothing acknowledged is lost"))
                try Self.copy(server.directory, to: kept)
            }
            // As another start of the server finds it.
            let reader = try LedgerReader(opening: kept)
            for (position, user) in answered {
                let event = try #require(try reader.log.event(at: position))
                #expect(reader.userName(of: event.user) == user && event.kind == .applied)
            }
        }
    }

    private static func apply(_ user: String) -> String {
        #"{"UserId":"\#(user)","UserIp":"203.0.113.7","ProjectId":"cap-1"}"#
    }

    private func expectRefusals(_ server: TestServer) async throws {
        for (action, json) in [
            ("ApplyConcurrent", Self.apply("late")),
            ("DescribeUserConcurrency", #"{"UserId":"u1"}"#),
            ("DescribeReconnectionHistory", #"{"UserId":"u1"}"#),
            ("DescribeConcurrentCount", "{}"),
        ] {
            let answer = try await server.ask(action, json)
            answer.expectEnvelope()
            #expect(answer.code == "InternalError", "\(action)")
            // What failed is the operator's to read, not the client's.
            #expect(!answer.reply.body.contains(server.directory))
        }
        let line = #"{"action":"apply","user":"late","project":"cap-1"}"# + "\n"
        let bulk = try await Connection.with(port: server.port) {
            try await $0.ask(server.signer.stream("/v1/commands", line))
        }
        #expect(bulk.status == 503 && bulk.body.contains("InternalError"))
    }

    private func expectHealth(_ server: TestServer, _ status: Int, _ word: String) async throws {
        let request = TestRequest(method: "GET", path: "/health", headers: [("Host", "x")])
        let reply = try await Connection.with(port: server.port) { try await $0.ask(request) }
        #expect(reply.status == status && reply.body.contains(#""status":"\#(word)""#))
    }

    private static func copy(_ path: String, to copy: String) throws {
        var id: pid_t = 0
        let words = ["cp", "-a", path + "/.", copy]
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
        defer { for argument in arguments { free(argument) } }
        arguments.append(nil)
        try #require(posix_spawnp(&id, "cp", nil, nil, arguments, nil) == 0)
        var status: Int32 = 0
        waitpid(id, &status, 0)
        #expect(status == 0)
    }
}
