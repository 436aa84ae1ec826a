import Crypto
import LMDB
public import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// An append-only log of events: batches in LMDB, each one durable commit and one link of a SHA-256
/// chain.
///
/// One process appends, any number read at the same time. What is read has been checked: a whole
/// batch by its hash, a single event by its check word. Damage is an error that names the position,
/// never data.
public final class EventLog: Sendable {
    public enum Mode: Sendable {
        /// Creates an empty log; refuses a directory that holds a database.
        case create
        /// Opens to read and append. Completes a creation that was cut short before its commit.
        case readWrite
        /// Opens to read, beside a process that appends.
        case readOnly
    }

    public let directory: String
    /// 16 random bytes given at creation, in hexadecimal: tells two ledgers apart.
    public let ledgerId: String
    /// The same, as the bytes that sealed texts are bound to.
    let idBytes: [UInt8]
    let environment: Environment
    let batches: Table

    /// Opens a log.
    ///
    /// Cost: the structure of every page in use is checked first, one read for each tree page and
    /// each batch, not for the batches' content; the newest batch is hashed. Throws `missing`,
    /// `foreign`, `newerFormat`, `corrupt` or `storage`.
    public convenience init(
        directory: String, mode: Mode, random: RandomSource = .system
    ) throws(LogError) {
        try self.init(directory: directory, mode: mode, random: random, byteCountMax: nil)
    }

    /// As above, with the most bytes the log may grow to; nil leaves it to the address space.
    package convenience init(
        directory: String, mode: Mode, random: RandomSource, byteCountMax: Int?
    ) throws(LogError) {
        // LMDB trusts its pages: damage must be found before it trips over it.
        if mode != .create { _ = try Self.checkPages(directory: directory) }
        try self.init(unchecked: directory, mode, random, byteCountMax)
        _ = try head()
    }

    /// Opens a log to read every batch of it, the newest no sooner than the others: a verification
    /// names the lowest position at fault. Call `checkPages` before.
    package convenience init(toVerify directory: String) throws(LogError) {
        try self.init(unchecked: directory, .readOnly, .system)
    }

    private init(
        unchecked directory: String, _ mode: Mode, _ random: RandomSource,
        _ byteCountMax: Int? = nil
    ) throws(LogError) {
        self.directory = directory
        do {
            var options = Environment.Options()
            options.isReadOnly = mode == .readOnly
            if let byteCountMax { options.mapSizeBytes = byteCountMax }
            // One barrier a commit; the second is `synchronise`: see docs/decisions/0017.
            options.durability = .noMetaSync
            environment = try Environment(directory: directory, options: options)
            let isBlank = environment.lastTransactionId == 0
            if mode == .create, !isBlank {
                throw LogError(
                    .foreign, "\(directory) holds a database already; name a new directory")
            }
            if isBlank, mode != .readOnly {
                try Self.createTables(in: environment, random)
                try environment.sync()
            }
            if isBlank, mode == .readOnly {
                throw LogError(
                    .missing,
                    "no ledger at \(directory): its creation was cut short; open it for writing "
                        + "once")
            }
            let metaKey = LogFormat.metaKey
            let transaction = try ReadTransaction(environment)
            guard let meta = try transaction.table(named: LogFormat.metaTableName),
                let batches = try transaction.table(named: LogFormat.batchTableName),
                let stored = try transaction.get(metaKey.span.bytes, in: meta)
            else {
                throw LogError(
                    .foreign,
                    "\(directory) is an LMDB database of another program; name a Holdfast data "
                        + "directory, or a new one")
            }
            self.batches = batches
            idBytes = try stored.withUnsafeBytes { (bytes) throws(LogError) in
                try Self.ledgerId(fromMeta: bytes, directory)
            }
            ledgerId = Self.hexadecimal(idBytes)
        } catch let error as LMDBError {
            throw Self.opening(directory, error)
        } catch let error as LogError {
            throw error
        } catch {
            throw LogError(.foreign, "\(error)")
        }
    }

    // MARK: - Appending

