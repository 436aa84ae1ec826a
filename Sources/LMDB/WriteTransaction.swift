import CLMDB
import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The one write transaction that an environment can have at a time, over all processes.
///
/// It begins, and must commit or end, on one thread: LMDB's writer lock belongs to a thread, and
/// a lock released from another one blocks every writer for good. So it cannot begin in async
/// code, where an `await` could change threads; ending it on another thread is a fatal error.
/// `deinit` abandons what was not committed.
@safe public struct WriteTransaction: ~Copyable {
    /// The environment it writes. Kept alive: LMDB must not close under a transaction.
    public let environment: Environment
    private var live: OpaquePointer?
    private let thread: ThreadIdentity
    /// Tables opened here, which others may use once this has committed.
    private var openedTables: [String: Table] = [:]

    /// Begins one; waits for as long as another write transaction is open, in any process.
    ///
    /// - Throws: `.system(EDEADLK)` if this thread has one open; `.system(EACCES)` if the
    ///   environment is read-only; `.mapResized`; `.panic`; `.system`.
    @available(*, noasync, message: "A write transaction must begin and end on one thread.")
    public init(_ environment: Environment) throws(LMDBError) {
        let thread = ThreadIdentity.current
        guard environment.shared.withLock({ $0.writerThread != thread }) else {
            throw LMDBError(.system(EDEADLK), during: "begin write")
        }
        var begun: OpaquePointer?
        let result = unsafe mdb_txn_begin(environment.handle, nil, 0, &begun)
        guard result == MDB_SUCCESS, let handle = unsafe begun else {
            throw LMDBError(result: result, during: "begin write")
        }
        environment.shared.withLock { $0.writerThread = thread }
        self.environment = environment
        self.thread = thread
        unsafe live = handle
    }

    deinit {
        guard let handle = unsafe live else { return }
        Self.leave(environment, thread)
        unsafe mdb_txn_abort(handle)
    }

    /// Writes everything, and waits for the disk as the durability asks. One or two system calls
    /// for small transactions, plus the waits. The transaction is over whether or not it throws.
    ///
    /// - Throws: `.mapFull`, `.badTransaction` if an update failed before; `.system` if the disk
    ///   refused: nothing of it is committed, but treat the environment as broken and reopen it.
    public consuming func commit() throws(LMDBError) {
        let handle = unsafe handle
        unsafe live = nil
        Self.leave(environment, thread)
        // LMDB frees the handle even if this fails.
        try LMDBError.check(unsafe mdb_txn_commit(handle), "commit")
        if openedTables.isEmpty { return }
        environment.shared.withLock { $0.tables.merge(openedTables) { $1 } }
    }

    /// Abandons everything. The same as letting it go, said aloud.
    public consuming func abort() {}

    /// Number this transaction will have once committed.
    public var transactionId: Int { unsafe mdb_txn_id(handle) }

    // MARK: Tables

    /// The table by that name. Others can use a new one after the commit. Costs one lookup.
    ///
    /// - Parameter create: Makes an empty one if there is none.
    /// - Throws: `.notFound` if there is none and `create` is false; `.tablesFull`;
    ///   `.incompatible` for a table with duplicate or integer keys, or a plain value;
    ///   `.badTable` if another process dropped it; what `put` throws, if it is made.
    public mutating func table(named name: String, create: Bool) throws(LMDBError) -> Table {
        if let table = openedTables[name] { return table }
        let isThere = unsafe try RawTransaction.hasTable(named: name, environment, handle)
        if let table = environment.shared.withLock({ $0.tables[name] }) {
            guard isThere else {
                // LMDB would hand out the old handle and make nothing.
                throw LMDBError(create ? .badTable : .notFound, during: "table \(name)")
            }
            unsafe try RawTransaction.validate(table, handle)
            return table
        }
        var opened: UInt32 = 0
        let flags = create ? UInt32(MDB_CREATE) : 0
        let result = unsafe mdb_dbi_open(handle, name, flags, &opened)
        try LMDBError.check(result, "table \(name)")
        let table = Table(handle: opened)
        unsafe try RawTransaction.validate(table, handle)
        openedTables[name] = table
        return table
    }

