import EventLog
import JSON
import Ledger
import ReconnectionRules

/// One line of an export as JSON Lines, read back: the event but for the numbers of names, and its
/// jump, which follows from the others.
struct EventLine {
    var event = Event(position: 0, time: 0, kind: .opened, outcome: .done)
    /// Names, empty where the line has null.
    var user = ""
    /// The client's address, nil where the line has none.
    var clientAddress: ClientAddress?
    var project = ""
    var inputProject = ""

    /// Why a line is none. The reason goes on from "the line ".
    struct Fault: Error {
        var reason: String
    }

    init(_ line: UnsafeRawBufferPointer) throws(Fault) {
        let value: JSONValue
        do { value = try JSONValue.parse(Array(line)) } catch {
            throw Fault(reason: "is no JSON object: \(error)")
        }
        guard case .object(let members) = value else { throw Fault(reason: "is no JSON object") }
        var fields = Fields(members)
        try read(&fields)
        if let stranger = fields.unread {
            throw Fault(reason: "has a field \(stranger) that its kind does not have")
        }
    }

    private mutating func read(_ fields: inout Fields) throws(Fault) {
        event.position = try fields.number("position")
        event.time = try fields.time("time")
        event.kind = try fields.named("kind", Self.kinds)
        event.outcome = try fields.named("outcome", Self.outcomes)
        user = try fields.text("user")
        event.user = try fields.number("userNumber")
        clientAddress = try Self.address(try fields.text("clientAddress"))
        project = try fields.text("project")
        event.concurrency = try fields.number("concurrency")
        let session: UInt64 = try fields.number("session")
        event.state = try fields.named("state", Self.states, absent: ConcurrencyState.none)
        let deadline = try fields.time("deadline", absent: 0)
        event.namesSession = !fields.isNull("namedSession")
        event.inputSession = try fields.number("namedSession")
        event.flag = try fields.bool("runsWithoutClient")
        inputProject = try fields.text("askedProject")
        event.caller = try Self.caller(try fields.text("caller"))
        let previousOfUser: UInt64 = try fields.number("previousOfUser")
        event.previousOfConcurrency = try fields.number("previousOfConcurrency")
        switch event.kind {
        case .opened: event.deadline = try fields.seconds("outageSeconds")
        case .epochBegun:
            event.deadline = try fields.seconds("outageSeconds")
            event.previousOfUser = try fields.number("previousEpochEnd")
            event.session = try fields.number("eventsBefore")
        case .projectModified: try readSettings(&fields)
        default:
            event.session = session
            event.deadline = deadline
            event.previousOfUser = previousOfUser
            return
        }
        guard session == 0, deadline == 0, previousOfUser == 0 else {
            throw Fault(reason: "has a session, a deadline or a user's event where none belongs")
        }
    }

    private static func address(_ text: String) throws(Fault) -> ClientAddress? {
        if text.isEmpty { return nil }
        guard let address = ClientAddress(recorded: text) else {
            throw Fault(reason: "has a clientAddress that is no address")
        }
        return address
    }

    private mutating func readSettings(_ fields: inout Fields) throws(Fault) {
        var settings = try fields.object("settings")
        event.previousOfUser = try settings.number("concurrencies")
        event.deadline = try settings.seconds("reconnectWindowSeconds")
        event.session = SessionId(bitPattern: try settings.seconds("lockTimeoutSeconds"))
        event.inputSession = SessionId(bitPattern: try settings.seconds("cleanupTimeSeconds"))
        event.flag = try settings.bool("requiresSessionName")
        if let stranger = settings.unread {
            throw Fault(reason: "has a setting \(stranger) that is none")
        }
    }

    // MARK: - Names of values

    private static let kinds = Dictionary(
        uniqueKeysWithValues: Event.Kind.allCases.map { ($0.name, $0) })
    private static let outcomes = Dictionary(
        uniqueKeysWithValues: Event.Outcome.allCases.map { ($0.name, $0) })
    private static let states = Dictionary(
        uniqueKeysWithValues: ConcurrencyState.allCases.map { ($0.name, $0) })
    private static let callers = Dictionary(
        uniqueKeysWithValues: [Caller.ledger, .library, .commandLine, .trace, .anonymous]
            .map { ($0.name, $0.rawValue) })

