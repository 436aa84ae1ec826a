import LMDB
public import ReconnectionRules

/// The log at one moment. Made by `EventLog.read`.
public struct LogSnapshot: ~Copyable {
    private let transaction: ReadTransaction
    private let batches: Table

    init(_ transaction: consuming ReadTransaction, _ batches: Table) {
        self.transaction = transaction
        self.batches = batches
    }

    /// The commit this snapshot shows, in the numbers of `EventLog.changeMark`.
    public var changeMark: Int { transaction.transactionId }

    /// How many batches the log has. Cost: constant.
    public func batchCount() throws -> Int {
        do { return try transaction.entryCount(in: batches) } catch { throw LogError(error) }
    }

    /// How many events the log has up to the batch that holds `position`. Cost: some ten
    /// nanoseconds a batch.
    public func eventCount(through position: Position = .max) throws -> UInt64 {
        let end = try end(atOrBefore: position).position
        var gaps = GapSum()
        try walk(from: 1) { key, bytes in
            if key > end { return false }
            try gaps.add(key, bytes)
            return true
        }
        return end - gaps.skippedCount
    }

    /// What the log ends with. Hashes the newest batch.
    public func head() throws -> LogHead {
        var head = LogHead.empty
        try forEachBatchBackward { batch in
            head = LogHead(
                position: batch.lastPosition, time: batch.times.upperBound, hash: batch.hash)
            return false
        }
        return head
    }

    /// A user's first event: see `EventReader.firstEvent`.
    package func firstEvent(ofUser user: UserNumber, newest: Position) throws -> Event? {
        var reader = try reader()
        return try reader.firstEvent(ofUser: user, newest: newest)
    }

    func newestBatchVersion() throws -> UInt16 {
        do {
            var cursor = try transaction.cursor(in: batches)
            guard try cursor.last() else { return 0 }
            let key = try Self.position(of: cursor.keyUInt64)
            return try cursor.value.withUnsafeBytes { try BatchView($0, key: key).formatVersion }
        } catch let error as LMDBError { throw LogError(error) }
    }

    /// What the log says it ends with, up to the batch that holds `position`; its hash is not
    /// checked.
    func end(atOrBefore position: Position) throws -> LogHead {
        var head = LogHead.empty
        do {
            var cursor = try transaction.cursor(in: batches)
            guard try cursor.seek(atOrBefore: position) else { return head }
            let key = try Self.position(of: cursor.keyUInt64)
            try cursor.value.withUnsafeBytes { bytes in
                let batch = try BatchView(bytes, key: key)
                head = LogHead(
                    position: batch.lastPosition, time: batch.times.upperBound, hash: batch.hash)
            }
        } catch let error as LMDBError { throw LogError(error) }
        return head
    }

    /// Makes many single reads cheaper than one by one: they share a cursor, and those that fall
    /// into one batch share its lookup. Cost: one allocation.
    @_lifetime(borrow self)
    public borrowing func reader() throws -> EventReader {
        do { return try EventReader(transaction.cursor(in: batches)) } catch {
            throw LogError(error)
        }
    }

    /// One event by its position, nil past the end or for 0. Checks the event's check word, not the
    /// whole batch. Cost: one descent of the tree.
    public func event(at position: Position) throws -> Event? {
        var event: Event?
        try withBatch(holding: position) { batch in event = try batch.event(at: position) }
        return event
    }

    /// The name that the event at that position binds, nil if it binds none or a sealed one.
    public func name(boundAt position: Position) throws -> String? {
        var name: String?
        try withBatch(holding: position) { batch in
            try batch.verifyHash()
            let isSealed =
                try batch.hasSealedTexts && batch.event(at: position).kind != .projectNamed
            guard !isSealed else { return }
            name = batch.name(at: position).map { String(decoding: $0, as: UTF8.self) }
        }
        return name
    }

    /// Calls `body` with the batch that holds `position`; not at all past the end, for 0, and for
    /// a position that an epoch's begin left out. The hash is not checked: check it, or read single
    /// events.
    public func withBatch(
        holding position: Position, _ body: (borrowing BatchView) throws -> Void
    ) throws {
        guard position > 0 else { return }
        do {
            var cursor = try transaction.cursor(in: batches)
            var last: Position = 0
            if try cursor.seek(atOrBefore: position) {
                let key = try Self.position(of: cursor.keyUInt64)
                guard key <= position else {
                    throw LogError.corrupt(position, "the way to the batch that holds it is lost")
                }
                let isHeld = try cursor.value.withUnsafeBytes { bytes in
                    let batch = try BatchView(bytes, key: key)
                    last = batch.lastPosition
                    guard last >= position else { return false }
                    try body(batch)
                    return true
                }
                if isHeld { return }
            }
            guard try cursor.next() else { return }
            let next = try Self.position(of: cursor.keyUInt64)
            let isGap = try cursor.value.withUnsafeBytes { bytes in
                // One that begins before it was not found where it has to be.
                try next > position && BatchView(bytes, key: next).follows(last)
            }
            if !isGap { throw LogError.corrupt(position, "the batch that holds it is missing") }
        } catch let error as LMDBError { throw LogError(error) }
    }

