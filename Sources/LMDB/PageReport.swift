/// What a page check found in a healthy file.
public struct PageReport: Sendable, Equatable {
    /// Number of the write transaction whose snapshot was checked.
    public let transactionId: Int
    /// Size of a page, in bytes.
    public let pageSizeBytes: Int
    /// Pages the snapshot uses or keeps for later, meta pages included.
    public let pageCount: Int
    /// Pages that hold something: meta, branch, leaf and overflow pages.
    public let usedPageCount: Int
    /// Pages kept for later writes.
    public let freePageCount: Int
    /// Pages that are neither: lost to this file, harmless otherwise.
    public var lostPageCount: Int { pageCount - usedPageCount - freePageCount }
    /// Size and shape of each named table, by name.
    public let tables: [String: TableStatistics]
}
