import Benchmark
import EventLog
import Ledger
import ReconnectionRules
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A folder for this process. What is in it goes when the process ends.
enum Scratch {
    static let path: String = {
        var template = Array("./holdfast-benchmarks-XXXXXX".utf8CString)
        let isMade = template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!) != nil }
        precondition(isMade, "cannot make a folder here; start in one that can be written to")
        atexit { Scratch.remove(Scratch.path) }
        return template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }()

    static func directory(_ name: String) -> String {
        let directory = "\(path)/\(name)"
        mkdir(directory, 0o700)
        return directory
    }

    private static func remove(_ path: String) {
        guard let directory = opendir(path) else {
            unlink(path)
            return
        }
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { remove("\(path)/\(name)") }
        }
        closedir(directory)
        rmdir(path)
    }
}

/// An open log that batches are appended to.
final class AppendFixture: Sendable {
    static let shared = AppendFixture()

    private let log: EventLog
    private let events = RulesStorm.events(count: 1_000)

    private init() {
        do {
            log = try EventLog(directory: Scratch.directory("append"), mode: .create)
        } catch {
            preconditionFailure("\(error)")
        }
    }

    func append(_ benchmark: Benchmark) throws {
        var head = try log.head()
        for _ in benchmark.scaledIterations {
            let builder = BatchBuilder(after: head.position)
            let first = head.position + 1
            for (index, event) in events.enumerated() {
                var event = event
                event.position = first + Position(index)
                builder.append(event)
            }
            benchmark.startMeasurement()
            head = builder.seal(after: head, wallOffset: 0, origin: nil)
            try log.append(builder.sealedBytes, at: first)
            benchmark.stopMeasurement()
        }
    }
}

/// A closed ledger of 1,000 users and 100,000 events.
final class LedgerFixture: Sendable {
    static let shared = LedgerFixture()
    private static let userCount = 1_000
    private static let roundCount = 33

    private let made = Mutex<String?>(nil)

    private static func userName(_ number: Int) -> String { "user\(100_000_000_000 + number)" }

    func open(_ benchmark: Benchmark) async throws {
        let directory = try await directory()
        for _ in benchmark.scaledIterations {
            let ledger = try Self.opened(directory, benchmark)
            await ledger.close()
        }
    }

    /// Apart, because the compiler of Swift 6.3.1 crashes on it inside an asynchronous loop.
    @inline(never)
    private static func opened(_ directory: String, _ benchmark: Benchmark) throws -> Ledger {
        benchmark.startMeasurement()
        defer { benchmark.stopMeasurement() }
        return try Ledger(opening: directory)
    }

    func history(_ benchmark: Benchmark) async throws {
        let ledger = try Ledger(opening: try await directory())
        var number = 0
        for _ in benchmark.scaledIterations {
            number = (number + 7_919) % Self.userCount
            let user = Self.userName(number)
            benchmark.startMeasurement()
            let events = try await ledger.history(ofUser: user, limit: 50)
            benchmark.stopMeasurement()
            precondition(events.count == 50, "every user has 50 events and more")
        }
        await ledger.close()
    }

    private func directory() async throws -> String {
        if let directory = made.withLock({ $0 }) { return directory }
        let directory = Scratch.directory("ledger")
        let ledger = try Ledger(opening: directory)
        let users = UInt32(Self.userCount)
        try await ledger.modifyProject("bench", ProjectChange(concurrencyCount: users))
        let names = (0 ..< Self.userCount).map(Self.userName)
        _ = try await ledger.performAll(
            names.flatMap { [.apply(user: $0, project: "bench"), .createSession(user: $0)] })
        for _ in 0 ..< Self.roundCount {
            _ = try await ledger.performAll(
                names.flatMap { name -> [Action] in
                    [
                        .disconnect(user: name), .apply(user: name, project: "bench"),
                        .createSession(user: name),
                    ]
                })
        }
        await ledger.close()
        made.withLock { $0 = directory }
        return directory
    }
}
