/// Names by number and numbers by name, for users or for projects.
///
/// Flat: an arena of bytes, a 4-byte place in it for each number, and a table of 8-byte slots that
/// hold a part of the hash beside the number, so that a look-up reads one slot and one name.
/// Nothing moves when it grows: the table splits one segment of 4,096 slots at a time (extendible
/// hashing), so no caller ever waits for a rehash of millions. A name of 16 bytes costs 20 in the
/// arena, 4 for its place and about 13 in the table.
///
/// Names are compared byte by byte: two spellings that only look alike are two users.
///
/// A number may be without a name: its user was forgotten, or nothing here can open the name. Such
/// a number is found by no look-up.
package struct NameDirectory: Sendable {
    private var storage: NameStorage
    /// Where the storage's memory lies: a look-up touches no object.
    private var memory: NameMemory
    /// Numbers, from 0 in steps of `ViewCodec.namesPerBlock`, of the blocks that lost or got a name
    /// since they were stored.
    private var changedBlocks: Set<UInt64> = []

    package init() {
        storage = NameStorage()
        memory = storage.memory
    }

    /// How many names there are; they have the numbers 1 to `count`.
    package var count: Int { memory.count }

    /// Cost: one hash of the name, one slot and one name read, seldom more.
    func number(of name: UnsafeRawBufferPointer) -> UInt32? {
        let number = number(of: name, hash: NameBytes.hash(name))
        return number == 0 ? nil : number
    }

    package func number(of name: String) -> UInt32? {
        var name = name
        return name.withUTF8 { number(of: UnsafeRawBufferPointer($0)) }
    }

    /// The number, 0 if the name has none.
    @inline(__always)
    func number(of name: UnsafeRawBufferPointer, hash: UInt64) -> UInt32 {
        withExtendedLifetime(storage) { memory.number(of: name, hash: hash) }
    }

    /// Reads the slot that a look-up begins with, so that it is in the cache by then.
    @inline(__always)
    func touchSlot(hash: UInt64) -> UInt64 {
        withExtendedLifetime(storage) { memory.touchSlot(hash: hash) }
    }

    /// The number that the name of this hash has, but for one in thousands; 0 if it has none. Looks
    /// at no name.
    @inline(__always)
    func likelyNumber(hash: UInt64) -> UInt32 {
        withExtendedLifetime(storage) { memory.likelyNumber(hash: hash) }
    }

    /// Reads where a number's name lies and its first bytes, for the cache.
    @inline(__always)
    func touch(_ number: UInt32) -> UInt8 {
        withExtendedLifetime(storage) { memory.bytes(of: number)[0] }
    }

    /// Gives the name the next number. The name must be new, and have 1 to 256 bytes.
    package mutating func append(_ name: UnsafeRawBufferPointer) {
        append(name, hash: NameBytes.hash(name))
    }

    mutating func append(_ name: UnsafeRawBufferPointer, hash: UInt64) {
        makeUnique()
        storage.append(name, hash: hash)
        memory = storage.memory
    }

    // MARK: - Numbers without a name

    /// In place of a name: begins with a byte that no name that can be recorded has.
    package enum Mark: UInt8 {
        case forgotten = 0
        /// Sealed, and nothing here opens it.
        case locked = 1
    }

    /// Gives the next number, and no name to it.
    package mutating func append(_ mark: Mark) {
        makeUnique()
        storage.append(mark)
        memory = storage.memory
    }

    /// Takes a number's name away: its bytes are overwritten, and nobody finds it any more.
    mutating func forget(_ number: UInt32) {
        guard number > 0, Int(number) <= count, !isForgotten(number) else { return }
        makeUnique()
        storage.erase(number)
        markChanged(number)
    }

    /// Gives a name to a number that was appended as `locked`.
    mutating func fill(_ number: UInt32, _ name: UnsafeRawBufferPointer) {
        makeUnique()
        storage.fill(number, name)
        memory = storage.memory
        markChanged(number)
    }

    /// The number's block of the checkpoint is not what it should be.
    mutating func markChanged(_ number: UInt32) {
        changedBlocks.insert(UInt64(number - 1) / UInt64(ViewCodec.namesPerBlock))
    }

    /// Blocks that lost or got a name since the last call.
    mutating func takeChangedBlocks() -> Set<UInt64> {
        defer { changedBlocks = [] }
        return changedBlocks
    }

    /// Whether the number was handed out, and its name was taken away since.
    package func isForgotten(_ number: UInt32) -> Bool { isMarked(number, .forgotten) }

    /// Whether the number has a name that nothing here opens.
    package func isLocked(_ number: UInt32) -> Bool { isMarked(number, .locked) }

    /// Whether the bytes of a number stand in place of a name.
    static func isMark(_ bytes: UnsafeRawBufferPointer) -> Bool { NameMemory.isMark(bytes) }

    private func isMarked(_ number: UInt32, _ mark: Mark) -> Bool {
        guard number > 0, Int(number) <= count else { return false }
        return withNameBytes(of: number) { $0[0] == mark.rawValue }
    }

    private mutating func makeUnique() {
        guard !isKnownUniquelyReferenced(&storage) else { return }
        storage = NameStorage(copying: storage)
        memory = storage.memory
    }

    /// The name of a number, empty for 0, for numbers never handed out, and for those without a
    /// name.
    package func name(of number: UInt32) -> String {
        guard number > 0, Int(number) <= count else { return "" }
        return withNameBytes(of: number) {
            NameMemory.isMark($0) ? "" : String(decoding: $0, as: UTF8.self)
        }
    }

    func withNameBytes<Result>(
        of number: UInt32, _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result {
        withExtendedLifetime(storage) { body(memory.bytes(of: number)) }
    }
}

/// Pointers into a storage's memory, good until it grows.
private struct NameMemory: @unchecked Sendable {
    static let slotMask = 4_095
    static let arenaChunkBits = 20
    static let placeChunkBits = 16
    /// Places count in units of 4 bytes: 14 bits of chunk, 18 bits within it, 16 GiB in all.
    static let unitBits = 2

    /// Segment by the hash's `depth` upper bits.
    var directory: UnsafeMutablePointer<UnsafeMutablePointer<UInt64>>
    var depth: UInt64
    var arena: UnsafeMutablePointer<UnsafeMutableRawPointer>
    var places: UnsafeMutablePointer<UnsafeMutablePointer<UInt32>>
    var count: Int

    /// Whether the bytes stand in place of a name.
    @inline(__always)
    static func isMark(_ bytes: UnsafeRawBufferPointer) -> Bool { bytes[0] < 0x20 }

    /// Where the directory holds the segment of a hash.
    @inline(__always)
    func entry(of hash: UInt64) -> Int { Int(truncatingIfNeeded: (hash >> 1) >> (63 &- depth)) }

    /// The upper half of the hash decides all: its first bits the segment, its last 12 the slot. So
    /// a segment is split without looking at a name.
    @inline(__always)
    static func slot(of hash: UInt64) -> Int { Int(truncatingIfNeeded: hash >> 32) & slotMask }

    @inline(__always)
    func number(of name: UnsafeRawBufferPointer, hash: UInt64) -> UInt32 {
        let segment = directory[entry(of: hash)]
        let tag = hash >> 32
        var slot = Self.slot(of: hash)
        while true {
            let entry = segment[slot]
            if entry == 0 { return 0 }
            let number = UInt32(truncatingIfNeeded: entry)
            if entry >> 32 == tag, NameBytes.areEqual(bytes(of: number), name) { return number }
            slot = (slot + 1) & Self.slotMask
        }
    }

    @inline(__always)
    func touchSlot(hash: UInt64) -> UInt64 { directory[entry(of: hash)][Self.slot(of: hash)] }

    @inline(__always)
    func likelyNumber(hash: UInt64) -> UInt32 {
        let segment = directory[entry(of: hash)]
        var slot = Self.slot(of: hash)
        while true {
            let entry = segment[slot]
            if entry == 0 || entry >> 32 == hash >> 32 { return UInt32(truncatingIfNeeded: entry) }
            slot = (slot + 1) & Self.slotMask
        }
    }

    /// Where the place of a number's name stands: chunk and index in it.
    @inline(__always)
    func place(of number: UInt32) -> (chunk: Int, index: Int) {
        let index = Int(number) - 1
        return (index >> Self.placeChunkBits, index & (1 << Self.placeChunkBits - 1))
    }

    @inline(__always)
    func bytes(of number: UInt32) -> UnsafeRawBufferPointer {
        let (chunk, index) = place(of: number)
        let place = Int(places[chunk][index])
        let chunkBits = Self.arenaChunkBits - Self.unitBits
        let start = arena[place >> chunkBits] + (place & (1 << chunkBits - 1)) << Self.unitBits
        let byteCount = Int(start.load(as: UInt8.self)) + 1
        return UnsafeRawBufferPointer(start: start + 1, count: byteCount)
    }
}

/// The memory of a directory. Written to by the one directory that holds it alone.
private final class NameStorage {
    private static let slotCount = 4_096
    /// A segment splits when it has more names than this.
    private static let nameCountMax = 3_584
    private static let arenaChunkCountMax = 1 << 14
    private static let placeChunkCountMax = 1 << 16

    private(set) var memory: NameMemory
    private var arenaChunkCount = 0
    /// Bytes used of the newest chunk of the arena.
    private var arenaUsed = 1 << NameMemory.arenaChunkBits
    private var placeChunkCount = 0
    /// Each segment: 4,096 slots of tag (the hash's upper half) and number, 0 = free.
    private var segments: [UnsafeMutablePointer<UInt64>] = []
    private var nameCounts: [Int] = []
    /// How many of the hash's upper bits lead to the segment.
    private var depths: [UInt64] = []
    /// Number of the segment by the hash's upper bits, as in the directory.
    private var segmentNumbers: [UInt32] = [0]

    init() {
        // The lists of chunks have room for all there can be: 128 and 512 KiB of address space,
        // of which what is used becomes memory.
        memory = NameMemory(
            directory: .allocate(capacity: 1), depth: 0,
            arena: .allocate(capacity: Self.arenaChunkCountMax),
            places: .allocate(capacity: Self.placeChunkCountMax), count: 0)
        memory.directory[0] = addSegment(depth: 0)
    }

    convenience init(copying other: NameStorage) {
        self.init()
        for number in 1..<UInt32(other.memory.count + 1) {
            let name = other.memory.bytes(of: number)
            if let mark = NameDirectory.Mark(rawValue: name[0]) {
                append(mark)
            } else {
                append(name, hash: NameBytes.hash(name))
            }
        }
    }

    deinit {
        for chunk in 0..<arenaChunkCount { memory.arena[chunk].deallocate() }
        for chunk in 0..<placeChunkCount { memory.places[chunk].deallocate() }
        for segment in segments { segment.deallocate() }
        memory.arena.deallocate()
        memory.places.deallocate()
        memory.directory.deallocate()
    }

    func append(_ name: UnsafeRawBufferPointer, hash: UInt64) {
        addNumber(store(name))
        enter(UInt32(memory.count), hash: hash)
    }

    func append(_ mark: NameDirectory.Mark) {
        addNumber(withUnsafeBytes(of: mark.rawValue) { store($0) })
    }

    /// Takes a name out of the table, and writes the mark of the forgotten over all of it.
    func erase(_ number: UInt32) {
        let name = memory.bytes(of: number)
        if !NameMemory.isMark(name) { leave(number, hash: NameBytes.hash(name)) }
        UnsafeMutableRawBufferPointer(mutating: name).initializeMemory(
            as: UInt8.self, repeating: NameDirectory.Mark.forgotten.rawValue)
    }

    /// Frees a number's slot. Those behind it that would not be found any more move up.
    private func leave(_ number: UInt32, hash: UInt64) {
        let index = Int(segmentNumbers[memory.entry(of: hash)])
        let segment = segments[index]
        var hole = NameMemory.slot(of: hash)
        while UInt32(truncatingIfNeeded: segment[hole]) != number {
            precondition(segment[hole] != 0, "the name has a slot")
            hole = (hole + 1) & NameMemory.slotMask
        }
        var slot = hole
        while true {
            slot = (slot + 1) & NameMemory.slotMask
            let entry = segment[slot]
            if entry == 0 { break }
            let home = NameMemory.slot(of: entry)
            let distance = (slot - home) & NameMemory.slotMask
            if distance >= (slot - hole) & NameMemory.slotMask {
                segment[hole] = entry
                hole = slot
            }
        }
        segment[hole] = 0
        nameCounts[index] -= 1
    }

    /// A name for a number that has none.
    func fill(_ number: UInt32, _ name: UnsafeRawBufferPointer) {
        let (chunk, index) = memory.place(of: number)
        memory.places[chunk][index] = store(name)
        enter(number, hash: NameBytes.hash(name))
    }

    private func addNumber(_ place: UInt32) {
        let index = memory.count & (1 << NameMemory.placeChunkBits - 1)
        if index == 0 {
            memory.places[placeChunkCount] = .allocate(capacity: 1 << NameMemory.placeChunkBits)
            placeChunkCount += 1
        }
        memory.places[placeChunkCount - 1][index] = place
        memory.count += 1
    }

    /// Puts the length less one and the bytes into the arena. Returns the place.
    private func store(_ name: UnsafeRawBufferPointer) -> UInt32 {
        precondition((1...256).contains(name.count), "a name has 1 to 256 bytes")
        let byteCount = (1 + name.count + 3) & ~3
        if arenaUsed + byteCount > 1 << NameMemory.arenaChunkBits {
            precondition(arenaChunkCount < Self.arenaChunkCountMax, "the names exceed 16 GiB")
            memory.arena[arenaChunkCount] = .allocate(
                byteCount: 1 << NameMemory.arenaChunkBits, alignment: 64)
            arenaChunkCount += 1
            arenaUsed = 0
        }
        let start = memory.arena[arenaChunkCount - 1] + arenaUsed
        start.storeBytes(of: UInt8(name.count - 1), as: UInt8.self)
        (start + 1).copyMemory(from: name.baseAddress!, byteCount: name.count)
        let chunkBits = NameMemory.arenaChunkBits - NameMemory.unitBits
        let place = (arenaChunkCount - 1) << chunkBits | arenaUsed >> NameMemory.unitBits
        arenaUsed += byteCount
        return UInt32(place)
    }

    private func addSegment(depth: UInt64) -> UnsafeMutablePointer<UInt64> {
        let segment = UnsafeMutablePointer<UInt64>.allocate(capacity: Self.slotCount)
        segment.initialize(repeating: 0, count: Self.slotCount)
        segments.append(segment)
        nameCounts.append(0)
        depths.append(depth)
        return segment
    }

    private func enter(_ number: UInt32, hash: UInt64) {
        var index = Int(segmentNumbers[memory.entry(of: hash)])
        while nameCounts[index] >= Self.nameCountMax {
            split(index, at: hash)
            index = Int(segmentNumbers[memory.entry(of: hash)])
        }
        put(number, hash: hash, into: index)
    }

    private func put(_ number: UInt32, hash: UInt64, into index: Int) {
        let segment = segments[index]
        var slot = NameMemory.slot(of: hash)
        while segment[slot] != 0 { slot = (slot + 1) & NameMemory.slotMask }
        segment[slot] = hash & 0xFFFF_FFFF_0000_0000 | UInt64(number)
        nameCounts[index] += 1
    }

    /// Moves half of a segment's names to a new one, by one more bit of their hashes.
    private func split(_ index: Int, at hash: UInt64) {
        let oldDepth = depths[index]
        // Past 20 bits they would overlap with those of the slot: thousands of millions of names.
        precondition(oldDepth < 20, "the names' hashes do not tell them apart")
        if oldDepth == memory.depth { doubleDirectory() }
        let other = segments.count
        let segment = addSegment(depth: oldDepth + 1)
        depths[index] = oldDepth + 1
        // The directory entries of the upper half of the old segment's range.
        let span = 1 << Int(memory.depth - oldDepth)
        let first = memory.entry(of: hash) & ~(span - 1)
        for entry in first + span / 2..<first + span {
            memory.directory[entry] = segment
            segmentNumbers[entry] = UInt32(other)
        }
        redistribute(index)
    }

    private func doubleDirectory() {
        let count = segmentNumbers.count
        let larger = UnsafeMutablePointer<UnsafeMutablePointer<UInt64>>.allocate(
            capacity: 2 * count)
        for entry in 0..<2 * count { larger[entry] = memory.directory[entry / 2] }
        memory.directory.deallocate()
        memory.directory = larger
        segmentNumbers = segmentNumbers.flatMap { [$0, $0] }
        memory.depth += 1
    }

    private func redistribute(_ index: Int) {
        let segment = segments[index]
        let entries = (0..<Self.slotCount).map { segment[$0] }
        segment.initialize(repeating: 0, count: Self.slotCount)
        nameCounts[index] = 0
        for entry in entries where entry != 0 {
            put(
                UInt32(truncatingIfNeeded: entry), hash: entry,
                into: Int(segmentNumbers[memory.entry(of: entry)]))
        }
    }
}

/// Only the directory that holds it alone writes to it.
extension NameStorage: @unchecked Sendable {}
