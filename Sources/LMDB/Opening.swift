import CLMDB

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The steps from a path to an LMDB environment that is safe to read from.
@safe struct Opening {
    let handle: OpaquePointer
    let pageSizeBytes: Int
    let keySizeBytesMax: Int
    let namesTable: Table
    let tables: [String: Table]

    private static let mapSizeBytesMin = 1 << 30

    init(directory: String, options: Environment.Options) throws(LMDBError) {
        let isNew = try !Self.preflight(directory, isReadOnly: options.isReadOnly)
        if !options.isReadOnly { try Self.reserveLockFile(directory, options) }
        let handle = try unsafe Self.open(directory, options)
        do throws(LMDBError) {
            try unsafe Self.closeOnExec(handle)
            var dead: Int32 = 0
            unsafe mdb_reader_check(handle, &dead)
            var stat = MDB_stat()
            try LMDBError.check(unsafe mdb_env_stat(handle, &stat), "open")
            (namesTable, tables) = try unsafe Self.openTables(handle)
            // LMDB syncs the file, not the directory entry that a power cut could take back.
            if isNew { try Self.synchronise(directory) }
            pageSizeBytes = Int(stat.ms_psize)
            keySizeBytesMax = unsafe Int(mdb_env_get_maxkeysize(handle))
        } catch {
            unsafe mdb_env_close(handle)
            throw error
        }
        unsafe self.handle = handle
    }

