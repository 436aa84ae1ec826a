import EventLog
public import Ledger
public import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

extension Backup {
    /// How a restore went.
    public struct RestoreReport: Sendable, Equatable {
        public var manifest: BackupManifest
        /// Position of the event that begins the new epoch: every session created from now on has a
        /// higher id than any before, those that are lost included.
        public var epochPosition: Position
        /// Ledger time of that event.
        public var epochTime: Microseconds
        /// How far running deadlines were moved back.
        public var outage: Microseconds
        public var seconds: Double
    }

    /// How to restore.
    public struct RestoreOptions: Sendable {
        public var clock: LedgerClock = .system
        /// Whether deadlines that ran when the backup was made are moved back by the time since.
        public var compensatesOutages = true
        /// Cores used to verify; nil takes all.
        public var threads: Int?

        public init() {}
    }

    /// Verifies a backup, makes a ledger of it in a directory that is new or empty, and begins a new
    /// epoch there.
    ///
    /// What happened after the backup is lost, and nobody can know what it was. A new epoch makes
    /// that harmless to whoever compares session ids: see `Epochs`. The time since the backup's last
    /// sign of life counts as an outage. The ledger is made aside and put into its place at the end:
    /// a restore broken off leaves a directory that no command takes for a ledger.
    ///
    /// `progress` hears of each phase how many events of how many are done. Cost: a verification,
    /// one copy, and one fold of the log.
    public static func restore(
        _ path: String, into directory: DataDirectory, options: RestoreOptions = RestoreOptions(),
        progress: ((Phase, UInt64, UInt64) -> Void)? = nil
    ) throws -> RestoreReport {
        let stopwatch = Stopwatch()
        let backup = DataDirectory(path)
        guard try backup.content() == .ledger, backup.isBackup else {
            throw LedgerError(
                .directory, "\(path) is no backup; make one with holdfast backup")
        }
        let manifest = try BackupManifest(at: backup.backupManifest)
        try StagedDirectory.requireFree(directory, for: "a restore")
        let files = try readFiles(manifest, backup)
        let found = try Verifier.verify(backup, threads: options.threads) {
            progress?(.verifyBackup, $0, $1)
        }
        guard found.head == manifest.head, found.stateDigest == manifest.stateDigest else {
            throw LedgerError(
                .invalid,
                "\(path) is sound, but not the log its backup.json speaks of; use another backup")
        }
        let staged = try StagedDirectory(in: directory, for: "a restore")
        do {
            try copyLog(backup, manifest, to: staged.staging, progress)
            for (name, bytes) in files {
                try SmallFile.create("\(staged.staging.path)/\(name)", bytes)
            }
            let epoch = try beginEpoch(in: staged.staging, manifest, options)
            try staged.finish()
            return RestoreReport(
                manifest: manifest, epochPosition: epoch.position, epochTime: epoch.time,
                outage: epoch.outage, seconds: stopwatch.seconds)
        } catch {
            staged.remove()
            throw error
        }
    }

    private static func readFiles(
        _ manifest: BackupManifest, _ backup: DataDirectory
    ) throws(LedgerError) -> [(name: String, bytes: [UInt8])] {
        var files: [(name: String, bytes: [UInt8])] = []
        for file in manifest.files {
            let bytes = try SmallFile.read("\(backup.path)/\(file.name)")
            guard SmallFile.digest(bytes) == file.digest else {
                throw LedgerError(
                    .invalid,
                    "\(backup.path)/\(file.name) is not what was backed up; use another backup")
            }
            files.append((file.name, bytes))
        }
        return files
    }

    private static func copyLog(
        _ backup: DataDirectory, _ manifest: BackupManifest, to staging: DataDirectory,
        _ progress: ((Phase, UInt64, UInt64) -> Void)?
    ) throws {
        let log = try EventLog(directory: backup.log, mode: .readOnly)
        guard log.ledgerId == manifest.ledgerId else {
            throw LedgerError(.invalid, "\(backup.path) is of another ledger than it says")
        }
        try requireSpace(staging.path, log.byteCount)
        try DataDirectory(staging.log).create()
        let skipped = manifest.head.position - manifest.eventCount
        let head = try log.copy(to: staging.log, through: manifest.head.position) { reached in
            progress?(.copy, reached - min(reached, skipped), manifest.eventCount)
        }
        guard head == manifest.head else {
            throw LedgerError(.invalid, "\(backup.path) changed while it was read; try again")
        }
    }

    /// Opens the copy for writing, and records where it goes on from.
    private static func beginEpoch(
        in staging: DataDirectory, _ manifest: BackupManifest, _ options: RestoreOptions
    ) throws -> Event {
        var ledgerOptions = LedgerOptions()
        ledgerOptions.ownerNote = "a restore; wait for it to end"
        let ledger = try WritableLedger(opening: staging, options: ledgerOptions)
        defer { withExtendedLifetime(ledger) {} }
        let wall = options.clock.wall()
        let now = max(manifest.head.time, wall)
        let lastSign = max(manifest.signOfLife ?? .min, manifest.head.time)
        try ledger.core.beginEpoch(
            at: now, outage: options.compensatesOutages ? max(0, now - lastSign) : 0, by: .ledger)
        try ledger.core.commit(wallOffset: wall - now)
        ledger.core.checkpointNow()
        guard let event = try ledger.core.log.event(at: ledger.core.state.position) else {
            throw LedgerError(.directory, "\(staging.path) cannot be read back; try again")
        }
        return event
    }
}