    private func put(_ bytes: UnsafeRawBufferPointer, at first: Position) throws {
        let batch = try BatchView(bytes, key: first)
        var transaction = try WriteTransaction(environment)
        let (last, hash) = try end(in: transaction)
        guard batch.follows(last), batch.previousHash == hash else {
            throw LogError(
                .outOfOrder,
                "a batch for position \(first) does not continue the log, which ends at "
                    + "\(last): another process appended to it")
        }
        environment.reserveFileSpace(ahead: 2 * bytes.count)
        let span = unsafe RawSpan(_unsafeBytes: bytes)
        try transaction.put(span, forKey: first, in: batches, mode: .append)
        try transaction.commit()
    }

    /// Last position and hash, from the newest batch's header and trailer alone.
    private func end(in transaction: borrowing WriteTransaction) throws -> (Position, Digest32) {
        var cursor = try transaction.cursor(in: batches)
        guard try cursor.last() else { return (0, .zero) }
        let key = try LogSnapshot.position(of: cursor.keyUInt64)
        return try cursor.value.withUnsafeBytes { bytes in
            let batch = try BatchView(bytes, key: key)
            return (batch.lastPosition, batch.hash)
        }
    }

    /// Appends a sealed batch durably. On return it survives a power cut.
    ///
    /// Throws `outOfOrder` if the log does not end right before `first`, or with another hash than
    /// the batch names, `corrupt` for bytes that are no batch, `storage` if LMDB fails; after that
    /// one the caller must reopen the log to learn what is in it. Cost: one LMDB
    /// commit, two durability barriers.
    public func append(_ bytes: UnsafeRawBufferPointer, at first: Position) throws(LogError) {
        try appendAhead(bytes, at: first)
        try synchronise()
    }

    /// Appends a sealed batch with one barrier: what was appended before it is durable on return,
    /// the batch itself once the next one was appended, or `synchronise` returned. Until then a
    /// power cut may take it away again, and nothing else.
    ///
    /// Throws as `append`. Cost: one LMDB commit, one durability barrier.
    package func appendAhead(
        _ bytes: UnsafeRawBufferPointer, at first: Position
    ) throws(LogError) {
        try rethrowing {
            do { try put(bytes, at: first) } catch let error as LMDBError { throw LogError(error) }
        }
    }

    /// Makes durable whatever was appended. Cost: one durability barrier.
    package func synchronise() throws(LogError) {
        do throws(LMDBError) { try environment.sync() } catch { throw LogError(error) }
    }

    /// Waits until what this process was shown of the log survives a power cut: the newest batch of
    /// a log that another process appends to may not, yet. Nothing to do for the one that appends.
    ///
    /// Throws `storage` if the disk fails. Cost: one durability barrier if anything is pending.
    package func makeShownDurable() throws(LogError) {
        guard environment.isReadOnly else { return }
        do throws(LMDBError) { try environment.waitForDisk() } catch { throw LogError(error) }
    }

    // MARK: - Reading

    /// Runs `body` on one snapshot. Keep it short: pages freed meanwhile cannot be reused.
    public func read<Result>(_ body: (borrowing LogSnapshot) throws -> Result) throws -> Result {
        let transaction: ReadTransaction
        do { transaction = try ReadTransaction(environment) } catch { throw LogError(error) }
        return try body(LogSnapshot(transaction, batches))
    }

    /// What the log ends with. Hashes the newest batch.
    public func head() throws(LogError) -> LogHead {
        try rethrowing { try read { (snapshot) in try snapshot.head() } }
    }

    /// What the newest batch's header and trailer say, its hash not checked.
    package func uncheckedEnd() throws(LogError) -> LogHead {
        try rethrowing { try read { (snapshot) in try snapshot.end(atOrBefore: .max) } }
    }

    /// Version of the newest batch's form, 0 in an empty log. Versions never go down along a log.
    package func newestBatchVersion() throws(LogError) -> UInt16 {
        try rethrowing { try read { (snapshot) in try snapshot.newestBatchVersion() } }
    }

    /// One event by its position, nil past the end. Cost: one descent of the tree.
    public func event(at position: Position) throws(LogError) -> Event? {
        try rethrowing { try read { (snapshot) in try snapshot.event(at: position) } }
    }

