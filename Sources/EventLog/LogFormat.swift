/// Sizes and marks of the log's binary form. Byte by byte in docs/log-format.md; all integers are
/// little-endian but the keys, which are big-endian so that LMDB's byte order is position order.
public enum LogFormat {
    /// Version of the batch form this code writes, and the newest it reads.
    public static let version: UInt16 = 2
    /// The first version in which what names a person is sealed.
    public static let sealedVersion: UInt16 = 2

    /// First four bytes of every batch.
    static let batchMagic: UInt32 = 0x424C_4648  // "HFLB"
    static let headerByteCount = 96
    static let recordByteCount = 80
    static let originByteCount = 40
    static let hashByteCount = 32
    /// Key of the one entry of the meta table, and first bytes of its value.
    static let metaKey: [UInt8] = Array("holdfast".utf8)
    static let metaMagic: [UInt8] = Array("HOLDFAST".utf8)
    static let metaByteCount = 72

    static let metaTableName = "meta"
    static let batchTableName = "batches"

    /// Events after which a batch takes no further command: keeps a commit's dirty pages far below
    /// LMDB's limit of 131,071 and the wait of the first caller in it short. One command's events
    /// stay together: lowering a capacity by a million withdraws a million in one batch.
    public static let batchEventCountMax = 16_384
    /// Longest name of a user or project, in bytes: the wire's bound.
    public static let nameByteCountMax = 256
    /// Most bytes that stand with one event: a sealed name of the greatest length.
    static let textByteCountMax = SealedText.byteCount(
        ofPaddedText: nameByteCountMax + 1)
    /// Most bytes of names in one batch.
    public static let batchTextByteCountMax = 8 << 20
}

/// A SHA-256: a batch's own, the chain's link, a trace file's.
public struct Digest32: Hashable, Sendable, CustomStringConvertible {
    public var words: (UInt64, UInt64, UInt64, UInt64)

    public static let zero = Digest32(words: (0, 0, 0, 0))

    init(words: (UInt64, UInt64, UInt64, UInt64)) { self.words = words }

    /// Takes the first 32 bytes. Traps if there are fewer.
    public init(_ bytes: some Sequence<UInt8>) {
        var array = Array(bytes.prefix(32))
        precondition(array.count == 32, "a SHA-256 has 32 bytes")
        self = array.withUnsafeMutableBytes { Digest32(loadingFrom: UnsafeRawBufferPointer($0)) }
    }

    init(loadingFrom bytes: UnsafeRawBufferPointer) {
        func word(_ index: Int) -> UInt64 {
            UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self))
        }
        words = (word(0), word(1), word(2), word(3))
    }

    func store(at pointer: UnsafeMutableRawPointer) {
        pointer.storeBytes(of: words.0.littleEndian, as: UInt64.self)
        pointer.storeBytes(of: words.1.littleEndian, toByteOffset: 8, as: UInt64.self)
        pointer.storeBytes(of: words.2.littleEndian, toByteOffset: 16, as: UInt64.self)
        pointer.storeBytes(of: words.3.littleEndian, toByteOffset: 24, as: UInt64.self)
    }

    /// The 32 bytes in order.
    public var bytes: [UInt8] {
        [words.0, words.1, words.2, words.3].flatMap { word in
            (0 ..< 8).map { UInt8(truncatingIfNeeded: word >> (8 * UInt64($0))) }
        }
    }

    /// Lower-case hexadecimal, 64 characters.
    public var description: String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    public static func == (left: Digest32, right: Digest32) -> Bool { left.words == right.words }

    public func hash(into hasher: inout Hasher) { hasher.combine(words.0) }
}
