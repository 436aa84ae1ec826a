/// LMDB's record of one tree: how deep and large it is, and where it starts. 48 bytes.
struct TreeRecord: Sendable, Equatable {
    static let sizeBytes = 48
    /// The root of an empty tree.
    static let noPage = UInt64.max
    /// Deepest tree that LMDB's cursors can follow.
    static let depthMax = 32

    let pad: Int
    let flags: Int
    let depth: Int
    let branchPageCount: UInt64
    let leafPageCount: UInt64
    let overflowPageCount: UInt64
    let entryCount: UInt64
    let root: UInt64

    init(_ page: borrowing PageBytes, at offset: Int) {
        pad = page.uint32(at: offset)
        flags = page.uint16(at: offset + 4)
        depth = page.uint16(at: offset + 6)
        branchPageCount = page.uint64(at: offset + 8)
        leafPageCount = page.uint64(at: offset + 16)
        overflowPageCount = page.uint64(at: offset + 24)
        entryCount = page.uint64(at: offset + 32)
        root = page.uint64(at: offset + 40)
    }
}
