/// The tree of free pages: under each transaction id, the pages it freed, as a count and then
/// page numbers from high to low.
enum FreePageWalk {
    /// The flag for integer keys, which this tree always has.
    private static let integerKeys = 0x08
    /// Flags of the environment that are kept in the same field, and change nothing here.
    private static let environmentFlags = 0x4001

    static func walk(
        _ meta: MetaPage, _ file: borrowing FileReader, _ census: inout PageCensus
    ) throws(PageFault) {
        let record = meta.freePages
        guard record.flags & ~environmentFlags == integerKeys else {
            throw PageFault(
                .damaged, page: meta.number, "the tree of free pages has flags \(record.flags)")
        }
        let name = "the tree of free pages"
        // Lists come out first and are gone through after: closures cannot borrow the file.
        var lists: [(owner: Int, source: TreeWalk.Entry.Value, inline: [UInt8])] = []
        _ = try TreeWalk.walk(
            name, record, order: .transactionIds, allowsTables: false, owner: meta.number, file,
            &census
        ) { (page, number, entry, _) throws(PageFault) in
            let id = page.uint64(at: entry.key.lowerBound)
            guard id >= 1, id <= meta.transactionId else {
                throw PageFault(
                    .damaged, page: number,
                    "lists pages freed by transaction \(id), "
                        + "which is after \(meta.transactionId)")
            }
            var inline: [UInt8] = []
            if case .inline(let range) = entry.value { inline = Array(page.bytes[range]) }
            lists.append((number, entry.value, inline))
        }
        for list in lists {
            var bytes = PageBytes(list.inline)
            var owner = list.owner
            if case .overflow(let first, let byteCount) = list.source {
                owner = first
                bytes = PageBytes(byteCount: byteCount)
                let offset = first * meta.pageSizeBytes + PageBytes.headerSizeBytes
                guard try bytes.fill(from: file, at: offset) == byteCount else {
                    throw PageFault(.truncated, page: first, "the file ends inside it")
                }
            }
            try take(bytes, owner: owner, &census)
        }
    }

    private static func take(
        _ list: PageBytes, owner: Int, _ census: inout PageCensus
    ) throws(PageFault) {
        let size = list.bytes.count
        guard size >= 8, size % 8 == 0, list.uint64(at: 0) <= UInt64(size / 8 - 1) else {
            throw PageFault(.damaged, page: owner, "has a list of free pages of \(size) bytes")
        }
        let count = Int(list.uint64(at: 0))
        var above = UInt64.max
        for index in 0..<count {
            let page = list.uint64(at: 8 + 8 * index)
            guard page < above else {
                throw PageFault(.damaged, page: owner, "lists free pages out of order")
            }
            try census.free(page, by: owner)
            above = page
        }
    }
}
