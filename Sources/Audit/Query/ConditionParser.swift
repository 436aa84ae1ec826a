import Ledger
public import ReconnectionRules

/// Cuts a condition into words, values, signs and brackets, each with its column.
///
/// It goes by Unicode scalars, not by characters: a mark that joins the quote before it, at the
/// beginning of a name, must not hide the quote.
struct ConditionLexer {
    enum Token: Equatable {
        case word(String)
        case quoted(String)
        case order(ConditionOrder)
        case open
        case close
        case end
    }

    private let scalars: [Unicode.Scalar]
    /// Of each scalar, and of the end: in characters, as people count.
    private let columns: [Int]
    private var index = 0

    init(_ text: String) {
        scalars = Array(text.unicodeScalars)
        var columns: [Int] = []
        columns.reserveCapacity(scalars.count + 1)
        for (column, character) in text.enumerated() {
            for _ in character.unicodeScalars { columns.append(column + 1) }
        }
        columns.append((columns.last ?? 0) + 1)
        self.columns = columns
    }

    static func isWordScalar(_ scalar: Unicode.Scalar) -> Bool {
        !scalar.properties.isWhitespace && !"()=!<>\"'".unicodeScalars.contains(scalar)
    }

    /// The next token and the column it begins in.
    mutating func next() throws(ConditionError) -> (token: Token, column: Int) {
        while index < scalars.count, scalars[index].properties.isWhitespace { index += 1 }
        let column = columns[index]
        guard index < scalars.count else { return (.end, column) }
        let first = scalars[index]
        switch first {
        case "(", ")":
            index += 1
            return (first == "(" ? .open : .close, column)
        case "=", "!", "<", ">": return (.order(try order(column)), column)
        case "\"", "'": return (.quoted(try quoted(first, column)), column)
        default:
            let start = index
            while index < scalars.count, Self.isWordScalar(scalars[index]) { index += 1 }
            return (.word(Self.text(scalars[start..<index])), column)
        }
    }

    private static func text(_ scalars: some Sequence<Unicode.Scalar>) -> String {
        var text = ""
        text.unicodeScalars.append(contentsOf: scalars)
        return text
    }

    private mutating func order(_ column: Int) throws(ConditionError) -> ConditionOrder {
        var sign = String(scalars[index])
        index += 1
        if index < scalars.count, scalars[index] == "=" {
            sign.append("=")
            index += 1
        }
        // `==` is what programmers type.
        if sign == "==" { return .equal }
        guard let order = ConditionOrder(rawValue: sign) else {
            throw ConditionError(column: column, message: "expected != where \(sign) stands")
        }
        return order
    }

