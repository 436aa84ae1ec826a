/// Walks one tree from its root, checking each page before anything in it is followed.
struct TreeWalk: ~Copyable {
    /// How keys compare: free pages are filed under native integers, all else under bytes.
    enum KeyOrder { case bytes, transactionIds }

    /// Key and value of a leaf node, by their places in the page.
    struct Entry {
        let key: Range<Int>
        let value: Value

        enum Value {
            case inline(Range<Int>)
            case table(Range<Int>)
            case overflow(first: Int, byteCount: Int)
        }
    }

    typealias Visit = (PageBytes, Int, Entry, inout PageCensus) throws(PageFault) -> Void

    /// Longest key of LMDB as everybody builds it.
    private static let keySizeBytesMax = 511
    private static let nodeHeaderSizeBytes = 8

    private let name: String
    private let record: TreeRecord
    private let order: KeyOrder
    private let allowsTables: Bool
    private let pageSizeBytes: Int
    /// Longest node that stays in its leaf.
    private let nodeSizeBytesMax: Int
    private var buffers: [PageBytes]
    /// The header of a long value's first page: all of that page there is to check.
    private var overflowHeader = PageBytes(byteCount: PageBytes.headerSizeBytes)
    private var branchPageCount = 0
    private var leafPageCount = 0
    private var overflowPageCount = 0
    private var entryCount = 0

    private init(
        _ name: String, _ record: TreeRecord, _ order: KeyOrder, allowsTables: Bool,
        pageSizeBytes: Int
    ) {
        self.name = name
        self.record = record
        self.order = order
        self.allowsTables = allowsTables
        self.pageSizeBytes = pageSizeBytes
        nodeSizeBytesMax = (pageSizeBytes - PageBytes.headerSizeBytes) / 2 / 2 * 2 - 2
        buffers = Array(repeating: PageBytes(byteCount: pageSizeBytes), count: record.depth + 1)
    }

    /// Walks the tree, in key order, and compares it with its record, which stands on `owner`.
    static func walk(
        _ name: String, _ record: TreeRecord, order: KeyOrder, allowsTables: Bool, owner: Int,
        _ file: borrowing FileReader, _ census: inout PageCensus, _ visit: Visit
    ) throws(PageFault) -> TableStatistics {
        guard record.depth <= TreeRecord.depthMax else {
            throw PageFault(.damaged, page: owner, "\(name) is \(record.depth) levels deep")
        }
        guard (record.depth == 0) == (record.root == TreeRecord.noPage) else {
            throw PageFault(
                .damaged, page: owner, "\(name): \(record.depth) levels, root \(record.root)")
        }
        var walk = TreeWalk(
            name, record, order, allowsTables: allowsTables, pageSizeBytes: census.pageSizeBytes)
        if record.depth > 0 {
            try walk.descend(
                to: record.root, level: 1, from: nil, upTo: nil, owner: owner, file, &census, visit)
        }
        try walk.compare(owner: owner)
        return TableStatistics(
            entryCount: walk.entryCount, depth: record.depth,
            branchPageCount: walk.branchPageCount, leafPageCount: walk.leafPageCount,
            overflowPageCount: walk.overflowPageCount)
    }

    private func compare(owner: Int) throws(PageFault) {
        let pairs = [
            ("branch pages", record.branchPageCount, branchPageCount),
            ("leaf pages", record.leafPageCount, leafPageCount),
            ("overflow pages", record.overflowPageCount, overflowPageCount),
            ("entries", record.entryCount, entryCount),
        ]
        for (what, recorded, found) in pairs where recorded != UInt64(found) {
            throw PageFault(
                .damaged, page: owner, "\(name) should have \(recorded) \(what) and has \(found)")
        }
    }

    /// Checks the page and everything below it. Its keys lie in `from ..< upTo`.
    private mutating func descend(
        to number: UInt64, level: Int, from low: [UInt8]?, upTo high: [UInt8]?, owner: Int,
        _ file: borrowing FileReader, _ census: inout PageCensus, _ visit: Visit
    ) throws(PageFault) {
        let page = try census.use(number, count: 1, by: owner)
        let isLeaf = level == record.depth
        try read(page, level, isLeaf ? PageFlags.leaf : PageFlags.branch, file)
        let nodeCount = try checkBounds(page, level, isLeaf: isLeaf)
        try checkNodes(page, level, nodeCount, isLeaf: isLeaf, from: low, upTo: high)
        guard isLeaf else {
            branchPageCount += 1
            for index in 0..<nodeCount {
                // The first key stands for everything below the second, whatever it holds.
                let from = index == 0 ? low : key(level, index)
                let upTo = index + 1 < nodeCount ? key(level, index + 1) : high
                let node = buffers[level].uint16(at: PageBytes.headerSizeBytes + 2 * index)
                let child =
                    UInt64(buffers[level].uint32(at: node))
                    | UInt64(buffers[level].uint16(at: node + 4)) << 32
                try descend(
                    to: child, level: level + 1, from: from, upTo: upTo, owner: page, file,
                    &census, visit)
            }
            return
        }
        leafPageCount += 1
        entryCount += nodeCount
        for index in 0..<nodeCount {
            let entry = try leafEntry(page, level, index, file, &census)
            try visit(buffers[level], page, entry, &census)
        }
    }

