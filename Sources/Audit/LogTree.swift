public import EventLog
public import Ledger
public import Proofs
public import ReconnectionRules

/// The Merkle tree over a log's batches (RFC 6962): leaf *i* is the hash of the *i*-th batch, which
/// is the SHA-256 of all its bytes.
///
/// Kept in memory are one node for 1,024 batches and the leaves after the last of these; whatever
/// else a proof needs is read from the log. Grows with the log by `extend`. Belongs to one thread
/// at a time.
public final class LogTree {
    /// What the tree ends with.
    public private(set) var head = LogHead.empty
    /// How many leaves it has.
    public var size: UInt64 { UInt64(blocks.count) * TreeBlock.leafCount + UInt64(leaves.count) }

    let log: EventLog
    let directory: DataDirectory
    private var path: String { directory.tree }
    private var blocks: [TreeBlock] = []
    private var savedCount: Int
    /// The leaves after the last block, and where their batches end.
    private var leaves: [TreeHash] = []
    private var leafEnds: [Position] = []

    /// An empty tree, or the one that DIR/tree holds the beginning of.
    ///
    /// The log and what is in the file belong together if the file's last hash is in the log at its
    /// place: it commits to everything before it.
    package init(_ log: EventLog, _ directory: DataDirectory) throws(LogError) {
        self.log = log
        self.directory = directory
        let known = TreeIndex.load(directory.tree, ledgerId: log.ledgerId)
        savedCount = 0
        guard let last = known.last,
            let stored = try Self.rethrowing({ try log.head(endingAt: last.lastPosition) }),
            stored.hash == last.lastHash
        else { return }
        blocks = known
        savedCount = known.count
        head = stored
    }

    /// The tree of a data directory, as far as nothing can vanish any more: what the log held at
    /// the call is durable on return.
    ///
    /// Throws `directory` or `log`. Cost: one pass over the batches after those in DIR/tree, a
    /// fraction of a second for a million; the file is brought up to date where it may be written.
    public convenience init(
        of directory: DataDirectory, progress: ((Position, Position) -> Void)? = nil
    ) throws(LedgerError) {
        try directory.requireLedger()
        do throws(LogError) {
            let log = try EventLog(directory: directory.log, mode: .readOnly)
            let end = try log.uncheckedEnd()
            // A batch that a power cut could still take away is in no tree that anybody is told of.
            try log.makeShownDurable()
            try self.init(log, directory)
            try extend(through: end.position, progress: progress)
        } catch { throw LedgerError(.log(error.code), error.message) }
    }

    /// Takes in the batches up to the one that holds `position`, which must be durable. Throws
    /// `corrupt` at a batch that does not continue the one before it. Cost: two hashes a batch.
    package func extend(
        through position: Position, progress: ((Position, Position) -> Void)? = nil
    ) throws(LogError) {
        guard position > head.position else { return }
        try Self.rethrowing {
            try log.forEachLink(after: head.position, hash: head.hash, through: position) { batch in
                take(batch)
                if leaves.isEmpty { progress?(head.position, position) }
                return true
            }
        }
        guard blocks.count > savedCount else { return }
        TreeIndex.save(blocks, to: path, ledgerId: log.ledgerId)
        savedCount = blocks.count
    }

    private func take(_ batch: borrowing BatchView) {
        let hash = batch.hash
        leaves.append(hash.withBytes { .leaf(bytes: $0) })
        leafEnds.append(batch.lastPosition)
        head = LogHead(
            position: batch.lastPosition, time: batch.times.upperBound, hash: hash)
        guard leaves.count == Int(TreeBlock.leafCount) else { return }
        var hasher = TreeHasher()
        for leaf in leaves { hasher.append(leaf) }
        blocks.append(
            TreeBlock(lastPosition: head.position, lastHash: hash, node: hasher.root))
        leaves.removeAll(keepingCapacity: true)
        leafEnds.removeAll(keepingCapacity: true)
    }

    // MARK: - Reading it

