public import ReconnectionRules

extension Event.Kind {
    /// The kind as it is written in every output.
    public var name: String { Self.names[Int(rawValue)] }

    private static let names = NameTable.names(of: Event.Kind.self) { "\($0)" }
}

extension Event.Outcome {
    /// The outcome as it is written in every output.
    public var name: String { Self.names[Int(rawValue)] }

    private static let names = NameTable.names(of: Event.Outcome.self) {
        $0 == .operator_ ? "operator" : "\($0)"
    }
}

extension ConcurrencyState {
    /// The state as it is written in every output.
    public var name: String { Self.names[Int(rawValue)] }

    private static let names = NameTable.names(of: ConcurrencyState.self) { "\($0)" }
}

/// Looking a name up is quicker than asking the runtime for that of a case.
private enum NameTable {
    static func names<Value: CaseIterable & RawRepresentable<UInt8>>(
        of type: Value.Type, _ name: (Value) -> String
    ) -> [String] {
        let count = type.allCases.reduce(0) { max($0, Int($1.rawValue)) } + 1
        var names = [String](repeating: "", count: count)
        for value in type.allCases { names[Int(value.rawValue)] = name(value) }
        return names
    }
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
