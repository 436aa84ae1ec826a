/// Seals the names of a checkpoint, some hundred together: a block's names lie under the key of the
/// tree node above all of them, or where somebody of the block was forgotten, in pieces under the
/// nodes that are left. So when a person's key goes, every older copy of the block goes with it, in
/// free pages too, and the names of many are opened at once.
///
/// A block is, in and out, for each user in order the name's length (2 bytes) and its bytes; length
/// 0 stands for one that was forgotten, and out comes `lockedMark` for one whose piece cannot be
/// opened any more. Belongs to one thread.
package final class NameBlocks {
    /// Users in a block: what lies below a node of depth `blockDepth`.
    package static let userCount = 256
    private static let blockDepth: UInt8 = 24
    /// In place of a length: there is a name, and no key for it.
    package static let lockedMark: UInt16 = .max
    /// First user of a piece within its block (2), depth of its node (1), zero (1), bytes (4).
    private static let pieceHeaderByteCount = 8

    private let keys: PersonalKeys
    private var path = KeyPath()
    private var generation: Int
    private var nonces = NonceBuffer(.system)

    package init(_ keys: PersonalKeys) {
        self.keys = keys
        generation = keys.currentGeneration
    }

    private func refresh() {
        guard generation != keys.currentGeneration else { return }
        generation = keys.currentGeneration
        path.clear()
    }

    /// The user of the first name of a block.
    private static func firstLeaf(_ block: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: block) << 8
    }

    /// What each piece is bound to: the ledger, its first user, its node's depth.
    private func binding(_ first: UInt32, _ depth: UInt8) -> [UInt8] {
        var bytes = keys.ledgerId
        withUnsafeBytes(of: first.littleEndian) { bytes.append(contentsOf: $0) }
        return bytes + [depth] + Array("names".utf8)
    }

    // MARK: - Sealing

    /// The block as it is stored: how many users (2 bytes), then its pieces. Names of users that
    /// were forgotten meanwhile are left out.
    package func seal(_ block: UInt64, _ plain: [UInt8]) -> [UInt8] {
        refresh()
        let ranges = Self.ranges(plain)
        let first = Self.firstLeaf(block)
        var sealed = Self.bytes(UInt16(ranges.count))
        for node in keys.nodes(below: first, depth: Self.blockDepth, &path) {
            let offset = Int(node.first - first)
            guard offset < ranges.count else { continue }
            let last = min(Int(node.last - first), ranges.count - 1)
            let piece = plain[ranges[offset].lowerBound ..< ranges[last].upperBound]
            let binding = binding(node.first, node.depth)
            let box = nonces.withNext { nonce in
                piece.withUnsafeBytes {
                    Array(SealedText.seal($0, node.seed.blockKey, nonce: nonce, binding))
                }
            }
            sealed += Self.bytes(UInt16(offset)) + [node.depth, 0] + Self.bytes(UInt32(box.count))
            sealed += box
        }
        return sealed
    }

    private static func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }

    /// Where each user's part lies in a plain block. Traps on one that does not fit together.
    private static func ranges(_ plain: [UInt8]) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        var start = 0
        while start < plain.count {
            let end = start + 2 + Int(plain[start]) + Int(plain[start + 1]) << 8
            ranges.append(start ..< end)
            start = end
        }
        precondition(start == plain.count && ranges.count <= userCount, "no block of names")
        return ranges
    }

    // MARK: - Opening

    /// The block in plain; nil if the bytes are not what was stored. Whoever lies in no piece was
    /// forgotten before it was stored.
    package func open(_ block: UInt64, _ stored: UnsafeRawBufferPointer) -> [UInt8]? {
        refresh()
        func number<Value: FixedWidthInteger & BitwiseCopyable>(
            _ offset: Int, _ type: Value.Type
        ) -> Value {
            Value(littleEndian: stored.loadUnaligned(fromByteOffset: offset, as: Value.self))
        }
        guard stored.count >= 2 else { return nil }
        let userCount = Int(number(0, UInt16.self))
        var next = 0
        var plain: [UInt8] = []
        var start = 2
        while start < stored.count {
            guard start + Self.pieceHeaderByteCount <= stored.count else { return nil }
            let offset = Int(number(start, UInt16.self))
            let depth = stored[start + 2]
            let byteCount = Int(number(start + 4, UInt32.self))
            start += Self.pieceHeaderByteCount
            guard offset >= next, offset < userCount, start + byteCount <= stored.count,
                (Self.blockDepth ... KeyTree.depth).contains(depth)
            else { return nil }
            let box = UnsafeRawBufferPointer(rebasing: stored[start ..< start + byteCount])
            start += byteCount
            plain.append(contentsOf: repeatElement(0, count: 2 * (offset - next)))
            next = offset
            let pieceCount = min(Int(KeyTree.leafMask(depth)) + 1, userCount - offset)
            guard let piece = open(Self.firstLeaf(block) | UInt32(offset), depth, box) else {
                plain.append(contentsOf: repeatElement(.max, count: 2 * pieceCount))
                next += pieceCount
                continue
            }
            guard let piece = piece.isWhole ? piece.bytes : nil,
                Self.count(piece) == pieceCount
            else { return nil }
            plain += piece
            next += pieceCount
        }
        guard next <= userCount else { return nil }
        plain.append(contentsOf: repeatElement(0, count: 2 * (userCount - next)))
        return plain
    }

    /// Nil if the key is gone; `isWhole` is false if it is there and does not fit.
    private func open(
        _ first: UInt32, _ depth: UInt8, _ box: UnsafeRawBufferPointer
    ) -> (bytes: [UInt8], isWhole: Bool)? {
        guard let seed = keys.seed(first, depth, &path) else { return nil }
        guard let bytes = SealedText.open(
            box, seed.blockKey, binding(first, depth), { Array($0) })
        else {
            return ([], false)
        }
        return (bytes, true)
    }

    /// How many users a plain piece holds; nil if it does not fit together.
    private static func count(_ plain: [UInt8]) -> Int? {
        var (start, count) = (0, 0)
        while start < plain.count {
            guard start + 2 <= plain.count else { return nil }
            start += 2 + Int(plain[start]) + Int(plain[start + 1]) << 8
            count += 1
        }
        return start == plain.count ? count : nil
    }
}