    private static func caller(_ name: String) throws(Fault) -> Caller.RawValue {
        if let value = callers[name] { return value }
        for (prefix, base) in [("credential ", 1_000 as UInt64), ("caller ", 0)]
        where name.hasPrefix(prefix) {
            guard let number = UInt64(name.dropFirst(prefix.count)),
                let value = Caller.RawValue(exactly: number + base),
                Caller(rawValue: value).name == name
            else { break }
            return value
        }
        throw Fault(reason: "names a caller \(name) that is none")
    }
}

/// The members of an object, each to be read once.
private struct Fields {
    private let members: [JSONValue.Member]
    /// A bit for each member that was read.
    private var read: UInt64 = 0
    /// Members come in the order they are asked for, most often.
    private var next = 0

    init(_ members: [JSONValue.Member]) { self.members = members }

    /// A member that nobody asked for, nil if there is none.
    var unread: String? {
        for index in members.indices where index >= 64 || read & 1 << UInt64(index) == 0 {
            return members[index].name
        }
        return nil
    }

    func isNull(_ name: String) -> Bool {
        members.contains { $0.name == name && $0.value == .null }
    }

    mutating func number<Value: UnsignedInteger & FixedWidthInteger>(
        _ name: String
    ) throws(EventLine.Fault) -> Value {
        switch try value(name) {
        case .null where name != "position": return 0
        case .unsigned(let number):
            if let value = Value(exactly: number) { return value }
        default: break
        }
        throw EventLine.Fault(reason: "has a \(name) that is no number in range")
    }

    mutating func text(_ name: String) throws(EventLine.Fault) -> String {
        switch try value(name) {
        case .null: return ""
        case .string(let text): if !text.isEmpty { return text }
        default: break
        }
        throw EventLine.Fault(reason: "has a \(name) that is neither a text nor null")
    }

    mutating func bool(_ name: String) throws(EventLine.Fault) -> Bool {
        guard case .bool(let value) = try value(name) else {
            throw EventLine.Fault(reason: "has a \(name) that is neither true nor false")
        }
        return value
    }

    mutating func time(
        _ name: String, absent: Microseconds? = nil
    ) throws(EventLine.Fault) -> Microseconds {
        let value = try value(name)
        if value == .null, let absent { return absent }
        guard case .string(let text) = value, let time = Timestamp.parse(text.utf8) else {
            throw EventLine.Fault(reason: "has a \(name) that is not RFC 3339 in UTC")
        }
        return time
    }

    mutating func seconds(_ name: String) throws(EventLine.Fault) -> Microseconds {
        let seconds: Double
        switch try value(name) {
        case .unsigned(let number): seconds = Double(number)
        case .negative(let number): seconds = Double(number)
        case .fraction(let number): seconds = number
        default: throw EventLine.Fault(reason: "has a \(name) that is no number")
        }
        // Exact up to 285 years.
        guard seconds.magnitude < 9e9 else {
            throw EventLine.Fault(reason: "has a \(name) out of range")
        }
        return Microseconds((seconds * 1e6).rounded())
    }

    mutating func named<Value>(
        _ name: String, _ values: [String: Value], absent: Value? = nil
    ) throws(EventLine.Fault) -> Value {
        let value = try value(name)
        if value == .null, let absent { return absent }
        guard case .string(let text) = value, let found = values[text] else {
            throw EventLine.Fault(reason: "has a \(name) that is none")
        }
        return found
    }

    mutating func object(_ name: String) throws(EventLine.Fault) -> Fields {
        guard case .object(let members) = try value(name) else {
            throw EventLine.Fault(reason: "has \(name) that are no object")
        }
        return Fields(members)
    }

    private mutating func value(_ name: String) throws(EventLine.Fault) -> JSONValue {
        if next >= members.count || members[next].name != name {
            guard let found = members.firstIndex(where: { $0.name == name }) else {
                throw EventLine.Fault(reason: "has no field \(name)")
            }
            next = found
        }
        read |= next < 64 ? 1 << UInt64(next) : 0
        next += 1
        return members[next - 1].value
    }
}
