/// Jump pointers over each user's events, so that the newest event at or before a past moment is
/// found in O(log k) reads instead of k.
///
/// Every 16th event of a user is a *jump node*. An ordinary event's `jump` is the newest jump node
/// before it. A jump node's `jump` skips whole trees of jump nodes in the skew-binary manner (E. W.
/// Myers, "An applicative random-access stack", 1983): a node whose two predecessors root trees of
/// equal size joins them and jumps past both, any other jumps to its predecessor. A user with fewer
/// than 16 events costs nothing here.
///
/// Here stand the roots of the trees, in blocks of 32 bytes that are used again. The trees' sizes
/// follow from how many jump nodes the user has: the largest complete trees that fit, of which only
/// the two newest may be equal.
public struct JumpTable: Sendable {
    /// Events of one user between two jump nodes.
    public static let stride: UInt32 = 16

    /// Up to three roots, the newest last; older ones lie in the block below.
    public struct Block: Equatable, Sendable, BitwiseCopyable {
        public var first: Position = 0
        public var second: Position = 0
        public var third: Position = 0
        /// Block with the older roots, 0 if there are none. Of a free block: the next free one.
        public var below: UInt32 = 0
        public var rootCount: UInt32 = 0

        public init() {}

        subscript(index: UInt32) -> Position {
            get { index == 0 ? first : index == 1 ? second : third }
            set {
                switch index {
                case 0: first = newValue
                case 1: second = newValue
                default: third = newValue
                }
            }
        }
    }

    /// Index = number; index 0 is unused.
    public private(set) var blocks = RecordTable<Block>([Block()], blank: Block())
    /// First free block, 0 if there is none.
    public private(set) var free: UInt32 = 0

    init() {}

    /// Takes over what was stored.
    public init(blocks: RecordTable<Block>, free: UInt32) {
        self.blocks = blocks
        self.free = free
    }

    mutating func takeChanges() -> [UInt64] { blocks.takeChanges() }

    /// Where the next jump node of a user with `nodeCount` of them will jump to; 0 if there is
    /// none before it.
    func nextJump(_ top: UInt32, nodeCount: UInt32) -> Position {
        root(Self.joins(nodeCount) ? 2 : 0, below: top)
    }

    /// Adds a jump node, the user's `nodeCount` + 1st. Returns the user's new top block.
    mutating func append(_ position: Position, to top: UInt32, nodeCount: UInt32) -> UInt32 {
        var top = top
        if Self.joins(nodeCount) {
            top = pop(top)
            top = pop(top)
        }
        if top == 0 || blocks[Int(top)].rootCount == 3 {
            let block = take()
            blocks[Int(block)].below = top
            top = block
        }
        let count = blocks[Int(top)].rootCount
        blocks[Int(top)][count] = position
        blocks[Int(top)].rootCount = count + 1
        return top
    }

    /// Whether two trees of equal size are the newest, so that the next node joins them.
    static func joins(_ nodeCount: UInt32) -> Bool {
        let sizes = newestSizes(nodeCount)
        return sizes.newest == sizes.second && sizes.newest > 0
    }

    private static func newestSizes(_ nodeCount: UInt32) -> (newest: UInt32, second: UInt32) {
        var rest = nodeCount
        var sizes: (newest: UInt32, second: UInt32) = (0, 0)
        while rest > 0 {
            // The largest 2^k − 1 that fits.
            let bits = UInt32(32 - (rest + 1).leadingZeroBitCount - 1)
            let size = (UInt32(1) << bits) - 1
            sizes = (size, sizes.newest)
            rest -= size
        }
        return sizes
    }

    /// The root that many places below the newest; 0 past the oldest.
    private func root(_ depth: UInt32, below top: UInt32) -> Position {
        var block = top
        var depth = depth
        while block != 0 {
            let record = blocks[Int(block)]
            if depth < record.rootCount { return record[record.rootCount - 1 - depth] }
            depth -= record.rootCount
            block = record.below
        }
        return 0
    }

    private mutating func pop(_ top: UInt32) -> UInt32 {
        let record = blocks[Int(top)]
        if record.rootCount > 1 {
            blocks[Int(top)].rootCount = record.rootCount - 1
            return top
        }
        blocks[Int(top)] = Block()
        blocks[Int(top)].below = free
        free = top
        return record.below
    }

    private mutating func take() -> UInt32 {
        guard free != 0 else {
            blocks.append(Block())
            return UInt32(blocks.count - 1)
        }
        let block = free
        free = blocks[Int(block)].below
        blocks[Int(block)] = Block()
        return block
    }

    /// The roots of a user's trees, oldest first.
    func roots(_ top: UInt32) -> [Position] {
        var roots: [Position] = []
        var block = top
        while block != 0 {
            let record = blocks[Int(block)]
            for index in (0..<record.rootCount).reversed() { roots.append(record[index]) }
            block = record.below
        }
        return roots.reversed()
    }
}
