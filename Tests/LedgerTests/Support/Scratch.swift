import EventLog
import Ledger
import LedgerModel
import ReconnectionRules
import Synchronization
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Everything that opens ledgers runs one test after the other: they block threads, and some look
/// at the clock.
@Suite(.serialized) struct LedgerTests {}

/// A fresh directory, removed with everything in it at the end of its life.
final class Scratch: Sendable {
    let path: String

    /// - Parameter isInMemory: on a file system in memory, where there is one: for tests of many
    ///   waits for a disk that none of them looks at.
    init(isInMemory: Bool = false) throws {
        let parent = isInMemory && access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
        var template = Array("\(parent)/holdfast-ledger-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!) != nil }
        try #require(made)
        path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    var directory: DataDirectory { DataDirectory(path) }

    /// Removes a file or a directory of files inside.
    func remove(_ name: String) { Self.remove(path + "/" + name) }

    static func remove(_ path: String) {
        if unlink(path) == 0 { return }
        for name in entries(of: path) { remove(path + "/" + name) }
        rmdir(path)
    }

    static func entries(of path: String) -> [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    deinit { Self.remove(path) }
}

/// Both clocks in the test's hands. Ledger time moves only when told.
final class ManualClock: Sendable {
    /// 2026-11-23T10:00:00Z.
    static let start: Microseconds = .seconds(1_795_428_000)

    private let time = Mutex((wall: ManualClock.start, monotonic: Microseconds(0)))

    var clock: LedgerClock {
        LedgerClock(
            wall: { self.time.withLock { $0.wall } },
            monotonic: { self.time.withLock { $0.monotonic } })
    }

    func advance(by length: Microseconds) {
        time.withLock { time in
            time.wall += length
            time.monotonic += length
        }
    }

    /// Somebody sets the wall clock.
    func stepWall(by length: Microseconds) { time.withLock { $0.wall += length } }

    /// The machine was off: the monotonic clock begins anew.
    func reboot(after length: Microseconds) {
        time.withLock { time in
            time.wall += length
            time.monotonic = 5
        }
    }
}

extension Ledger {
    /// Opens with a manual clock.
    convenience init(
        _ scratch: Scratch, _ clock: ManualClock, _ change: (inout LedgerOptions) -> Void = { _ in }
    ) throws {
        var options = LedgerOptions()
        options.clock = clock.clock
        change(&options)
        try self.init(opening: scratch.path, options: options)
    }

    /// Every durable event so far, oldest first.
    func allEvents() async throws -> [NamedEvent] {
        let goal = head.position
        var events: [NamedEvent] = []
        guard goal > 0 else { return [] }
        for try await event in self.events(after: 0) {
            events.append(event)
            if event.event.position >= goal { break }
        }
        return events
    }
}

/// Opens, runs `body`, and closes.
func withLedger<Result>(
    _ scratch: Scratch, _ clock: ManualClock,
    _ change: (inout LedgerOptions) -> Void = { _ in },
    _ body: (Ledger) async throws -> Result
) async throws -> Result {
    let ledger = try Ledger(scratch, clock, change)
    let result: Result
    do { result = try await body(ledger) } catch {
        await ledger.close()
        throw error
    }
    await ledger.close()
    return result
}

/// The code of the error a call throws, nil if it does not throw.
func code(_ body: () async throws -> Void) async -> LedgerError.Code? {
    do {
        try await body()
        return nil
    } catch { return (error as? LedgerError)?.code }
}

/// Waits up to `seconds` for something that another thread brings about.
func eventually(
    _ seconds: Int = 10, _ condition: () async throws -> Bool
) async rethrows -> Bool {
    for _ in 0 ..< seconds * 500 {
        if try await condition() { return true }
        try? await Task.sleep(for: .milliseconds(2))
    }
    return false
}

/// The seed of a random test: HOLDFAST_SEED, or a fixed one. Printed, so that a failure can be
/// told.
func seed(_ test: String) -> UInt64 {
    let value = getenv("HOLDFAST_SEED").flatMap { UInt64(String(cString: $0)) } ?? 20_261_123
    print("\(test): seed \(value)")
    return value
}

func environmentNumber(_ name: String, default value: Int) -> Int {
    getenv(name).flatMap { Int(String(cString: $0)) } ?? value
}

/// Processor time of all threads of this process.
func processorMicroseconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e6 + Double(time.tv_nsec) / 1e3
}

func openFileCount() -> Int { Scratch.entries(of: "/proc/self/fd").count }
func threadCount() -> Int { Scratch.entries(of: "/proc/self/task").count }

func readBytes(_ path: String) -> [UInt8] {
    let file = open(path, O_RDONLY)
    guard file >= 0 else { return [] }
    defer { close(file) }
    let size = Int(lseek(file, 0, SEEK_END))
    guard size > 0 else { return [] }
    return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        count = max(0, pread(file, buffer.baseAddress, size, 0))
    }
}

func writeBytes(_ path: String, _ bytes: [UInt8]) {
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    guard file >= 0 else { return }
    defer { close(file) }
    _ = write(file, bytes, bytes.count)
}

/// A value that several tasks of a test change.
final class Shared<Value: Sendable>: Sendable {
    private let mutex: Mutex<Value>

    init(_ value: Value) { mutex = Mutex(value) }

    var value: Value { mutex.withLock { $0 } }

    func change(_ body: (inout Value) -> Void) { mutex.withLock { body(&$0) } }
}
