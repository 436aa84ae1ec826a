import Crypto
public import ReconnectionRules

/// Where a batch came from, if it was imported: enough to go on after an interruption.
public struct BatchOrigin: Equatable, Sendable {
    /// SHA-256 of the whole trace file.
    public var source: Digest32
    /// Rows of it that are in the log once this batch is.
    public var rowCount: UInt64

    public init(source: Digest32, rowCount: UInt64) {
        self.source = source
        self.rowCount = rowCount
    }
}

/// What the log ends with: the newest event and the chain's newest link.
public struct LogHead: Equatable, Sendable {
    /// Position of the newest event, 0 in an empty log.
    public var position: Position
    /// Ledger time of that event.
    public var time: Microseconds
    /// Hash of the newest batch, all zeros in an empty log.
    public var hash: Digest32
    /// How many batches there are is not stored: see `LogSnapshot.batchCount`.
    public static let empty = LogHead(position: 0, time: 0, hash: .zero)

    public init(position: Position, time: Microseconds, hash: Digest32) {
        self.position = position
        self.time = time
        self.hash = hash
    }
}

/// Gathers events into the bytes of one batch. Used over and over: its memory is kept.
///
/// Gathering needs the position before the batch alone, not the hash: one thread can gather the
/// next batch while another seals and writes the last. A builder belongs to one thread at a time.
public final class BatchBuilder {
    /// What gathering an event changes: one access to the object for all of it.
    private struct Gathered {
        var buffer: UnsafeMutableRawPointer
        var capacity: Int
        var firstTime: Microseconds = 0
        var lastTime: Microseconds = 0
        var previousPosition: Position
        /// Right behind that, unless the first event begins an epoch.
        var firstPosition: Position
        var eventCount = 0

        mutating func append(_ event: Event) {
            if eventCount == 0 { begin(with: event) }
            precondition(
                event.position == firstPosition + Position(eventCount),
                "events are appended in order")
            precondition(
                eventCount == 0 || event.time >= lastTime, "ledger time does not run backward")
            lastTime = event.time
            let offset = LogFormat.headerByteCount + eventCount * LogFormat.recordByteCount
            if offset + LogFormat.recordByteCount > capacity {
                grow(to: offset + LogFormat.recordByteCount, keeping: offset)
            }
            EventCodec.encode(event, at: buffer + offset)
            eventCount += 1
        }

        private mutating func begin(with event: Event) {
            firstTime = event.time
            firstPosition = previousPosition + 1
            guard let end = event.previousEpochEnd else { return }
            precondition(
                end == previousPosition && event.position > end,
                "an epoch begins behind the one before")
            firstPosition = event.position
        }

        @inline(never)
        mutating func grow(to byteCount: Int, keeping used: Int) {
            let newCapacity = max(2 * capacity, byteCount)
            let newBuffer = UnsafeMutableRawPointer.allocate(
                byteCount: newCapacity, alignment: 64)
            newBuffer.copyMemory(from: buffer, byteCount: used)
            buffer.deallocate()
            buffer = newBuffer
            capacity = newCapacity
        }
    }

    private let version: UInt16
    private var gathered: Gathered
    private var texts: [UInt8] = []
    /// Bytes of the sealed batch, 0 while it is gathered.
    private var sealedByteCount = 0

    /// Events gathered so far.
    public var eventCount: Int { gathered.eventCount }

    /// Starts behind a position.
    public convenience init(after position: Position) {
        self.init(after: position, version: LogFormat.version)
    }

    /// Makes batches of an older form: for tests of what reads them.
    package init(after position: Position, version: UInt16) {
        self.version = version
        let capacity = 1 << 16
        gathered = Gathered(
            buffer: .allocate(byteCount: capacity, alignment: 64), capacity: capacity,
            previousPosition: position, firstPosition: position + 1)
    }

    deinit { gathered.buffer.deallocate() }

    public var isEmpty: Bool { eventCount == 0 }

    /// Whether another command's events still fit below the batch's limits.
    public var isFull: Bool {
        eventCount >= LogFormat.batchEventCountMax
            || texts.count >= LogFormat.batchTextByteCountMax
    }

    /// Events that still fit before the batch is full.
    public var roomForEvents: Int { max(0, LogFormat.batchEventCountMax - eventCount) }

    /// Position of the event before the first.
    public var previousPosition: Position { gathered.previousPosition }

    /// Position of the first event; of an epoch's first batch, once that event is gathered.
    public var firstPosition: Position { gathered.firstPosition }