    /// Hands every batch from the one that holds `position` on to `body`, oldest first, its hash
    /// and its link checked, until `body` returns false. A new snapshot every few megabytes keeps a
    /// long walk from pinning old pages; what is appended meanwhile is walked too.
    ///
    /// Throws what `body` throws, and `LogError` at the first batch that is not what was written.
    public func forEachBatch(
        from position: Position = 1, _ body: (borrowing BatchView) throws -> Bool
    ) throws {
        var walk = ForwardWalk(next: position)
        while try read({ (snapshot) in try walk.continue(in: snapshot, body) }) {}
    }

    /// Hands over the batches from the newest to the oldest, each hash checked, until `body`
    /// returns false.
    public func forEachBatchBackward(_ body: (borrowing BatchView) throws -> Bool) throws {
        try read { (snapshot) in try snapshot.forEachBatchBackward(body) }
    }

    /// Changes whenever something is committed. Costs no lock and no read transaction: made to be
    /// polled by another process.
    public var changeMark: Int { environment.lastTransactionId }

    /// Bytes of the log file in use.
    public var byteCount: Int { (environment.lastPageNumber + 1) * environment.pageSizeBytes }

    // MARK: - Private

    private func rethrowing<Result>(_ body: () throws -> Result) throws(LogError) -> Result {
        do { return try body() } catch let error as LogError { throw error } catch {
            throw LogError(.foreign, "\(error)")
        }
    }

    private static func createTables(
        in environment: Environment, _ random: RandomSource
    ) throws {
        var transaction = try WriteTransaction(environment)
        let meta = try transaction.table(named: LogFormat.metaTableName, create: true)
        _ = try transaction.table(named: LogFormat.batchTableName, create: true)
        let key = LogFormat.metaKey
        if try transaction.get(key.span.bytes, in: meta) == nil {
            var value = LogFormat.metaMagic
            value += withUnsafeBytes(of: LogFormat.version.littleEndian) { Array($0) }
            value += [UInt8](repeating: 0, count: 6)
            value += random.bytes(count: 16)
            value += [UInt8](repeating: 0, count: 8)
            value += Array(SHA256.hash(data: value))
            try transaction.put(
                value.span.bytes, forKey: key.span.bytes, in: meta, mode: .insert)
        }
        try transaction.commit()
    }

    /// Checks the meta entry: mark, version, check sum.
    private static func ledgerId(
        fromMeta bytes: UnsafeRawBufferPointer, _ directory: String
    ) throws(LogError) -> [UInt8] {
        guard bytes.count >= 16, bytes.prefix(8).elementsEqual(LogFormat.metaMagic) else {
            throw LogError(
                .foreign, "\(directory) is no Holdfast log; name a Holdfast data directory")
        }
        let version = UInt16(
            littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt16.self))
        if version > LogFormat.version {
            throw LogError(
                .newerFormat(version: version),
                "\(directory) has log format \(version), newer than \(LogFormat.version); use the "
                    + "Holdfast that wrote it, or a newer one")
        }
        let content = UnsafeRawBufferPointer(rebasing: bytes.dropLast(LogFormat.hashByteCount))
        guard bytes.count == LogFormat.metaByteCount, version > 0,
            SHA256.hash(data: content).elementsEqual(bytes.suffix(LogFormat.hashByteCount))
        else { throw .corrupt(0, "the log's first page is not what was written") }
        return Array(bytes[16 ..< 32])
    }

    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        let text = bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return String(decoding: text, as: UTF8.self)
    }

    private static func opening(_ directory: String, _ error: LMDBError) -> LogError {
        switch error.code {
        case .system(ENOENT):
            return LogError(
                .missing, "no ledger at \(directory); create one with holdfast project set")
        case .invalid:
            return LogError(
                .foreign,
                "\(directory)/data.mdb is not an LMDB file; name a Holdfast data directory")
        case .versionMismatch:
            return LogError(
                .foreign, "\(directory)/data.mdb was written by another version of LMDB; use the "
                    + "Holdfast that wrote it")
        case .system(EACCES):
            return LogError(
                .storage(error),
                "cannot open \(directory): Permission denied; reading, too, needs write permission "
                    + "on lock.mdb there, so run it as the ledger's user")
        default: return LogError(.storage(error), "cannot open \(directory): \(error)")
        }
    }
}
