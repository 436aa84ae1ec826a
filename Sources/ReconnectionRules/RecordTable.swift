/// Records by number, in chunks that copies share until one of them writes.
///
/// A copy costs a reference a chunk and no record; after it, the first write to a chunk copies that
/// chunk alone. So a checkpoint takes a snapshot of millions of records without a pause, and growing
/// never moves what is there. Reading costs two loads and no reference counting.
public struct RecordTable<Record: BitwiseCopyable & Sendable> {
    public static var recordsPerChunk: Int { 256 }
    private static var shift: Int { 8 }
    private static var mask: Int { 255 }

    fileprivate final class Chunk {
        let base = UnsafeMutablePointer<Record>.allocate(capacity: recordsPerChunk)

        init(filledWith record: Record) {
            base.initialize(repeating: record, count: recordsPerChunk)
        }

        init(copying other: Chunk) { base.initialize(from: other.base, count: recordsPerChunk) }

        deinit { base.deallocate() }
    }

    private var chunks: [Chunk] = []
    /// Where each chunk's records lie: read without touching the chunk's reference count.
    private var bases: [UnsafeMutablePointer<Record>] = []
    /// A bit for each chunk that was written to since `takeChanges`.
    private var changes: [UInt64] = []
    public private(set) var count = 0
    /// What the unused end of a chunk holds.
    private let blank: Record

    public init(blank: Record) { self.blank = blank }

    public init(_ records: some Sequence<Record>, blank: Record) {
        self.init(blank: blank)
        for record in records { append(record) }
    }

    /// Cost: amortised O(1); nothing that is there moves.
    public mutating func append(_ record: Record) {
        if count == chunks.count * Self.recordsPerChunk { addChunk() }
        count += 1
        self[count - 1] = record
    }

    /// Makes room for that many records in all, without adding any.
    public mutating func reserveCapacity(_ capacity: Int) {
        let chunkCount = (capacity + Self.mask) >> Self.shift
        chunks.reserveCapacity(chunkCount)
        bases.reserveCapacity(chunkCount)
    }

    private mutating func addChunk() {
        let chunk = Chunk(filledWith: blank)
        chunks.append(chunk)
        bases.append(chunk.base)
        if chunks.count > changes.count * 64 { changes.append(0) }
    }

    /// The record's place, in a chunk of this table alone.
    @inline(__always)
    private mutating func place(of index: Int) -> UnsafeMutablePointer<Record> {
        precondition(index >= 0 && index < count, "no record of this number")
        let chunk = index >> Self.shift
        if !isKnownUniquelyReferenced(&chunks[chunk]) { separate(chunk) }
        changes[chunk >> 6] |= 1 << UInt64(chunk & 63)
        return bases[chunk] + (index & Self.mask)
    }

    @inline(never)
    private mutating func separate(_ chunk: Int) {
        let copy = Chunk(copying: chunks[chunk])
        chunks[chunk] = copy
        bases[chunk] = copy.base
    }

    /// Changes one record in place: one look-up for several fields.
    @inline(__always)
    mutating func update<Result>(_ index: Int, _ body: (inout Record) -> Result) -> Result {
        body(&place(of: index).pointee)
    }

    // MARK: - Chunks, for those who store them

    public var chunkCount: Int { chunks.count }

    /// Hands over the records of a chunk that are in use.
    public func withChunk<Result>(
        _ chunk: Int, _ body: (UnsafeBufferPointer<Record>) -> Result
    ) -> Result {
        withExtendedLifetime(chunks[chunk]) {
            let first = chunk << Self.shift
            let inUse = Swift.min(Self.recordsPerChunk, count - first)
            return body(UnsafeBufferPointer(start: bases[chunk], count: inUse))
        }
    }

    /// Adds a chunk of records, written by `body`. All chunks before it must be whole.
    public mutating func appendChunk(
        count newCount: Int, _ body: (UnsafeMutableBufferPointer<Record>) -> Void
    ) {
        precondition(count == chunks.count * Self.recordsPerChunk, "only the last may be partial")
        precondition(newCount > 0 && newCount <= Self.recordsPerChunk, "a chunk has 1 to 256")
        addChunk()
        body(UnsafeMutableBufferPointer(start: bases[chunks.count - 1], count: newCount))
        count += newCount
    }

    /// Which chunks were written to since the last call: a bit each, 64 a word.
    public mutating func takeChanges() -> [UInt64] {
        let taken = changes
        changes = [UInt64](repeating: 0, count: taken.count)
        return taken
    }
}

extension RecordTable: RandomAccessCollection, MutableCollection {
    public var startIndex: Int { 0 }
    public var endIndex: Int { count }

    @inline(__always)
    public subscript(index: Int) -> Record {
        get {
            precondition(index >= 0 && index < count, "no record of this number")
            return bases[index >> Self.shift][index & Self.mask]
        }
        _modify { yield &place(of: index).pointee }
    }
}

/// A chunk that more than one table shares is never written to: see `place(of:)`.
extension RecordTable: @unchecked Sendable {}

extension RecordTable: Equatable where Record: Equatable {
    public static func == (left: RecordTable, right: RecordTable) -> Bool {
        left.elementsEqual(right)
    }
}
