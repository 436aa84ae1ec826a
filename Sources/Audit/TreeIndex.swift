import Crypto
import EventLog
import Ledger
import Proofs
import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The hash over a fixed number of batches in a row, and where they end: the Merkle tree of a long
/// log without its log.
struct TreeBlock: Equatable {
    /// Batches in a block.
    static let leafCount: UInt64 = 1 << UInt64(height)
    static let height = 10

    /// Position of the last event of the last batch.
    var lastPosition: Position
    /// That batch's hash: it commits to everything before it.
    var lastHash: Digest32
    var node: TreeHash
}

/// DIR/tree: the blocks of the log's Merkle tree, 80 bytes for 1,024 batches. Derived: what does
/// not fit the log is made anew, and the file may be deleted at any time.
///
/// After 32 bytes (`HOLDTREE`, version, ledger id) each entry is the last position, the last hash,
/// the node, and the first 8 bytes of the SHA-256 of the entry before and these.
enum TreeIndex {
    private static let headerByteCount = 32
    private static let entryByteCount = 80

    /// The blocks the file holds, up to the first that is not whole; none if there is no file, or
    /// one of another ledger.
    static func load(_ path: String, ledgerId: String) -> [TreeBlock] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        return decode(contents(of: descriptor), ledgerId: ledgerId)
    }

    /// Makes the file hold these blocks. A failure is none of the caller's: the blocks are found
    /// again from the log.
    static func save(_ blocks: [TreeBlock], to path: String, ledgerId: String) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return }
        defer { FileLock.release(closing: descriptor) }
        guard FileLock.tryTake(descriptor) else { return }
        let known = contents(of: descriptor)
        let wanted = encode(blocks, ledgerId: ledgerId)
        // What is right already stays as it is; a longer file is another process's newer one.
        var offset = 0
        while offset < min(known.count, wanted.count), known[offset] == wanted[offset] {
            offset += 1
        }
        if offset == wanted.count { return }
        if offset < known.count, ftruncate(descriptor, off_t(offset)) != 0 { return }
        wanted.withUnsafeBytes {
            _ = FileBytes.writeAll(
                UnsafeRawBufferPointer(rebasing: $0[offset...]), to: descriptor, at: offset)
        }
    }

    static func encode(_ blocks: [TreeBlock], ledgerId: String) -> [UInt8] {
        var bytes = header(ledgerId)
        var check = Array(bytes.suffix(8))
        bytes.reserveCapacity(bytes.count + blocks.count * entryByteCount)
        for block in blocks {
            var entry = withUnsafeBytes(of: block.lastPosition.littleEndian) { Array($0) }
            entry += block.lastHash.bytes
            entry += block.node.bytes
            check = Array(SHA256.hash(data: check + entry).prefix(8))
            bytes += entry + check
        }
        return bytes
    }

    static func decode(_ bytes: [UInt8], ledgerId: String) -> [TreeBlock] {
        let header = header(ledgerId)
        guard bytes.starts(with: header) else { return [] }
        var blocks: [TreeBlock] = []
        var check = Array(header.suffix(8))
        var offset = headerByteCount
        while offset + entryByteCount <= bytes.count {
            let entry = bytes[offset ..< offset + entryByteCount - 8]
            let expected = SHA256.hash(data: check + entry).prefix(8)
            let stored = bytes[offset + entryByteCount - 8 ..< offset + entryByteCount]
            guard expected.elementsEqual(stored), let node = TreeHash(entry.suffix(32)) else {
                break
            }
            let position = entry.prefix(8).reversed().reduce(Position(0)) {
                $0 << 8 | Position($1)
            }
            blocks.append(
                TreeBlock(
                    lastPosition: position, lastHash: Digest32(entry.dropFirst(8)), node: node))
            check = Array(stored)
            offset += entryByteCount
        }
        return blocks
    }

    private static func header(_ ledgerId: String) -> [UInt8] {
        let id = Array(ledgerId.utf8)
        // 16 of the SHA-256 of the id rather than the id: it need not be hexadecimal here.
        return Array("HOLDTREE".utf8) + [1, 0, UInt8(TreeBlock.height), 0, 0, 0, 0, 0]
            + Array(SHA256.hash(data: id).prefix(16))
    }

    private static func contents(of descriptor: Int32) -> [UInt8] {
        FileBytes.readAll(from: descriptor) ?? []
    }
}
