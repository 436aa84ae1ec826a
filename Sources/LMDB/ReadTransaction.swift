import CLMDB
import Synchronization

/// One snapshot of an environment: it sees what was committed before it began or was renewed.
///
/// May move between threads and be used in async code, by one thread at a time. Keep it short:
/// pages freed after its snapshot cannot be used again before it ends. `deinit` ends it.
@safe public struct ReadTransaction: ~Copyable {
    /// The environment it reads. Kept alive: LMDB must not close under a transaction.
    public let environment: Environment
    let handle: OpaquePointer

    /// Begins one. Costs about a hundred nanoseconds, no allocation beyond LMDB's own.
    ///
    /// - Throws: `.readersFull`; `.mapResized` if another process grew the data beyond this map;
    ///   `.panic`; `.system`.
    public init(_ environment: Environment) throws(LMDBError) {
        var begun: OpaquePointer?
        // Under the lock, so that a table cannot be dropped between the count and the begin.
        let result = environment.shared.withLock { state in
            let result = unsafe mdb_txn_begin(
                environment.handle, nil, UInt32(MDB_RDONLY), &begun)
            if result == MDB_SUCCESS { state.readTransactionCount += 1 }
            return result
        }
        guard result == MDB_SUCCESS, let handle = unsafe begun else {
            throw LMDBError(result: result, during: "begin read")
        }
        self.environment = environment
        unsafe self.handle = handle
    }

    deinit {
        unsafe mdb_txn_abort(handle)
        environment.shared.withLock { $0.readTransactionCount -= 1 }
    }

    /// Number of the write transaction this snapshot shows.
    public var transactionId: Int { unsafe mdb_txn_id(handle) }

    /// Moves on to the newest snapshot. Cheaper than a new transaction: it keeps its reader slot.
    ///
    /// - Throws: `.mapResized`, `.panic`, `.badReaderSlot`. After it, only `renew()` and
    ///   `deinit` are of use: everything else throws `.badTransaction`.
    public mutating func renew() throws(LMDBError) {
        unsafe mdb_txn_reset(handle)
        try LMDBError.check(unsafe mdb_txn_renew(handle), "renew read")
    }

    /// The table by that name, or nil if this snapshot has none. Costs one lookup.
    ///
    /// - Throws: `.badTable` if the snapshot has it but the handle is younger than this
    ///   transaction (renew it), or if another process created it after this environment was
    ///   opened (open it in a write transaction, or open the environment again);
    ///   `.incompatible` for a table with duplicate or integer keys, or a plain value.
    public borrowing func table(named name: String) throws(LMDBError) -> Table? {
        guard unsafe try RawTransaction.hasTable(named: name, environment, handle) else {
            return nil
        }
        guard let table = environment.shared.withLock({ $0.tables[name] }) else {
            throw LMDBError(.badTable, during: "table \(name)")
        }
        unsafe try RawTransaction.validate(table, handle)
        return table
    }

    /// The value of `key`, or nil. No copy: the view lies in the map, and cannot outlive a use
    /// of this transaction that would end or renew it.
    ///
    /// - Throws: `.badValueSize` for an empty key; `.badTable`; `.corrupted`, `.pageNotFound`.
    @_lifetime(borrow self)
    public borrowing func get(_ key: RawSpan, in table: Table) throws(LMDBError) -> RawSpan? {
        let found = try unsafe key.withUnsafeBytes { (key) throws(LMDBError) in
            unsafe try RawTransaction.find(key, in: table, handle)
        }
        guard let found = unsafe found else { return nil }
        let span = unsafe RawSpan(_unsafeBytes: found)
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    /// The value of the key made of the 8 bytes of `key`, highest first; otherwise as above.
    @_lifetime(borrow self)
    public borrowing func get(_ key: UInt64, in table: Table) throws(LMDBError) -> RawSpan? {
        let found = try unsafe withBigEndianBytes(of: key) { (key) throws(LMDBError) in
            unsafe try RawTransaction.find(key, in: table, handle)
        }
        guard let found = unsafe found else { return nil }
        let span = unsafe RawSpan(_unsafeBytes: found)
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    /// How many keys the table has. Constant cost.
    ///
    /// - Throws: `.badTable`, `.badTransaction`.
    public borrowing func entryCount(in table: Table) throws(LMDBError) -> Int {
        unsafe try RawTransaction.statistics(of: table, handle).entryCount
    }

    /// Size and shape of the table. Constant cost.
    ///
    /// - Throws: `.badTable`, `.badTransaction`.
    public borrowing func statistics(of table: Table) throws(LMDBError) -> TableStatistics {
        unsafe try RawTransaction.statistics(of: table, handle)
    }

    /// A cursor over the table, on no entry yet. Costs one allocation.
    ///
    /// - Throws: `.badTable`, `.badTransaction`.
    @_lifetime(borrow self)
    public borrowing func cursor(in table: Table) throws(LMDBError) -> Cursor {
        let opened = unsafe try Cursor.open(in: table, handle)
        let cursor = unsafe Cursor(handle: opened)
        return unsafe _overrideLifetime(cursor, borrowing: self)
    }
}