    /// The root over all leaves.
    public var root: TreeHash {
        var hasher = TreeHasher()
        for block in blocks { hasher.append(block.node, height: TreeBlock.height) }
        for leaf in leaves { hasher.append(leaf) }
        return hasher.root
    }

    /// The root of the tree's first `size` leaves, which it must have.
    public func root(ofFirst size: UInt64) throws(LogError) -> TreeHash {
        try hashes(of: [TreeRange(0, size)])[0]
    }

    /// The path from leaf `index` to the root.
    public func inclusionPath(of index: UInt64) throws(LogError) -> [TreeHash] {
        try hashes(of: TreeRange.inclusion(of: index, in: size))
    }

    /// The path that proves that the tree begins with its first `oldSize` leaves.
    public func consistencyPath(from oldSize: UInt64) throws(LogError) -> [TreeHash] {
        try hashes(of: TreeRange.consistency(from: oldSize, to: size))
    }

    /// The hashes of ranges of leaves. Cost: one pass over the blocks in memory, and over the log
    /// for each block that a range begins or ends in.
    func hashes(of ranges: [TreeRange]) throws(LogError) -> [TreeHash] {
        var hasher = TreeHasher(keeping: ranges)
        var opened: Set<UInt64> = []
        for end in ranges.flatMap({ [$0.start, $0.end] }) where end % TreeBlock.leafCount != 0 {
            opened.insert(end / TreeBlock.leafCount)
        }
        for (index, block) in blocks.enumerated() {
            guard opened.contains(UInt64(index)) else {
                hasher.append(block.node, height: TreeBlock.height)
                continue
            }
            for leaf in try self.leaves(ofBlock: index).hashes { hasher.append(leaf) }
        }
        for leaf in leaves { hasher.append(leaf) }
        return ranges.map { range in
            guard let hash = hasher.hash(of: range) else {
                preconditionFailure("the tree has no leaves \(range.start) ..< \(range.end)")
            }
            return hash
        }
    }

    /// Which leaf is the batch that holds a position; nil past the end and for 0.
    public func leafIndex(ofPosition position: Position) throws(LogError) -> UInt64? {
        guard position > 0, position <= head.position else { return nil }
        // The first block that ends at or after it.
        var (low, high) = (0, blocks.count)
        while low < high {
            let middle = (low + high) / 2
            if blocks[middle].lastPosition < position { low = middle + 1 } else { high = middle }
        }
        let ends = low < blocks.count ? try leaves(ofBlock: low).ends : leafEnds
        guard let offset = ends.firstIndex(where: { $0 >= position }) else { return nil }
        return UInt64(low) * TreeBlock.leafCount + UInt64(offset)
    }

    /// The leaves of a block, from the log. Throws `corrupt` if they are not those of the block:
    /// the log changed behind the tree.
    private func leaves(
        ofBlock index: Int
    ) throws(LogError) -> (hashes: [TreeHash], ends: [Position]) {
        let before = index > 0 ? blocks[index - 1] : nil
        let block = blocks[index]
        var (hashes, ends): ([TreeHash], [Position]) = ([], [])
        var hasher = TreeHasher()
        try Self.rethrowing {
            try log.forEachLink(
                after: before?.lastPosition ?? 0, hash: before?.lastHash ?? .zero,
                through: block.lastPosition
            ) { batch in
                let leaf = batch.hash.withBytes { TreeHash.leaf(bytes: $0) }
                hashes.append(leaf)
                ends.append(batch.lastPosition)
                hasher.append(leaf)
                return true
            }
        }
        guard hashes.count == Int(TreeBlock.leafCount), hasher.root == block.node else {
            throw LogError(
                .corrupt(position: block.lastPosition),
                "\(path) does not fit the log; delete it, it is made anew, and run holdfast verify")
        }
        return (hashes, ends)
    }

    private static func rethrowing<Result>(
        _ body: () throws -> Result
    ) throws(LogError) -> Result {
        do { return try body() } catch let error as LogError { throw error } catch {
            throw LogError(.foreign, "\(error)")
        }
    }
}
