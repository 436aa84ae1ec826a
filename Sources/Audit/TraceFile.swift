import Crypto
import EventLog

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A trace's bytes, read in pieces as often as needed. It stays the file that was opened; a change
/// of its content is an error.
final class TraceFile: Sendable {
    let path: String
    let byteCount: Int
    private let descriptor: Int32
    private let modified: (Int, Int)

    /// Opens the file; a pipe and the like is copied to a temporary file first.
    init(_ path: String) throws(TraceError) {
        self.path = path
        var descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Self.failure(path, "cannot open the trace") }
        var status = stat()
        do throws(TraceError) {
            guard fstat(descriptor, &status) == 0 else {
                throw Self.failure(path, "cannot look at the trace")
            }
            guard status.st_mode & S_IFMT != S_IFDIR else {
                throw TraceError(path: path, line: 0, reason: "is a directory; name a CSV file")
            }
            if status.st_mode & S_IFMT != S_IFREG {
                let copy = try Self.copy(of: descriptor, path)
                close(descriptor)
                descriptor = copy
                guard fstat(descriptor, &status) == 0 else {
                    throw Self.failure(path, "cannot look at the trace")
                }
            }
        } catch {
            close(descriptor)
            throw error
        }
        byteCount = Int(status.st_size)
        modified = Self.modified(status)
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// Appends the bytes at an offset, at most so many. False at the end of the file.
    func read(
        _ count: Int, at offset: Int, to bytes: inout [UInt8]
    ) throws(TraceError) -> Bool {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw Self.failure(path, "cannot look at the trace")
        }
        guard Int(status.st_size) == byteCount, Self.modified(status) == modified else {
            throw TraceError(
                path: path, line: 0, reason: "the file changed while it was read; start again")
        }
        let wanted = min(count, byteCount - offset)
        guard wanted > 0 else { return false }
        let begin = bytes.count
        bytes.append(contentsOf: repeatElement(0, count: wanted))
        let got = bytes.withUnsafeMutableBytes { buffer in
            while true {
                let got = pread(descriptor, buffer.baseAddress! + begin, wanted, off_t(offset))
                if got >= 0 || errno != EINTR { return got }
            }
        }
        guard got > 0 else { throw Self.failure(path, "cannot read the trace") }
        bytes.removeLast(wanted - got)
        return true
    }

    /// SHA-256 of the whole.
    func digest() throws(TraceError) -> Digest32 {
        var hasher = SHA256()
        var chunk: [UInt8] = []
        var offset = 0
        while try read(1 << 20, at: offset, to: &chunk) {
            chunk.withUnsafeBytes { hasher.update(bufferPointer: $0) }
            offset += chunk.count
            chunk.removeAll(keepingCapacity: true)
        }
        return Digest32(hasher.finalize())
    }

    private static func modified(_ status: stat) -> (Int, Int) {
        #if canImport(Glibc)
            (status.st_mtim.tv_sec, status.st_mtim.tv_nsec)
        #else
            (status.st_mtimespec.tv_sec, status.st_mtimespec.tv_nsec)
        #endif
    }

    /// What can be read once alone, as a file without a name.
    private static func copy(of source: Int32, _ path: String) throws(TraceError) -> Int32 {
        let directory = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var name = Array("\(directory)/holdfast-trace-XXXXXX".utf8CString)
        let descriptor = mkstemp(&name)
        guard descriptor >= 0 else {
            throw failure(path, "cannot make a temporary file in \(directory)")
        }
        unlink(name)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            // The module's own functions have these names too.
            #if canImport(Glibc)
                let count = Glibc.read(source, &chunk, chunk.count)
            #else
                let count = Darwin.read(source, &chunk, chunk.count)
            #endif
            if count == 0 { return descriptor }
            if count < 0, errno == EINTR { continue }
            let isCopied = chunk.withUnsafeBytes {
                FileBytes.writeAll(
                    UnsafeRawBufferPointer(rebasing: $0[..<max(0, count)]), to: descriptor)
            }
            if !isCopied {
                let error = failure(path, "cannot copy the trace to \(directory)")
                close(descriptor)
                throw error
            }
            if count < 0 {
                let error = failure(path, "cannot read the trace")
                close(descriptor)
                throw error
            }
        }
    }

    private static func failure(_ path: String, _ what: String) -> TraceError {
        TraceError(path: path, line: 0, reason: "\(what): \(String(cString: strerror(errno)))")
    }
}
