/// Some leaves in a row, `start ..< end`, whose common hash (RFC 6962, MTH) is asked for.
public struct TreeRange: Hashable, Sendable {
    public var start: UInt64
    public var end: UInt64

    public init(_ start: UInt64, _ end: UInt64) {
        self.start = start
        self.end = end
    }

    public var count: UInt64 { end - start }

    /// What an inclusion proof of leaf `index` in a tree of `size` leaves consists of, from the
    /// leaf up (RFC 6962, 2.1.1: PATH). The index must be below the size.
    public static func inclusion(of index: UInt64, in size: UInt64) -> [TreeRange] {
        precondition(index < size, "the leaf is in the tree")
        var ranges: [TreeRange] = []
        var whole = TreeRange(0, size)
        // From the root down: the sibling is what the leaf is not in.
        while whole.count > 1 {
            let middle = whole.middle
            if index < middle {
                ranges.append(TreeRange(middle, whole.end))
                whole.end = middle
            } else {
                ranges.append(TreeRange(whole.start, middle))
                whole.start = middle
            }
        }
        return ranges.reversed()
    }

    /// What a proof consists of that a tree of `size` leaves begins with the tree of its first
    /// `oldSize` (RFC 6962, 2.1.2: PROOF). Empty if the sizes are equal or the old one is 0.
    public static func consistency(from oldSize: UInt64, to size: UInt64) -> [TreeRange] {
        precondition(oldSize <= size, "a log does not shrink")
        guard oldSize > 0, oldSize < size else { return [] }
        var ranges: [TreeRange] = []
        var whole = TreeRange(0, size)
        while whole.end != oldSize {
            let middle = whole.middle
            if oldSize <= middle {
                ranges.append(TreeRange(middle, whole.end))
                whole.end = middle
            } else {
                ranges.append(TreeRange(whole.start, middle))
                whole.start = middle
            }
        }
        // The old tree's own root needs no telling.
        if whole.start > 0 { ranges.append(whole) }
        return ranges.reversed()
    }

    /// Where the tree over these leaves divides: the largest power of two below the count.
    private var middle: UInt64 {
        start + 1 << UInt64(63 - (count - 1).leadingZeroBitCount)
    }

    /// Whether these leaves are one whole node of every tree that has them.
    var isWhole: Bool {
        count > 0 && count.nonzeroBitCount == 1 && start & (count - 1) == 0
    }
}

/// Hashes leaves as they come and keeps the hashes of the ranges it was asked for. Memory: one hash
/// for each level and each range.
public struct TreeHasher: Sendable {
    private struct Node {
        var start: UInt64
        var height: Int
        var hash: TreeHash
    }

    /// Leaves so far.
    public private(set) var count: UInt64 = 0
    /// Whole nodes that cover what came so far, the largest first.
    private var nodes: [Node] = []
    private var whole: [TreeRange: TreeHash?] = [:]
    /// Ranges that end at a size at which they are no whole node, by that size.
    private var ragged: [UInt64: [TreeRange]] = [:]

    /// A hasher that keeps nothing but the root.
    public init() {}

    /// A hasher that keeps the hashes of these ranges. A range must be one of a proof, or begin at
    /// 0.
    public init(keeping ranges: [TreeRange]) {
        for range in ranges where range.count > 0 {
            if range.isWhole {
                whole[range] = .some(nil)
            } else if ragged[range.end, default: []].allSatisfy({ $0 != range }) {
                ragged[range.end, default: []].append(range)
            }
        }
    }

    /// Takes the next leaf.
    public mutating func append(_ leaf: TreeHash) { append(leaf, height: 0) }

    /// Takes the next 2^`height` leaves as the node over them. The count so far must be a multiple
    /// of that number, and no range may begin or end inside.
    public mutating func append(_ hash: TreeHash, height: Int) {
        precondition(count & (1 << UInt64(height) - 1) == 0, "the node is not aligned")
        var node = Node(start: count, height: height, hash: hash)
        count += 1 << UInt64(height)
        keep(node)
        while let last = nodes.last, last.height == node.height {
            nodes.removeLast()
            node = Node(
                start: last.start, height: node.height + 1, hash: .node(last.hash, node.hash))
            keep(node)
        }
        nodes.append(node)
        if !ragged.isEmpty, let ranges = ragged.removeValue(forKey: count) {
            for range in ranges { whole[range] = self.hash(from: range.start) }
        }
    }

    /// The root of the tree over all leaves so far.
    public var root: TreeHash { hash(from: 0) ?? .emptyRoot }

    /// The hash of a range it was to keep; nil if its leaves did not all come.
    public func hash(of range: TreeRange) -> TreeHash? {
        if range.count == 0 { return .emptyRoot }
        return whole[range] ?? nil
    }

    private mutating func keep(_ node: Node) {
        guard !whole.isEmpty else { return }
        let range = TreeRange(node.start, node.start + 1 << UInt64(node.height))
        if whole[range] != nil { whole[range] = node.hash }
    }

    /// The hash over the nodes from the one that begins at `start` on, from the right.
    private func hash(from start: UInt64) -> TreeHash? {
        var hash: TreeHash?
        for node in nodes.reversed() {
            if node.start < start { break }
            hash = hash.map { TreeHash.node(node.hash, $0) } ?? node.hash
        }
        return hash
    }
}
