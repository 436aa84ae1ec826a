public import LMDB
public import ReconnectionRules

/// Why the log cannot be opened, read or written. One line, and what to do next.
public struct LogError: Error, Sendable, CustomStringConvertible {
    public enum Code: Sendable, Equatable {
        /// No log in that directory.
        case missing
        /// The files are there but another program's, or not LMDB's.
        case foreign
        /// Written by a newer Holdfast.
        case newerFormat(version: UInt16)
        /// Bytes do not say what was written. Never served as data.
        case corrupt(position: Position)
        /// A batch that does not continue the log was offered.
        case outOfOrder
        /// The file of the personal keys is missing, damaged, of another ledger, or cannot be
        /// written.
        case keys
        /// LMDB failed.
        case storage(LMDBError)
    }

    public let code: Code
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    init(_ error: LMDBError) {
        self.init(.storage(error), error.description)
    }

    static func corrupt(_ position: Position, _ what: String) -> LogError {
        LogError(
            .corrupt(position: position),
            "the log is damaged at position \(position): \(what); run holdfast verify, and restore "
                + "a backup")
    }

    public var description: String { message }
}
