import Ledger

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Files that a command reads whole.
enum InputFile {
    /// The bytes of a file; `-` is standard input. Throws one line that names it.
    static func read(_ path: String, byteCountMax: Int) throws(LedgerError) -> [UInt8] {
        let isInput = path == "-"
        let descriptor = isInput ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(path) }
        defer { if !isInput { close(descriptor) } }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            #if canImport(Glibc)
                let count = Glibc.read(descriptor, &block, block.count)
            #else
                let count = Darwin.read(descriptor, &block, block.count)
            #endif
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure(path) }
            if count == 0 { return bytes }
            bytes += block.prefix(count)
            guard bytes.count <= byteCountMax else {
                throw LedgerError(.directory, "\(path) has more than \(byteCountMax) bytes")
            }
        }
    }

    private static func failure(_ path: String) -> LedgerError {
        LedgerError(.directory, "cannot read \(path): \(String(cString: strerror(errno)))")
    }
}
