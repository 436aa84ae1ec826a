#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A file opened for reading at positions, closed with its owner.
struct FileReader: ~Copyable {
    private let descriptor: Int32

    init(path: String, during operation: String) throws(LMDBError) {
        descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system(during: operation) }
    }

    deinit { close(descriptor) }

    /// Length of the file in bytes.
    ///
    /// - Throws: `.system`, with `EISDIR` if it is a directory.
    func sizeBytes() throws(LMDBError) -> Int {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw .system(during: "open") }
        guard status.st_mode & S_IFMT != S_IFDIR else {
            throw LMDBError(.system(EISDIR), during: "open")
        }
        return Int(status.st_size)
    }

    /// Fills `buffer` from `offset`. Returns how many bytes the file had there.
    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: Int
    ) throws(LMDBError) -> Int {
        var count = 0
        while count < buffer.count {
            let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
            let result = unsafe pread(descriptor, rest.baseAddress, rest.count, offset + count)
            if result == 0 { break }
            if result < 0 {
                if errno == EINTR { continue }
                throw .system(during: "read")
            }
            count += result
        }
        return count
    }

    func synchronise() throws(LMDBError) {
        guard fsync(descriptor) == 0 else { throw .system(during: "sync") }
    }
}
