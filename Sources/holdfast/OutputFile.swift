#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Files that commands write for people.
enum OutputFile {
    /// Writes a whole file, in place of one that stood there.
    static func write(_ bytes: [UInt8], to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw failure("cannot write \(path)") }
        defer { close(descriptor) }
        try write(bytes, to: descriptor, path)
    }

    /// Writes all of it to an open file.
    static func write(
        _ bytes: some Collection<UInt8>, to descriptor: Int32, _ path: String
    ) throws {
        let copy = ContiguousArray(bytes)
        try copy.withUnsafeBytes { try write($0, to: descriptor, path) }
    }

    static func write(
        _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ path: String
    ) throws {
        var offset = 0
        while offset < bytes.count {
            #if canImport(Glibc)
                let count = Glibc.write(
                    descriptor, bytes.baseAddress! + offset, bytes.count - offset)
            #else
                let count = Darwin.write(
                    descriptor, bytes.baseAddress! + offset, bytes.count - offset)
            #endif
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure("cannot write \(path)") }
            offset += count
        }
    }

    static func failure(_ what: String) -> CheckFailed {
        CheckFailed(message: "\(what): \(String(cString: strerror(errno)))")
    }
}
