#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What a file descriptor takes and gives as a whole. Whoever calls says what it was about: a
/// failure is false or nil, with `errno` set.
package enum FileBytes {
    /// Writes everything where the descriptor stands, however many calls that takes.
    package static func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Bool {
        var offset = 0
        while offset < bytes.count {
            let count = write(descriptor, bytes.baseAddress! + offset, bytes.count - offset)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return refused(count) }
            offset += count
        }
        return true
    }

    /// Writes everything at an offset of the file.
    package static func writeAll(
        _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, at start: Int
    ) -> Bool {
        var offset = 0
        while offset < bytes.count {
            let count = pwrite(
                descriptor, bytes.baseAddress! + offset, bytes.count - offset,
                off_t(start + offset))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return refused(count) }
            offset += count
        }
        return true
    }

    /// A write that takes nothing sets no `errno`.
    private static func refused(_ count: Int) -> Bool {
        if count == 0 { errno = EIO }
        return false
    }

    /// Reads from where the descriptor stands to the end, and stops once it has more than
    /// `byteCountMax` bytes: the caller refuses those.
    package static func readAll(from descriptor: Int32, byteCountMax: Int = .max) -> [UInt8]? {
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count <= byteCountMax {
            let count = read(descriptor, &block, block.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            if count == 0 { break }
            bytes += block.prefix(count)
        }
        return bytes
    }

    /// Waits until what was made, renamed and removed in a directory is on disk.
    package static func synchronise(directory: String) -> Bool {
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        let isDone = fsync(descriptor) == 0
        let cause = errno
        close(descriptor)
        errno = cause
        return isDone
    }

    /// The directory a path lies in.
    package static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
