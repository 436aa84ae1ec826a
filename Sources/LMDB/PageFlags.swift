/// Kinds of pages and nodes, as LMDB writes them.
enum PageFlags {
    static let branch = 0x01
    static let leaf = 0x02
    static let overflow = 0x04
    static let meta = 0x08
}

/// What the value of a leaf node is, if not its bytes.
enum NodeFlags {
    /// The number of the first page of an overflow run.
    static let overflow = 0x01
    /// The record of a table.
    static let table = 0x02
    /// Several values of one key.
    static let duplicates = 0x04
}
