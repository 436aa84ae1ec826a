/// The bytes of one page, read by position in native byte order. Every read is bounds-checked.
struct PageBytes {
    private(set) var bytes: [UInt8]

    init(byteCount: Int) {
        bytes = [UInt8](repeating: 0, count: byteCount)
    }

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Reads the page at `offset` of the file. Returns how many bytes there were.
    mutating func fill(from file: borrowing FileReader, at offset: Int) throws(PageFault) -> Int {
        do throws(LMDBError) {
            return try Self.read(&bytes, file, offset)
        } catch {
            throw PageFault(error)
        }
    }

    private static func read(
        _ bytes: inout [UInt8], _ file: borrowing FileReader, _ offset: Int
    ) throws(LMDBError) -> Int {
        var span = bytes.mutableSpan
        var raw = unsafe span.mutableBytes
        return try unsafe raw.withUnsafeMutableBytes { (buffer) throws(LMDBError) in
            unsafe try file.read(into: buffer, at: offset)
        }
    }

    @inline(__always)
    private func load<T: BitwiseCopyable & FixedWidthInteger>(_ at: Int, as: T.Type) -> T {
        precondition(at >= 0 && at + MemoryLayout<T>.size <= bytes.count)
        return unsafe bytes.span.bytes.unsafeLoadUnaligned(fromByteOffset: at, as: T.self)
    }

    func uint16(at offset: Int) -> Int { Int(load(offset, as: UInt16.self)) }

    func uint32(at offset: Int) -> Int { Int(load(offset, as: UInt32.self)) }

    func uint64(at offset: Int) -> UInt64 { load(offset, as: UInt64.self) }
}

/// The page header: number at 0, flags at 10, then bounds of the free space, or the length of an
/// overflow run; positions of the nodes from 16 on.
extension PageBytes {
    static let headerSizeBytes = 16

    var number: UInt64 { uint64(at: 0) }
    var flags: Int { uint16(at: 10) }
    var lower: Int { uint16(at: 12) }
    var upper: Int { uint16(at: 14) }
    var overflowPageCount: Int { uint32(at: 12) }
}
