import EventLog
import ReconnectionRules

/// What DIR/head.note says the log contained when its newest head was published, as far as opening
/// needs it: the signature is for `verify` and for those who keep heads.
struct PublishedHead {
    var position: Position
    /// Hash of the batch that ends there.
    var chain: String

    /// Nil without a note, or with one that says nothing of the kind: what publishes next replaces
    /// it.
    init?(in directory: DataDirectory) {
        let note = try? PrivateFiles<LedgerError>.read(directory.headNote, byteCountMax: 1 << 16)
        guard let note else { return nil }
        var position: Position?
        var chain: String?
        for line in note.split(separator: 0x0A) {
            let words = String(decoding: line, as: UTF8.self).split(separator: " ")
            guard words.count == 2 else { continue }
            if words[0] == "position" { position = Position(words[1]) }
            if words[0] == "chain" { chain = String(words[1]) }
        }
        guard let position, let chain else { return nil }
        (self.position, self.chain) = (position, chain)
    }

    /// Throws unless the log contains what was published of it. Only what was durable is published,
    /// so a log without it is an older copy or another log; appending to it would give positions
    /// away a second time that somebody may hold. Cost: one point read.
    func require(in log: EventLog, _ directory: DataDirectory) throws(LedgerError) {
        guard position > 0 else { return }
        let head: LogHead
        var found: String?
        do {
            head = try log.head()
            if position <= head.position {
                try log.read { snapshot in
                    try snapshot.withBatch(holding: position) { batch in
                        if batch.lastPosition == position { found = batch.hash.description }
                    }
                }
            }
        } catch let error as LogError { throw LedgerError(error) } catch {
            throw LedgerError(.directory, "\(error)")
        }
        if found == chain { return }
        let what =
            position > head.position
            ? "the log ends at position \(head.position) and its head at \(position) was published"
            : "the log is not the one whose head at position \(position) was published"
        throw LedgerError(
            .log(.corrupt(position: min(position, head.position + 1))),
            "\(what): an older copy or another log was put into \(directory.path); put the newer "
                + "one back or restore a backup; to go on without what is missing, remove "
                + directory.headNote)
    }
}
