import Glibc
import LMDB
import Synchronization
import Testing

/// A fresh directory, removed with everything in it at the end of its life.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/lmdb-tests-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!) != nil }
        try #require(made)
        path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    var dataFile: String { "\(path)/data.mdb" }

    deinit {
        for name in ["data.mdb", "lock.mdb"] { unlink("\(path)/\(name)") }
        rmdir(dataFile)
        rmdir(path)
    }
}

/// SplitMix64: the same numbers for the same seed, on every machine.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

func array(_ span: RawSpan) -> [UInt8] {
    span.withUnsafeBytes { Array($0) }
}

func bytes(_ span: RawSpan?) -> [UInt8]? {
    guard let span else { return nil }
    return span.withUnsafeBytes { Array($0) }
}

func readFile(_ path: String) throws -> [UInt8] {
    let descriptor = open(path, O_RDONLY)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    let size = Int(lseek(descriptor, 0, SEEK_END))
    return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        count = pread(descriptor, buffer.baseAddress, size, 0)
    }
}

func writeFile(_ path: String, _ content: [UInt8]) throws {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    try #require(write(descriptor, content, content.count) == content.count)
}

/// An environment with durability off: no test cuts the power.
func openQuickly(
    _ path: String, _ change: (inout Environment.Options) -> Void = { _ in }
) throws(LMDBError) -> Environment {
    var options = Environment.Options()
    options.durability = .noSync
    change(&options)
    return try Environment(directory: path, options: options)
}

/// Commits `values` under the keys 0, 1, 2, … of a table.
func commit(_ values: [[UInt8]], to environment: Environment, table: String) throws(LMDBError) {
    var writing = try WriteTransaction(environment)
    let table = try writing.table(named: table, create: true)
    for (key, value) in values.enumerated() {
        try writing.put(value.span.bytes, forKey: UInt64(key), in: table)
    }
    try writing.commit()
}

/// The code a throwing call throws; nil if it does not.
func code(_ body: () throws -> Void) -> LMDBError.Code? {
    do {
        try body()
        return nil
    } catch {
        return (error as? LMDBError)?.code
    }
}

/// Tells a task on another thread to stop.
final class StopSign: Sendable {
    private let value = Atomic(false)

    var isUp: Bool { value.load(ordering: .relaxed) }

    func raise() { value.store(true, ordering: .relaxed) }
}
