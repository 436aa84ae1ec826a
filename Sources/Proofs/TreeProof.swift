/// Checks of Merkle proofs (RFC 9162, 2.1.3.2 and 2.1.4.2): what somebody needs who has only roots.
public enum TreeProof {
    /// Longest path there can be.
    public static let hashCountMax = 2 * 64

    /// The root that `path` leads to from a leaf; nil if the path has the wrong length, or the leaf
    /// is not in a tree of that size.
    public static func root(
        from leaf: TreeHash, at index: UInt64, size: UInt64, path: [TreeHash]
    ) -> TreeHash? {
        guard index < size else { return nil }
        var (node, last) = (index, size - 1)
        var hash = leaf
        for sibling in path {
            if last == 0 { return nil }
            if node & 1 == 1 || node == last {
                hash = .node(sibling, hash)
                while node & 1 == 0, node != 0 {
                    node >>= 1
                    last >>= 1
                }
            } else {
                hash = .node(hash, sibling)
            }
            node >>= 1
            last >>= 1
        }
        return last == 0 ? hash : nil
    }

    /// Whether `path` proves that the tree of `size` leaves with `root` begins with the tree of
    /// `oldSize` leaves with `oldRoot`.
    public static func isConsistent(
        oldSize: UInt64, oldRoot: TreeHash, size: UInt64, root: TreeHash, path: [TreeHash]
    ) -> Bool {
        guard oldSize <= size else { return false }
        if oldSize == size { return path.isEmpty && oldRoot == root }
        if oldSize == 0 { return path.isEmpty && oldRoot == .emptyRoot }
        // An old tree that is one whole node is its own first step.
        var rest = oldSize.nonzeroBitCount == 1 ? [oldRoot] + path : path
        guard !rest.isEmpty else { return false }
        var (node, last) = (oldSize - 1, size - 1)
        while node & 1 == 1 {
            node >>= 1
            last >>= 1
        }
        var (old, new) = (rest[0], rest[0])
        rest.removeFirst()
        for step in rest {
            if last == 0 { return false }
            if node & 1 == 1 || node == last {
                old = .node(step, old)
                new = .node(step, new)
                while node & 1 == 0, node != 0 {
                    node >>= 1
                    last >>= 1
                }
            } else {
                new = .node(new, step)
            }
            node >>= 1
            last >>= 1
        }
        return last == 0 && old == oldRoot && new == root
    }
}
