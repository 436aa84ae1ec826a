public import EventLog

/// Why the ledger cannot do what was asked. One line, and what to do next.
public struct LedgerError: Error, Sendable, CustomStringConvertible {
    public enum Code: Sendable, Equatable {
        /// The directory does not hold a ledger, or cannot be used for one.
        case directory
        /// Another process owns the ledger for writing.
        case owned
        /// No project has this name. No action: nothing was recorded.
        case unknownProject
        /// No user has this name.
        case unknownUser
        /// A name or a setting is out of bounds. No action: nothing was recorded.
        case invalid
        /// The user holds a concurrency of a project outside those the caller keeps to, or names
        /// one outside. No action: nothing was recorded.
        case outOfScope
        /// The ledger is shutting down.
        case closed
        /// A commit failed: what was not answered may or may not be in the log. Reopen to go on.
        case failed
        /// The file of the personal keys is missing, damaged, of another ledger, or cannot be
        /// written.
        case keys
        /// The log or the views cannot be read.
        case log(LogError.Code)
    }

    public let code: Code
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package init(_ error: LogError) {
        self.init(error.code == .keys ? .keys : .log(error.code), error.message)
    }

    /// No project has this name.
    public static func unknownProject(_ name: String) -> LedgerError {
        LedgerError(
            .unknownProject,
            "no project \(name); create it with holdfast project set \(name) --concurrencies N")
    }

    static let outOfScope = LedgerError(
        .outOfScope,
        "the project, or the one in which the user holds a concurrency, is not among those allowed")

    static let closed = LedgerError(.closed, "the ledger is shutting down; retry once it is back")

    static func failed(_ cause: String) -> LedgerError {
        LedgerError(
            .failed,
            "the ledger stopped after a failed commit (\(cause)); mend the cause and restart, "
                + "nothing acknowledged is lost")
    }

    public var description: String { message }
}
