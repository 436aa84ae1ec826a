#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file whose bytes are changed in place: whoever has it mapped sees it.
final class UpdatedFile {
    private let descriptor: Int32

    init?(_ path: String) {
        descriptor = open(path, O_RDWR | O_CLOEXEC)
        if descriptor < 0 { return nil }
    }

    deinit { close(descriptor) }

    func write(_ byte: UInt8, at offset: Int) {
        var byte = byte
        precondition(pwrite(descriptor, &byte, 1, off_t(offset)) == 1, "cannot change a byte")
    }
}
