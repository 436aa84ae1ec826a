public import ReconnectionRules

/// One row of a trace: what a client's connection did.
public struct TraceRow: Sendable, Equatable {
    public enum Action: Sendable, Equatable {
        case start, drop, close
    }

    public var time: Microseconds
    public var user: String
    /// Names the connection among those of the same user.
    public var connection: String
    public var action: Action
}

/// Why a trace is refused: file, line and reason, in one line.
public struct TraceError: Error, Sendable, CustomStringConvertible {
    public var path: String
    /// From 1, the header's; 0 if it is about the file as a whole.
    public var line: Int
    public var reason: String

    public var description: String {
        line > 0 ? "\(path):\(line): \(reason)" : "\(path): \(reason)"
    }
}
