import Crypto
import JSON

/// 32 bytes: a leaf, a node or the root of a Merkle tree, all of them SHA-256.
public struct TreeHash: Hashable, Sendable, CustomStringConvertible {
    private var words: (UInt64, UInt64, UInt64, UInt64)

    public static let byteCount = 32

    /// Nil unless there are 32 bytes.
    public init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == Self.byteCount else { return nil }
        self = Array(bytes).withUnsafeBytes { TreeHash(loadingFrom: $0) }
    }

    /// Takes the first 32 bytes. Traps if there are fewer.
    public init(loadingFrom bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count >= Self.byteCount, "a SHA-256 has 32 bytes")
        func word(_ index: Int) -> UInt64 {
            bytes.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self)
        }
        words = (word(0), word(1), word(2), word(3))
    }

    public var bytes: [UInt8] { withUnsafeBytes { Array($0) } }

    func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        Swift.withUnsafeBytes(of: words) { body($0) }
    }

    /// Base64 with padding, 44 characters: the form of notes and proofs.
    public var description: String {
        String(decoding: Base64.encode(bytes, urlSafe: false), as: UTF8.self)
    }

    /// Reads what `description` writes, nil for anything else.
    public init?(base64 text: some StringProtocol) {
        guard let bytes = Base64.decode(Array(text.utf8)[...], urlSafe: false) else { return nil }
        self.init(bytes)
    }

    public static func == (left: TreeHash, right: TreeHash) -> Bool { left.words == right.words }

    public func hash(into hasher: inout Hasher) { hasher.combine(words.0) }

    // MARK: - RFC 6962, 2.1

    /// The root of a tree without leaves: SHA-256 of nothing.
    public static let emptyRoot = TreeHash(SHA256())

    /// Hash of a leaf with this content: SHA-256 of a zero byte and the content.
    public static func leaf(_ content: some Sequence<UInt8>) -> TreeHash {
        Array(content).withUnsafeBytes { leaf(bytes: $0) }
    }

    /// As `leaf`, without a copy.
    public static func leaf(bytes content: UnsafeRawBufferPointer) -> TreeHash {
        var hasher = SHA256()
        hasher.update(byte: 0)
        hasher.update(bufferPointer: content)
        return TreeHash(hasher)
    }

    /// Hash of an inner node: SHA-256 of a byte 1 and both children.
    public static func node(_ left: TreeHash, _ right: TreeHash) -> TreeHash {
        // One piece: the hasher copies less than it would for three.
        var block = NodeBlock(left: left.words, right: right.words)
        return Swift.withUnsafeBytes(of: &block) { bytes in
            var hasher = SHA256()
            hasher.update(bufferPointer: UnsafeRawBufferPointer(rebasing: bytes[7 ..< 72]))
            return TreeHash(hasher)
        }
    }

    private init(_ hasher: SHA256) {
        self = hasher.finalize().withUnsafeBytes { TreeHash(loadingFrom: $0) }
    }
}

/// Byte 7 is the mark of an inner node; the children follow it without a gap.
private struct NodeBlock: BitwiseCopyable {
    var mark = UInt64(1).bigEndian
    var left: (UInt64, UInt64, UInt64, UInt64)
    var right: (UInt64, UInt64, UInt64, UInt64)
}

extension SHA256 {
    fileprivate mutating func update(byte: UInt8) {
        withUnsafeBytes(of: byte) { update(bufferPointer: $0) }
    }
}
