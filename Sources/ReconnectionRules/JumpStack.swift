/// Jump pointers over one user's events, so that the newest event at or before a past moment is
/// found in O(log k) reads instead of k.
///
/// Every 16th event of a user is a *jump node*. An ordinary event's `jump` is the newest jump node
/// before it. A jump node's `jump` skips whole trees of jump nodes in the skew-binary manner (E. W.
/// Myers, "An applicative random-access stack", 1983): a node whose two predecessors root trees of
/// equal size joins them and jumps past both, any other jumps to its predecessor. A user with fewer
/// than 16 events costs nothing here.
public struct JumpStack: Equatable, Sendable {
    /// Events of one user between two jump nodes.
    public static let stride: UInt32 = 16

    /// The root of a complete tree of jump nodes.
    public struct Tree: Equatable, Sendable, BitwiseCopyable {
        public var root: Position
        public var nodeCount: UInt64

        public init(root: Position, nodeCount: UInt64) {
            self.root = root
            self.nodeCount = nodeCount
        }
    }

    /// Oldest tree first; at most 2 log2(nodes) of them.
    public private(set) var trees: [Tree] = []

    public init() {}

    public init(trees: [Tree]) { self.trees = trees }

    private var joins: Bool {
        trees.count >= 2 && trees[trees.count - 1].nodeCount == trees[trees.count - 2].nodeCount
    }

    /// Where the next jump node will jump to; 0 if there is none before it.
    var nextJump: Position {
        joins ? (trees.count >= 3 ? trees[trees.count - 3].root : 0) : (trees.last?.root ?? 0)
    }

    mutating func append(_ position: Position) {
        if joins {
            let nodeCount = 2 * trees[trees.count - 1].nodeCount + 1
            trees.removeLast(2)
            trees.append(Tree(root: position, nodeCount: nodeCount))
        } else {
            trees.append(Tree(root: position, nodeCount: 1))
        }
    }
}
