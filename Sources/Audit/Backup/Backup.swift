package import EventLog
public import Ledger
public import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Copies of a ledger that stand by themselves: made beside a running server, on disk and verified
/// when they are called whole.
///
/// ```
/// DEST/log/data.mdb        the events up to a durable one
/// DEST/personal.keys       opens the names in them
/// DEST/credentials.json    who may call the server; left out if asked
/// DEST/server-session.key  signs the ServerSession tokens; left out if asked
/// DEST/head.key            signs heads; only if asked
/// DEST/backup.json         what it is; written last
/// DEST/UNFINISHED          there until then
/// ```
///
/// Reading commands take a backup for the ledger it is of; nothing writes to it.
public enum Backup {
    /// What goes into a backup beside the log.
    public struct Options: Sendable {
        /// The key that signs heads: whoever has it can sign a history that never was.
        public var includesSigningKey = false
        /// What lets clients call the server, and a restored server answer them.
        public var includesCredentials = true
        /// Cores used to verify; nil takes all.
        public var threads: Int?
        /// The machine's clock, microseconds since 1970.
        public var wall: @Sendable () -> Microseconds = LedgerClock.system.wall

        /// Called once the log is copied and nothing else is: for tests.
        package var betweenCopies: @Sendable () -> Void = {}
        package var afterVerification: @Sendable () -> Void = {}

        public init() {}
    }

    /// What is being done.
    public enum Phase: String, Sendable {
        case verifyBackup = "verify"
        case copy
    }

    public struct Report: Sendable, Equatable {
        public var manifest: BackupManifest
        /// Bytes of the log in the backup.
        public var logByteCount: Int
        public var copySeconds: Double
        public var verifySeconds: Double
    }

    static let keysName = "personal.keys"
    static let signingKeyName = "head.key"
    static let credentialNames = ["credentials.json", "server-session.key"]
    /// Every file that a backup may have beside the log.
    static let fileNames = [keysName, signingKeyName] + credentialNames

    /// Makes a backup of the ledger in a data directory, in a directory that is new or empty.
    ///
    /// What is copied is durable in the ledger first. `progress` hears of each phase how many
    /// events of how many are done, from any thread, one call at a time. Throws what is wrong with
    /// the ledger or the disk; the directory is then marked as unfinished, and the log's copy
    /// removed. Cost: one read and one write of the log, then a verification of the copy. Pins no
    /// pages of the ledger's log.
    public static func create(
        of directory: DataDirectory, in path: String, options: Options = Options(),
        progress: ((Phase, UInt64, UInt64) -> Void)? = nil
    ) throws -> Report {
        try directory.requireLedger()
        // Before the events are looked at: what was due by then is among them.
        let signOfLife = directory.lastSignOfLife
        let log: EventLog
        do { log = try EventLog(directory: directory.log, mode: .readOnly) } catch {
            throw LedgerError(error)
        }
        let head = try log.head()
        try log.makeShownDurable()
        return try create(
            of: log, through: head.position, signOfLife, directory, in: path, options, progress)
    }

    /// Makes a backup of a ledger that this process has open, up to its newest durable event.
    ///
    /// Blocks the calling thread until it is verified. As `create(of:in:)` otherwise.
    public static func create(
        of ledger: Ledger, in path: String, options: Options = Options(),
        progress: ((Phase, UInt64, UInt64) -> Void)? = nil
    ) throws -> Report {
        let signOfLife = ledger.directory.lastSignOfLife
        return try create(
            of: ledger.log, through: ledger.head.position, signOfLife, ledger.directory, in: path,
            options, progress)
    }

    /// Makes a backup of a log that this process has open: for tests.
    package static func create(
        ofOpen log: EventLog, through position: Position, _ directory: DataDirectory,
        in path: String, options: Options
    ) throws -> BackupManifest {
        try create(of: log, through: position, nil, directory, in: path, options, nil).manifest
    }

    private static func create(
        of log: EventLog, through position: Position, _ signOfLife: Microseconds?,
        _ source: DataDirectory, in path: String, _ options: Options,
        _ progress: ((Phase, UInt64, UInt64) -> Void)?
    ) throws -> Report {
        let eventCount = try log.read { try $0.eventCount(through: position) }
        let target = DataDirectory(path)
        try begin(target, byteCount: log.byteCount)
        do {
            let clock = Stopwatch()
            try DataDirectory(target.log).create()
            let skipped = position - eventCount
            var head = try log.copy(to: target.log, through: position) { reached in
                // Gaps come before the newest epoch's events: those are what is left to copy.
                progress?(.copy, reached - min(reached, skipped), eventCount)
            }
            let copySeconds = clock.seconds
            // After the log: whoever was forgotten meanwhile is forgotten in the backup.
            options.betweenCopies()
            var (files, madeAt) = try copyFiles(from: source, to: target, options)
            head = try copyForgotten(log, to: target, head)
            let verifying = Stopwatch()
            let plan = Verifier.Plan(threads: options.threads)
            var found = try Verifier.verify(log: target.log, keysOf: target, plan) {
                progress?(.verifyBackup, $0, $1)
            }
            options.afterVerification()
            // Nor should who was forgotten during that be in it. Whoever is forgotten after the
            // last look is forgotten after `madeAt`.
            for _ in 0 ..< 3 where try areKeysOutdated(target, source) {
                try SmallFile.destroy(target.personalKeys)
                for file in files where file.name != keysName {
                    unlink("\(target.path)/\(file.name)")
                }
                (files, madeAt) = try copyFiles(from: source, to: target, options)
                head = try copyForgotten(log, to: target, head)
                found = try Verifier.verify(log: target.log, keysOf: target, plan)
            }
            guard found.head == head else {
                throw LedgerError(
                    .directory, "\(path) is not what was written to it; make another backup")
            }
            let manifest = BackupManifest(
                ledgerId: log.ledgerId, madeAt: madeAt, found: found,
                signOfLife: signOfLife, files: files)
            try finish(target, manifest)
            let byteCount = found.pageCount * log.pageByteCount
            return Report(
                manifest: manifest, logByteCount: byteCount, copySeconds: copySeconds,
                verifySeconds: verifying.seconds)
        } catch {
            // The space is needed, on a full disk above all.
            for name in ["data.mdb", "lock.mdb"] { unlink("\(target.log)/\(name)") }
            rmdir(target.log)
            throw failure(error, path)
        }
    }

