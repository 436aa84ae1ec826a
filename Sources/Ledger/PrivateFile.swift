import EventLog

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// An error that says why a private file cannot be read or written.
package protocol PrivateFileError: Error {
    /// - Parameter isDamage: the file is there and does not say what this program wrote.
    init(privateFile message: String, isDamage: Bool)
}

extension LedgerError: PrivateFileError {
    package init(privateFile message: String, isDamage: Bool) { self.init(.directory, message) }
}

/// Small files that only their owner may read, replaced as a whole or not at all.
package enum PrivateFiles<Failure: PrivateFileError> {
    /// What changes whenever a file is replaced or written.
    package struct Stamp: Equatable, Sendable {
        var inode: UInt64
        var byteCount: Int64
        var seconds: Int64
        var nanoseconds: Int64
        /// Whether somebody other than the owner may read or write it.
        package var isOpenToOthers: Bool
    }

    /// nil if there is no such file.
    package static func stamp(_ path: String) -> Stamp? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        #if os(Linux)
            let time = status.st_mtim
        #else
            let time = status.st_mtimespec
        #endif
        return Stamp(
            inode: UInt64(status.st_ino), byteCount: Int64(status.st_size),
            seconds: Int64(time.tv_sec), nanoseconds: Int64(time.tv_nsec),
            isOpenToOthers: status.st_mode & 0o077 != 0)
    }

    /// The whole content, nil if there is no such file. Throws, as damage for a file larger than
    /// `byteCountMax`.
    package static func read(_ path: String, byteCountMax: Int) throws(Failure) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw failure("cannot read \(path)")
        }
        defer { close(descriptor) }
        guard let bytes = FileBytes.readAll(from: descriptor, byteCountMax: byteCountMax) else {
            throw failure("cannot read \(path)")
        }
        guard bytes.count <= byteCountMax else {
            throw Failure(
                privateFile:
                    "\(path) has more than \(byteCountMax) bytes; restore it from a backup",
                isDamage: true)
        }
        return bytes
    }

    /// Replaces the file, mode 0600: after a crash there is the old content or the new one.
    ///
    /// Writes beside it, syncs, renames, syncs the directory. The caller holds the lock of
    /// `withLock`, so two writers do not share the file beside it.
    package static func replace(
        _ path: String, in directory: String, with bytes: [UInt8]
    ) throws(Failure) {
        let beside = path + ".new"
        _ = unlink(beside)
        let descriptor = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("cannot write \(beside)") }
        var isWritten = write(bytes, to: descriptor) && fsync(descriptor) == 0
        let cause = errno
        isWritten = close(descriptor) == 0 && isWritten
        guard isWritten, rename(beside, path) == 0 else {
            if !isWritten { errno = cause }
            let error = failure("cannot write \(path)")
            _ = unlink(beside)
            throw error
        }
        guard FileBytes.synchronise(directory: directory) else {
            throw failure("cannot sync \(directory)")
        }
    }

    /// Runs `body` while no other process or thread does so on the same directory.
    ///
    /// The lock is on the directory itself, so it leaves no file behind and survives the renames.
    package static func withLock<Result>(
        on directory: String, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let descriptor = open(directory, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("cannot open \(directory)") }
        guard FileLock.take(descriptor) else {
            let error = failure("cannot lock \(directory)")
            close(descriptor)
            throw error
        }
        defer { FileLock.release(closing: descriptor) }
        return try body()
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        bytes.withUnsafeBytes { FileBytes.writeAll($0, to: descriptor) }
    }

    private static func failure(_ what: String) -> Failure {
        Failure(
            privateFile: "\(what): \(String(cString: strerror(errno)))", isDamage: false)
    }
}