    /// Device and inode of a directory.
    static func identify(_ directory: String) throws(LMDBError) -> OpenDirectories.Identity {
        var status = stat()
        guard unsafe stat(directory, &status) == 0 else { throw .system(during: "open") }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw LMDBError(.system(ENOTDIR), during: "open")
        }
        return OpenDirectories.Identity(
            device: UInt64(truncatingIfNeeded: status.st_dev),
            inode: UInt64(truncatingIfNeeded: status.st_ino))
    }

    /// Waits until a file or directory is on disk.
    static func synchronise(_ path: String) throws(LMDBError) {
        let file = try FileReader(path: path, during: "sync")
        try file.synchronise()
    }

    /// Whether there is a data file, after checking that LMDB can open it without a fault.
    private static func preflight(_ directory: String, isReadOnly: Bool) throws(LMDBError) -> Bool {
        let path = "\(directory)/data.mdb"
        let file: FileReader
        do throws(LMDBError) {
            file = try FileReader(path: path, during: "open")
        } catch {
            if error.code == .system(ENOENT), !isReadOnly { return false }
            throw error
        }
        // Another process may be between creating the file and writing its meta pages.
        for _ in 0..<20 where try file.sizeBytes() == 0 { usleep(10_000) }
        if try file.sizeBytes() == 0 { throw LMDBError(.emptyFile, during: "open") }

        let newest: MetaPage
        do throws(PageFault) {
            newest = try MetaPage.newest(in: file)
        } catch {
            throw error.asOpeningError
        }
        let actual = try file.sizeBytes()
        let expected = newest.usedBytes
        guard actual < expected else { return true }
        // LMDB never writes pages that were used and freed within one transaction, so a healthy
        // file can be short. Only a page that is still in use matters: mapped, it is a SIGBUS.
        do throws(PageFault) {
            _ = try PageCheck.check(directory: directory)
        } catch {
            throw LMDBError(.truncated(expected: expected, actual: actual), during: "open")
        }
        return true
    }

    /// Takes disk for the whole lock file. LMDB makes it sparse and writes to it through a map: on
    /// a full disk that would be a SIGBUS instead of an error. Nobody in this process has it open
    /// yet, so closing it drops no lock.
    private static func reserveLockFile(
        _ directory: String, _ options: Environment.Options
    ) throws(LMDBError) {
        #if os(Linux)
        let flags = O_RDWR | O_CREAT | O_CLOEXEC
        let file = unsafe Glibc.open("\(directory)/lock.mdb", flags, options.fileMode)
        guard file >= 0 else { throw .system(during: "open") }
        defer { close(file) }
        // LMDB's header of 192 bytes takes the first slot's place and 128 bytes more.
        let byteCount = 64 * max(1, options.readerCountMax) + 128
        let result = posix_fallocate(file, 0, off_t(byteCount))
        if result == ENOSPC || result == EDQUOT {
            throw LMDBError(.system(result), during: "open")
        }
        #endif
    }

    /// LMDB keeps its data file open for a program that this process starts, alone of its files.
    private static func closeOnExec(_ environment: OpaquePointer) throws(LMDBError) {
        var descriptor: Int32 = -1
        try LMDBError.check(unsafe mdb_env_get_fd(environment, &descriptor), "open")
        guard fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0 else { throw .system(during: "open") }
    }

    private static func open(
        _ directory: String, _ options: Environment.Options
    ) throws(LMDBError) -> OpaquePointer {
        let pageSizeBytes = sysconf(Int32(_SC_PAGESIZE))
        let pages = max(1, (options.mapSizeBytes + pageSizeBytes - 1) / pageSizeBytes)
        var mapSizeBytes = pages * pageSizeBytes
        var flags = UInt32(MDB_NOTLS) | options.durability.flags
        if options.isReadOnly { flags |= UInt32(MDB_RDONLY) }
        if !options.readsAhead { flags |= UInt32(MDB_NORDAHEAD) }

        while true {
            var created: OpaquePointer?
            try LMDBError.check(unsafe mdb_env_create(&created), "open")
            guard let handle = unsafe created else { throw LMDBError(.invalid, during: "open") }
            var result = unsafe mdb_env_set_mapsize(handle, mapSizeBytes)
            if result == MDB_SUCCESS {
                result = unsafe mdb_env_set_maxdbs(handle, UInt32(options.tableCountMax))
            }
            if result == MDB_SUCCESS {
                result = unsafe mdb_env_set_maxreaders(handle, UInt32(options.readerCountMax))
            }
            if result == MDB_SUCCESS {
                let mode = mdb_mode_t(options.fileMode)
                result = unsafe mdb_env_open(handle, directory, flags, mode)
            }
            if result == MDB_SUCCESS { return unsafe handle }
            unsafe mdb_env_close(handle)
            guard result == ENOMEM, mapSizeBytes > mapSizeBytesMin else {
                throw LMDBError(result: result, during: "open")
            }
            mapSizeBytes = max(mapSizeBytes / 2 / pageSizeBytes * pageSizeBytes, mapSizeBytesMin)
        }
    }

    /// Opens every table by name in one read transaction, so that no later read transaction ever
    /// has to: LMDB forbids opening handles in two transactions at once.
    private static func openTables(
        _ environment: OpaquePointer
    ) throws(LMDBError) -> (Table, [String: Table]) {
        var begun: OpaquePointer?
        try LMDBError.check(
            unsafe mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &begun), "open")
        guard let transaction = unsafe begun else { throw LMDBError(.invalid, during: "open") }
        var isCommitted = false
        defer { if !isCommitted { unsafe mdb_txn_abort(transaction) } }

        var names: UInt32 = 0
        try LMDBError.check(unsafe mdb_dbi_open(transaction, nil, 0, &names), "open")
        var tables: [String: Table] = [:]
        for name in try unsafe readNames(transaction, names) {
            var table: UInt32 = 0
            let result = unsafe mdb_dbi_open(transaction, name, 0, &table)
            // A plain value under a name: not a table.
            if result == MDB_INCOMPATIBLE { continue }
            try LMDBError.check(result, "open table \(name)")
            tables[name] = Table(handle: table)
        }
        isCommitted = true
        try LMDBError.check(unsafe mdb_txn_commit(transaction), "open")
        return (Table(handle: names), tables)
    }

    private static func readNames(
        _ transaction: OpaquePointer, _ names: UInt32
    ) throws(LMDBError) -> [String] {
        var opened: OpaquePointer?
        try LMDBError.check(unsafe mdb_cursor_open(transaction, names, &opened), "open")
        defer { unsafe mdb_cursor_close(opened) }
        var found: [String] = []
        var (key, value) = unsafe (MDB_val(), MDB_val())
        while true {
            let result = unsafe mdb_cursor_get(opened, &key, &value, MDB_NEXT)
            if result == MDB_NOTFOUND { return found }
            try LMDBError.check(result, "open")
            let bytes = unsafe key.bytes
            // Not a name that a C string can carry: not a table that LMDB can open.
            guard unsafe !bytes.contains(0) else { continue }
            if let name = unsafe String(validating: bytes, as: UTF8.self) { found.append(name) }
        }
    }
}
