#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Files that commands write for people.
enum OutputFile {
    /// Writes a whole file, in place of one that stood there.
    static func write(_ bytes: [UInt8], to path: String) throws {
        let descriptor = try create(path)
        try bytes.withUnsafeBytes { try write($0, to: descriptor, path) }
        try close(descriptor, path)
    }

    /// Opens a file to write, empty.
    static func create(_ path: String) throws -> Int32 {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw failure("cannot write \(path)") }
        return descriptor
    }

    /// Some file systems tell only now that a disk is full.
    static func close(_ descriptor: Int32, _ path: String) throws {
        #if canImport(Glibc)
            let status = Glibc.close(descriptor)
        #else
            let status = Darwin.close(descriptor)
        #endif
        if status != 0 { throw failure("cannot write \(path)") }
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
