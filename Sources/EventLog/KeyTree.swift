import Crypto
import ReconnectionRules

/// 32 secret bytes: a node of the key tree, or a person's key.
struct KeySeed: Equatable, Sendable, BitwiseCopyable {
    var words: (UInt64, UInt64, UInt64, UInt64)

    static let byteCount = 32

    /// Takes 32 bytes.
    init(_ bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count == Self.byteCount, "a seed has 32 bytes")
        words = bytes.loadUnaligned(as: (UInt64, UInt64, UInt64, UInt64).self)
    }

    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withUnsafeBytes(of: words, body)
    }

    static func == (left: KeySeed, right: KeySeed) -> Bool { left.words == right.words }

    // MARK: - Derivation

    private static let childLabel: StaticString = "holdfast-child-1"
    private static let blockLabel: StaticString = "holdfast-block-1"

    /// The seed of the left (0) or right (1) child: SHA-256 of label, seed and the bit as a byte.
    func child(_ bit: UInt8) -> KeySeed { derived(Self.childLabel, bit) }

    /// The key that seals a checkpoint's names of everybody below this node.
    var blockKey: KeySeed { derived(Self.blockLabel, 0) }

    /// Nobody who has the result learns the seed. Cost: one SHA-256 block.
    private func derived(_ label: StaticString, _ bit: UInt8) -> KeySeed {
        withUnsafeTemporaryAllocation(byteCount: 49, alignment: 8) { input in
            input.baseAddress!.copyMemory(from: label.utf8Start, byteCount: 16)
            input.storeBytes(
                of: words, toByteOffset: 16, as: (UInt64, UInt64, UInt64, UInt64).self)
            input[48] = bit
            var hasher = SHA256()
            hasher.update(bufferPointer: UnsafeRawBufferPointer(input))
            return hasher.finalize().withUnsafeBytes { KeySeed($0) }
        }
    }
}

/// A puncturable tree of keys (Goldreich, Goldwasser and Micali's construction): one seed gives 2³²
/// keys, and any of them can be made unreachable for good by keeping, in place of the node above
/// it, the siblings on the way down. Nothing is kept per person, only for those forgotten.
///
/// The leaf of user number n is n − 1, so that 256 names of a checkpoint's block lie below one
/// node.
struct KeyTree: Equatable, Sendable {
    static let depth: UInt8 = 32

    struct Node: Equatable, Sendable, BitwiseCopyable {
        /// The first leaf below it.
        var first: UInt32
        /// Steps from the root.
        var depth: UInt8
        var seed: KeySeed

        /// The last leaf below it.
        var last: UInt32 { first | KeyTree.leafMask(depth) }
    }

    /// What is left, by first leaf; none lies below another.
    private(set) var nodes: [Node]

    init(root: KeySeed) { nodes = [Node(first: 0, depth: 0, seed: root)] }

    /// Takes over what was stored; nil unless the nodes are in order, aligned and apart.
    init?(nodes: [Node]) {
        var next: UInt64 = 0
        for node in nodes {
            guard node.depth <= Self.depth, UInt64(node.first) >= next,
                node.first & Self.leafMask(node.depth) == 0
            else { return nil }
            next = UInt64(node.last) + 1
        }
        self.nodes = nodes
    }

    static func leaf(of user: UserNumber) -> UInt32 { user &- 1 }

    /// The lower bits, which tell the leaves below a node of that depth apart.
    static func leafMask(_ depth: UInt8) -> UInt32 { depth == 0 ? .max : ~0 >> UInt32(depth) }

    /// The index of the node above a leaf; nil if it was punctured.
    func index(covering leaf: UInt32) -> Int? {
        let next = index(after: leaf)
        guard next > 0, nodes[next - 1].last >= leaf else { return nil }
        return next - 1
    }

