/// Size and shape of one table in one snapshot.
public struct TableStatistics: Sendable, Hashable {
    /// Keys in the table.
    public let entryCount: Int
    /// Levels of the tree; 0 if empty.
    public let depth: Int
    /// Pages that hold keys to other pages.
    public let branchPageCount: Int
    /// Pages that hold keys and values.
    public let leafPageCount: Int
    /// Pages that hold long values.
    public let overflowPageCount: Int
}
