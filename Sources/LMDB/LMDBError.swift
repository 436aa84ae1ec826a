import CLMDB

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What LMDB, or the checks in front of it, refused, and during which operation.
public struct LMDBError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Why an operation was refused.
    public enum Code: Sendable, Equatable {
        /// The key is there already (`insert`), or is not above the last one (`append`).
        case keyExists
        /// The key or table is not there.
        case notFound
        /// A page that is pointed at is not there: the file is damaged.
        case pageNotFound
        /// A page is of the wrong kind: the file is damaged.
        case corrupted
        /// An earlier write to the meta page failed; nothing more is accepted until a reopen.
        case panic
        /// The file was written by an LMDB with another file format.
        case versionMismatch
        /// The file is not an LMDB 0.9 data file.
        case invalid
        /// `data.mdb` is there and has no bytes.
        case emptyFile
        /// The file ends before the last page it uses. Both counts are bytes.
        case truncated(expected: Int, actual: Int)
        /// This process has the directory open already.
        case alreadyOpen
        /// The data reached `mapSizeBytes`.
        case mapFull
        /// More tables than `tableCountMax`.
        case tablesFull
        /// More concurrent readers than `readerCountMax`.
        case readersFull
        /// One transaction changed more pages than LMDB can track.
        case txnFull
        /// Another process grew the data beyond this process's map.
        case mapResized
        /// The name is used by a plain value, or the table holds duplicate or integer keys.
        case incompatible
        /// The reader slot of this transaction was taken over.
        case badReaderSlot
        /// The transaction failed earlier and can only be abandoned.
        case badTransaction
        /// The key is empty or above 511 bytes, or the value is too large.
        case badValueSize
        /// The table handle does not belong to this transaction's snapshot.
        case badTable
        /// The operating system refused; the value is its `errno`.
        case system(Int32)
    }

    /// Why it was refused.
    public let code: Code
    /// What was being done, as one or a few words: "open", "commit", "put".
    public let operation: String

    /// An error with its parts; for callers that wrap or fake the storage.
    public init(_ code: Code, during operation: String) {
        self.code = code
        self.operation = operation
    }

    /// One line: operation, reason and, where there is something to do, what to do.
    public var description: String {
        let advice = code.advice.map { "; \($0)" } ?? ""
        return "LMDB \(operation): \(code.reason)\(advice)"
    }
}

extension LMDBError {
    /// The error for a result of a C call that is known not to be `MDB_SUCCESS`.
    init(result: Int32, during operation: String) {
        self.init(Code(result: result), during: operation)
    }

    /// Throws unless `result` is `MDB_SUCCESS`.
    @inline(__always)
    static func check(
        _ result: Int32, _ operation: @autoclosure () -> String
    ) throws(LMDBError) {
        guard result == MDB_SUCCESS else {
            throw LMDBError(result: result, during: operation())
        }
    }

    /// The error that `errno` holds now.
    static func system(during operation: String) -> LMDBError {
        LMDBError(.system(errno), during: operation)
    }
}

extension LMDBError.Code {
    private static let table: [(Int32, LMDBError.Code)] = [
        (MDB_KEYEXIST, .keyExists), (MDB_NOTFOUND, .notFound),
        (MDB_PAGE_NOTFOUND, .pageNotFound), (MDB_CORRUPTED, .corrupted), (MDB_PANIC, .panic),
        (MDB_VERSION_MISMATCH, .versionMismatch), (MDB_INVALID, .invalid),
        (MDB_MAP_FULL, .mapFull), (MDB_DBS_FULL, .tablesFull), (MDB_READERS_FULL, .readersFull),
        (MDB_TXN_FULL, .txnFull), (MDB_MAP_RESIZED, .mapResized),
        (MDB_INCOMPATIBLE, .incompatible), (MDB_BAD_RSLOT, .badReaderSlot),
        (MDB_BAD_TXN, .badTransaction), (MDB_BAD_VALSIZE, .badValueSize), (MDB_BAD_DBI, .badTable),
        // Neither is a state a caller can tell apart from damage.
        (MDB_CURSOR_FULL, .corrupted), (MDB_PAGE_FULL, .corrupted), (MDB_TLS_FULL, .readersFull),
    ]

    init(result: Int32) {
        self = Self.table.first { $0.0 == result }?.1 ?? .system(result)
    }

    /// The reason as words, without a full stop.
    fileprivate var reason: String {
        switch self {
        case .emptyFile: "data.mdb has no bytes"
        case .truncated(let expected, let actual):
            "data.mdb ends at byte \(actual) but uses bytes up to \(expected)"
        case .alreadyOpen: "this process has the directory open already"
        case .invalid: "data.mdb is not an LMDB 0.9 data file"
        case .system(let number): Self.text(number)
        default:
            Self.table.first { $0.1 == self }.map { Self.text($0.0) } ?? "unknown reason"
        }
    }

    private static func text(_ result: Int32) -> String {
        guard let text = unsafe mdb_strerror(result) else { return "error \(result)" }
        return unsafe String(cString: text)
    }

    fileprivate var advice: String? {
        switch self {
        case .emptyFile: "if its creation was cut short, remove data.mdb; else restore a copy"
        case .truncated, .corrupted, .pageNotFound: "restore a copy"
        case .panic: "close the environment and open it again"
        case .versionMismatch: "dump and load it with the tools of the version that wrote it"
        case .alreadyOpen: "share the Environment that is open"
        case .mapFull: "reopen with a larger mapSizeBytes"
        case .tablesFull: "reopen with a larger tableCountMax"
        case .readersFull: "end read transactions, or reopen with a larger readerCountMax"
        case .txnFull: "commit smaller transactions"
        case .mapResized: "reopen with a larger mapSizeBytes"
        case .badTransaction: "abandon the transaction and begin a new one"
        case .badTable: "begin or renew the transaction after the table was opened"
        case .system(EACCES): "check permissions, and that it was not opened read-only"
        case .system(ENOSPC): "free some space"
        case .system(EIO): "LMDB says so of a full disk, too: check the space, then the medium"
        case .system(EDEADLK): "end the write transaction this thread has open"
        case .system(EBUSY): "end every read transaction of this process first"
        case .system(ENOMEM): "raise the address space limit (ulimit -v)"
        default: nil
        }
    }
}