    /// Throws `corrupt` unless a batch holds the position, or an epoch's begin left it out: for
    /// whoever knows that the log goes on at least that far.
    package func requireReached(_ position: Position) throws {
        var isHeld = false
        try withBatch(holding: position) { _ in isHeld = true }
        guard !isHeld, try end(atOrBefore: .max).position < position else { return }
        throw LogError.corrupt(position, "the batch that holds it is missing")
    }

    /// Hands over the batches from the newest to the oldest, each hash checked, until `body`
    /// returns false. The first is the one that holds `position`, or the newest before it.
    public func forEachBatchBackward(
        from position: Position = .max, _ body: (borrowing BatchView) throws -> Bool
    ) throws {
        do {
            var cursor = try transaction.cursor(in: batches)
            var hasEntry =
                try position == .max ? cursor.last() : cursor.seek(atOrBefore: position)
            while hasEntry {
                let key = try Self.position(of: cursor.keyUInt64)
                let goesOn = try cursor.value.withUnsafeBytes { bytes in
                    let batch = try BatchView(bytes, key: key)
                    try batch.verifyHash()
                    return try body(batch)
                }
                if !goesOn { return }
                hasEntry = try cursor.previous()
            }
        } catch let error as LMDBError { throw LogError(error) }
    }

    static func position(of key: UInt64?) throws -> Position {
        guard let key, key > 0 else { throw LogError.corrupt(0, "a batch's key is not a position") }
        return key
    }

    borrowing func walk(
        from position: Position, _ body: (Position, UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        do {
            var cursor = try transaction.cursor(in: batches)
            var hasEntry = try cursor.seek(atOrBefore: position)
            if !hasEntry { hasEntry = try cursor.first() }
            while hasEntry {
                let key = try Self.position(of: cursor.keyUInt64)
                if try !cursor.value.withUnsafeBytes({ try body(key, $0) }) { return }
                hasEntry = try cursor.next()
            }
        } catch let error as LMDBError { throw LogError(error) }
    }
}

/// Finds the positions that no event has, from the keys and lengths of batches alone: the shortest
/// gap (`Epochs.gapMin`) is longer than a batch has events and bytes of names.
struct GapSum {
    private(set) var skippedCount: UInt64 = 0
    private var previous: (key: Position, bytes: UnsafeRawBufferPointer)?

    /// Takes the next batch of a snapshot's walk. Cost: O(1), without a look into the batch but
    /// where a gap is.
    mutating func add(_ key: Position, _ bytes: UnsafeRawBufferPointer) throws {
        defer { previous = (key, bytes) }
        guard let previous, 
            key - previous.key > Position(previous.bytes.count / LogFormat.recordByteCount)
        else { return }
        let last = try BatchView(previous.bytes, key: previous.key).lastPosition
        if key > last + 1 { skippedCount += key - last - 1 }
    }
}

/// A walk toward the head over several snapshots. Checks that positions have no gap but where an
/// epoch begins, and that every batch names its predecessor's hash.
struct ForwardWalk {
    /// Bytes handed over from one snapshot before the next is taken.
    private static let snapshotByteCount = 16 << 20

    private var next: Position
    private var previousHash: Digest32?
    private var previousLast: Position?

    init(next: Position) { self.next = max(1, next) }

    /// Goes on in this snapshot. Returns whether there may be more in a newer one.
    mutating func `continue`(
        in snapshot: borrowing LogSnapshot, _ body: (borrowing BatchView) throws -> Bool
    ) throws -> Bool {
        var byteCount = 0
        var isStopped = false
        // The first batch handed over has a link too: it is checked against the batch before it.
        try snapshot.walk(from: previousLast == nil ? next - 1 : next) { key, bytes in
            let batch = try BatchView(bytes, key: key)
            if batch.lastPosition < next,
                previousLast == nil || batch.lastPosition <= previousLast!
            {
                if previousLast == nil {
                    previousHash = batch.hash
                    previousLast = batch.lastPosition
                }
                return true
            }
            try check(batch)
            isStopped = try !body(batch)
            next = batch.lastPosition + 1
            byteCount += batch.byteCount
            return !isStopped && byteCount < Self.snapshotByteCount
        }
        return !isStopped && byteCount >= Self.snapshotByteCount
    }

    private mutating func check(_ batch: borrowing BatchView) throws {
        try batch.verifyHash()
        if let previousLast, !batch.follows(previousLast) {
            throw LogError.corrupt(previousLast + 1, "the batch that begins there is missing")
        }
        if previousLast == nil, batch.firstPosition > next {
            throw LogError.corrupt(next, "the batch that begins there is missing")
        }
        let expected = batch.firstPosition == 1 ? .zero : previousHash
        if let expected, batch.previousHash != expected {
            throw LogError.corrupt(
                batch.firstPosition, "the batch does not continue the chain before it")
        }
        previousHash = batch.hash
        previousLast = batch.lastPosition
    }
}
