import LMDB
public import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

extension EventLog {
    /// Copies the log up to the batch that holds `position` into a directory that exists and holds
    /// none: the same id, the same batches. On return the copy is on disk.
    ///
    /// A log only grows, so its beginning is the same in every snapshot: the copy takes a new one
    /// every few megabytes and pins no old pages, beside a writer of any pace. Each batch's hash and
    /// link are checked on the way. `progress` hears the position reached.
    ///
    /// Throws at the first batch that is not what was written, `storage` if the disk is full for
    /// example: the copy is then of no use. Cost: one read and one write of the log.
    package func copy(
        to directory: String, through position: Position,
        progress: ((Position) throws -> Void)? = nil
    ) throws -> LogHead {
        var options = Environment.Options()
        // Nobody reads it before the end, so one wait is enough.
        options.durability = .noSync
        var head = LogHead.empty
        do {
            let target = try Environment(directory: directory, options: options)
            let table = try copyMeta(to: target)
            var walk = ForwardWalk(next: 1)
            var isDone = false
            while !isDone {
                isDone = try read { snapshot in
                    var transaction = try WriteTransaction(target)
                    let goesOn = try walk.continue(in: snapshot) { batch in
                        if batch.firstPosition > position { return false }
                        let bytes = unsafe RawSpan(_unsafeBytes: batch.bytes)
                        try transaction.put(
                            bytes, forKey: batch.firstPosition, in: table, mode: .append)
                        head = LogHead(
                            position: batch.lastPosition, time: batch.times.upperBound,
                            hash: batch.hash)
                        return true
                    }
                    try transaction.commit()
                    return !goesOn
                }
                try progress?(head.position)
            }
            try target.sync()
        } catch let error as LMDBError { throw LogError(error) }
        try Self.synchronise(directory)
        return head
    }

    /// Makes the tables, and the entry that says whose log it is.
    private func copyMeta(to target: Environment) throws -> Table {
        let source = try ReadTransaction(environment)
        let key = LogFormat.metaKey
        guard let meta = try source.table(named: LogFormat.metaTableName),
            let value = try source.get(key.span.bytes, in: meta)
        else { throw LogError.corrupt(0, "its first entry is missing") }
        var transaction = try WriteTransaction(target)
        let copy = try transaction.table(named: LogFormat.metaTableName, create: true)
        let batches = try transaction.table(named: LogFormat.batchTableName, create: true)
        try transaction.put(value, forKey: key.span.bytes, in: copy, mode: .insert)
        try transaction.commit()
        return batches
    }

    private static func synchronise(_ directory: String) throws(LogError) {
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        let isDone = descriptor >= 0 && fsync(descriptor) == 0
        let error = errno
        if descriptor >= 0 { close(descriptor) }
        if !isDone { throw LogError(LMDBError(.system(error), during: "sync")) }
    }
}