    private static func failure(_ error: any Error, _ path: String) -> LedgerError {
        let code = (error as? LedgerError)?.code ?? (error as? LogError).map { .log($0.code) }
        return LedgerError(
            code ?? .directory,
            "\(error); \(path) is marked as unfinished: remove it, and make another backup")
    }

    /// Marks the directory, so that what breaks off is not taken for a backup.
    private static func begin(_ target: DataDirectory, byteCount: Int) throws(LedgerError) {
        switch try target.content() {
        case .missing:
            // Before there is anything to remove again.
            try requireSpace(FileBytes.parent(of: target.path), byteCount)
            try target.create()
        case .new, .ledger:
            guard try target.entries().isEmpty else {
                throw LedgerError(
                    .directory, "\(target.path) is not empty; a backup takes a new directory")
            }
        }
        try requireSpace(target.path, byteCount)
        try SmallFile.create(
            target.backupMark,
            Array("This is no backup yet. Unless one is being made, remove the directory.\n".utf8))
        try target.synchronise()
        try FileFailure.synchronise(directoryOf: target.path)
    }

    /// A backup beside the ledger must not be what fills the ledger's own disk.
    static func requireSpace(_ path: String, _ byteCount: Int) throws(LedgerError) {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return }
        let free = UInt64(status.f_bavail) * UInt64(status.f_frsize)
        guard free < UInt64(byteCount) else { return }
        throw LedgerError(
            .directory,
            "\(path) has \(free >> 20) MiB free and \(UInt64(byteCount) >> 20 + 1) MiB are needed; "
                + "make room, or name a directory on another disk")
    }

    private static func copyFiles(
        from source: DataDirectory, to target: DataDirectory, _ options: Options
    ) throws(LedgerError) -> (files: [BackupManifest.File], readAt: Microseconds) {
        let readAt = options.wall()
        var names = [keysName]
        if options.includesCredentials { names += credentialNames }
        if options.includesSigningKey {
            names.append(signingKeyName)
            guard SmallFile.exists("\(source.path)/\(signingKeyName)") else {
                throw LedgerError(.directory, "\(source.path) has no key that signs heads")
            }
        }
        var files: [BackupManifest.File] = []
        for name in names where SmallFile.exists("\(source.path)/\(name)") {
            let bytes = try SmallFile.read("\(source.path)/\(name)")
            try SmallFile.create("\(target.path)/\(name)", bytes)
            files.append(
                BackupManifest.File(
                    name: name, byteCount: UInt64(bytes.count), digest: SmallFile.digest(bytes)))
        }
        return (files, readAt)
    }

    private static func areKeysOutdated(
        _ target: DataDirectory, _ source: DataDirectory
    ) throws(LedgerError) -> Bool {
        guard SmallFile.exists(target.personalKeys) else { return false }
        return try SmallFile.read(target.personalKeys) != SmallFile.read(source.personalKeys)
    }

    /// Who was forgotten while the log was copied has no key in the copied file. The event that
    /// says so, and the one that freed what that user held, have to be in the log then.
    private static func copyForgotten(
        _ log: EventLog, to target: DataDirectory, _ head: LogHead
    ) throws -> LogHead {
        guard SmallFile.exists(target.personalKeys) else { return head }
        let applied = try PersonalKeys(reading: target.personalKeys, of: log).appliedPosition
        guard applied > head.position else { return head }
        try log.makeShownDurable()
        return try log.copy(to: target.log, through: applied)
    }

    private static func finish(
        _ target: DataDirectory, _ manifest: BackupManifest
    ) throws(LedgerError) {
        // Made by looking at the copy; the next who looks makes it again.
        unlink("\(target.log)/lock.mdb")
        try DataDirectory(target.log).synchronise()
        let part = target.backupManifest + ".part"
        try SmallFile.create(part, manifest.json)
        guard rename(part, target.backupManifest) == 0 else {
            throw FileFailure.error("cannot rename \(part)")
        }
        try target.synchronise()
        guard unlink(target.backupMark) == 0 else {
            throw FileFailure.error("cannot remove \(target.backupMark)")
        }
        try target.synchronise()
    }
}