    /// Fills the buffer of a level with a page, and checks its number and kind.
    private mutating func read(
        _ page: Int, _ level: Int, _ flags: Int, _ file: borrowing FileReader
    ) throws(PageFault) {
        let count = try buffers[level].fill(from: file, at: page * pageSizeBytes)
        guard count == pageSizeBytes else {
            throw PageFault(.truncated, page: page, "the file ends inside it")
        }
        try checkHeader(buffers[level], page, flags)
    }

    private func checkHeader(
        _ bytes: borrowing PageBytes, _ page: Int, _ flags: Int
    ) throws(PageFault) {
        guard bytes.number == UInt64(page) else {
            throw PageFault(.damaged, page: page, "calls itself page \(bytes.number)")
        }
        guard bytes.flags == flags else {
            throw PageFault(
                .damaged, page: page,
                "has flags \(bytes.flags), should have \(flags) in \(name)")
        }
    }

    /// Checks the bounds of the free space. Returns how many nodes there are.
    private func checkBounds(_ page: Int, _ level: Int, isLeaf: Bool) throws(PageFault) -> Int {
        let (lower, upper) = (buffers[level].lower, buffers[level].upper)
        guard lower >= PageBytes.headerSizeBytes, lower % 2 == 0, upper % 2 == 0, lower <= upper,
            upper <= pageSizeBytes
        else {
            throw PageFault(.damaged, page: page, "free space from \(lower) to \(upper)")
        }
        let nodeCount = (lower - PageBytes.headerSizeBytes) / 2
        // LMDB takes a branch of one child apart, except in the middle of freeing pages.
        let nodeCountMin = isLeaf || order == .transactionIds ? 1 : 2
        guard nodeCount >= nodeCountMin else {
            throw PageFault(.damaged, page: page, "has \(nodeCount) nodes")
        }
        return nodeCount
    }

    /// Checks that the nodes fill the rest of the page, none over another, with ascending keys.
    private func checkNodes(
        _ page: Int, _ level: Int, _ nodeCount: Int, isLeaf: Bool, from low: [UInt8]?,
        upTo high: [UInt8]?
    ) throws(PageFault) {
        let bytes = buffers[level]
        var extents: [(start: Int, end: Int)] = []
        extents.reserveCapacity(nodeCount)
        var previous: Range<Int>?
        for index in 0..<nodeCount {
            let node = bytes.uint16(at: PageBytes.headerSizeBytes + 2 * index)
            guard node >= bytes.upper, node % 2 == 0,
                node + Self.nodeHeaderSizeBytes <= pageSizeBytes
            else { throw PageFault(.damaged, page: page, "node \(index) is at byte \(node)") }
            let size = nodeSize(bytes, node, isLeaf: isLeaf)
            guard node + size <= pageSizeBytes else {
                throw PageFault(
                    .damaged, page: page, "node \(index) at byte \(node) is \(size) bytes long")
            }
            extents.append((node, node + (size + 1) / 2 * 2))

            let key = keyRange(bytes, node)
            let isIgnored = !isLeaf && index == 0
            guard key.count <= Self.keySizeBytesMax, isIgnored || !key.isEmpty,
                order == .bytes || isIgnored || key.count == 8
            else {
                throw PageFault(
                    .damaged, page: page, "node \(index) has a key of \(key.count) bytes")
            }
            if isIgnored { continue }
            guard previous.map({ isLess(bytes.bytes[$0], bytes.bytes[key]) }) ?? true,
                low.map({ !isLess(bytes.bytes[key], $0[...]) }) ?? true,
                high.map({ isLess(bytes.bytes[key], $0[...]) }) ?? true
            else { throw PageFault(.damaged, page: page, "key of node \(index) is out of order") }
            previous = key
        }
        extents.sort { $0.start < $1.start }
        var end = bytes.upper
        for extent in extents {
            guard extent.start == end else {
                throw PageFault(
                    .damaged, page: page, "a node is at byte \(extent.start), not \(end)")
            }
            end = extent.end
        }
        guard end == pageSizeBytes else {
            throw PageFault(.damaged, page: page, "nodes end at byte \(end)")
        }
    }

