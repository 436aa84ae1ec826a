import EventLog
package import ReconnectionRules

/// A data directory opened for writing, recovered to the log's head, without a thread: what the
/// engine starts from and what the importer drives itself.
package final class WritableLedger {
    package let core: LedgerCore
    package let recovery: RecoveryReport
    let owner: OwnerLock
    let signOfLife: SignOfLife

    /// Takes the owner lock, opens or creates the log, and recovers the view.
    package init(
        opening directory: DataDirectory, options: LedgerOptions
    ) throws(LedgerError) {
        _ = try directory.content()
        guard !directory.isBackup else {
            throw LedgerError(
                .directory,
                "\(directory.path) is a backup and is not written to; restore it with holdfast "
                    + "restore \(directory.path) --data NEWDIR")
        }
        if !options.goesOnImporting, directory.has(directory.importMark) {
            throw LedgerError(
                .directory,
                "\(directory.path) holds a part of a trace: its import was broken off; repeat that "
                    + "import to finish it, or remove \(directory.importMark) to leave it at that")
        }
        try directory.create()
        owner = try OwnerLock(directory, note: options.ownerNote)
        // What another process made before it let go of the lock counts.
        let content = try directory.content()
        signOfLife = try SignOfLife(path: directory.signOfLife)
        if content != .ledger {
            // Before there is anything to sign.
            _ = try HeadKey.readOrMake(directory)
            try directory.makeLog(random: options.random)
        }
        let log: EventLog
        do {
            log = try EventLog(
                directory: directory.log, mode: .readWrite, random: options.random,
                byteCountMax: options.logByteCountMax)
        } catch { throw LedgerError(error) }
        try PublishedHead(in: directory)?.require(in: log, directory)
        let storedKeys = try LedgerKeys.owning(directory, log, random: options.random)
        let (store, wasOutdated) = Self.openViews(directory)
        let (view, found) = try Recovery.view(of: log, store: store, keys: storedKeys)
        var recovery = found
        if wasOutdated {
            recovery.rejection = "the checkpoint was damaged or of another version, and is deleted"
        }
        self.recovery = recovery
        let keys = try LedgerKeys.owning(
            directory, log, random: options.random, userCount: view.users.count, storedKeys)
        try LedgerKeys.forgetMissing(keys, log, view)
        try directory.synchroniseNames()
        core = LedgerCore(
            log: log, view: view, keys: keys, options: options,
            checkpointer: store.map {
                Checkpointer(
                    store: $0, keys: keys, eventCountBetween: options.checkpointEventCount,
                    saved: recovery)
            },
            keeper: CheckpointKeeper(KeptCheckpoints(directory, log), options.keptCheckpoints))
    }

    /// The views environment; deleted and made anew if it cannot be opened, or is of an older
    /// form. Nil if that fails too:
    /// the ledger then runs without checkpoints.
    private static func openViews(
        _ directory: DataDirectory
    ) -> (store: ViewStore?, wasOutdated: Bool) {
        var wasOutdated = false
        if let store = try? ViewStore(directory: directory, isReadOnly: false) {
            if !store.isOutdated { return (store, false) }
            wasOutdated = true
        }
        ViewStore.remove(directory)
        return (try? ViewStore(directory: directory, isReadOnly: false), wasOutdated)
    }

    /// Says that everything due by a ledger time was settled durably.
    package func writeSignOfLife(_ time: Microseconds) { signOfLife.write(time) }

    /// Records the restart, if there was anything before it, and makes it durable.
    func resume(at clock: RunningClock, compensates: Bool) throws(LedgerError) {
        guard core.head.position > 0 else { return }
        let now = clock.now
        let lastSign = max(signOfLife.read() ?? .min, core.head.time)
        let outage = Self.outage(at: now, since: lastSign, compensates: compensates)
        core.open(at: now, outage: outage, by: .ledger)
        try core.commit(wallOffset: clock.wallOffset(at: now))
        // The clock went back between the runs: a sign from then would hide the next outage.
        if lastSign > now { for _ in 0 ..< 2 { signOfLife.write(now) } }
    }

    /// What running deadlines are moved back by: never less than nothing, should the clock have
    /// gone back between the runs.
    package static func outage(
        at now: Microseconds, since lastSign: Microseconds, compensates: Bool
    ) -> Microseconds {
        compensates ? max(0, now - lastSign) : 0
    }
}
