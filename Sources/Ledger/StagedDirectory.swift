import EventLog

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A new ledger that is made in a directory and is nobody's ledger until it is whole: its files lie
/// in `DIR/unfinished` and are moved up at the end, the log last.
///
/// Whatever interrupts that leaves `DIR/unfinished`, and a DIR that no command takes for a ledger:
/// what it says is to remove it and begin again.
package struct StagedDirectory {
    /// Where the ledger will be.
    package let target: DataDirectory
    /// Where it is made.
    package let staging: DataDirectory

    /// Whether the directory itself was made for it.
    private let isTargetNew: Bool

    /// Makes sure that nothing is there. Writes nothing.
    package static func requireFree(
        _ target: DataDirectory, for what: String
    ) throws(LedgerError) {
        switch try target.content() {
        case .ledger:
            throw LedgerError(
                .directory,
                "\(target.path) holds a ledger; \(what) takes a new or an empty directory")
        case .missing: break
        case .new:
            guard try target.entries().isEmpty else {
                throw LedgerError(
                    .directory,
                    "\(target.path) is not empty; \(what) takes a new or an empty directory")
            }
        }
    }

    /// Makes `DIR/unfinished`, and DIR if it is missing. Throws `directory` if anything is there.
    package init(in target: DataDirectory, for what: String) throws(LedgerError) {
        self.target = target
        try Self.requireFree(target, for: what)
        isTargetNew = try target.content() == .missing
        try target.create()
        staging = DataDirectory(target.unfinished)
        // Whoever comes second of two finds it there.
        guard mkdir(staging.path, 0o700) == 0 else {
            throw target.failure("cannot make \(staging.path)")
        }
        do throws(LedgerError) {
            try target.synchronise()
            try target.synchroniseName()
        } catch {
            remove()
            throw error
        }
    }

    /// Moves the ledger up. What staging holds must be on disk, and closed.
    package func finish() throws(LedgerError) {
        // Of no use elsewhere, or made anew by whoever opens the ledger.
        unlink(staging.ownerLock)
        unlink(staging.log + "/lock.mdb")
        unlink(staging.views + "/lock.mdb")
        try staging.synchronise()
        // The log comes last: with it the directory becomes a ledger.
        let entries = try staging.entries()
        for name in entries.filter({ $0 != "log" }) + entries.filter({ $0 == "log" }) {
            guard rename("\(staging.path)/\(name)", "\(target.path)/\(name)") == 0 else {
                throw LedgerError(
                    .directory,
                    "cannot move \(staging.path)/\(name) to \(target.path): "
                        + String(cString: strerror(errno)))
            }
        }
        try target.synchronise()
        rmdir(staging.path)
        try target.synchronise()
    }

    /// Takes away what was made so far, after a failure that another try does not need it for.
    package func remove() {
        Self.remove(staging.path)
        if isTargetNew { rmdir(target.path) }
    }

    /// Takes away what is in the directory where the ledger is made, to begin anew.
    package static func clear(_ staging: DataDirectory) {
        for name in (try? staging.entries()) ?? [] {
            let path = "\(staging.path)/\(name)"
            if unlink(path) != 0 { remove(path) }
        }
    }

    /// A directory with the files and directories of files in it.
    private static func remove(_ path: String) {
        guard let names = try? DataDirectory(path).entries() else { return }
        for name in names where unlink("\(path)/\(name)") != 0 { remove("\(path)/\(name)") }
        rmdir(path)
    }
}

extension DataDirectory {
    /// Makes an empty log: aside, and moved to its place when it is whole and on disk, so that no
    /// crash leaves one there that is not. Only for the process that owns the directory; what one
    /// before it left half made goes.
    func makeLog(random: RandomSource) throws(LedgerError) {
        let aside = path + "/log.new"
        for directory in [aside, log] {
            for name in ["data.mdb", "lock.mdb"] { unlink("\(directory)/\(name)") }
            rmdir(directory)
        }
        try createSubdirectory(aside)
        do throws(LogError) {
            _ = try EventLog(directory: aside, mode: .create, random: random)
        } catch { throw LedgerError(error) }
        unlink(aside + "/lock.mdb")
        try DataDirectory(aside).synchronise()
        guard rename(aside, log) == 0 else { throw failure("cannot move \(aside) to \(log)") }
        try synchronise()
    }

    /// Where a restore or an import makes a ledger before it is one.
    package var unfinished: String { path + "/unfinished" }

    /// Waits until what was made, renamed and removed in it is on disk.
    package func synchronise() throws(LedgerError) {
        guard FileBytes.synchronise(directory: path) else { throw failure("cannot write \(path)") }
    }

    /// Waits until the directory itself is one that a power cut leaves in its place.
    func synchroniseName() throws(LedgerError) {
        var name = path[...]
        while name.count > 1, name.last == "/" { name.removeLast() }
        let parent = FileBytes.parent(of: String(name))
        if FileBytes.synchronise(directory: parent) { return }
        // Who may not read the parent cannot wait for it, and a file system may have nothing to
        // wait for.
        guard [EACCES, EPERM, EROFS, EINVAL].contains(errno) else {
            throw failure("cannot write \(parent)")
        }
    }

    /// Waits until a ledger's own files are found under their names after a power cut. Whoever made
    /// them may have been killed before it waited for that, so every opening for writing does.
    ///
    /// Cost: three waits, of which two or three have nothing to do.
    func synchroniseNames() throws(LedgerError) {
        try DataDirectory(log).synchronise()
        try synchronise()
        try synchroniseName()
    }
}
