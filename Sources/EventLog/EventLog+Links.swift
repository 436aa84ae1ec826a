import LMDB
package import ReconnectionRules

extension EventLog {
    /// Batches looked at in one snapshot: some milliseconds, so that old pages are not pinned.
    private static var linksPerSnapshot: Int { 65_536 }

    /// Hands over the batches that end after position `after` and begin at or before `through`,
    /// oldest first, until `body` returns false. Of each only the header and the trailer are looked
    /// at: that it names the hash of the batch before it is checked, its content is not.
    ///
    /// `hash` is that of the batch that ends at `after`. Throws what `body` throws, and `corrupt`
    /// at a batch that does not continue the one before it. Cost: some ten nanoseconds a batch that
    /// is in memory.
    package func forEachLink(
        after: Position, hash: Digest32, through: Position,
        _ body: (borrowing BatchView) throws -> Bool
    ) throws {
        var (last, hash) = (after, hash)
        var goesOn = true
        while goesOn {
            var count = 0
            try read { snapshot in
                goesOn = false
                try snapshot.walk(from: last + 1) { key, bytes in
                    if key > through { return false }
                    let batch = try BatchView(bytes, key: key)
                    // The walk begins with the batch before, if there is one.
                    if batch.lastPosition <= last { return true }
                    guard batch.firstPosition > last, batch.previousHash == hash else {
                        throw LogError.corrupt(
                            batch.firstPosition, "the batch does not continue the chain before it")
                    }
                    (last, hash) = (batch.lastPosition, batch.hash)
                    if try !body(batch) { return false }
                    count += 1
                    goesOn = count == Self.linksPerSnapshot
                    return !goesOn
                }
            }
        }
    }

    /// What the log ended with at a position, nil if no batch ends there.
    package func head(endingAt position: Position) throws -> LogHead? {
        var head: LogHead?
        try read { snapshot in
            try snapshot.withBatch(holding: position) { batch in
                guard batch.lastPosition == position else { return }
                head = LogHead(
                    position: position, time: batch.times.upperBound, hash: batch.hash)
            }
        }
        return head
    }
}

extension BatchView {
    /// All bytes of the batch, the trailer included: valid inside the call the batch was handed to.
    package func withBytes<Result>(
        _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result { try body(bytes) }

    /// The record of the event at a position in this batch: 80 bytes.
    package func record(at position: Position) -> [UInt8] {
        precondition(position >= firstPosition && position <= lastPosition)
        let offset = Int(position - firstPosition) * LogFormat.recordByteCount
        let record = UnsafeRawBufferPointer(
            start: firstRecord + offset, count: LogFormat.recordByteCount)
        return Array(record)
    }

    /// Looks at bytes that came from elsewhere as a batch: its form, its hash and its events' check
    /// words. Throws `newerFormat` or `corrupt`.
    package static func reading<Result>(
        _ bytes: [UInt8], _ body: (borrowing BatchView) throws -> Result
    ) throws -> Result {
        try bytes.withUnsafeBytes { bytes in
            guard bytes.count >= LogFormat.headerByteCount else {
                throw LogError(.corrupt(position: 0), "no batch begins here")
            }
            let key = Position(
                littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: Position.self))
            guard key > 0 else { throw LogError(.corrupt(position: 0), "no batch begins here") }
            let batch = try BatchView(bytes, key: key)
            try batch.verifyHash()
            _ = try batch.checkRecords()
            return try body(batch)
        }
    }
}

extension Digest32 {
    /// The 32 bytes in memory.
    package func withBytes<Result>(
        _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        var words = (
            words.0.littleEndian, words.1.littleEndian, words.2.littleEndian, words.3.littleEndian
        )
        return try Swift.withUnsafeBytes(of: &words) { try body(UnsafeRawBufferPointer($0)) }
    }
}
