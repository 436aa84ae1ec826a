/// Records by number, in chunks that copies share until one of them writes.
///
/// A copy costs one reference; the first write after it costs a reference a chunk, and the first
/// write to each chunk copies that chunk alone. So a checkpoint takes a snapshot of millions of
/// records without a pause, and growing never moves what is there. Reading costs two loads and no
/// reference counting.
public struct RecordTable<Record: BitwiseCopyable & Sendable> {
    public static var recordsPerChunk: Int { 256 }
    @inline(__always) private static var shift: Int { 8 }
    @inline(__always) private static var mask: Int { 255 }

    private final class Chunk {
        let base: UnsafeMutablePointer<Record>

        /// Begins at a cache line, so that a record of 32 bytes never lies in two.
        private init() {
            base = UnsafeMutableRawPointer.allocate(
                byteCount: recordsPerChunk * MemoryLayout<Record>.stride, alignment: 64
            ).bindMemory(to: Record.self, capacity: recordsPerChunk)
        }

        convenience init(filledWith record: Record) {
            self.init()
            base.initialize(repeating: record, count: recordsPerChunk)
        }

        convenience init(copying other: Chunk) {
            self.init()
            base.initialize(from: other.base, count: recordsPerChunk)
        }

        deinit { base.deallocate() }
    }

    /// The memory of one table and of its copies that were not written to since.
    private final class Owner {
        let capacity: Int
        let bases: UnsafeMutablePointer<UnsafeMutablePointer<Record>>
        /// In which epoch of this owner each chunk became its alone; at −1 the epoch that runs.
        let epochs: UnsafeMutablePointer<UInt32>
        /// A bit for each chunk that was written to since `takeChanges`.
        let changes: UnsafeMutablePointer<UInt64>
        var chunks: [Chunk] = []

        var changeWordCount: Int { (capacity + 63) / 64 }

        init(capacity: Int) {
            self.capacity = capacity
            bases = .allocate(capacity: capacity)
            epochs = .allocate(capacity: capacity + 1) + 1
            epochs[-1] = 1
            changes = .allocate(capacity: (capacity + 63) / 64)
            changes.initialize(repeating: 0, count: (capacity + 63) / 64)
            chunks.reserveCapacity(capacity)
        }

        deinit {
            bases.deallocate()
            (epochs - 1).deallocate()
            changes.deallocate()
        }

        /// The chunk is this owner's alone, from now on.
        func add(_ chunk: Chunk) {
            bases[chunks.count] = chunk.base
            epochs[chunks.count] = epochs[-1]
            chunks.append(chunk)
        }

        /// Takes over the chunks of another owner, which goes on to share them.
        func share(_ other: Owner) {
            chunks = other.chunks
            bases.update(from: other.bases, count: chunks.count)
            epochs.update(repeating: 0, count: chunks.count)
            changes.update(from: other.changes, count: other.changeWordCount)
            other.epochs[-1] &+= 1
        }
    }

    private var owner: Owner
    // The owner's memory, where reading it costs no access to an object.
    private var bases: UnsafeMutablePointer<UnsafeMutablePointer<Record>>
    private var epochs: UnsafeMutablePointer<UInt32>
    private var changes: UnsafeMutablePointer<UInt64>
    public private(set) var count = 0
    /// What the unused end of a chunk holds.
    private let blank: Record

    public init(blank: Record) {
        owner = Owner(capacity: 1)
        bases = owner.bases
        epochs = owner.epochs
        changes = owner.changes
        self.blank = blank
    }

    public init(_ records: some Sequence<Record>, blank: Record) {
        self.init(blank: blank)
        for record in records { append(record) }
    }

    private mutating func adopt(_ owner: Owner) {
        self.owner = owner
        bases = owner.bases
        epochs = owner.epochs
        changes = owner.changes
    }

    /// Cost: amortised O(1); no record that is there moves.
    public mutating func append(_ record: Record) {
        if count == owner.chunks.count * Self.recordsPerChunk { addChunk() }
        count += 1
        self[count - 1] = record
    }

    private mutating func addChunk() {
        if owner.chunks.count == owner.capacity {
            let larger = Owner(capacity: 2 * owner.capacity)
            larger.share(owner)
            adopt(larger)
        } else if !isKnownUniquelyReferenced(&owner) {
            split()
        }
        owner.add(Chunk(filledWith: blank))
    }

    /// The record's place, in a chunk of this table alone.
    @inline(__always)
    private mutating func place(of index: Int) -> UnsafeMutablePointer<Record> {
        precondition(index >= 0 && index < count, "no record of this number")
        if !isKnownUniquelyReferenced(&owner) { split() }
        let chunk = index >> Self.shift
        if epochs[chunk] != epochs[-1] { separate(chunk) }
        changes[chunk >> 6] |= 1 << UInt64(chunk & 63)
        return bases[chunk] + (index & Self.mask)
    }

    @inline(never)
    private mutating func split() {
        let mine = Owner(capacity: owner.capacity)
        mine.share(owner)
        adopt(mine)
    }

    @inline(never)
    private func separate(_ chunk: Int) {
        // Whoever shared it may be gone by now.
        if !isKnownUniquelyReferenced(&owner.chunks[chunk]) {
            let copy = Chunk(copying: owner.chunks[chunk])
            owner.chunks[chunk] = copy
            bases[chunk] = copy.base
        }
        epochs[chunk] = epochs[-1]
    }

    /// Changes one record in place: one look-up for several fields.
    @inline(__always)
    mutating func update<Result>(_ index: Int, _ body: (inout Record) -> Result) -> Result {
        body(&place(of: index).pointee)
    }

    // MARK: - Chunks, for those who store them

    public var chunkCount: Int { owner.chunks.count }

    /// Hands over the records of a chunk that are in use.
    public func withChunk<Result>(
        _ chunk: Int, _ body: (UnsafeBufferPointer<Record>) -> Result
    ) -> Result {
        withExtendedLifetime(owner) {
            let first = chunk << Self.shift
            let inUse = Swift.min(Self.recordsPerChunk, count - first)
            return body(UnsafeBufferPointer(start: bases[chunk], count: inUse))
        }
    }

    /// Adds a chunk of records, written by `body`. All chunks before it must be whole.
    public mutating func appendChunk(
        count newCount: Int, _ body: (UnsafeMutableBufferPointer<Record>) -> Void
    ) {
        precondition(count == chunkCount * Self.recordsPerChunk, "only the last may be partial")
        precondition(newCount > 0 && newCount <= Self.recordsPerChunk, "a chunk has 1 to 256")
        addChunk()
        body(UnsafeMutableBufferPointer(start: bases[chunkCount - 1], count: newCount))
        count += newCount
    }

    /// Which chunks were written to since the last call: a bit each, 64 a word.
    public mutating func takeChanges() -> [UInt64] {
        if !isKnownUniquelyReferenced(&owner) { split() }
        let wordCount = owner.changeWordCount
        let taken = Array(UnsafeBufferPointer(start: changes, count: wordCount))
        changes.update(repeating: 0, count: wordCount)
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
            return withExtendedLifetime(owner) {
                bases[index >> Self.shift][index & Self.mask]
            }
        }
        _modify { yield &place(of: index).pointee }
    }
}

/// Memory that more than one table shares is never written to: see `place(of:)`. Of an owner that
/// is shared, only the running epoch is written, by whoever stops sharing it.
extension RecordTable: @unchecked Sendable {}

extension RecordTable: Equatable where Record: Equatable {
    public static func == (left: RecordTable, right: RecordTable) -> Bool {
        left.elementsEqual(right)
    }
}
