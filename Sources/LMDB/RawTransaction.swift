import CLMDB

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The calls that read and write transactions share, without lifetimes: each result is valid
/// until the next update or the end of the transaction, which the callers turn into types.
enum RawTransaction {
    @inline(__always)
    static func find(
        _ key: UnsafeRawBufferPointer, in table: Table, _ transaction: OpaquePointer
    ) throws(LMDBError) -> UnsafeRawBufferPointer? {
        var (key, value) = unsafe (MDB_val(key), MDB_val())
        let result = unsafe mdb_get(transaction, table.handle, &key, &value)
        if result == MDB_SUCCESS { return unsafe value.bytes }
        if result == MDB_NOTFOUND { return nil }
        throw error(result, during: "get")
    }

    static func statistics(
        of table: Table, _ transaction: OpaquePointer
    ) throws(LMDBError) -> TableStatistics {
        var stat = MDB_stat()
        let result = unsafe mdb_stat(transaction, table.handle, &stat)
        guard result == MDB_SUCCESS else { throw error(result, during: "stat") }
        return TableStatistics(
            entryCount: stat.ms_entries, depth: Int(stat.ms_depth),
            branchPageCount: stat.ms_branch_pages, leafPageCount: stat.ms_leaf_pages,
            overflowPageCount: stat.ms_overflow_pages)
    }

    /// Whether the snapshot holds something by that name, by asking the table of names.
    static func hasTable(
        named name: String, _ environment: Environment, _ transaction: OpaquePointer
    ) throws(LMDBError) -> Bool {
        var name = name
        // withUTF8 rethrows untyped, so the outcome leaves as a value.
        let outcome: Result<Bool, LMDBError> = name.withUTF8 { bytes in
            do throws(LMDBError) {
                let key = UnsafeRawBufferPointer(bytes)
                return .success(
                    try unsafe find(key, in: environment.namesTable, transaction) != nil)
            } catch {
                return .failure(error)
            }
        }
        return try outcome.get()
    }

    /// Throws unless the handle is known to the transaction and is of the one kind served here.
    static func validate(_ table: Table, _ transaction: OpaquePointer) throws(LMDBError) {
        var flags: UInt32 = 0
        let result = unsafe mdb_dbi_flags(transaction, table.handle, &flags)
        guard result == MDB_SUCCESS else { throw error(result, during: "table") }
        guard flags == 0 else { throw LMDBError(.incompatible, during: "table") }
    }

    /// LMDB says EINVAL for a handle the transaction does not know, and for nothing else here.
    static func error(_ result: Int32, during operation: String) -> LMDBError {
        if result == EINVAL { return LMDBError(.badTable, during: operation) }
        return LMDBError(result: result, during: operation)
    }
}
