public import ReconnectionRules

extension Event.Kind {
    /// The kind as it is written in every output.
    public var name: String { "\(self)" }
}

extension Event.Outcome {
    /// The outcome as it is written in every output.
    public var name: String { self == .operator_ ? "operator" : "\(self)" }
}

extension ConcurrencyState {
    /// The state as it is written in every output.
    public var name: String { "\(self)" }
}

extension Caller {
    /// Who called, in a word or two. Credentials go by their number: their ids stay out of the log.
    public var name: String {
        switch self {
        case .ledger: "ledger"
        case .library: "library"
        case .commandLine: "command line"
        case .trace: "trace"
        case .anonymous: "anonymous"
        default: credentialNumber.map { "credential \($0)" } ?? "caller \(rawValue)"
        }
    }
}
