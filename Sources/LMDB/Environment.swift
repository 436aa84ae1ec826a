import CLMDB
import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// One LMDB directory (`data.mdb` and `lock.mdb`), open in this process.
///
/// Share one `Environment` per directory: a second open in the same process is refused. Other
/// processes may have it open too. Transactions keep it alive; it closes with its last owner.
///
/// While a directory is open, no code of this process may open and close its `lock.mdb` by other
/// means, and the process must not use the environment after `fork`: both drop LMDB's file locks.
@safe public final class Environment {
    /// The path it was opened with.
    public let directory: String
    /// Whether write transactions are refused.
    public let isReadOnly: Bool
    /// Size of a page, in bytes.
    public let pageSizeBytes: Int
    /// Longest key, in bytes: 511 in builds of LMDB 0.9.
    public let keySizeBytesMax: Int

    let handle: OpaquePointer
    let shared: Mutex<SharedState>
    /// The table whose keys are the names of the others.
    let namesTable: Table
    private let identity: OpenDirectories.Identity

    /// Opens `directory`, which must exist; makes `data.mdb` there unless it exists or
    /// `isReadOnly`. Clears the slots of readers that died, and opens every table by name.
    ///
    /// Costs a few system calls, not a scan. Only the meta pages and the length of the file are
    /// checked; `PageCheck` checks the rest and should run before, on files one does not trust.
    ///
    /// - Throws: `.alreadyOpen`; `.emptyFile`, `.invalid`, `.versionMismatch`, `.truncated` or
    ///   `.corrupted` for the file; `.tablesFull` if it holds more tables than `tableCountMax`;
    ///   `.system` for what the operating system refuses.
    public init(directory: String, options: Options = Options()) throws(LMDBError) {
        let identity = try Opening.identify(directory)
        guard OpenDirectories.claim(identity) else {
            throw LMDBError(.alreadyOpen, during: "open")
        }
        let opening: Opening
        do throws(LMDBError) {
            opening = try Opening(directory: directory, options: options)
        } catch {
            OpenDirectories.release(identity)
            throw error
        }
        self.directory = directory
        self.isReadOnly = options.isReadOnly
        self.identity = identity
        unsafe handle = opening.handle
        pageSizeBytes = opening.pageSizeBytes
        keySizeBytesMax = opening.keySizeBytesMax
        namesTable = opening.namesTable
        shared = Mutex(SharedState(tables: opening.tables))
    }

    deinit {
        unsafe mdb_env_close(handle)
        OpenDirectories.release(identity)
    }

    /// Address space reserved, in bytes: the most the file may grow to while it is open here.
    public var mapSizeBytes: Int { unsafe info.me_mapsize }

    /// Number of the last page in use. The file uses `(lastPageNumber + 1) * pageSizeBytes` bytes.
    public var lastPageNumber: Int { unsafe info.me_last_pgno }

    /// Number of the last committed write transaction, of any process. Reads two words of shared
    /// memory: cheap enough to poll for "something was committed".
    public var lastTransactionId: Int { unsafe info.me_last_txnid }

    /// Reader slots that were in use at one time, over all processes; never falls while open.
    public var readerCount: Int { Int(unsafe info.me_numreaders) }

    /// Reader slots there are, over all processes.
    public var readerCountMax: Int { Int(unsafe info.me_maxreaders) }

    private var info: MDB_envinfo {
        var info = unsafe MDB_envinfo()
        // Fails only for a null handle.
        unsafe mdb_env_info(handle, &info)
        return unsafe info
    }

    /// Frees the slots of readers whose process died; their snapshots no longer keep pages from
    /// being used again. Returns how many were freed. Costs one system call per process seen.
    @discardableResult
    public func clearStaleReaders() -> Int {
        var count: Int32 = 0
        unsafe mdb_reader_check(handle, &count)
        return Int(count)
    }

    /// Waits until everything committed is on disk. Needed only below `.full` durability.
    ///
    /// - Throws: `.system`. After it, treat the file as unknown: close, open and check it.
    public func sync() throws(LMDBError) {
        try LMDBError.check(unsafe mdb_env_sync(handle, 1), "sync")
    }

    /// Changes what later commits wait for. Going up to `.full` does not make earlier commits
    /// durable: call `sync()` for that.
    ///
    /// - Throws: `.system`.
    public func setDurability(_ durability: Durability) throws(LMDBError) {
        let both = UInt32(MDB_NOMETASYNC | MDB_NOSYNC)
        // Two flag calls at once have no defined result, so they take turns.
        let result = shared.withLock { _ in
            let result = unsafe mdb_env_set_flags(handle, both & ~durability.flags, 0)
            guard result == MDB_SUCCESS, durability.flags != 0 else { return result }
            return unsafe mdb_env_set_flags(handle, durability.flags, 1)
        }
        try LMDBError.check(result, "set durability")
    }

    /// Writes a consistent copy of the last commit to `data.mdb` in `directory`, which must exist
    /// and hold none, and waits until it is on disk. Runs beside readers and writers; holds one
    /// read transaction, so the file may grow meanwhile. Costs a read and a write of the file.
    ///
    /// - Parameter isCompacting: Leaves free pages out. Slower; fails on a file that lost pages.
    /// - Throws: `.system`, `.readersFull`, or `.incompatible` for lost pages.
    public func copy(to directory: String, isCompacting: Bool = false) throws(LMDBError) {
        let flags = isCompacting ? UInt32(MDB_CP_COMPACT) : 0
        try LMDBError.check(unsafe mdb_env_copy2(handle, directory, flags), "copy")
        try Opening.synchronise("\(directory)/data.mdb")
        try Opening.synchronise(directory)
    }
}

// LMDB allows its environment handle to be used from every thread; all other stored properties
// are constants, or behind the mutex.
extension Environment: @unchecked Sendable {}