    /// Removes every entry and keeps the table. Costs a read of its branch pages, and of its
    /// leaves if it has long values.
    ///
    /// - Throws: `.badTable`, `.badTransaction`, `.mapFull`, `.txnFull`.
    public mutating func clear(_ table: Table) throws(LMDBError) {
        let result = unsafe mdb_drop(handle, table.handle, 0)
        guard result == MDB_SUCCESS else { throw RawTransaction.error(result, during: "clear") }
    }

    /// Removes the table and closes its handle at once, commit or not. While it runs, no read
    /// transaction can begin in this process. After an abandoned drop, only `table(named:create:)`
    /// of a write transaction finds the table again. Prefer `clear` for tables that come back.
    ///
    /// - Throws: `.system(EBUSY)` if this process has a read transaction open: LMDB would free
    ///   what that one reads. Otherwise as `clear`.
    public mutating func drop(_ table: Table) throws(LMDBError) {
        let handle = unsafe handle
        let result = environment.shared.withLock { state -> Int32 in
            guard state.readTransactionCount == 0 else { return EBUSY }
            let result = unsafe mdb_drop(handle, table.handle, 1)
            if result == MDB_SUCCESS { state.tables = state.tables.filter { $1 != table } }
            return result
        }
        guard result == MDB_SUCCESS else { throw RawTransaction.error(result, during: "drop") }
        openedTables = openedTables.filter { $1 != table }
    }

    // MARK: Reading

