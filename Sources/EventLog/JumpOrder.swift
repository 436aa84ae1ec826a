/// Where long jumps lead, counted in a user's events: see docs/log-format.md, "Jump". What the
/// rules build up event by event follows from the events' numbers alone.
enum JumpOrder {
    /// Events of one user between two jump nodes.
    static let stride: UInt32 = 16

    /// The trees of `nodeCount` jump nodes: how many there are, how many nodes the youngest has,
    /// and whether the one before it has equally many.
    struct Trees {
        var count = 0
        var youngest: UInt32 = 0
        var isPair = false

        /// Cost: a few steps; trees become smaller by half at least, but for the last two.
        init(ofNodes nodeCount: UInt32) {
            var rest = nodeCount
            while rest > 0 {
                // The largest complete tree that fits: one less than a power of two.
                let size: UInt32 = (1 << UInt32(31 - (rest + 1).leadingZeroBitCount)) - 1
                isPair = size == youngest
                youngest = size
                rest -= size
                count += 1
            }
        }
    }

    /// The number of the event that the jump of a user's `index`-th event leads to, 0 for none.
    static func target(ofEvent index: UInt32) -> UInt32 {
        guard index > 0, index % stride == 0 else { return index / stride * stride }
        let before = index / stride - 1
        let trees = Trees(ofNodes: before)
        // A node that joins two trees of equal size jumps past both.
        return (trees.isPair ? before - 2 * trees.youngest : before) * stride
    }
}
