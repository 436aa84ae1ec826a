import ArgumentParser
import EventLog

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Whether a file that is there is replaced.
struct ForceFlag: ParsableArguments {
    @Flag(name: .customLong("force"), help: "Replace a file that is there.")
    var isOn = false
}

/// Files that commands write for people.
enum OutputFile {
    /// Refuses a path where a file with something in it stands, before work is done for it. What
    /// is no file, a pipe or a terminal, has nothing to lose.
    static func check(_ path: String, _ force: ForceFlag) throws(CheckFailed) {
        var status = stat()
        guard !force.isOn, stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            status.st_size > 0
        else { return }
        throw CheckFailed(message: "\(path) exists: name another file, or --force to replace it")
    }

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
        guard FileBytes.writeAll(bytes, to: descriptor) else {
            throw failure("cannot write \(path)")
        }
    }

    static func failure(_ what: String) -> CheckFailed {
        CheckFailed(message: "\(what): \(String(cString: strerror(errno)))")
    }
}
