/// Which pages of a snapshot are accounted for. Each may be, once.
struct PageCensus: ~Copyable {
    private static let progressStep = 1024

    let pageSizeBytes: Int
    let pageCount: Int
    /// Whole pages that the file has.
    private let presentPageCount: Int
    private let metaNumber: Int
    private var seen: [UInt64]
    /// Free pages that LMDB never had to write, because they lie past the end of the file.
    private var absentFreePages: Set<Int> = []
    private var usedCount = 0
    private var freeCount = 0
    private let progress: ((Int, Int) -> Void)?

    init(meta: MetaPage, fileSizeBytes: Int, progress: ((Int, Int) -> Void)?) {
        pageSizeBytes = meta.pageSizeBytes
        pageCount = meta.lastPageNumber + 1
        presentPageCount = min(pageCount, fileSizeBytes / pageSizeBytes)
        metaNumber = meta.number
        seen = [UInt64](repeating: 0, count: (presentPageCount + 63) / 64)
        self.progress = progress
        // The meta pages, which were read before.
        seen[0] = 0b11
        usedCount = 2
    }

    /// Counts `count` pages from `first` on as used, on behalf of `owner`.
    mutating func use(_ first: UInt64, count: Int, by owner: Int) throws(PageFault) -> Int {
        guard first >= 2, first < UInt64(pageCount), count <= pageCount - Int(first) else {
            throw PageFault(
                .damaged, page: owner,
                "points at page \(first), \(count) long, of a file that uses \(pageCount) pages")
        }
        let start = Int(first)
        guard start + count <= presentPageCount else {
            throw PageFault(
                .truncated, page: start,
                "is in use, but the file ends after \(presentPageCount) pages")
        }
        try mark(start..<start + count, by: owner)
        usedCount += count
        if usedCount % Self.progressStep < count { report() }
        return start
    }

    /// Counts one page as free, on behalf of a page of the free-page tree.
    mutating func free(_ page: UInt64, by owner: Int) throws(PageFault) {
        guard page >= 2, page < UInt64(pageCount) else {
            throw PageFault(
                .damaged, page: owner,
                "lists page \(page) as free, of a file that uses \(pageCount) pages")
        }
        if Int(page) < presentPageCount {
            try mark(Int(page)..<Int(page) + 1, by: owner)
        } else if !absentFreePages.insert(Int(page)).inserted {
            throw PageFault(.damaged, page: Int(page), "is free twice")
        }
        freeCount += 1
        if freeCount % Self.progressStep == 0 { report() }
    }

    /// The report, if the pages past the end of the file are free, each of them.
    func report(
        _ meta: MetaPage, _ tables: [String: TableStatistics]
    ) throws(PageFault) -> PageReport {
        let absentCount = pageCount - presentPageCount
        guard absentFreePages.count == absentCount else {
            throw PageFault(
                .truncated, page: metaNumber,
                "the file should have \(pageCount) pages and has \(presentPageCount); "
                    + "\(absentFreePages.count) of the missing are free")
        }
        report()
        return PageReport(
            transactionId: Int(truncatingIfNeeded: meta.transactionId),
            pageSizeBytes: pageSizeBytes, pageCount: pageCount, usedPageCount: usedCount,
            freePageCount: freeCount, tables: tables)
    }

    private func report() { progress?(usedCount + freeCount, pageCount) }

    /// Marks pages as seen, 64 at a time: a batch of events is some hundred pages.
    private mutating func mark(_ pages: Range<Int>, by owner: Int) throws(PageFault) {
        var page = pages.lowerBound
        while page < pages.upperBound {
            let first = page & 63
            let count = min(64 - first, pages.upperBound - page)
            let bits = (UInt64.max >> UInt64(64 - count)) << UInt64(first)
            let twice = seen[page >> 6] & bits
            guard twice == 0 else {
                throw PageFault(
                    .damaged, page: page - first + twice.trailingZeroBitCount,
                    "is reached twice, now from page \(owner)")
            }
            seen[page >> 6] |= bits
            page += count
        }
    }
}
