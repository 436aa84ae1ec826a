/// Names by number and numbers by name, for users or for projects.
///
/// Flat: an arena of bytes, a 4-byte place in it for each number, and a table of 8-byte slots that
/// hold a part of the hash beside the number, so that a look-up reads one slot and one name. Nothing
/// moves when it grows: the table splits one segment of 4,096 slots at a time (extendible hashing),
/// so no caller ever waits for a rehash of millions. A name of 16 bytes costs 20 in the arena, 4 for
/// its place and about 13 in the table.
///
/// Names are compared byte by byte: two spellings that only look alike are two users.
package struct NameDirectory: Sendable {
    private var storage = NameStorage()

    /// How many names there are; they have the numbers 1 to `count`.
    package var count: Int { storage.count }

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
        storage.number(of: name, hash: hash)
    }

    /// Reads the slot that a look-up begins with, so that it is in the cache by then. Returns the
    /// number there: most often the right one; 0 if it is free.
    @inline(__always)
    func likelyNumber(hash: UInt64) -> UInt32 { storage.likelyNumber(hash: hash) }

    /// Reads where a number's name lies and its first bytes, for the cache.
    @inline(__always)
    func touch(_ number: UInt32) -> UInt8 { storage.bytes(of: number)[0] }

    /// Gives the name the next number. The name must be new, and have 1 to 256 bytes.
    mutating func append(_ name: UnsafeRawBufferPointer) {
        append(name, hash: NameBytes.hash(name))
    }

    mutating func append(_ name: UnsafeRawBufferPointer, hash: UInt64) {
        if !isKnownUniquelyReferenced(&storage) { storage = NameStorage(copying: storage) }
        storage.append(name, hash: hash)
    }

    /// The name of a number, empty for 0 and for numbers never handed out.
    package func name(of number: UInt32) -> String {
        guard number > 0, Int(number) <= count else { return "" }
        return withNameBytes(of: number) { String(decoding: $0, as: UTF8.self) }
    }

    func withNameBytes<Result>(
        of number: UInt32, _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result {
        withExtendedLifetime(storage) { body(storage.bytes(of: number)) }
    }
}

/// The memory of a directory. Written to by the one directory that holds it alone.
private final class NameStorage {
    private static let slotCount = 4_096
    private static let slotMask = 4_095
    /// A segment splits when it has more names than this.
    private static let nameCountMax = 3_584
    private static let arenaChunkBits = 20
    private static let placeChunkBits = 16
    /// Places count in units of 4 bytes: 14 bits of chunk, 18 bits within it, 16 GiB in all.
    private static let unitBits = 2

    private var arena: [UnsafeMutableRawPointer] = []
    /// Bytes used of the newest chunk of the arena.
    private var arenaUsed = 1 << arenaChunkBits
    private var places: [UnsafeMutablePointer<UInt32>] = []
    private(set) var count = 0
    /// Each segment: 4,096 slots of tag (the hash's upper half) and number, 0 = free.
    private var segments: [UnsafeMutablePointer<UInt64>] = []
    private var nameCounts: [Int] = []
    /// How many of the hash's upper bits lead to the segment.
    private var depths: [Int] = []
    /// Segment by the hash's `depth` upper bits.
    private var directory: [UnsafeMutablePointer<UInt64>]
    private var segmentNumbers: [UInt32] = [0]
    private var depth = 0

    init() {
        directory = []
        directory = [addSegment(depth: 0)]
    }

    convenience init(copying other: NameStorage) {
        self.init()
        for number in 1 ..< UInt32(other.count + 1) {
            let name = other.bytes(of: number)
            append(name, hash: NameBytes.hash(name))
        }
    }

    deinit {
        for chunk in arena { chunk.deallocate() }
        for chunk in places { chunk.deallocate() }
        for segment in segments { segment.deallocate() }
    }

    // MARK: - Looking up

    /// Where the directory holds the segment of a hash: its `depth` upper bits.
    @inline(__always)
    private func entry(of hash: UInt64) -> Int {
        Int(truncatingIfNeeded: (hash >> 1) >> UInt64(63 - depth))
    }

    @inline(__always)
    private func segment(of hash: UInt64) -> UnsafeMutablePointer<UInt64> {
        directory[entry(of: hash)]
    }

    @inline(__always)
    func number(of name: UnsafeRawBufferPointer, hash: UInt64) -> UInt32 {
        let segment = segment(of: hash)
        let tag = hash >> 32
        var slot = Int(truncatingIfNeeded: hash) & Self.slotMask
        while true {
            let entry = segment[slot]
            if entry == 0 { return 0 }
            let number = UInt32(truncatingIfNeeded: entry)
            if entry >> 32 == tag, NameBytes.areEqual(bytes(of: number), name) { return number }
            slot = (slot + 1) & Self.slotMask
        }
    }

