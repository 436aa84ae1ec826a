import Crypto

/// A batch taken apart and put together by docs/log-format.md alone: shares no code with the log it
/// is used against, so the two pin each other.
public struct ForgedBatch: Equatable, Sendable {
    public static let headerByteCount = 96
    public static let recordByteCount = 80
    public static let hashByteCount = 32

    public var key: UInt64
    public var bytes: [UInt8]

    public init(key: UInt64, bytes: [UInt8]) {
        self.key = key
        self.bytes = bytes
    }

    /// The number whose least significant byte stands at `offset`.
    public func number<Value: FixedWidthInteger>(
        at offset: Int, as type: Value.Type = Value.self
    ) -> Value {
        var value: Value = 0
        for index in (0 ..< MemoryLayout<Value>.size).reversed() {
            value = value << 8 | Value(truncatingIfNeeded: bytes[offset + index])
        }
        return value
    }

    public mutating func set<Value: FixedWidthInteger>(_ value: Value, at offset: Int) {
        for index in 0 ..< MemoryLayout<Value>.size {
            bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index))
        }
    }

    // MARK: - Parts

    public var firstPosition: UInt64 { number(at: 8) }
    public var eventCount: Int { Int(number(at: 16, as: UInt32.self)) }
    public var textByteCount: Int { Int(number(at: 24, as: UInt32.self)) }
    public var originByteCount: Int { Int(number(at: 28, as: UInt32.self)) }
    public var lastPosition: UInt64 { firstPosition + UInt64(eventCount) - 1 }

    public var previousHash: [UInt8] {
        get { Array(bytes[64 ..< 96]) }
        set { bytes.replaceSubrange(64 ..< 96, with: newValue) }
    }

    public var hash: [UInt8] { Array(bytes.suffix(Self.hashByteCount)) }

    public var textOffset: Int { Self.headerByteCount + Self.recordByteCount * eventCount }

    /// Where the record of the event at `position` begins.
    public func record(of position: UInt64) -> Int {
        Self.headerByteCount + Self.recordByteCount * Int(position - firstPosition)
    }

    public func holds(_ position: UInt64) -> Bool {
        position >= firstPosition && position <= lastPosition
    }

    // MARK: - Taking events out

    /// Takes the batch's last event out, which must bind no name. Needs sealing.
    public mutating func removeLast() { remove(lastPosition) }

    mutating func remove(_ position: UInt64) {
        let offset = record(of: position)
        let removed = UInt32(position - firstPosition)
        var text = textOffset
        while text < textOffset + textByteCount {
            let index: UInt32 = number(at: text)
            precondition(index != removed, "the event binds a name")
            if index > removed { set(index - 1, at: text) }
            text += 6 + Int(number(at: text + 4, as: UInt16.self))
        }
        bytes.removeSubrange(offset ..< offset + Self.recordByteCount)
        set(UInt32(eventCount - 1), at: 16)
        if eventCount > 0 { sealTimes() }
    }

    /// Takes what points past a position one back. Of projectModified these fields are settings.
    mutating func renumber(after position: UInt64) {
        for index in 0 ..< eventCount {
            let offset = Self.headerByteCount + Self.recordByteCount * index
            let isSettings = bytes[offset] == 3
            for field in isSettings ? [64] : [40, 48, 56, 64, 72] {
                let value: UInt64 = number(at: offset + field)
                if value > position { set(value - 1, at: offset + field) }
            }
        }
    }

    // MARK: - Making it whole again

    /// Sets the header's times to those of the events.
    public mutating func sealTimes() {
        set(number(at: record(of: firstPosition) + 24, as: Int64.self), at: 32)
        set(number(at: record(of: lastPosition) + 24, as: Int64.self), at: 40)
    }

    /// Sets every record's check word to what the form asks for.
    public mutating func sealRecords() {
        for index in 0 ..< eventCount {
            let offset = Self.headerByteCount + Self.recordByteCount * index
            set(checkWord(at: offset, position: firstPosition &+ UInt64(index)), at: offset + 4)
        }
    }

    /// Sets the trailer to the SHA-256 of everything before it.
    public mutating func sealHash() {
        let content = bytes.dropLast(Self.hashByteCount)
        bytes.replaceSubrange(content.count..., with: Array(SHA256.hash(data: content)))
    }

    /// The check word of the record at `offset`.
    public func checkWord(at offset: Int, position: UInt64) -> UInt32 {
        var folded = position &* 0x9E37_79B9_7F4A_7C15 ^ 0xD6E8_FEB8_6659_FD93
        for index in 0 ..< 10 {
            var word: UInt64 = number(at: offset + 8 * index)
            if index == 0 { word &= 0xFFFF_FFFF }
            let product = UInt128(folded ^ word) * 0xA076_1D64_78BD_642F
            let high = UInt64(truncatingIfNeeded: product >> 64)
            let low = UInt64(truncatingIfNeeded: product)
            folded = (high ^ low) &+ 0xE703_7ED1_A0B4_28DB
        }
        return UInt32(truncatingIfNeeded: folded ^ (folded >> 32))
    }
}

extension [ForgedBatch] {
    /// What somebody does who rewrites history: check words, hashes and links anew, from the first
    /// batch to the last.
    public mutating func sealAll() {
        var previous = [UInt8](repeating: 0, count: 32)
        for index in indices {
            self[index].previousHash = previous
            self[index].sealRecords()
            self[index].sealHash()
            previous = self[index].hash
        }
    }

    /// Takes one event out and moves all that follow up by one, back-pointers and sessions too, as
    /// somebody would who wants it never to have been. Seals everything.
    public mutating func drop(_ position: UInt64) {
        let index = index(holding: position)
        self[index].remove(position)
        if self[index].eventCount == 0 { remove(at: index) }
        for index in indices {
            if self[index].firstPosition > position {
                self[index].key -= 1
                self[index].set(self[index].firstPosition - 1, at: 8)
            }
            self[index].renumber(after: position)
        }
        sealAll()
    }

    /// The index of the batch that holds a position.
    public func index(holding position: UInt64) -> Int { firstIndex { $0.holds(position) }! }
}

extension ForgedBatch {
    /// The batch cut into one for each event. Needs sealing.
    public var singles: [ForgedBatch] {
        var text = textOffset
        let textEnd = textOffset + textByteCount
        return (0 ..< eventCount).map { index in
            let offset = Self.headerByteCount + Self.recordByteCount * index
            var name: [UInt8] = []
            if text < textEnd, number(at: text, as: UInt32.self) == UInt32(index) {
                let end = text + 6 + Int(number(at: text + 4, as: UInt16.self))
                name = [0, 0, 0, 0] + bytes[text + 4 ..< end]
                text = end
            }
            let position = firstPosition + UInt64(index)
            var single = ForgedBatch(
                key: position,
                bytes: bytes[..<Self.headerByteCount] + bytes[offset ..< offset + 80] + name
                    + [UInt8](repeating: 0, count: Self.hashByteCount))
            single.set(position, at: 8)
            single.set(1 as UInt32, at: 16)
            single.set(UInt32(name.count), at: 24)
            single.set(0 as UInt32, at: 28)
            single.sealTimes()
            return single
        }
    }
}
