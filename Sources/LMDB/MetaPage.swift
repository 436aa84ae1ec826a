/// One of the two meta pages, read from the file. The page with the higher transaction id counts.
///
/// After the page header: magic and version (4 bytes each), address and size of the map, the
/// records of the free-page tree and of the main tree, last page number, transaction id (8 each).
struct MetaPage: Sendable, Equatable {
    private static let magic = 0xBEEF_C0DE
    private static let version = 1
    /// Header and meta fields.
    private static let sizeBytes = 152

    let number: Int
    let pageSizeBytes: Int
    let mapSizeBytes: UInt64
    let freePages: TreeRecord
    let main: TreeRecord
    let lastPageNumber: Int
    let transactionId: UInt64

    /// Bytes of the file up to the end of its last page in use.
    var usedBytes: Int { (lastPageNumber + 1) * pageSizeBytes }

    /// The meta page that LMDB would go by.
    static func newest(in file: borrowing FileReader) throws(PageFault) -> MetaPage {
        let (first, second) = try both(in: file)
        return first.transactionId < second.transactionId ? second : first
    }

    /// Both meta pages; LMDB wants both valid.
    static func both(in file: borrowing FileReader) throws(PageFault) -> (MetaPage, MetaPage) {
        let first = try MetaPage(file, number: 0, offset: 0)
        let second = try MetaPage(file, number: 1, offset: first.pageSizeBytes)
        guard first.pageSizeBytes == second.pageSizeBytes else {
            throw PageFault(
                .damaged, page: 1,
                "page size \(second.pageSizeBytes), but page 0 says \(first.pageSizeBytes)")
        }
        return (first, second)
    }

    private init(
        _ file: borrowing FileReader, number: Int, offset: Int
    ) throws(PageFault) {
        var page = PageBytes(byteCount: Self.sizeBytes)
        let count = try page.fill(from: file, at: offset)
        if count == 0, number == 0 { throw PageFault(.emptyFile, "has no bytes") }
        guard count == Self.sizeBytes else {
            // Too short to tell whether it ever was an LMDB file, unless page 0 was one.
            let kind: PageFault.Kind = number == 0 ? .notLMDB : .truncated
            throw PageFault(kind, page: number, "ends inside the meta page")
        }
        guard page.uint32(at: 16) == Self.magic else {
            throw PageFault(
                number == 0 ? .notLMDB : .damaged, page: number, "no LMDB magic number")
        }
        guard page.uint32(at: 20) == Self.version else {
            throw PageFault(
                .versionMismatch, page: number,
                "file format \(page.uint32(at: 20)), this library reads \(Self.version)")
        }
        guard page.flags == PageFlags.meta, page.number == UInt64(number) else {
            throw PageFault(
                .damaged, page: number,
                "page header says number \(page.number), flags \(page.flags)")
        }
        self.number = number
        mapSizeBytes = page.uint64(at: 32)
        freePages = TreeRecord(page, at: 40)
        main = TreeRecord(page, at: 88)
        transactionId = page.uint64(at: 144)

        // The free-page record carries the page size where others carry a key size.
        pageSizeBytes = freePages.pad
        guard (256...65536).contains(pageSizeBytes), pageSizeBytes.nonzeroBitCount == 1 else {
            throw PageFault(.damaged, page: number, "page size \(pageSizeBytes)")
        }
        let last = page.uint64(at: 136)
        guard last >= 1, last < UInt64(Int.max / pageSizeBytes - 1) else {
            throw PageFault(.damaged, page: number, "last page number \(last)")
        }
        lastPageNumber = Int(last)
    }
}
