/// What is wrong with a data file, and on which page.
public struct PageFault: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kind of fault.
    public enum Kind: Sendable, Equatable {
        /// The file could not be read; the value is the `errno`.
        case unreadable(Int32)
        /// The file has no bytes.
        case emptyFile
        /// No meta page is one of LMDB 0.9.
        case notLMDB
        /// The file was written by an LMDB with another file format.
        case versionMismatch
        /// The file ends before a page that is in use.
        case truncated
        /// A page contradicts the format, another page, or its own table.
        case damaged
        /// A healthy file that uses what this check does not read: duplicate or integer keys.
        case unsupported
        /// A writer kept replacing the snapshot while it was read, and then a page looked wrong.
        case changing
    }

    /// The kind of fault.
    public let kind: Kind
    /// Number of the page it was found on; nil if it concerns the whole file.
    public let page: Int?
    /// What was found, as one sentence without a full stop.
    public let reason: String

    init(_ kind: Kind, page: Int? = nil, _ reason: String) {
        self.kind = kind
        self.page = page
        self.reason = reason
    }

    /// A file that could not be read.
    init(_ error: LMDBError) {
        if case .system(let number) = error.code {
            self.init(.unreadable(number), error.description)
        } else {
            self.init(.unreadable(0), error.description)
        }
    }

    /// One line: the page and the reason.
    public var description: String {
        guard let page else { return "data.mdb: \(reason)" }
        return "data.mdb page \(page): \(reason)"
    }

    /// The same as a refusal to open.
    var asOpeningError: LMDBError {
        let code: LMDBError.Code =
            switch kind {
            case .unreadable(let number): .system(number)
            case .emptyFile: .emptyFile
            case .notLMDB: .invalid
            case .versionMismatch: .versionMismatch
            case .truncated, .damaged, .unsupported, .changing: .corrupted
            }
        return LMDBError(code, during: "open")
    }
}
