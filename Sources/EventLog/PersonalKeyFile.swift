import Crypto
import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The file of the personal keys: byte by byte in docs/log-format.md. Replaced as a whole, so that
/// after a crash there is the old file or the new one, and what was replaced is overwritten in
/// place before it is let go of.
enum PersonalKeyFile {
    private static let magic = Array("HFKEYTRE".utf8)
    private static let version: UInt16 = 1
    private static let headerByteCount = 48
    private static let nodeByteCount = 40

    // MARK: - Form

    static func encode(_ ledgerId: [UInt8], _ content: PersonalKeys.Content) -> [UInt8] {
        var bytes = magic
        func append(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
        }
        append(version)
        bytes += [UInt8](repeating: 0, count: 6)
        bytes += ledgerId
        append(content.appliedPosition)
        append(content.plainUserCount)
        append(UInt32(content.tree.nodes.count))
        for node in content.tree.nodes {
            append(node.first)
            bytes += [node.depth, 0, 0, 0]
            node.seed.withBytes { bytes.append(contentsOf: $0) }
        }
        return bytes + Array(SHA256.hash(data: bytes))
    }

    /// Throws `keys` for anything but what `encode` wrote for this ledger.
    static func decode(
        _ bytes: [UInt8], _ path: String, ledgerId: [UInt8]
    ) throws(LogError) -> PersonalKeys.Content {
        let damaged = LogError(
            .keys, "\(path) is damaged; restore it from the newest backup of this ledger")
        guard bytes.count >= headerByteCount, bytes.starts(with: magic) else { throw damaged }
        func load<Value: FixedWidthInteger & BitwiseCopyable>(
            _ offset: Int, as type: Value.Type
        ) -> Value {
            bytes.withUnsafeBytes {
                Value(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Value.self))
            }
        }
        let found = load(8, as: UInt16.self)
        guard found <= version else {
            throw LogError(
                .keys, "\(path) has format \(found), newer than \(version); use the Holdfast that "
                    + "wrote it, or a newer one")
        }
        guard found > 0, bytes[10 ..< 16].allSatisfy({ $0 == 0 }) else { throw damaged }
        let nodeCount = Int(load(44, as: UInt32.self))
        let end = headerByteCount + nodeCount * nodeByteCount
        guard bytes.count == end + 32,
            SHA256.hash(data: bytes[..<end]).elementsEqual(bytes[end...])
        else { throw damaged }
        guard Array(bytes[16 ..< 32]) == ledgerId else {
            throw LogError(
                .keys, "\(path) is the key file of another ledger; put this ledger's there")
        }
        var nodes: [KeyTree.Node] = []
        nodes.reserveCapacity(nodeCount)
        for offset in stride(from: headerByteCount, to: end, by: nodeByteCount) {
            guard bytes[offset + 5 ..< offset + 8].allSatisfy({ $0 == 0 }) else { throw damaged }
            let seed = bytes[offset + 8 ..< offset + nodeByteCount].withUnsafeBytes { KeySeed($0) }
            nodes.append(
                KeyTree.Node(
                    first: load(offset, as: UInt32.self), depth: bytes[offset + 4], seed: seed))
        }
        guard let tree = KeyTree(nodes: nodes) else { throw damaged }
        return PersonalKeys.Content(
            tree: tree, appliedPosition: load(32, as: UInt64.self),
            plainUserCount: load(40, as: UInt32.self))
    }

    static func read(
        _ path: String, ledgerId: [UInt8]
    ) throws(LogError) -> PersonalKeys.Content {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT {
                throw LogError(
                    .keys, "\(path) is missing, and without it no name of this ledger can be read; "
                        + "restore it from the newest backup")
            }
            throw failure("cannot read \(path)")
        }
        defer { close(descriptor) }
        guard let bytes = FileBytes.readAll(from: descriptor) else {
            throw failure("cannot read \(path)")
        }
        return try decode(bytes, path, ledgerId: ledgerId)
    }

    // MARK: - Replacing

    /// What replacing a file does, one after the other. A crash may come after any of them.
    enum Step: Int, CaseIterable, Comparable {
        case wrote, linked, renamed, syncedNew, overwrote, unlinked

        static func < (left: Step, right: Step) -> Bool { left.rawValue < right.rawValue }
    }

    static func create(
        _ path: String, _ ledgerId: [UInt8], _ content: PersonalKeys.Content
    ) throws(LogError) {
        try write(encode(ledgerId, content), to: path + ".new")
        guard rename(path + ".new", path) == 0 else { throw failure("cannot write \(path)") }
        try synchroniseDirectory(of: path)
    }

    /// Puts new content in the file's place and destroys the old. `last` stops early, as a crash
    /// would: for tests.
    static func replace(
        _ path: String, _ ledgerId: [UInt8], by content: PersonalKeys.Content,
        through last: Step = .unlinked
    ) throws(LogError) {
        let (new, old) = (path + ".new", path + ".old")
        try recover(path)
        try write(encode(ledgerId, content), to: new)
        if last == .wrote { return }
        // The old bytes keep a name until they are overwritten: a crash must not lose sight of
        // them.
        guard link(path, old) == 0 else { throw failure("cannot link \(old)") }
        if last == .linked { return }
        guard rename(new, path) == 0 else { throw failure("cannot write \(path)") }
        if last == .renamed { return }
        try synchroniseDirectory(of: path)
        if last == .syncedNew { return }
        try overwrite(old)
        if last == .overwrote { return }
        guard unlink(old) == 0 else { throw failure("cannot remove \(old)") }
        try synchroniseDirectory(of: path)
    }

    /// Destroys what a replacement that was cut short left beside the file. Only for the process
    /// that owns the ledger.
    static func recover(_ path: String) throws(LogError) {
        let (new, old) = (path + ".new", path + ".old")
        var isChanged = false
        if let stale = inode(old) {
            // Linked and not yet replaced: the same file, which is in use.
            if stale != inode(path) { try overwrite(old) }
            guard unlink(old) == 0 else { throw failure("cannot remove \(old)") }
            isChanged = true
        }
        if inode(new) != nil {
            try overwrite(new)
            guard unlink(new) == 0 else { throw failure("cannot remove \(new)") }
            isChanged = true
        }
        if isChanged { try synchroniseDirectory(of: path) }
    }

    private static func inode(_ path: String) -> UInt64? {
        var status = stat()
        return lstat(path, &status) == 0 ? UInt64(status.st_ino) : nil
    }

    private static func write(_ bytes: [UInt8], to path: String) throws(LogError) {
        if inode(path) != nil {
            try overwrite(path)
            _ = unlink(path)
        }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("cannot write \(path)") }
        var isWritten = write(bytes, to: descriptor) && fsync(descriptor) == 0
        let cause = errno
        isWritten = close(descriptor) == 0 && isWritten
        guard isWritten else {
            errno = cause
            throw failure("cannot write \(path)")
        }
    }

    /// Zeros over every byte, in place, waited for.
    private static func overwrite(_ path: String) throws(LogError) {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("cannot overwrite \(path)") }
        defer { close(descriptor) }
        let byteCount = max(0, Int(lseek(descriptor, 0, SEEK_END)))
        lseek(descriptor, 0, SEEK_SET)
        guard write([UInt8](repeating: 0, count: byteCount), to: descriptor),
            fsync(descriptor) == 0
        else { throw failure("cannot overwrite \(path)") }
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        bytes.withUnsafeBytes { FileBytes.writeAll($0, to: descriptor) }
    }

    private static func synchroniseDirectory(of path: String) throws(LogError) {
        let directory = FileBytes.parent(of: path)
        guard FileBytes.synchronise(directory: directory) else {
            throw failure("cannot sync \(directory)")
        }
    }

    private static func failure(_ what: String) -> LogError {
        LogError(.keys, "\(what): \(String(cString: strerror(errno)))")
    }
}
