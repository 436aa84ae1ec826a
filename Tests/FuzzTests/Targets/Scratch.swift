import LogForge

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Where targets that need files have them; removed when the process ends by itself.
enum Scratch {
    static let directory: ScratchDirectory = {
        let directory = ScratchDirectory("holdfast-fuzz")
        atexit { Files.remove(Scratch.directory.path) }
        return directory
    }()
}

/// A file that is given new content over and over.
final class ScratchFile: Sendable {
    static let shared = ScratchFile("input")

    let path: String
    private let descriptor: Int32

    init(_ name: String) {
        path = Scratch.directory(name)
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        precondition(descriptor >= 0, "cannot make \(path)")
    }

    func hold(_ bytes: [UInt8]) {
        precondition(ftruncate(descriptor, off_t(bytes.count)) == 0, "cannot cut \(path)")
        write(bytes, at: 0)
    }

    func write(_ bytes: [UInt8], at offset: Int) {
        let count = bytes.withUnsafeBytes {
            pwrite(descriptor, $0.baseAddress, $0.count, off_t(offset))
        }
        precondition(count == bytes.count, "cannot write \(path)")
    }

    /// The content, and the descriptor at its end for whoever writes more.
    func read() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: max(0, Int(lseek(descriptor, 0, SEEK_END))))
        let count = bytes.withUnsafeMutableBytes {
            pread(descriptor, $0.baseAddress, $0.count, 0)
        }
        precondition(count == bytes.count, "cannot read \(path)")
        return bytes
    }

    /// Hands the descriptor over, at the beginning of the empty file.
    func whileEmpty(_ body: (Int32) throws -> Void) rethrows {
        precondition(ftruncate(descriptor, 0) == 0, "cannot cut \(path)")
        lseek(descriptor, 0, SEEK_SET)
        try body(descriptor)
    }
}
