import CloudAPI
import Ledger
import LedgerServer
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Rotation and revocation, and the file that says who may call.
@Suite struct RotationTests {
    private func content(_ directory: DataDirectory) throws -> String {
        let file = try #require(fopen(directory.credentials, "r"))
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 100_000)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }

    private func write(_ text: String, _ directory: DataDirectory) throws {
        let file = try #require(fopen(directory.credentials, "w"))
        fputs(text, file)
        fclose(file)
    }

    private func code(_ server: TestServer, _ credential: CloudCredential) async throws -> String? {
        let signer = Signer(credential, port: server.port)
        return try await server.ask(signer.post("DescribeConcurrentCount", "{}")).code
    }

    private let gone = "AuthFailure.SecretIdNotFound"

    // MARK: - The file

    @Test func aFileOfVersion1AllowsEverythingAndStaysReadableForAnOlderHoldfast() async throws {
        try await withTemporaryDirectory { path in
            let directory = DataDirectory(path)
            try write(
                #"""
                {"version":1,"credentials":[
                {"number":1,"secretId":"HFIDa","secretKey":"b","createdAt":"2026-11-23T10:15:30Z",
                "disabled":false}
                ]}
                """#, directory)
            let store = try CredentialStore(directory)
            #expect(store.find("HFIDa")?.access == .full)
            _ = try store.create()
            #expect(try content(directory).hasPrefix(#"{"version":1,"#))
            let access = Access(roles: [.call, .audit], projects: ["p", "q"])
            let limited = try store.create(access: access)
            #expect(try content(directory).hasPrefix(#"{"version":2,"#))
            let again = try CredentialStore(directory)
            #expect(again.find(limited.secretId)?.access == access)
            #expect(again.find("HFIDa")?.access == .full)
            #expect(try again.list().map(\.access) == [.full, .full, access])
        }
    }

    @Test(arguments: [
        #""roles":["call","emperor"]"#, #""roles":"call""#, #""projects":["p"]"#,
        #""roles":["call"],"projects":"p""#, #""roles":["call"],"projects":null"#,
        #""roles":["call"],"previous":{"secretId":"HFIDa","secretKey":"c","#
            + #""until":"2030-01-01T00:00:00Z"}"#,
        #""roles":["call"],"previous":{"secretId":"x"}"#,
    ])
    func whatIsNotUnderstoodIsNotTakenForLess(_ members: String) async throws {
        try await withTemporaryDirectory { path in
            let directory = DataDirectory(path)
            try write(
                #"{"version":2,"credentials":[{"number":1,"secretId":"HFIDa","secretKey":"b","#
                    + #""createdAt":"2026-11-23T10:15:30Z","disabled":false,\#(members)}]}"#,
                directory)
            let error = #expect(throws: ServerError.self) { try CredentialStore(directory) }
            #expect(error?.code == .damaged)
        }
    }

    @Test func aCredentialThatCouldDoNothingIsNotMade() async throws {
        try await withTemporaryDirectory { path in
            let store = try CredentialStore(DataDirectory(path))
            for access in [
                Access(roles: []), Access(roles: [.call], projects: []),
                Access(roles: [.call], projects: ["a\nb"]), Access(roles: [.call], projects: [""]),
            ] {
                #expect(throws: ServerError.self) { try store.create(access: access) }
            }
            #expect(try store.list().isEmpty)
        }
    }

    // MARK: - A running server

    @Test func theOldPairCountsAsLongAsItWasGiven() async throws {
        try await TestServer.run { server in
            let store = try CredentialStore(DataDirectory(server.directory))
            let access = Access(roles: [.call, .audit])
            let first = try store.create(label: "portal", access: access)
            let second = try store.rotate(number: first.number, overlap: 3_600_000_000)
            #expect(second.number == first.number && second.access == access)
            #expect(second.secretId != first.secretId && second.secretKey != first.secretKey)
            #expect(try await code(server, first) == nil)
            #expect(try await code(server, second) == nil)
            // Once more: the pair before the last ends at once.
            let third = try store.rotate(number: first.number, overlap: 1_000_000)
            try await Task.sleep(for: .milliseconds(2100))
            #expect(try await code(server, first) == gone)
            #expect(try await code(server, second) == gone)
            #expect(try await code(server, third) == nil)
            let entry = try store.list()[1]
            #expect(entry.label == "portal" && entry.access == access)
            // A new key under the old id, or the old key under the new one, opens nothing.
            let mixed = CloudCredential(
                secretId: third.secretId, secretKey: second.secretKey, number: 2)
            #expect(try await code(server, mixed) == "AuthFailure.SignatureFailure")
        }
    }

    @Test func withoutOverlapTheOldPairEndsAtOnce() async throws {
        try await TestServer.run { server in
            let store = try CredentialStore(DataDirectory(server.directory))
            let second = try store.rotate(number: 1, overlap: 0)
            try await Task.sleep(for: .milliseconds(1100))
            #expect(try await code(server, server.credential) == gone)
            #expect(try await code(server, second) == nil)
        }
    }

    @Test func revokingEndsBothPairsAndWhatIsOpen() async throws {
        try await TestServer.run { server in
            let store = try CredentialStore(DataDirectory(server.directory))
            let first = try store.create()
            let second = try store.rotate(number: first.number, overlap: 3_600_000_000)
            let signer = Signer(second, port: server.port)
            try await Connection.with(port: server.port) { events in
                try await events.send(signer.get("TailEvents", "after=0", path: "/v1/events"))
                #expect(try await events.line() == "HTTP/1.1 200 OK")
                try await Connection.with(port: server.port) { idle in
                    _ = try await idle.ask(signer.post("DescribeConcurrentCount", "{}"))
                    try store.disable(number: first.number)
                    // Both end without a word from the client.
                    await events.waitForEnd()
                    await idle.waitForEnd()
                }
            }
            #expect(try await code(server, first) == gone)
            #expect(try await code(server, second) == gone)
            #expect(try await code(server, server.credential) == nil)
            let error = #expect(throws: ServerError.self) {
                try store.rotate(number: first.number, overlap: 0)
            }
            #expect(error?.message.contains("revoked") == true)
        }
    }

    @Test func narrowingIsNoticed() async throws {
        try await TestServer.run { server in
            let directory = DataDirectory(server.directory)
            let store = try CredentialStore(directory)
            let made = try store.create(access: Access(roles: [.audit, .operate]))
            let signer = Signer(made, port: server.port)
            let request = signer.post("RepossessConcurrency", #"{"UserId":"u"}"#)
            #expect(try await server.ask(request).code == nil)
            let text = try content(directory).replacing(
                #""roles":["operate","audit"]"#, with: #""roles":["audit"]"#)
            try write(text, directory)
            try await Task.sleep(for: .milliseconds(1100))
            #expect(try await server.ask(request).code == "AuthFailure.UnauthorizedOperation")
        }
    }
}
