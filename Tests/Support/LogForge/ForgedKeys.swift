import Crypto

/// The personal keys by docs/log-format.md alone: shares no code with what wrote them.
public struct ForgedKeys: Sendable {
    /// A node of the key tree: its first leaf, its depth, its 32 secret bytes.
    public struct Node: Sendable {
        public var first: UInt32
        public var depth: UInt8
        public var seed: [UInt8]
    }

    public var ledgerId: [UInt8]
    public var appliedPosition: UInt64
    public var plainUserCount: UInt32
    public var nodes: [Node]

    /// Reads the file's bytes; nil if they are not what the document says.
    public init?(file bytes: [UInt8]) {
        let file = ForgedBatch(key: 0, bytes: bytes)
        guard bytes.count >= 80, Array(bytes[..<8]) == Array("HFKEYTRE".utf8),
            Array(SHA256.hash(data: bytes.dropLast(32))) == Array(bytes.suffix(32)),
            file.number(at: 8, as: UInt16.self) == 1
        else { return nil }
        ledgerId = Array(bytes[16 ..< 32])
        appliedPosition = file.number(at: 32)
        plainUserCount = file.number(at: 40)
        let nodeCount = Int(file.number(at: 44, as: UInt32.self))
        guard bytes.count == 48 + 40 * nodeCount + 32 else { return nil }
        nodes = (0 ..< nodeCount).map { index in
            let offset = 48 + 40 * index
            return Node(
                first: file.number(at: offset), depth: bytes[offset + 4],
                seed: Array(bytes[offset + 8 ..< offset + 40]))
        }
    }

    /// Every seed on the way to a user's key that these keys lead to, the key itself last; empty if
    /// they do not lead there.
    public func seeds(of user: UInt32) -> [[UInt8]] {
        let leaf = user - 1
        let node = nodes.first { node in
            node.depth == 0 || (node.first ^ leaf) >> UInt32(32 - node.depth) == 0
        }
        guard let node else { return [] }
        var seeds = [node.seed]
        for depth in node.depth ..< 32 {
            let bit = UInt8(leaf >> UInt32(31 - depth) & 1)
            seeds.append(Self.hash("holdfast-child-1", seeds.last!, bit))
        }
        return seeds
    }

    /// The key of a block of a checkpoint's names, from the seed of its node.
    public static func blockKey(_ seed: [UInt8]) -> [UInt8] { hash("holdfast-block-1", seed, 0) }

    private static func hash(_ label: String, _ seed: [UInt8], _ bit: UInt8) -> [UInt8] {
        Array(SHA256.hash(data: Array(label.utf8) + seed + [bit]))
    }

    // MARK: - Texts

    private func binding(_ user: UInt32, _ position: UInt64, _ kind: UInt8) -> [UInt8] {
        var rest = ForgedBatch(key: 0, bytes: [UInt8](repeating: 0, count: 13))
        rest.set(user, at: 0)
        rest.set(position, at: 4)
        rest.bytes[12] = kind
        return ledgerId + rest.bytes
    }

    /// What a text that stands with an event of a kind says; nil if it does not open.
    public func open(_ text: [UInt8], user: UInt32, position: UInt64, kind: UInt8) -> [UInt8]? {
        guard let key = seeds(of: user).last,
            let box = try? ChaChaPoly.SealedBox(combined: text),
            let opened = try? ChaChaPoly.open(
                box, using: SymmetricKey(data: key),
                authenticating: binding(user, position, kind))
        else { return nil }
        return Array(opened)
    }

    /// The name that a userNamed event binds.
    public func name(_ text: [UInt8], user: UInt32, position: UInt64) -> String? {
        guard let padded = open(text, user: user, position: position, kind: 4) else { return nil }
        return String(decoding: padded[1 ... Int(padded[0]) + 1], as: UTF8.self)
    }

    /// A name, sealed as the ledger would.
    public func sealed(_ name: String, user: UInt32, position: UInt64) -> [UInt8]? {
        var padded = [UInt8(name.utf8.count - 1)] + Array(name.utf8)
        while padded.count % 16 != 0 { padded.append(0) }
        guard let key = seeds(of: user).last else { return nil }
        return try? Array(
            ChaChaPoly.seal(
                padded, using: SymmetricKey(data: key),
                authenticating: binding(user, position, 4)
            ).combined)
    }
}

extension ForgedBatch {
    /// The texts that stand with events: where each begins, how long it is, at which position.
    public var texts: [(position: UInt64, range: Range<Int>)] {
        var found: [(position: UInt64, range: Range<Int>)] = []
        var offset = textOffset
        while offset < textOffset + textByteCount {
            let index: UInt32 = number(at: offset)
            let length = Int(number(at: offset + 4, as: UInt16.self))
            found.append((firstPosition + UInt64(index), offset + 6 ..< offset + 6 + length))
            offset += 6 + length
        }
        return found
    }

    /// Writes the form before this one: version 1, every user's name as it is, a made-up one where
    /// the keys open none. Needs sealing.
    public mutating func makePlain(_ keys: ForgedKeys) {
        for (position, range) in texts.reversed() where bytes[record(of: position)] == 4 {
            let user: UInt32 = number(at: record(of: position) + 12)
            let opened = keys.name(Array(bytes[range]), user: user, position: position)
            let name = Array((opened ?? "name \(user)").utf8)
            let before = textByteCount
            bytes.replaceSubrange(range, with: name)
            set(UInt16(name.count), at: range.lowerBound - 2)
            set(UInt32(before - range.count + name.count), at: 24)
        }
        set(UInt16(1), at: 4)
    }
}
