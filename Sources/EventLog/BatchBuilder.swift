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

/// Gathers events into the bytes of one batch. One builder is used over and over: its buffer is
/// kept.
public struct BatchBuilder {
    private var bytes: [UInt8] = []
    private var texts: [UInt8] = []
    private var previous: LogHead
    private var firstTime: Microseconds = 0
    private var lastTime: Microseconds = 0

    private static let emptyRecord = [UInt8](repeating: 0, count: LogFormat.recordByteCount)

    /// Events gathered so far.
    public private(set) var eventCount = 0

    /// Starts behind `head`.
    public init(after head: LogHead) {
        previous = head
        clear()
    }

    public var isEmpty: Bool { eventCount == 0 }

    /// Whether another command's events still fit below the batch's limits.
    public var isFull: Bool {
        eventCount >= LogFormat.batchEventCountMax
            || texts.count >= LogFormat.batchTextByteCountMax
    }

    /// Position the next event must have.
    public var nextPosition: Position { previous.position + Position(eventCount) + 1 }

    /// Adds an event, with the name it binds if it binds one. Traps on a position out of order.
    public mutating func append(_ event: Event, name: [UInt8]? = nil) {
        precondition(event.position == nextPosition, "events are appended in order")
        if eventCount == 0 { firstTime = event.time }
        precondition(eventCount == 0 || event.time >= lastTime, "ledger time does not run backward")
        lastTime = event.time
        let offset = bytes.count
        bytes.append(contentsOf: Self.emptyRecord)
        bytes.withUnsafeMutableBytes { EventCodec.encode(event, at: $0.baseAddress! + offset) }
        if let name { appendText(name) }
        eventCount += 1
    }

    private mutating func appendText(_ name: [UInt8]) {
        precondition(name.count <= LogFormat.nameByteCountMax, "a name is at most 256 bytes")
        withUnsafeBytes(of: UInt32(eventCount).littleEndian) { texts.append(contentsOf: $0) }
        withUnsafeBytes(of: UInt16(name.count).littleEndian) { texts.append(contentsOf: $0) }
        texts.append(contentsOf: name)
    }

    /// Completes the batch, hands its bytes to `body`, and starts the next one behind it. Should
    /// `body` throw, the builder must not be used any further: the log decides what is true.
    ///
    /// - Parameter wallOffset: wall clock minus ledger time, in microseconds; nil where no clock of
    ///   today may enter (a trace plays in its own time).
    /// - Returns: the head once the batch is durable.
    public mutating func seal<Failure: Error>(
        wallOffset: Microseconds?, origin: BatchOrigin?,
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) -> LogHead {
        precondition(eventCount > 0, "a batch has at least one event")
        let textByteCount = texts.count
        bytes.append(contentsOf: texts)
        if let origin {
            bytes.append(contentsOf: origin.source.bytes)
            withUnsafeBytes(of: origin.rowCount.littleEndian) { bytes.append(contentsOf: $0) }
        }
        writeHeader(
            textByteCount: textByteCount, hasOrigin: origin != nil, wallOffset: wallOffset)
        let hash = bytes.withUnsafeBytes { buffer in
            var hasher = SHA256()
            hasher.update(bufferPointer: buffer)
            return hasher.finalize().withUnsafeBytes { Digest32(loadingFrom: $0) }
        }
        bytes.append(contentsOf: hash.bytes)
        let head = LogHead(
            position: previous.position + Position(eventCount), time: lastTime, hash: hash)
        let result: Result<Void, Failure> = bytes.withUnsafeBytes { buffer in
            do throws(Failure) { return .success(try body(buffer)) } catch {
                return .failure(error)
            }
        }
        try result.get()
        previous = head
        clear()
        return head
    }

    private mutating func clear() {
        bytes.removeAll(keepingCapacity: true)
        bytes.append(contentsOf: repeatElement(0, count: LogFormat.headerByteCount))
        texts.removeAll(keepingCapacity: true)
        eventCount = 0
    }

    private mutating func writeHeader(
        textByteCount: Int, hasOrigin: Bool, wallOffset: Microseconds?
    ) {
        let first = previous.position + 1
        bytes.withUnsafeMutableBytes { buffer in
            func store<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value, _ offset: Int) {
                buffer.storeBytes(of: value.littleEndian, toByteOffset: offset, as: Value.self)
            }
            store(LogFormat.batchMagic, 0)
            store(LogFormat.version, 4)
            store(UInt16(LogFormat.headerByteCount), 6)
            store(first, 8)
            store(UInt32(eventCount), 16)
            store(UInt32(LogFormat.recordByteCount), 20)
            store(UInt32(textByteCount), 24)
            store(UInt32(hasOrigin ? LogFormat.originByteCount : 0), 28)
            store(firstTime, 32)
            store(lastTime, 40)
            store(wallOffset ?? .min, 48)
            store(UInt64(0), 56)
            previous.hash.store(at: buffer.baseAddress! + 64)
        }
    }
}
