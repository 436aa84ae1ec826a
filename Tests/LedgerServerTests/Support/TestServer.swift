import CloudAPI
import JSON
import Ledger
import LedgerServer
import Logging
import ReconnectionRules
import Testing
import Turns

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

enum TestClock {
    static var nowSeconds: Int64 { Int64(time(nil)) }

    /// The UTC date of a moment.
    static func date(_ seconds: Int64) -> String {
        String(Timestamp.text(seconds * 1_000_000).prefix(10))
    }
}

/// A directory that is gone after the test.
func withTemporaryDirectory<Result>(
    _ body: (String) async throws -> Result
) async throws -> Result {
    var template = Array("/tmp/holdfast-server-XXXXXX".utf8CString)
    let path = try #require(mkdtemp(&template).map { String(cString: $0) })
    defer { removeTree(path) }
    return try await body(path)
}

private func removeTree(_ path: String) {
    if let stream = opendir(path) {
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { removeTree(path + "/" + name) }
        }
        closedir(stream)
    }
    remove(path)
}

/// A real server on a loopback port of its own, with a ledger and one credential.
struct TestServer: Sendable {
    let server: HoldfastServer
    let ledger: Ledger
    let credential: CloudCredential
    let port: Int
    let directory: String

    var signer: Signer { Signer(credential, port: port) }

    /// A ledger reserves much address space, so that only so many fit in one process; and most
    /// tests wait most of their time, so that all would start at once.
    private static let turns = Turns(12)

    static func run(
        _ configure: (inout HoldfastServer.Configuration) -> Void = { _ in },
        options change: (inout Ledger.Options) -> Void = { _ in },
        logger: Logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
        _ body: (TestServer) async throws -> Void
    ) async throws {
        await turns.take()
        defer { turns.giveBack() }
        try await withTemporaryDirectory { directory in
            let credential = try CredentialStore(DataDirectory(directory)).create()
            var options = Ledger.Options()
            change(&options)
            let ledger = try Ledger(opening: directory, options: options)
            var configuration = HoldfastServer.Configuration()
            configure(&configuration)
            let server = try HoldfastServer(
                ledger: ledger, configuration: configuration, logger: logger)
            let (ports, port) = AsyncStream<Int>.makeStream()
            let running = Task {
                defer { port.finish() }
                try await server.run(handlesSignals: false) { _, number in port.yield(number) }
            }
            guard let number = await ports.first(where: { _ in true }) else {
                return try await running.value
            }
            let test = TestServer(
                server: server, ledger: ledger, credential: credential, port: number,
                directory: directory)
            do { try await body(test) } catch {
                await server.stop()
                try? await running.value
                throw error
            }
            await server.stop()
            try await running.value
        }
    }

    /// One signed action on a connection of its own.
    func ask(_ action: String, _ json: String) async throws -> Answer {
        try await ask(signer.post(action, json))
    }

    func ask(_ request: TestRequest) async throws -> Answer {
        Answer(try await Connection.with(port: port) { try await $0.ask(request) })
    }

    /// A project with short windows.
    func makeProject(concurrencies: Int = 2, window: Int = 1) async throws {
        let settings = #""Concurrencies":\#(concurrencies),"ReconnectTimeout":\#(window)"#
        let answer = try await ask("ModifyProject", #"{"ProjectId":"cap-1",\#(settings)}"#)
        #expect(answer.code == nil)
    }
}

/// A reply of the cloud API, read.
struct Answer: Sendable {
    let reply: Reply
    private let response: JSONValue?

    init(_ reply: Reply) {
        self.reply = reply
        response = (try? JSONValue.parse(Array(reply.body.utf8)))?["Response"]
    }

    /// The error's code, nil for a success.
    var code: String? {
        guard case .string(let code)? = response?["Error"]?["Code"] else { return nil }
        return code
    }

    subscript(_ field: String) -> JSONValue? { response?[field] }

    func text(_ field: String) -> String? {
        guard case .string(let text)? = response?[field] else { return nil }
        return text
    }

    func number(_ field: String) -> UInt64? {
        guard case .unsigned(let number)? = response?[field] else { return nil }
        return number
    }

    /// The envelope as the vendor's SDKs want it.
    func expectEnvelope(_ location: SourceLocation = #_sourceLocation) {
        #expect(reply.status == 200, sourceLocation: location)
        #expect(reply.headers["content-type"] == "application/json", sourceLocation: location)
        #expect(text("RequestId")?.count == 36, sourceLocation: location)
    }
}
