import Ledger

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The lines of a file one after the other, without their line feeds. Memory: one block and the
/// longest line.
final class LineReader {
    /// More than the longest line of any export.
    static let lineByteCountMax = 1 << 16
    private static let blockByteCount = 1 << 20

    let path: String
    /// Bytes of the file when it was opened.
    let byteCount: UInt64
    /// Lines handed over, the one at hand included.
    private(set) var lineNumber = 0
    /// Bytes of those lines.
    private(set) var byteOffset: UInt64 = 0
    private let descriptor: Int32
    private var buffer = [UInt8](repeating: 0, count: blockByteCount + lineByteCountMax + 1)
    private var used = 0 ..< 0
    private var isAtEnd = false

    init(path: String) throws(TraceError) {
        func failure(_ reason: String) -> TraceError {
            TraceError(path: path, line: 0, reason: reason)
        }
        let opened = open(path, O_RDONLY | O_CLOEXEC)
        guard opened >= 0 else {
            throw failure("cannot open the file: \(String(cString: strerror(errno)))")
        }
        var status = stat()
        guard fstat(opened, &status) == 0, status.st_mode & S_IFMT != S_IFDIR else {
            close(opened)
            throw failure("is a directory; name a file")
        }
        self.path = path
        byteCount = UInt64(status.st_size)
        descriptor = opened
    }

    deinit { close(descriptor) }

    /// Hands the next line to `body`; nil at the end. Throws for a last line without a line feed.
    func next<Result>(
        _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result? {
        while true {
            let end = buffer.withUnsafeBytes { bytes -> Int? in
                guard let start = bytes.baseAddress, !used.isEmpty,
                    let found = memchr(start + used.lowerBound, 0x0A, used.count)
                else { return nil }
                return UnsafeRawPointer(found) - start
            }
            if let end {
                let line = used.lowerBound ..< end
                used = end + 1 ..< used.upperBound
                lineNumber += 1
                byteOffset += UInt64(line.count + 1)
                return try buffer.withUnsafeBytes { bytes in
                    try body(UnsafeRawBufferPointer(rebasing: bytes[line]))
                }
            }
            if isAtEnd {
                guard used.isEmpty else {
                    lineNumber += 1
                    throw fault("the last line is cut off: it has no line feed at its end")
                }
                return nil
            }
            guard used.count <= Self.lineByteCountMax else {
                lineNumber += 1
                throw fault("the line is longer than any that is exported")
            }
            try fill()
        }
    }

    func fault(_ reason: String) -> TraceError {
        TraceError(path: path, line: lineNumber, reason: reason)
    }

    /// Moves what is left to the front and reads a block behind it.
    private func fill() throws(TraceError) {
        let count = used.count
        var wasRead = 0
        buffer.withUnsafeMutableBytes { bytes in
            let start = bytes.baseAddress!
            memmove(start, start + used.lowerBound, count)
            repeat {
                wasRead = read(descriptor, start + count, Self.blockByteCount)
            } while wasRead < 0 && errno == EINTR
        }
        guard wasRead >= 0 else {
            throw TraceError(
                path: path, line: 0,
                reason: "cannot read the file: \(String(cString: strerror(errno)))")
        }
        used = 0 ..< count + wasRead
        isAtEnd = wasRead == 0
    }
}
