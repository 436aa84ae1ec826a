import Crypto
public import ReconnectionRules

/// A batch as it lies in the log's memory map, its header checked. Valid only inside the call it is
/// handed to.
public struct BatchView: ~Copyable {
    let bytes: UnsafeRawBufferPointer
    /// Version of its form: from 2 on what names a person is sealed.
    public let formatVersion: UInt16
    /// Position of the first event.
    public let firstPosition: Position
    public let eventCount: Int
    let textByteCount: Int
    let originByteCount: Int

    public var lastPosition: Position { firstPosition + Position(eventCount) - 1 }
    public var byteCount: Int { bytes.count }

    /// Checks that the bytes have the form of a batch that begins at `key`. Cost: O(1); the content
    /// is checked by `verifyHash` or event by event.
    package init(_ bytes: UnsafeRawBufferPointer, key: Position) throws(LogError) {
        func load<Value: FixedWidthInteger & BitwiseCopyable>(
            _ offset: Int, as type: Value.Type
        ) -> Value {
            Value(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Value.self))
        }
        guard bytes.count >= LogFormat.headerByteCount + LogFormat.hashByteCount,
            load(0, as: UInt32.self) == LogFormat.batchMagic
        else { throw .corrupt(key, "no batch begins here") }
        let version = load(4, as: UInt16.self)
        guard version <= LogFormat.version else {
            throw LogError(
                .newerFormat(version: version),
                "the batch at position \(key) has format \(version), newer than "
                    + "\(LogFormat.version); use the Holdfast that wrote it, or a newer one")
        }
        let firstPosition = load(8, as: UInt64.self)
        let eventCount = Int(load(16, as: UInt32.self))
        let textByteCount = Int(load(24, as: UInt32.self))
        let originByteCount = Int(load(28, as: UInt32.self))
        let expected =
            LogFormat.headerByteCount + eventCount * LogFormat.recordByteCount + textByteCount
            + originByteCount + LogFormat.hashByteCount
        guard version > 0, load(6, as: UInt16.self) == UInt16(LogFormat.headerByteCount),
            load(20, as: UInt32.self) == UInt32(LogFormat.recordByteCount), eventCount > 0,
            load(56, as: UInt64.self) == 0,
            expected == bytes.count,
            originByteCount == 0 || originByteCount == LogFormat.originByteCount
        else { throw .corrupt(key, "the batch header does not fit its length") }
        guard key > 0 else { throw .corrupt(0, "no batch begins before position 1") }
        guard firstPosition == key else {
            throw .corrupt(key, "the batch says it begins at \(firstPosition)")
        }
        guard firstPosition <= .max - Position(eventCount) else {
            throw .corrupt(key, "the batch leads past the last position there can be")
        }
        self.bytes = bytes
        formatVersion = version
        self.firstPosition = firstPosition
        self.eventCount = eventCount
        self.textByteCount = textByteCount
        self.originByteCount = originByteCount
    }

    /// Whether it may follow an event at `last` as far as positions tell: right behind it, or
    /// beginning an epoch behind it. Cost: O(1); the check word of the event is not looked at.
    public func follows(_ last: Position) -> Bool {
        if firstPosition == last &+ 1 { return true }
        let kind: UInt8 = EventCodec.load(firstRecord, at: 0)
        let end: Position = EventCodec.load(firstRecord, at: EventCodec.previousOfUserOffset)
        return kind == Event.Kind.epochBegun.rawValue && end == last && last > 0
            && firstPosition > last
    }

    /// Ledger times of the first and the last event.
    public var times: ClosedRange<Microseconds> {
        let first: Int64 = word(32)
        let last: Int64 = word(40)
        return first ... max(first, last)
    }

    /// Wall clock minus ledger time when it was committed, nil for an imported batch.
    public var wallOffset: Microseconds? {
        let offset: Int64 = word(48)
        return offset == .min ? nil : offset
    }

    public var previousHash: Digest32 { digest(at: 64) }

    /// The batch's own hash as stored in its last 32 bytes.
    public var hash: Digest32 { digest(at: bytes.count - LogFormat.hashByteCount) }

    public var origin: BatchOrigin? {
        guard originByteCount > 0 else { return nil }
        let offset = recordsEnd + textByteCount
        let rowCount: UInt64 = word(offset + LogFormat.hashByteCount)
        return BatchOrigin(source: digest(at: offset), rowCount: rowCount)
    }

    /// Recomputes the SHA-256 over everything before it and compares. Cost: the hash's speed.
    public func verifyHash() throws(LogError) {
        var hasher = SHA256()
        hasher.update(
            bufferPointer: UnsafeRawBufferPointer(
                rebasing: bytes[..<(bytes.count - LogFormat.hashByteCount)]))
        let computed = hasher.finalize().withUnsafeBytes { Digest32(loadingFrom: $0) }
        guard computed == hash else {
            throw .corrupt(firstDamaged ?? firstPosition, "the batch's SHA-256 does not match")
        }
    }

    /// The event at that position, which must lie in this batch. Checks the event's own check word.
    public func event(at position: Position) throws(LogError) -> Event {
        precondition(position >= firstPosition && position <= lastPosition)
        let offset =
            LogFormat.headerByteCount + Int(position - firstPosition) * LogFormat.recordByteCount
        guard let event = EventCodec.decode(bytes.baseAddress! + offset, position: position) else {
            throw .corrupt(position, "the event's check word does not match")
        }
        return event
    }

    /// Whether what stands with the event of a user is sealed. Names of projects never are.
    public var hasSealedTexts: Bool { formatVersion >= LogFormat.sealedVersion }

    /// Hands over every event in order, with the bytes of the text that stands with it, if one
    /// does: the name it binds, or in a batch with sealed texts what `TextOpener` opens.
    ///
    /// Throws what `body` throws, and `LogError` at the first event that is not what was written.
    public func forEachEvent(
        from position: Position = 0,
        _ body: (Event, UnsafeRawBufferPointer?) throws -> Void
    ) throws {
        var text = names
        for index in 0 ..< eventCount {
            let event = try event(at: firstPosition + Position(index))
            let name = text.name(ofEventAt: index)
            if text.isDamaged { throw LogError.corrupt(event.position, "the names are cut short") }
            if event.position >= position { try body(event, name) }
        }
        if !text.isAtEnd {
            throw LogError.corrupt(lastPosition, "the batch has a name that no event binds")
        }
    }

    /// The text that stands with the event at that position, as it is stored, nil if none does.
    /// Cost: a walk over the batch's texts.
    public func name(at position: Position) -> [UInt8]? {
        var text = names
        let target = Int(position - firstPosition)
        while let index = text.nextIndex, index <= target {
            let name = text.name(ofEventAt: index)
            if text.isDamaged { return nil }
            if index == target { return name.map { Array($0) } }
        }
        return nil
    }

    // MARK: - Inside the log's own walks

    /// Whether a text stands with any event.
    package var hasTexts: Bool { textByteCount > 0 }

    /// The texts that stand with the batch's events, from the first on.
    package var names: NameWalk { NameWalk(bytes: textBytes) }

    var firstRecord: UnsafeRawPointer { bytes.baseAddress! + LogFormat.headerByteCount }

    // MARK: - Private

    private var recordsEnd: Int {
        LogFormat.headerByteCount + eventCount * LogFormat.recordByteCount
    }

    private var textBytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[recordsEnd ..< recordsEnd + textByteCount])
    }

    private func word<Value: FixedWidthInteger & BitwiseCopyable>(_ offset: Int) -> Value {
        Value(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }

    private func digest(at offset: Int) -> Digest32 {
        Digest32(loadingFrom: UnsafeRawBufferPointer(rebasing: bytes[offset ..< offset + 32]))
    }

    /// The first event whose check word is off, to name the place more closely than the batch.
    private var firstDamaged: Position? {
        for index in 0 ..< eventCount {
            let offset = LogFormat.headerByteCount + index * LogFormat.recordByteCount
            let position = firstPosition + Position(index)
            if EventCodec.decode(bytes.baseAddress! + offset, position: position) == nil {
                return position
            }
        }
        return nil
    }
}

/// Walks the texts of a batch: entries of event index (4 bytes), length (2 bytes), and the bytes.
package struct NameWalk {
    let bytes: UnsafeRawBufferPointer
    var offset = 0
    private(set) var isDamaged = false

    init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isAtEnd: Bool { offset == bytes.count }

    package var nextIndex: Int? {
        guard offset + 6 <= bytes.count else { return nil }
        return Int(
            UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
    }

    /// The text that stands with the event at `index` of the batch, nil if none does. To be asked
    /// from the first event on; an index may be left out only if no text stands with its event.
    package mutating func name(ofEventAt index: Int) -> UnsafeRawBufferPointer? {
        guard offset < bytes.count else { return nil }
        guard let next = nextIndex, next >= index else {
            isDamaged = true
            return nil
        }
        guard next == index else { return nil }
        let length = Int(
            UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt16.self)))
        guard offset + 6 + length <= bytes.count else {
            isDamaged = true
            return nil
        }
        let name = UnsafeRawBufferPointer(rebasing: bytes[offset + 6 ..< offset + 6 + length])
        offset += 6 + length
        return name
    }
}