    private mutating func quoted(
        _ mark: Unicode.Scalar, _ column: Int
    ) throws(ConditionError) -> String {
        var text = ""
        index += 1
        while index < scalars.count {
            let scalar = scalars[index]
            index += 1
            if scalar == mark { return text }
            if scalar == "\\", index < scalars.count {
                text.unicodeScalars.append(scalars[index])
                index += 1
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        throw ConditionError(
            column: columns[scalars.count], message: "expected \(mark) to end the text that begins "
                + "in column \(column)")
    }
}

/// Reads a condition by recursive descent: or, and, not, a comparison or a bracket.
struct ConditionParser {
    /// Brackets and nots inside one another: more is no question of a person.
    private static let depthMax = 64

    private var lexer: ConditionLexer
    private var token = ConditionLexer.Token.end
    private var column = 1
    private var depth = 0

    init(_ text: String) { lexer = ConditionLexer(text) }

    mutating func parse() throws(ConditionError) -> ConditionNode {
        try advance()
        if token == .end {
            throw fault("expected a condition, such as user=u1 and kind=repossessed")
        }
        let node = try parseOr()
        guard token == .end else { throw fault("expected and, or, or the end") }
        return node
    }

    private mutating func advance() throws(ConditionError) {
        (token, column) = try lexer.next()
    }

    private func fault(_ message: String, column: Int? = nil) -> ConditionError {
        ConditionError(column: column ?? self.column, message: message)
    }

    private func isWord(_ word: String) -> Bool {
        if case .word(let text) = token { text.lowercased() == word } else { false }
    }

    private mutating func parseOr() throws(ConditionError) -> ConditionNode {
        var nodes = [try parseAnd()]
        while isWord("or") {
            try advance()
            nodes.append(try parseAnd())
        }
        return .disjunction(nodes)
    }

    private mutating func parseAnd() throws(ConditionError) -> ConditionNode {
        var nodes = [try parseNot()]
        while isWord("and") {
            try advance()
            nodes.append(try parseNot())
        }
        return .conjunction(nodes)
    }

    private mutating func parseNot() throws(ConditionError) -> ConditionNode {
        depth += 1
        defer { depth -= 1 }
        if depth > Self.depthMax {
            throw fault("expected at most \(Self.depthMax) brackets inside one another")
        }
        if isWord("not") {
            try advance()
            return .not(try parseNot())
        }
        guard token == .open else { return try parseComparison() }
        let start = column
        try advance()
        let node = try parseOr()
        guard token == .close else {
            throw fault("expected and, or, or ) for the ( in column \(start)")
        }
        try advance()
        return node
    }

    private mutating func parseComparison() throws(ConditionError) -> ConditionNode {
        guard case .word(let name) = token else {
            throw fault("expected a key, not or (; keys are \(ConditionKey.list)")
        }
        guard let key = ConditionKey(rawValue: name) else {
            throw fault("there is no key \(name); keys are \(ConditionKey.list)")
        }
        try advance()
        guard case .order(let order) = token else {
            throw fault("expected \(key.orders) after \(name)")
        }
        guard key.isOrdered || order == .equal || order == .unequal else {
            throw fault("\(name) is compared with \(key.orders)")
        }
        try advance()
        let text: String
        switch token {
        case .word(let word): text = word
        case .quoted(let quoted): text = quoted
        default: throw fault("expected a value: \(key.expected)")
        }
        guard let test = key.test(order, text) else {
            throw fault("\(text.isEmpty ? "an empty value" : text) is not \(key.expected)")
        }
        try advance()
        return order == .unequal && !key.isOrdered ? .not(.test(test)) : .test(test)
    }
}

/// What can be asked of an event.
enum ConditionKey: String, CaseIterable {
    case user, userNumber, project, projectNumber, concurrency, session, namedSession, kind
    case outcome, state, caller, position, time

    static let list = allCases.map(\.rawValue).joined(separator: ", ")

    var isOrdered: Bool { self == .position || self == .time }

    var orders: String { isOrdered ? "=, !=, <, <=, > or >=" : "= or !=" }

    /// What a value has to be, in words.
    var expected: String {
        func names(_ names: some Sequence<String>) -> String { names.joined(separator: ", ") }
        switch self {
        case .user, .project: return "a name"
        case .userNumber, .projectNumber: return "a number"
        case .concurrency: return "a number, or PROJECT/NUMBER"
        case .session, .namedSession: return "a session's number"
        case .kind: return "a kind: " + names(Event.Kind.allCases.map(\.name))
        case .outcome: return "an outcome: " + names(Event.Outcome.allCases.map(\.name))
        case .state: return "a state: " + names(ConcurrencyState.allCases.map(\.name))
        case .caller:
            return "a caller: ledger, library, \"command line\", trace, anonymous or "
                + "\"credential 3\""
        case .position: return "a position"
        case .time: return "a time such as 2026-11-23T10:15:30Z"
        }
    }

    /// The comparison with a value, nil if it is none. An order of keys that have none is left out.
    func test(_ order: ConditionOrder, _ value: String) -> ConditionTest? {
        switch self {
        case .user: .user(value)
        case .userNumber: UserNumber(value).map { .userNumber($0) }
        case .project: .project(value)
        case .projectNumber: ProjectNumber(value).map { .projectNumber($0) }
        case .concurrency: Self.concurrency(value)
        case .session: SessionId(value).map { .session($0) }
        case .namedSession: SessionId(value).map { .namedSession($0) }
        case .kind: Event.Kind(named: value).map { .kind($0) }
        case .outcome: Event.Outcome(named: value).map { .outcome($0) }
        case .state: ConcurrencyState(named: value).map { .state($0) }
        case .caller: Caller(named: value).map { .caller($0) }
        case .position: Position(value).map { .position(order, $0) }
        case .time: Timestamp.parseLocal(value.utf8).map { .time(order, $0) }
        }
    }

    /// A number alone is that concurrency of any project; a project's name may hold a slash.
    private static func concurrency(_ value: String) -> ConditionTest? {
        guard let slash = value.lastIndex(of: "/") else {
            return ConcurrencyNumber(value).map { .concurrency($0) }
        }
        let project = String(value[..<slash])
        guard !project.isEmpty, let number = ConcurrencyNumber(value[value.index(after: slash)...])
        else { return nil }
        return .place(project: project, number)
    }
}

extension Event.Kind {
    /// The kind of that name, as every output writes it.
    public init?(named name: String) {
        guard let kind = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = kind
    }
}

extension Event.Outcome {
    /// The outcome of that name, as every output writes it.
    public init?(named name: String) {
        guard let outcome = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = outcome
    }
}

extension ConcurrencyState {
    /// The state of that name, as every output writes it.
    public init?(named name: String) {
        guard let state = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = state
    }
}

extension Caller {
    /// The caller of that name, as every output writes it; a hyphen may stand for the space.
    public init?(named name: String) {
        let words = name.split { $0 == " " || $0 == "-" }
        let text = words.joined(separator: " ")
        let plain: [Caller] = [.ledger, .library, .commandLine, .trace, .anonymous]
        if let caller = plain.first(where: { $0.name == text }) {
            self = caller
            return
        }
        guard words.count == 2, let number = UInt32(words[1]) else { return nil }
        switch words[0] {
        case "credential" where number > 0 && number <= .max - 1_000: self = .credential(number)
        case "caller": self.init(rawValue: number)
        default: return nil
        }
    }
}
