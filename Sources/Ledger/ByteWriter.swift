/// Little-endian numbers one behind the other.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    mutating func write<Value: FixedWidthInteger>(_ value: Value) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func write(_ buffer: UnsafeRawBufferPointer) { bytes.append(contentsOf: buffer) }
}

/// Reads what `ByteWriter` wrote. Past the end it yields zeros and says so in `isExhausted`.
struct ByteReader {
    let bytes: UnsafeRawBufferPointer
    private var offset = 0
    private(set) var isExhausted = false

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isAtEnd: Bool { offset == bytes.count }

    mutating func read<Value: FixedWidthInteger & BitwiseCopyable>(
        _ type: Value.Type = Value.self
    ) -> Value {
        let size = MemoryLayout<Value>.size
        guard offset + size <= bytes.count else {
            isExhausted = true
            return 0
        }
        defer { offset += size }
        return Value(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }

    mutating func read(byteCount: Int) -> UnsafeRawBufferPointer {
        guard byteCount >= 0, offset + byteCount <= bytes.count else {
            isExhausted = true
            return UnsafeRawBufferPointer(rebasing: bytes[bytes.count...])
        }
        defer { offset += byteCount }
        return UnsafeRawBufferPointer(rebasing: bytes[offset ..< offset + byteCount])
    }
}
