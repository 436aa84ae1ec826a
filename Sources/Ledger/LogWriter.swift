import EventLog
import ReconnectionRules

/// Seals batches and appends them to the log, one behind the other. Owned by one thread at a time.
final class LogWriter {
    let log: EventLog
    /// What is durable.
    private(set) var head: LogHead

    init(_ log: EventLog, head: LogHead) {
        self.log = log
        self.head = head
    }

    /// Makes a batch durable. Throws `failed` if LMDB does: what the batch holds may or may not be
    /// in the log then, and nothing may be appended any more.
    func append(
        _ batch: BatchBuilder, wallOffset: Microseconds?, origin: BatchOrigin?
    ) throws(LedgerError) {
        let sealed = batch.seal(after: head, wallOffset: wallOffset, origin: origin)
        do throws(LogError) {
            try log.append(batch.sealedBytes, at: batch.firstPosition)
        } catch { throw .failed(error.message) }
        head = sealed
    }
}

/// Only ever used by the thread that appends: the importer's, or the committer's.
extension LogWriter: @unchecked Sendable {}