    /// Position the next event must have.
    public var nextPosition: Position { firstPosition + Position(eventCount) }

    /// Drops what was gathered and starts anew behind a position.
    public func begin(after position: Position) {
        gathered.previousPosition = position
        gathered.firstPosition = position + 1
        gathered.eventCount = 0
        sealedByteCount = 0
        texts.removeAll(keepingCapacity: true)
    }

    /// Adds an event, with the text that stands with it if one does: the name of a project as it
    /// is, what concerns a person as `TextSealer` made it. Traps on a position out of order. Cost:
    /// the encoding of 80 bytes; no allocation but the buffer's growth.
    public func append(_ event: Event, name: UnsafeRawBufferPointer? = nil) {
        if let name { appendText(name) }
        gathered.append(event)
    }

    private func appendText(_ name: UnsafeRawBufferPointer) {
        precondition(name.count <= LogFormat.textByteCountMax, "a text is at most 300 bytes")
        withUnsafeBytes(of: UInt32(eventCount).littleEndian) { texts.append(contentsOf: $0) }
        withUnsafeBytes(of: UInt16(name.count).littleEndian) { texts.append(contentsOf: $0) }
        texts.append(contentsOf: name)
    }

    /// Completes the batch as the continuation of `previous`: texts, origin, header, hash.
    ///
    /// - Parameter wallOffset: wall clock minus ledger time, in microseconds; nil where no clock of
    ///   today may enter (a trace plays in its own time).
    /// - Returns: the head once the batch is durable. Cost: one SHA-256 over the batch.
    public func seal(
        after previous: LogHead, wallOffset: Microseconds?, origin: BatchOrigin?
    ) -> LogHead {
        precondition(eventCount > 0, "a batch has at least one event")
        precondition(
            previous.position == gathered.previousPosition, "a batch continues the one before it")
        var end = LogFormat.headerByteCount + eventCount * LogFormat.recordByteCount
        let originByteCount = origin == nil ? 0 : LogFormat.originByteCount
        let byteCount = end + texts.count + originByteCount + LogFormat.hashByteCount
        if byteCount > gathered.capacity { gathered.grow(to: byteCount, keeping: end) }
        let buffer = gathered.buffer
        texts.withUnsafeBytes { texts in
            if let start = texts.baseAddress {
                (buffer + end).copyMemory(from: start, byteCount: texts.count)
            }
        }
        end += texts.count
        if let origin {
            origin.source.store(at: buffer + end)
            buffer.storeBytes(
                of: origin.rowCount.littleEndian, toByteOffset: end + LogFormat.hashByteCount,
                as: UInt64.self)
            end += originByteCount
        }
        writeHeader(previous, originByteCount: originByteCount, wallOffset: wallOffset)
        var hasher = SHA256()
        hasher.update(bufferPointer: UnsafeRawBufferPointer(start: buffer, count: end))
        let hash = hasher.finalize().withUnsafeBytes { Digest32(loadingFrom: $0) }
        hash.store(at: buffer + end)
        sealedByteCount = byteCount
        return LogHead(
            position: firstPosition + Position(eventCount) - 1, time: gathered.lastTime, hash: hash)
    }

    /// The sealed batch, valid until `begin`. Traps if it is not sealed.
    public var sealedBytes: UnsafeRawBufferPointer {
        precondition(sealedByteCount > 0, "the batch is not sealed")
        return UnsafeRawBufferPointer(start: gathered.buffer, count: sealedByteCount)
    }

    private func writeHeader(
        _ previous: LogHead, originByteCount: Int, wallOffset: Microseconds?
    ) {
        let buffer = gathered.buffer
        func store<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value, _ offset: Int) {
            buffer.storeBytes(of: value.littleEndian, toByteOffset: offset, as: Value.self)
        }
        store(LogFormat.batchMagic, 0)
        store(version, 4)
        store(UInt16(LogFormat.headerByteCount), 6)
        store(firstPosition, 8)
        store(UInt32(eventCount), 16)
        store(UInt32(LogFormat.recordByteCount), 20)
        store(UInt32(texts.count), 24)
        store(UInt32(originByteCount), 28)
        store(gathered.firstTime, 32)
        store(gathered.lastTime, 40)
        store(wallOffset ?? .min, 48)
        store(UInt64(0), 56)
        previous.hash.store(at: buffer + 64)
    }
}

/// Handed from the thread that gathers to the thread that seals; never used by both.
extension BatchBuilder: @unchecked Sendable {}