    /// The index of the first node that begins behind a leaf.
    private func index(after leaf: UInt32) -> Int {
        var (low, high) = (0, nodes.count)
        while low < high {
            let middle = (low + high) / 2
            if nodes[middle].first <= leaf { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The leaves from one on that were punctured, as ranges. Cost: linear in the nodes.
    func gaps(from leaf: UInt64) -> [ClosedRange<UInt64>] {
        var gaps: [ClosedRange<UInt64>] = []
        var next = leaf
        for node in nodes where UInt64(node.last) >= next {
            if UInt64(node.first) > next { gaps.append(next ... UInt64(node.first) - 1) }
            next = UInt64(node.last) + 1
        }
        if next <= UInt64(UInt32.max) { gaps.append(next ... UInt64(UInt32.max)) }
        return gaps
    }

    /// Makes a leaf's seed unreachable. False if it was already.
    mutating func puncture(_ leaf: UInt32) -> Bool {
        guard let index = index(covering: leaf) else { return false }
        var (before, after): ([Node], [Node]) = ([], [])
        var node = nodes[index]
        while node.depth < Self.depth {
            let depth = node.depth + 1
            let half = Self.leafMask(depth) &+ 1
            let isRight = leaf & half != 0
            let (left, right) = (node.seed.child(0), node.seed.child(1))
            if isRight {
                before.append(Node(first: node.first, depth: depth, seed: left))
                node = Node(first: node.first | half, depth: depth, seed: right)
            } else {
                after.append(Node(first: node.first | half, depth: depth, seed: right))
                node = Node(first: node.first, depth: depth, seed: left)
            }
        }
        nodes.replaceSubrange(index ... index, with: before + after.reversed())
        return true
    }

    /// The nodes that together have exactly the leaves of a range still reachable: one if nobody
    /// in it was punctured. The range is that of one node of depth `depth`, from `first` on.
    func nodes(below first: UInt32, depth: UInt8, _ path: inout KeyPath) -> [Node] {
        let last = first | Self.leafMask(depth)
        if let index = index(covering: first), nodes[index].depth <= depth {
            return [Node(first: first, depth: depth, seed: path.seed(first, depth, in: self)!)]
        }
        var index = first == 0 ? 0 : index(after: first - 1)
        var found: [Node] = []
        while index < nodes.count, nodes[index].last <= last {
            found.append(nodes[index])
            index += 1
        }
        return found
    }
}

/// The seeds on the way from a node that is kept to a leaf: neighbours share most of it, so that
/// the next number costs about two hashes.
struct KeyPath: Sendable {
    private var leaf: UInt32 = 0
    /// By depth; valid from `top` to `bottom`.
    private var seeds: [KeySeed] = []
    private var top = 0
    private var bottom = -1

    init() {}

    /// Forgets the seeds: the tree was punctured.
    mutating func clear() {
        seeds.removeAll()
        bottom = -1
    }

    /// The seed of the node of that depth above a leaf; nil if it is out of reach.
    mutating func seed(_ leaf: UInt32, _ depth: UInt8, in tree: borrowing KeyTree) -> KeySeed? {
        // The bits that the leaf shares with the last one asked for.
        let shared = (self.leaf ^ leaf).leadingZeroBitCount
        var from = min(shared, bottom)
        if from < top {
            guard let index = tree.index(covering: leaf), tree.nodes[index].depth <= depth else {
                return nil
            }
            let node = tree.nodes[index]
            from = Int(node.depth)
            top = from
            if seeds.isEmpty {
                seeds = Array(repeating: node.seed, count: Int(KeyTree.depth) + 1)
            }
            seeds[from] = node.seed
        }
        // The node of that depth is gone, and only part of it left.
        guard Int(depth) >= top else { return nil }
        self.leaf = leaf
        bottom = max(from, Int(depth))
        while from < Int(depth) {
            let bit = UInt8(truncatingIfNeeded: leaf >> UInt32(31 - from)) & 1
            seeds[from + 1] = seeds[from].child(bit)
            from += 1
        }
        return seeds[Int(depth)]
    }
}
