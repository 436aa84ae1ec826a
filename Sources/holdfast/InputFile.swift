import EventLog
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
        guard let bytes = FileBytes.readAll(from: descriptor, byteCountMax: byteCountMax) else {
            throw failure(path)
        }
        guard bytes.count <= byteCountMax else {
            throw LedgerError(.directory, "\(path) has more than \(byteCountMax) bytes")
        }
        return bytes
    }

    private static func failure(_ path: String) -> LedgerError {
        LedgerError(.directory, "cannot read \(path): \(String(cString: strerror(errno)))")
    }
}
