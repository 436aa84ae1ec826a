import Crypto
import EventLog
import Ledger

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Files that are read and written as a whole, for their owner alone.
enum SmallFile {
    static func read(_ path: String) throws(LedgerError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileFailure.error("cannot read \(path)") }
        defer { close(descriptor) }
        guard let bytes = FileBytes.readAll(from: descriptor) else {
            throw FileFailure.error("cannot read \(path)")
        }
        return bytes
    }

    /// Makes a file that is not there. It is on disk on return; its name is once the directory was
    /// waited for.
    static func create(_ path: String, _ bytes: [UInt8]) throws(LedgerError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw FileFailure.error("cannot make \(path)") }
        defer { close(descriptor) }
        let isWritten = bytes.withUnsafeBytes { FileBytes.writeAll($0, to: descriptor) }
        guard isWritten, fsync(descriptor) == 0 else {
            throw FileFailure.error("cannot write \(path)")
        }
    }

    /// Overwrites a file in place with zeros, waits for that, and removes it.
    static func destroy(_ path: String) throws(LedgerError) {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileFailure.error("cannot overwrite \(path)") }
        defer { close(descriptor) }
        let zeros = [UInt8](repeating: 0, count: max(0, Int(lseek(descriptor, 0, SEEK_END))))
        guard zeros.withUnsafeBytes({ FileBytes.writeAll($0, to: descriptor, at: 0) }),
            fsync(descriptor) == 0, unlink(path) == 0
        else { throw FileFailure.error("cannot overwrite \(path)") }
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    static func digest(_ bytes: [UInt8]) -> Digest32 { Digest32(SHA256.hash(data: bytes)) }
}
