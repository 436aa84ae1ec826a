/// What did not hold of an input.
struct Violation: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}

/// A function that takes any bytes whatever, and says what has to hold of them. It may refuse them;
/// it must not trap, hang, read beside them, or break one of its promises.
///
/// The same bytes give the same outcome in every process: nothing is drawn, no clock is read, and
/// what is kept from input to input (an open file, a key) never depends on an input.
struct FuzzTarget: Sendable {
    /// Names it on the command line and in file names.
    let name: String
    /// What of Holdfast it takes apart, in a few words.
    let subject: String
    /// What has to hold, in a few words: the report shows it.
    let promise: String
    /// Longest input that is of any use.
    var byteCountMax = 512
    /// Words that are hard to guess byte by byte.
    var words: [String] = []
    /// Good inputs: where mutation begins.
    let seeds: @Sendable () throws -> [[UInt8]]
    /// True if the input was taken, false if it was refused. Throws `Violation`.
    let run: @Sendable ([UInt8]) throws -> Bool

    static let all: [FuzzTarget] =
        wireTargets + lineTargets + logTargets + viewTargets + proofTargets + textTargets
        + fileTargets

    static func named(_ name: String) -> FuzzTarget? {
        (all + [canary]).first { $0.name == name }
    }

    /// Breaks its promise at eight certain bytes: a fuzzer that does not find them finds nothing.
    static let canary = FuzzTarget(
        name: "canary", subject: "a planted fault", promise: "To break.",
        byteCountMax: 64, seeds: { [[0]] },
        run: { input in
            var index = 0
            for byte in "HOLDFAST".utf8 {
                guard index < input.count, input[index] == byte else { return false }
                index += 1
            }
            throw Violation("the planted fault")
        })
}

/// Throws if a promise is broken.
func require(_ holds: Bool, _ promise: @autoclosure () -> String) throws {
    if !holds { throw Violation(promise()) }
}

/// Takes an input apart, front to back. Past the end there are zeros.
struct InputReader {
    private let bytes: [UInt8]
    private var index = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { index >= bytes.count }

    mutating func byte() -> UInt8 {
        guard index < bytes.count else { return 0 }
        defer { index += 1 }
        return bytes[index]
    }

    /// Little-endian.
    mutating func number<Value: FixedWidthInteger & UnsignedInteger>(
        _ type: Value.Type = Value.self
    ) -> Value {
        var value: Value = 0
        for shift in 0 ..< MemoryLayout<Value>.size { value |= Value(byte()) << Value(8 * shift) }
        return value
    }

    /// So many bytes, fewer at the end.
    mutating func take(_ count: Int) -> [UInt8] {
        let end = min(bytes.count, index + max(0, count))
        defer { index = max(index, end) }
        return index < end ? Array(bytes[index ..< end]) : []
    }

    mutating func rest() -> [UInt8] { take(bytes.count) }
}

/// Text of any bytes: what is not UTF-8 becomes U+FFFD, as in whatever reads a command line.
func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

/// The bytes as a failure shows them.
func shown(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef")
    return bytes.prefix(200).map { "\(digits[Int($0 >> 4)])\(digits[Int($0 & 15)])" }.joined()
}

func little(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
}

/// Whether a message may be printed to a terminal or a log as it stands.
func isPrintable(_ message: String) -> Bool {
    message.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F ... 0x9F).contains($0.value) }
}