    @inline(__always)
    func likelyNumber(hash: UInt64) -> UInt32 {
        UInt32(
            truncatingIfNeeded: segment(of: hash)[Int(truncatingIfNeeded: hash) & Self.slotMask])
    }

    @inline(__always)
    func bytes(of number: UInt32) -> UnsafeRawBufferPointer {
        let index = Int(number) - 1
        let place = Int(
            places[index >> Self.placeChunkBits][index & (1 << Self.placeChunkBits - 1)])
        let chunkBits = Self.arenaChunkBits - Self.unitBits
        let start =
            arena[place >> chunkBits] + (place & (1 << chunkBits - 1)) << Self.unitBits
        let byteCount = Int(start.load(as: UInt8.self)) + 1
        return UnsafeRawBufferPointer(start: start + 1, count: byteCount)
    }

    // MARK: - Adding

    func append(_ name: UnsafeRawBufferPointer, hash: UInt64) {
        precondition((1 ... 256).contains(name.count), "a name has 1 to 256 bytes")
        let place = store(name)
        let index = count & (1 << Self.placeChunkBits - 1)
        if index == 0 { places.append(.allocate(capacity: 1 << Self.placeChunkBits)) }
        places[places.count - 1][index] = place
        count += 1
        enter(UInt32(count), hash: hash)
    }

    /// Puts the length less one and the bytes into the arena. Returns the place.
    private func store(_ name: UnsafeRawBufferPointer) -> UInt32 {
        let byteCount = (1 + name.count + 3) & ~3
        if arenaUsed + byteCount > 1 << Self.arenaChunkBits {
            precondition(arena.count < 1 << 14, "the names exceed 16 GiB")
            arena.append(.allocate(byteCount: 1 << Self.arenaChunkBits, alignment: 64))
            arenaUsed = 0
        }
        let start = arena[arena.count - 1] + arenaUsed
        start.storeBytes(of: UInt8(name.count - 1), as: UInt8.self)
        (start + 1).copyMemory(from: name.baseAddress!, byteCount: name.count)
        let place = (arena.count - 1) << (Self.arenaChunkBits - Self.unitBits)
            | arenaUsed >> Self.unitBits
        arenaUsed += byteCount
        return UInt32(place)
    }

    private func addSegment(depth: Int) -> UnsafeMutablePointer<UInt64> {
        let segment = UnsafeMutablePointer<UInt64>.allocate(capacity: Self.slotCount)
        segment.initialize(repeating: 0, count: Self.slotCount)
        segments.append(segment)
        nameCounts.append(0)
        depths.append(depth)
        return segment
    }

    private func enter(_ number: UInt32, hash: UInt64) {
        var index = Int(segmentNumbers[entry(of: hash)])
        while nameCounts[index] >= Self.nameCountMax {
            split(index, at: hash)
            index = Int(segmentNumbers[entry(of: hash)])
        }
        put(number, hash: hash, into: index)
    }

    private func put(_ number: UInt32, hash: UInt64, into index: Int) {
        let segment = segments[index]
        var slot = Int(truncatingIfNeeded: hash) & Self.slotMask
        while segment[slot] != 0 { slot = (slot + 1) & Self.slotMask }
        segment[slot] = hash & 0xFFFF_FFFF_0000_0000 | UInt64(number)
        nameCounts[index] += 1
    }

    /// Moves half of a segment's names to a new one, by one more bit of their hashes.
    private func split(_ index: Int, at hash: UInt64) {
        let oldDepth = depths[index]
        // Past 32 bits the tag would repeat what the directory says: no such number of names fits.
        precondition(oldDepth < 31, "the names' hashes do not tell them apart")
        if oldDepth == depth { doubleDirectory() }
        let other = segments.count
        let segment = addSegment(depth: oldDepth + 1)
        depths[index] = oldDepth + 1
        // The directory entries of the upper half of the old segment's range.
        let span = 1 << (depth - oldDepth)
        let first = entry(of: hash) & ~(span - 1)
        for entry in first + span / 2 ..< first + span {
            directory[entry] = segment
            segmentNumbers[entry] = UInt32(other)
        }
        redistribute(index)
    }

    private func doubleDirectory() {
        directory = directory.flatMap { [$0, $0] }
        segmentNumbers = segmentNumbers.flatMap { [$0, $0] }
        depth += 1
    }

    private func redistribute(_ index: Int) {
        let segment = segments[index]
        var numbers: [UInt32] = []
        numbers.reserveCapacity(nameCounts[index])
        for slot in 0 ..< Self.slotCount where segment[slot] != 0 {
            numbers.append(UInt32(truncatingIfNeeded: segment[slot]))
        }
        segment.initialize(repeating: 0, count: Self.slotCount)
        nameCounts[index] = 0
        for number in numbers {
            let hash = NameBytes.hash(bytes(of: number))
            put(number, hash: hash, into: Int(segmentNumbers[entry(of: hash)]))
        }
    }
}

/// Only the directory that holds it alone writes to it.
extension NameStorage: @unchecked Sendable {}
