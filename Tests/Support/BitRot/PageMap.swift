/// What a byte of a file is for: written from LMDB's own format and docs/log-format.md, sharing no
/// code with what reads them.
public enum ByteUse: UInt8, Sendable, CaseIterable, Codable {
    /// Nothing reads it: free pages, slack, padding.
    case unused
    /// Something reads it, and the same is said elsewhere, or nothing depends on every value: a
    /// change is found or changes nothing.
    case redundant
    /// A change could alter an answer.
    case live
}

/// Which byte of an LMDB file is for what, as of its newest meta page.
struct PageMap {
    private static let headerByteCount = 16
    private let bytes: [UInt8]
    private let pageByteCount: Int
    private(set) var uses: [ByteUse]
    /// Pages of each kind, for the report.
    private(set) var treePageCount = 0
    private(set) var valuePageCount = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        uses = [ByteUse](repeating: .unused, count: bytes.count)
        pageByteCount = Self.number(bytes, 40, 4)
        let newest =
            Self.number(bytes, 144, 8) > Self.number(bytes, pageByteCount + 144, 8)
            ? 0 : pageByteCount
        let older = newest == 0 ? pageByteCount : 0
        mark(older ..< older + 152, .redundant)
        mark(newest ..< newest + 152, .redundant)
        // Magic, version and page size; of the main tree depth and root; the transaction.
        for range in [16 ..< 24, 40 ..< 44, 94 ..< 96, 128 ..< 136, 144 ..< 152] {
            mark(newest + range.lowerBound ..< newest + range.upperBound, .live)
        }
        tree(record: newest + 40, isFreeList: true)
        tree(record: newest + 88, isFreeList: false)
    }

    /// Bytes that the newest snapshot uses.
    static func usedByteCount(_ bytes: [UInt8]) -> Int {
        let page = number(bytes, 40, 4)
        let newest = number(bytes, 144, 8) > number(bytes, page + 144, 8) ? 0 : page
        return (number(bytes, newest + 136, 8) + 1) * page
    }

    private static func number(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> Int {
        (0 ..< count).reduce(0) { sum, index in
            sum | Int(truncatingIfNeeded: UInt64(bytes[offset + index]) << (8 * index))
        }
    }

    private func number(_ offset: Int, _ count: Int) -> Int { Self.number(bytes, offset, count) }

    private mutating func mark(_ range: Range<Int>, _ use: ByteUse) {
        for offset in range { uses[offset] = use }
    }

    private mutating func tree(record: Int, isFreeList: Bool) {
        let depth = number(record + 6, 2)
        if depth > 0 {
            page(number(record + 40, 8), level: 1, depth: depth, isFreeList: isFreeList)
        }
    }

    /// What describes the list of free pages is what a later write rests on, and no answer.
    private mutating func page(_ page: Int, level: Int, depth: Int, isFreeList: Bool) {
        let strong: ByteUse = isFreeList ? .redundant : .live
        let start = page * pageByteCount
        treePageCount += 1
        // Its number, and where free space ends.
        mark(start ..< start + 8, .redundant)
        mark(start + 10 ..< start + 14, strong)
        mark(start + 14 ..< start + 16, .redundant)
        let count = (number(start + 12, 2) - Self.headerByteCount) / 2
        for index in 0 ..< count {
            let pointer = start + Self.headerByteCount + 2 * index
            mark(pointer ..< pointer + 2, strong)
            let node = start + number(pointer, 2)
            mark(node ..< node + 8, strong)
            let key = node + 8 ..< node + 8 + number(node + 6, 2)
            if level < depth {
                // A separator may have other values that separate as well.
                mark(key, .redundant)
                if index == 0 { mark(node + 6 ..< node + 8, .redundant) }
                let child = number(node, 4) | number(node + 4, 2) << 32
                self.page(child, level: level + 1, depth: depth, isFreeList: isFreeList)
                continue
            }
            mark(key, strong)
            value(node, key.upperBound, strong, isFreeList)
        }
    }

    private mutating func value(_ node: Int, _ start: Int, _ strong: ByteUse, _ isFreeList: Bool) {
        let byteCount = number(node, 4)
        switch number(node + 4, 2) {
        case 1:
            mark(start ..< start + 8, strong)
            let first = number(start, 8) * pageByteCount
            valuePageCount += number(first + 12, 4)
            mark(first ..< first + 8, .redundant)
            mark(first + 10 ..< first + 16, .redundant)
            let content = first + Self.headerByteCount
            mark(content ..< content + byteCount, strong)
        case 2:
            // A table's record: counts of pages say nothing that the pages do not.
            mark(start ..< start + 48, .redundant)
            for range in [4 ..< 8, 32 ..< 48] {
                mark(start + range.lowerBound ..< start + range.upperBound, .live)
            }
            tree(record: start, isFreeList: isFreeList)
        default: mark(start ..< start + byteCount, strong)
        }
    }
}