    /// The value of `key`, this transaction's own changes included, or nil. No copy; the view
    /// cannot be kept across an update, because LMDB may then move what it shows.
    ///
    /// - Throws: `.badValueSize` for an empty key; `.badTable`; `.corrupted`, `.pageNotFound`.
    @_lifetime(borrow self)
    public borrowing func get(_ key: RawSpan, in table: Table) throws(LMDBError) -> RawSpan? {
        let handle = unsafe handle
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
        let handle = unsafe handle
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

    /// A cursor over the table, on no entry yet. No update can happen while it lives.
    ///
    /// - Throws: `.badTable`, `.badTransaction`.
    @_lifetime(borrow self)
    public borrowing func cursor(in table: Table) throws(LMDBError) -> Cursor {
        let opened = unsafe try Cursor.open(in: table, handle)
        let cursor = unsafe Cursor(handle: opened)
        return unsafe _overrideLifetime(cursor, borrowing: self)
    }

    // MARK: Writing

    /// Sets the value of `key` as `mode` says. Costs a copy of the value, and of each page on
    /// the way to it at its first change in this transaction.
    ///
    /// - Throws: `.keyExists` as `mode` says, after which the transaction goes on; `.badValueSize`
    ///   for a key of 0 or more than 511 bytes; `.badTable`; `.mapFull`, `.txnFull`, `.system`,
    ///   after which the transaction can only be abandoned.
    public mutating func put(
        _ value: RawSpan, forKey key: RawSpan, in table: Table, mode: Mode = .upsert
    ) throws(LMDBError) {
        let handle = unsafe handle
        let result = unsafe key.withUnsafeBytes { key in
            unsafe value.withUnsafeBytes { value in
                var (key, value) = unsafe (MDB_val(key), MDB_val(value))
                return unsafe mdb_put(handle, table.handle, &key, &value, mode.flags)
            }
        }
        guard result == MDB_SUCCESS else { throw RawTransaction.error(result, during: "put") }
    }

    /// As above, for the key made of the 8 bytes of `key`, highest first.
    public mutating func put(
        _ value: RawSpan, forKey key: UInt64, in table: Table, mode: Mode = .upsert
    ) throws(LMDBError) {
        let handle = unsafe handle
        let result = unsafe withBigEndianBytes(of: key) { key in
            unsafe value.withUnsafeBytes { value in
                var (key, value) = unsafe (MDB_val(key), MDB_val(value))
                return unsafe mdb_put(handle, table.handle, &key, &value, mode.flags)
            }
        }
        guard result == MDB_SUCCESS else { throw RawTransaction.error(result, during: "put") }
    }

    /// Makes room for a value of `byteCount` bytes and calls `body` to write it there, without a
    /// copy. `body` must write every byte: what it leaves is old memory, and goes to disk.
    ///
    /// - Throws: As `put`; then `body` is not called.
    public mutating func reserve(
        byteCount: Int, forKey key: RawSpan, in table: Table, mode: Mode = .upsert,
        _ body: (UnsafeMutableRawBufferPointer) -> Void
    ) throws(LMDBError) {
        let handle = unsafe handle
        let result = unsafe key.withUnsafeBytes { key in
            unsafe Self.reserve(byteCount, key, table, mode, handle, body)
        }
        guard result == MDB_SUCCESS else { throw RawTransaction.error(result, during: "reserve") }
    }

    /// As above, for the key made of the 8 bytes of `key`, highest first.
    public mutating func reserve(
        byteCount: Int, forKey key: UInt64, in table: Table, mode: Mode = .upsert,
        _ body: (UnsafeMutableRawBufferPointer) -> Void
    ) throws(LMDBError) {
        let handle = unsafe handle
        let result = unsafe withBigEndianBytes(of: key) { key in
            unsafe Self.reserve(byteCount, key, table, mode, handle, body)
        }
        guard result == MDB_SUCCESS else { throw RawTransaction.error(result, during: "reserve") }
    }

    /// Removes `key`. Whether it was there.
    ///
    /// - Throws: `.badValueSize` for an empty key; `.badTable`; as `put`, because pages change.
    @discardableResult
    public mutating func delete(_ key: RawSpan, in table: Table) throws(LMDBError) -> Bool {
        let handle = unsafe handle
        let result = unsafe key.withUnsafeBytes { key in
            var key = unsafe MDB_val(key)
            return unsafe mdb_del(handle, table.handle, &key, nil)
        }
        return try Self.wasThere(result)
    }

    /// As above, for the key made of the 8 bytes of `key`, highest first.
    @discardableResult
    public mutating func delete(_ key: UInt64, in table: Table) throws(LMDBError) -> Bool {
        let handle = unsafe handle
        let result = unsafe withBigEndianBytes(of: key) { key in
            var key = unsafe MDB_val(key)
            return unsafe mdb_del(handle, table.handle, &key, nil)
        }
        return try Self.wasThere(result)
    }

    // MARK: Parts

    private var handle: OpaquePointer {
        guard let handle = unsafe live else {
            preconditionFailure("A transaction was used after it ended.")
        }
        return unsafe handle
    }

    private static func leave(_ environment: Environment, _ thread: ThreadIdentity) {
        precondition(
            thread == .current, "A write transaction must end on the thread that began it.")
        environment.shared.withLock { $0.writerThread = nil }
    }

    private static func reserve(
        _ byteCount: Int, _ key: UnsafeRawBufferPointer, _ table: Table, _ mode: Mode,
        _ handle: OpaquePointer, _ body: (UnsafeMutableRawBufferPointer) -> Void
    ) -> Int32 {
        precondition(byteCount >= 0)
        var key = unsafe MDB_val(key)
        var value = unsafe MDB_val(mv_size: byteCount, mv_data: nil)
        let flags = mode.flags | UInt32(MDB_RESERVE)
        let result = unsafe mdb_put(handle, table.handle, &key, &value, flags)
        if result == MDB_SUCCESS {
            unsafe body(UnsafeMutableRawBufferPointer(start: value.mv_data, count: byteCount))
        }
        return result
    }

    private static func wasThere(_ result: Int32) throws(LMDBError) -> Bool {
        if result == MDB_NOTFOUND { return false }
        guard result == MDB_SUCCESS else { throw RawTransaction.error(result, during: "delete") }
        return true
    }
}
