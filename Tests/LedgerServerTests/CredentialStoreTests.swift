import CloudAPI
import JSON
import Ledger
import LedgerServer
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

@Suite struct CredentialStoreTests {
    private func write(_ text: String, to path: String) throws {
        let file = try #require(fopen(path, "w"))
        fputs(text, file)
        fclose(file)
    }

    private func mode(_ path: String) -> mode_t {
        var status = stat()
        guard stat(path, &status) == 0 else { return 0 }
        return status.st_mode & 0o777
    }

    @Test func credentialsAreNumberedAndKept() async throws {
        try await withTemporaryDirectory { parent in
            let directory = DataDirectory(parent + "/new")
            let store = try CredentialStore(directory)
            #expect(try store.list().isEmpty)
            let first = try store.create(label: "portal \"1\"")
            let second = try store.create()
            #expect(first.number == 1 && second.number == 2)
            #expect(mode(directory.credentials) == 0o600)
            let again = try CredentialStore(directory)
            #expect(again.find(first.secretId)?.secretKey == first.secretKey)
            #expect(again.find("HFIDnobody") == nil)
            #expect(try again.list().map(\.label) == ["portal \"1\"", nil])
            try again.disable(secretId: first.secretId)
            try again.disable(number: 1)
            #expect(try store.list().map(\.isDisabled) == [true, false])
            #expect(try CredentialStore(directory).find(first.secretId) == nil)
            #expect(try again.create().number == 3)
            // The directory is still one in which a ledger can be made.
            let ledger = try Ledger(opening: directory.path)
            await ledger.close()
        }
    }

    @Test func whatIsShownHasNoKey() async throws {
        try await withTemporaryDirectory { directory in
            let store = try CredentialStore(DataDirectory(directory))
            let credential = try store.create()
            var text = "\(credential) \(try store.list()) "
            dump(try store.list(), to: &text)
            dump(credential, to: &text)
            #expect(!text.contains(credential.secretKey))
        }
    }

    @Test func unknownOnesAreSaidToBe() async throws {
        try await withTemporaryDirectory { directory in
            let store = try CredentialStore(DataDirectory(directory))
            #expect(throws: ServerError.self) { try store.disable(number: 1) }
            _ = try store.create()
            let error = #expect(throws: ServerError.self) { try store.disable(number: 2) }
            #expect(error?.code == .unknownCredential)
            #expect(throws: ServerError.self) { try store.create(label: "a\nb") }
        }
    }

    @Test func manyAtOnceLoseNone() async throws {
        try await withTemporaryDirectory { directory in
            try await withThrowingTaskGroup(of: UInt32.self) { group in
                for _ in 0 ..< 8 {
                    group.addTask {
                        // A store of its own each, as separate processes would have.
                        let store = try CredentialStore(DataDirectory(directory))
                        return try store.create().number
                    }
                }
                var numbers: Set<UInt32> = []
                for try await number in group { numbers.insert(number) }
                #expect(numbers == Set(1 ... 8))
            }
            let store = try CredentialStore(DataDirectory(directory))
            #expect(Set(try store.list().map(\.secretId)).count == 8)
        }
    }

    private static let damages = [
        "", "{", "[]", #"{"version":1}"#, #"{"version":3,"credentials":[]}"#,
        #"{"version":1,"credentials":[{"number":1}]}"#,
        #"""
        {"version":1,"credentials":[{"number":2,"secretId":"a","secretKey":"b",
        "createdAt":"2026-11-23T10:15:30Z","disabled":false}]}
        """#,
    ]

    @Test(arguments: damages)
    func aDamagedFileKeepsTheServerFromStarting(_ text: String) async throws {
        try await withTemporaryDirectory { path in
            let ledger = try Ledger(opening: path)
            try write(text, to: DataDirectory(path).credentials)
            let error = #expect(throws: ServerError.self) { try HoldfastServer(ledger: ledger) }
            #expect(error?.code == .damaged)
            #expect(error?.message.contains("credentials.json") == true)
            #expect(error?.message.contains("\n") == false)
            await ledger.close()
        }
    }

    @Test func damageWhileRunningLeavesWhatCountedBefore() async throws {
        try await TestServer.run { server in
            try write("{", to: DataDirectory(server.directory).credentials)
            try await Task.sleep(for: .milliseconds(1200))
            #expect(try await server.ask("DescribeConcurrentCount", "{}").code == nil)
        }
    }

    @Test func theSessionKeyIsMadeOnceAndNeverReplaced() async throws {
        try await withTemporaryDirectory { path in
            let directory = DataDirectory(path)
            let key = try ServerSessionKey(directory)
            #expect(mode(directory.serverSessionKey) == 0o600)
            #expect(try ServerSessionKey(directory).publicKeyText == key.publicKeyText)
            #expect(key.publicKeyText.count == 64)
            try write("ed25519 00\n", to: directory.serverSessionKey)
            let error = #expect(throws: ServerError.self) { try ServerSessionKey(directory) }
            #expect(error?.code == .damaged)
        }
    }
}
