import CloudAPI
import JSON
package import ReconnectionRules

/// What a line of `POST /v1/commands` may ask for.
package enum BulkAction: String, Sendable, CaseIterable {
    case apply, createSession, disconnect, destroy, repossess
    /// disconnect, apply and createSession in one line.
    case reconnect

    /// Answered by so many events.
    var eventCount: Int { self == .reconnect ? 3 : 1 }
    var takesProject: Bool { self == .apply || self == .reconnect }
    var takesSession: Bool { self == .disconnect || self == .destroy || self == .reconnect }
    var takesRunMode: Bool { self == .createSession }
}

/// Why a line is no command; the lines around it proceed.
package struct BulkFault: Error, Equatable, Sendable {
    package enum Code: String, Sendable {
        case invalidLine, lineTooLong, invalidUser, unknownProject, unauthorized
    }

    package var code: Code
    package var message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    static let tooLong = BulkFault(
        .lineTooLong, "A line may have \(BulkLine.byteCountMax) bytes; this one was skipped.")
    static let invalidUser = BulkFault(
        .invalidUser, "The user is 1 to 256 bytes of UTF-8 without control characters.")
    static let mayNotRepossess = BulkFault(
        .unauthorized, Access.refusal(of: .repossessLine).message)
    static let otherProject = BulkFault(.unauthorized, CloudError.otherProject.message)
    static let unknownProject = BulkFault(.unknownProject, "There is no project of this name.")
}

/// A line read strictly: `{"action":"apply","user":"u1","project":"cap-demo"}`.
package struct BulkLine: Equatable, Sendable {
    /// A name has 256 bytes at most, six times that if every byte is escaped, and there are two.
    package static let byteCountMax = 4096
    static let runMode = "RunWithoutClient"

    package var action: BulkAction
    package var user: String
    package var project: String?
    package var session: SessionId?
    package var runsWithoutClient = false

    /// Reads one line without its line feed. Names are judged by the ledger, not here.
    package init(_ line: ArraySlice<UInt8>) throws(BulkFault) {
        var members = try Self.members(line)
        guard let name = try Self.text("action", &members) else { throw Self.missing("action") }
        guard let action = BulkAction(rawValue: name) else {
            throw BulkFault(.invalidLine, "The action is none of those documented.")
        }
        guard let user = try Self.text("user", &members) else { throw Self.missing("user") }
        self.action = action
        self.user = user
        if action.takesProject {
            guard let project = try Self.text("project", &members) else {
                throw Self.missing("project")
            }
            self.project = project
        }
        if action.takesSession { session = try Self.session(&members) }
        if action.takesRunMode, let mode = try Self.text("runMode", &members) {
            guard mode == Self.runMode else {
                throw BulkFault(.invalidLine, "`runMode` is not \(Self.runMode).")
            }
            runsWithoutClient = true
        }
        if let rest = members.first {
            throw BulkFault(
                .invalidLine, "The action has no member `\(Self.printable(rest.name))`.")
        }
    }

    private static func members(
        _ line: ArraySlice<UInt8>
    ) throws(BulkFault) -> [JSONValue.Member] {
        let value: JSONValue
        do throws(JSONError) { value = try JSONValue.parse(line) } catch {
            throw BulkFault(.invalidLine, "The line is not valid JSON: \(error).")
        }
        guard case .object(let members) = value else {
            throw BulkFault(.invalidLine, "The line is not a JSON object.")
        }
        return members
    }

    /// Takes a member out; null is as good as absent.
    private static func take(_ name: String, _ members: inout [JSONValue.Member]) -> JSONValue? {
        guard let index = members.firstIndex(where: { $0.name == name }) else { return nil }
        let value = members.remove(at: index).value
        return value == .null ? nil : value
    }

    private static func text(
        _ name: String, _ members: inout [JSONValue.Member]
    ) throws(BulkFault) -> String? {
        switch take(name, &members) {
        case nil: return nil
        case .string(let text): return text
        default: throw BulkFault(.invalidLine, "`\(name)` is not a string.")
        }
    }

    /// A number, or a string of digits, because 64 bits do not fit the numbers of JavaScript.
    private static func session(
        _ members: inout [JSONValue.Member]
    ) throws(BulkFault) -> SessionId? {
        switch take("session", &members) {
        case nil: return nil
        case .unsigned(let number): return number
        case .string(let text):
            let isDecimal = text.utf8.allSatisfy { (0x30 ... 0x39).contains($0) }
            if isDecimal, let number = SessionId(text) { return number }
        default: break
        }
        throw BulkFault(.invalidLine, "`session` is not a decimal number of up to 64 bits.")
    }

    private static func missing(_ name: String) -> BulkFault {
        BulkFault(.invalidLine, "`\(name)` is missing.")
    }

    /// A name the caller chose, short and without control characters.
    private static func printable(_ name: String) -> String {
        var text = ""
        for scalar in name.unicodeScalars.prefix(40) {
            let isControl = scalar.value < 0x20 || (0x7F ... 0x9F).contains(scalar.value)
            text.unicodeScalars.append(isControl ? "?" : scalar)
        }
        return text
    }
}
