import EventLog
package import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A data directory: where its parts lie, and what it is before anything is written to it.
///
/// ```
/// DIR/log/data.mdb         the events: the truth
/// DIR/views/data.mdb       checkpoints of the current view: may be deleted at any time
/// DIR/checkpoints/         states at spaced positions of the past: may be deleted at any time
/// DIR/sign-of-life         the last durable sign of life, for the length of an outage
/// DIR/owner.lock           held by the process that writes
/// DIR/personal.keys        opens what the log holds of persons: see docs/log-format.md
/// DIR/credentials.json     who may call the server
/// DIR/server-session.key   signs the ServerSession tokens
/// DIR/head.key             signs the heads that an auditor keeps
/// DIR/head.note            the newest head that was published
/// DIR/importing            there while a trace is half imported: which one
/// DIR/tree                 nodes of the Merkle tree: may be deleted at any time
/// DIR/salvage.json         what a salvaged ledger was made of, and what was lost
/// DIR/salvaged.jsonl       sound events behind the first that was lost
/// ```
public struct DataDirectory: Sendable {
    public let path: String

    public init(_ path: String) { self.path = path }

    public var log: String { path + "/log" }
    public var views: String { path + "/views" }
    public var checkpoints: String { path + "/checkpoints" }
    public var signOfLife: String { path + "/sign-of-life" }
    public var ownerLock: String { path + "/owner.lock" }
    public var personalKeys: String { path + "/personal.keys" }
    public var credentials: String { path + "/credentials.json" }
    public var serverSessionKey: String { path + "/server-session.key" }
    public var headKey: String { path + "/head.key" }
    public var headNote: String { path + "/head.note" }
    public var tree: String { path + "/tree" }

    private static let names: Set<String> = [
        "log", "views", "checkpoints", "sign-of-life", "owner.lock", "credentials.json",
        "credentials.json.new", "server-session.key", "server-session.key.new",
        "personal.keys", "personal.keys.new", "personal.keys.old",
        "head.key", "head.key.new", "head.note", "head.note.new", "tree",
        "log.new", "unfinished", "backup.json", "importing", "salvage.json", "salvaged.jsonl",
    ]

    /// What stands at the path.
    public enum Content: Sendable, Equatable {
        case missing
        /// An empty directory, or one with our files but no log yet.
        case new
        case ledger
    }

    /// Looks and writes nothing. Throws `directory` for a file, a directory that cannot be read, or
    /// one of another program.
    public func content() throws(LedgerError) -> Content {
        var status = stat()
        guard stat(path, &status) == 0 else {
            if errno == ENOENT { return .missing }
            throw failure("cannot look at \(path)")
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw LedgerError(.directory, "\(path) is a file; --data takes a directory")
        }
        guard access(path, R_OK | X_OK) == 0 else { throw failure("cannot read \(path)") }
        if stat(backupMark, &status) == 0 {
            throw LedgerError(
                .directory,
                "\(path) is an unfinished backup; remove it, and make another one")
        }
        if stat(log + "/data.mdb", &status) == 0 {
            // One without a byte was begun in place by an older Holdfast that was killed.
            if status.st_size > 0 { return .ledger }
        } else if errno != ENOENT, errno != ENOTDIR {
            throw failure("cannot look at \(log)")
        }
        if stat(unfinished, &status) == 0 {
            throw LedgerError(
                .directory,
                "\(path) holds an unfinished restore or import; if none is under way, remove "
                    + "\(unfinished) and begin again")
        }
        if let stranger = try entries().first(where: { !Self.names.contains($0) }) {
            throw LedgerError(
                .directory,
                "\(path) is not a Holdfast data directory (it has \(stranger)); name an empty or a "
                    + "new directory")
        }
        return .new
    }

    /// There while a trace is half imported.
    package var importMark: String { path + "/importing" }

    /// Whether a trace's import was broken off, or is under way.
    public var isHalfImported: Bool { has(importMark) }

    /// Whether it is a backup: to be read, and restored from, but never to be written to.
    public var isBackup: Bool { access(backupManifest, F_OK) == 0 }

    /// What a backup says of itself; there once it is whole.
    package var backupManifest: String { path + "/backup.json" }
    /// There as long as a backup is not whole.
    package var backupMark: String { path + "/UNFINISHED" }

    /// The last sign of life the directory has, from any process.
    package var lastSignOfLife: Microseconds? { SignOfLife.read(path: signOfLife) }

    /// Makes sure a ledger is there to read.
    public func requireLedger() throws(LedgerError) {
        guard try content() == .ledger else {
            throw LedgerError(
                .directory,
                "no ledger at \(path); create one with holdfast project set ID --concurrencies N "
                    + "--data \(path)")
        }
    }

    /// Creates the directory if it is missing; its parent must exist. A power cut may take it away
    /// again until `synchroniseName` was called.
    public func create() throws(LedgerError) {
        if try content() == .missing, mkdir(path, 0o700) != 0, errno != EEXIST {
            throw failure("cannot create \(path)")
        }
        guard access(path, W_OK | X_OK) == 0 else { throw failure("cannot write to \(path)") }
    }

    /// Whether there is a file of that path.
    func has(_ path: String) -> Bool { access(path, F_OK) == 0 }

    func createSubdirectory(_ path: String) throws(LedgerError) {
        if mkdir(path, 0o700) != 0, errno != EEXIST { throw failure("cannot create \(path)") }
    }

    package func entries() throws(LedgerError) -> [String] {
        guard let stream = opendir(path) else { throw failure("cannot read \(path)") }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    func failure(_ what: String) -> LedgerError {
        LedgerError(.directory, "\(what): \(String(cString: strerror(errno)))")
    }
}

/// The right to write to a data directory: one process at a time has it, and it ends with the
/// process however that ends.
final class OwnerLock: Sendable {
    private let descriptor: Int32

    /// Takes the lock. Throws `owned`, saying who has it and how to reach it.
    init(_ directory: DataDirectory, note: String) throws(LedgerError) {
        let path = directory.ownerLock
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw LedgerError(
                .directory, "cannot open \(path): \(String(cString: strerror(errno)))")
        }
        guard FileLock.tryTake(descriptor) else {
            let owner = Self.read(descriptor)
            close(descriptor)
            throw LedgerError(.owned, "\(directory.path) is in use by \(owner)")
        }
        _ = ftruncate(descriptor, 0)
        let text = Array("process \(getpid()), \(note)".utf8)
        _ = pwrite(descriptor, text, text.count, 0)
        // Last: a class that throws after all is set is deinitialised, and closes a second time.
        self.descriptor = descriptor
    }

    deinit { FileLock.release(closing: descriptor) }

    private static func read(_ descriptor: Int32) -> String {
        var bytes = [UInt8](repeating: 0, count: 500)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        guard count > 0 else { return "another process; stop it first" }
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}

extension DataDirectory {
    /// Replaces what the owner's lock file says about the process that holds it, once it knows
    /// more, its port for one. Only the owner may call it.
    public func writeOwnerNote(_ note: String) {
        let descriptor = open(ownerLock, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        _ = ftruncate(descriptor, 0)
        let text = Array("process \(getpid()), \(note)".utf8)
        _ = pwrite(descriptor, text, text.count, 0)
    }
}
