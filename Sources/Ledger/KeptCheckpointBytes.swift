import Crypto

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Bytes on their way into a file, hashed as they go.
final class HashingOutput {
    private static let capacity = 1 << 20
    /// Bytes after which what was written is sent to the disk: a commit of the log never waits for
    /// more of it than this.
    private static let syncByteCount = 4 << 20

    private let descriptor: Int32
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 16)
    private var used = 0
    private var hasher = SHA256()
    private var unsyncedByteCount = 0
    /// What the system refused, 0 if nothing.
    private(set) var failure: Int32 = 0

    var hasFailed: Bool { failure != 0 }

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { buffer.deallocate() }

    func write(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        while !rest.isEmpty {
            let count = min(rest.count, Self.capacity)
            let piece = UnsafeRawBufferPointer(rebasing: rest[..<count])
            write(byteCount: count) { $0.copyMemory(from: piece.baseAddress!, byteCount: count) }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }

    /// Adds `byteCount` bytes, at most a buffer, that `body` puts there.
    func write(byteCount: Int, _ body: (UnsafeMutableRawPointer) -> Void) {
        if used + byteCount > Self.capacity { flush() }
        body(buffer.baseAddress! + used)
        hasher.update(
            bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[used ..< used + byteCount]))
        used += byteCount
    }

    /// Adds the digest and waits for the disk. False if anything failed.
    func finish() -> Bool {
        let digest = Array(hasher.finalize())
        if used + digest.count > Self.capacity { flush() }
        (buffer.baseAddress! + used).copyMemory(from: digest, byteCount: digest.count)
        used += digest.count
        flush()
        if !hasFailed, fsync(descriptor) != 0 { failure = errno }
        return !hasFailed
    }

    private func flush() {
        var offset = 0
        while offset < used, !hasFailed {
            #if canImport(Glibc)
                let count = Glibc.write(descriptor, buffer.baseAddress! + offset, used - offset)
            #else
                let count = Darwin.write(descriptor, buffer.baseAddress! + offset, used - offset)
            #endif
            if count < 0, errno == EINTR { continue }
            if count <= 0 { failure = count < 0 ? errno : EIO } else { offset += count }
        }
        unsyncedByteCount += used
        used = 0
        guard unsyncedByteCount >= Self.syncByteCount, !hasFailed else { return }
        unsyncedByteCount = 0
        #if os(Linux)
            if fdatasync(descriptor) != 0 { failure = errno }
        #endif
    }
}

/// Bytes out of a file, hashed as they are taken.
final class HashingInput {
    private static let capacity = 1 << 20

    private let descriptor: Int32
    let fileByteCount: UInt64
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 16)
    private var start = 0
    private var end = 0
    private var hasher = SHA256()

    /// Opens a regular file; nil if that fails, and `errno` says why.
    init?(_ path: String) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        var status = stat()
        guard descriptor >= 0 else { return nil }
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            errno = EINVAL
            return nil
        }
        fileByteCount = UInt64(status.st_size)
        self.descriptor = descriptor
    }

    deinit {
        buffer.deallocate()
        close(descriptor)
    }

    /// The next bytes, good until the next call; nil if the file has not as many. At most a buffer.
    func take(_ byteCount: Int) -> UnsafeRawBufferPointer? {
        guard let bytes = next(byteCount) else { return nil }
        hasher.update(bufferPointer: bytes)
        return bytes
    }

    /// Whether the rest of the file is the digest of everything taken.
    func endsInItsDigest() -> Bool {
        guard let stored = next(KeptCheckpointFile.digestByteCount) else { return false }
        return hasher.finalize().elementsEqual(stored) && next(1) == nil
    }

    private func next(_ byteCount: Int) -> UnsafeRawBufferPointer? {
        if end - start < byteCount {
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[start ..< end]))
            end -= start
            start = 0
            while end < Self.capacity {
                #if canImport(Glibc)
                    let count = Glibc.read(
                        descriptor, buffer.baseAddress! + end, Self.capacity - end)
                #else
                    let count = Darwin.read(
                        descriptor, buffer.baseAddress! + end, Self.capacity - end)
                #endif
                if count < 0, errno == EINTR { continue }
                if count <= 0 { break }
                end += count
            }
            guard end >= byteCount else { return nil }
        }
        defer { start += byteCount }
        return UnsafeRawBufferPointer(rebasing: buffer[start ..< start + byteCount])
    }
}