    /// Length of the node at an offset whose header is inside the page.
    private func nodeSize(_ bytes: borrowing PageBytes, _ node: Int, isLeaf: Bool) -> Int {
        let keyed = Self.nodeHeaderSizeBytes + bytes.uint16(at: node + 6)
        guard isLeaf else { return keyed }
        let isOverflow = bytes.uint16(at: node + 4) & NodeFlags.overflow != 0
        return keyed + (isOverflow ? 8 : bytes.uint32(at: node))
    }

    private func keyRange(_ bytes: borrowing PageBytes, _ node: Int) -> Range<Int> {
        let start = node + Self.nodeHeaderSizeBytes
        return start..<start + bytes.uint16(at: node + 6)
    }

    private func key(_ level: Int, _ index: Int) -> [UInt8] {
        let node = buffers[level].uint16(at: PageBytes.headerSizeBytes + 2 * index)
        return Array(buffers[level].bytes[keyRange(buffers[level], node)])
    }

    /// What a leaf node holds, after a look at the first page of a long value.
    private mutating func leafEntry(
        _ page: Int, _ level: Int, _ index: Int, _ file: borrowing FileReader,
        _ census: inout PageCensus
    ) throws(PageFault) -> Entry {
        let node = buffers[level].uint16(at: PageBytes.headerSizeBytes + 2 * index)
        let key = keyRange(buffers[level], node)
        let valueSizeBytes = buffers[level].uint32(at: node)
        let flags = buffers[level].uint16(at: node + 4)
        let inline = key.upperBound..<key.upperBound + valueSizeBytes
        switch flags {
        case 0:
            guard inline.upperBound - node <= nodeSizeBytesMax else {
                throw PageFault(
                    .damaged, page: page, "node \(index) is too long to stand in its page")
            }
            return Entry(key: key, value: .inline(inline))
        case NodeFlags.overflow:
            let first = buffers[level].uint64(at: key.upperBound)
            let start = try useOverflow(
                first, valueSizeBytes, owner: page, level, file, &census)
            return Entry(key: key, value: .overflow(first: start, byteCount: valueSizeBytes))
        case NodeFlags.table where allowsTables && valueSizeBytes == TreeRecord.sizeBytes:
            return Entry(key: key, value: .table(inline))
        case let flags where flags & NodeFlags.duplicates != 0:
            throw PageFault(.unsupported, page: page, "node \(index) holds duplicates")
        default:
            throw PageFault(.damaged, page: page, "node \(index) has flags \(flags)")
        }
    }

    /// Accounts for the pages of a long value. A run may be longer than its value needs.
    private mutating func useOverflow(
        _ first: UInt64, _ valueSizeBytes: Int, owner: Int, _ level: Int,
        _ file: borrowing FileReader, _ census: inout PageCensus
    ) throws(PageFault) -> Int {
        let needed = (PageBytes.headerSizeBytes - 1 + valueSizeBytes) / pageSizeBytes + 1
        let start = try census.use(first, count: needed, by: owner)
        // The census knows that the file has the whole page.
        guard try overflowHeader.fill(from: file, at: start * pageSizeBytes)
            == PageBytes.headerSizeBytes
        else { throw PageFault(.truncated, page: start, "the file ends inside it") }
        try checkHeader(overflowHeader, start, PageFlags.overflow)
        let count = overflowHeader.overflowPageCount
        guard count >= needed else {
            throw PageFault(
                .damaged, page: start, "has \(count) pages for a value of \(valueSizeBytes) bytes")
        }
        if count > needed {
            _ = try census.use(UInt64(start + needed), count: count - needed, by: owner)
        }
        overflowPageCount += count
        return start
    }

    private func isLess(_ a: ArraySlice<UInt8>, _ b: ArraySlice<UInt8>) -> Bool {
        switch order {
        case .bytes: a.lexicographicallyPrecedes(b)
        // Compared as integers: from the highest byte, which comes last.
        case .transactionIds:
            #if _endian(little)
            a.reversed().lexicographicallyPrecedes(b.reversed())
            #else
            a.lexicographicallyPrecedes(b)
            #endif
        }
    }
}
