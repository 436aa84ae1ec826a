import JSON

@testable import CloudAPI

/// Writes actions and JSON, for what reads them: shares no code with it.
enum ActionWriter {
    /// The parameters as text, as a form has them.
    static func members(of action: CloudAction) -> [(String, String)] {
        var members: [(String, String?)]
        switch action {
        case .applyConcurrent(let action):
            members = [
                ("UserId", action.userId), ("UserIp", action.userIp),
                ("ProjectId", action.projectId),
                ("ApplicationVersionId", action.applicationVersionId),
                ("ApplicationId", action.applicationId),
            ]
        case .createSession(let action):
            members = [
                ("UserId", action.userId), ("UserIp", action.userIp),
                ("ClientSession", action.clientSession),
                ("RunMode", action.runsWithoutClient ? "RunWithoutClient" : nil),
                ("ApplicationParameters", action.applicationParameters),
                ("HostUserId", action.hostUserId), ("Role", action.role?.rawValue),
            ]
        case .destroySession(let action):
            members = [("UserId", action.userId), ("SessionId", digits(action.sessionId))]
        case .describeConcurrentCount(let action):
            members = [
                ("ProjectId", action.projectId),
                ("ApplicationCategory", action.applicationCategory?.rawValue),
            ]
        case .reportDisconnection(let action):
            members = [("UserId", action.userId), ("SessionId", digits(action.sessionId))]
        case .repossessConcurrency(let action): members = [("UserId", action.userId)]
        case .forgetUser(let action): members = [("UserId", action.userId)]
        case .describeUserConcurrency(let action): members = [("UserId", action.userId)]
        case .describeReconnectionHistory(let action):
            members = [
                ("UserId", action.userId), ("Limit", digits(action.limit)),
                ("Before", digits(action.before)),
            ]
        case .modifyProject(let action):
            members = [
                ("ProjectId", action.projectId), ("Concurrencies", digits(action.concurrencies)),
                ("ReconnectTimeout", digits(action.reconnectTimeoutSeconds)),
                ("LockTimeout", digits(action.lockTimeoutSeconds)),
                ("CleanupTime", digits(action.cleanupTimeSeconds)),
            ]
        }
        return members.compactMap { name, value in value.map { (name, $0) } }
    }

    private static func digits(_ number: (some UnsignedInteger)?) -> String? {
        number.map { String($0) }
    }

    /// One of each action, and a form.
    static let samples: [[UInt8]] = {
        let documents = [
            #"{"UserId":"u","UserIp":"192.0.2.7","ProjectId":"p","ApplicationId":"a"}"#,
            #"{"UserId":"u","UserIp":"1","ClientSession":"c","RunMode":"RunWithoutClient","#
                + #""Role":"Viewer","HostUserId":"h","ApplicationParameters":"x"}"#,
            #"{"UserId":"u","SessionId":5}"#,
            #"{"ProjectId":"p","ApplicationCategory":"MOBILE"}"#,
            #"{"UserId":"u\u00e9","SessionId":"18446744073709551615"}"#,
            #"{"UserId":"名"}"#, #"{"UserId":"u"}"#, #"{"UserId":"u","Extra":null}"#,
            #"{"UserId":"u","Limit":"3","Before":9}"#,
            #"{"ProjectId":"p","Concurrencies":4,"ReconnectTimeout":"90","LockTimeout":1,"#
                + #""CleanupTime":0}"#,
        ]
        return documents.enumerated().map { [UInt8($0.offset)] + Array($0.element.utf8) }
            + [[16] + Array("UserId=u&UserIp=1&ProjectId=p%20q".utf8)]
    }()

    // MARK: - JSON

    static func write(_ value: JSONValue, to output: inout [UInt8]) {
        func write(_ text: String) { output.append(contentsOf: text.utf8) }
        func list<Element>(
            _ elements: [Element], _ body: (Element, inout [UInt8]) -> Void
        ) {
            for (index, element) in elements.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                body(element, &output)
            }
        }
        switch value {
        case .null: write("null")
        case .bool(let value): write(value ? "true" : "false")
        case .unsigned(let value): write(String(value))
        case .negative(let value): write(String(value))
        case .fraction(let value): write("\(value)")
        case .string(let value): writeQuoted(value, to: &output)
        case .array(let elements):
            write("[")
            list(elements) { Self.write($0, to: &$1) }
            write("]")
        case .object(let members):
            write("{")
            list(members) {
                writeQuoted($0.name, to: &$1)
                $1.append(UInt8(ascii: ":"))
                Self.write($0.value, to: &$1)
            }
            write("}")
        }
    }

    /// Every byte below 0x30 escaped, all of them in the same way.
    private static func writeQuoted(_ text: String, to output: inout [UInt8]) {
        let digits = Array("0123456789abcdef".utf8)
        output.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            if byte < 0x30 || byte == UInt8(ascii: "\\") {
                output.append(contentsOf: "\\u00".utf8)
                output += [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            } else {
                output.append(byte)
            }
        }
        output.append(UInt8(ascii: "\""))
    }
}

/// The grammar of RFC 8259 as it stands there, and nothing else: no numbers are read, no names
/// compared.
struct JSONGrammar {
    private let bytes: [UInt8]
    private var index = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Whether it is one document. Asked once.
    var isDocument: Bool {
        mutating get { value() && index == bytes.count }
    }

    private var byte: UInt8 { index < bytes.count ? bytes[index] : 0 }

    private mutating func take(_ word: String) -> Bool {
        guard bytes[index...].starts(with: word.utf8) else { return false }
        index += word.utf8.count
        return true
    }

    private mutating func space() {
        while [0x20, 0x09, 0x0A, 0x0D].contains(byte), index < bytes.count { index += 1 }
    }

    private mutating func value() -> Bool {
        space()
        defer { space() }
        switch byte {
        case UInt8(ascii: "{"): return list("}") { $0.member() }
        case UInt8(ascii: "["): return list("]") { $0.value() }
        case UInt8(ascii: "\""): return string()
        case UInt8(ascii: "t"): return take("true")
        case UInt8(ascii: "f"): return take("false")
        case UInt8(ascii: "n"): return take("null")
        default: return number()
        }
    }

    private mutating func list(_ end: String, _ element: (inout JSONGrammar) -> Bool) -> Bool {
        index += 1
        space()
        if take(end) { return true }
        repeat {
            guard element(&self) else { return false }
        } while take(",")
        return take(end)
    }

    private mutating func member() -> Bool {
        space()
        guard byte == UInt8(ascii: "\""), string() else { return false }
        space()
        return take(":") && value()
    }

    private mutating func string() -> Bool {
        index += 1
        while index < bytes.count {
            if take("\"") { return true }
            if byte < 0x20 { return false }
            guard take("\\") else {
                index += 1
                continue
            }
            if take("u") {
                let digits = bytes[index...].prefix(4)
                guard digits.count == 4,
                    digits.allSatisfy({ Unicode.Scalar($0).properties.isASCIIHexDigit })
                else { return false }
                index += 4
            } else {
                guard "\"\\/bfnrt".utf8.contains(byte) else { return false }
                index += 1
            }
        }
        return false
    }

    private mutating func digits() -> Bool {
        let start = index
        while (0x30 ... 0x39).contains(byte) { index += 1 }
        return index > start
    }

    private mutating func number() -> Bool {
        _ = take("-")
        guard take("0") || digits() else { return false }
        if take(".") { guard digits() else { return false } }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            return digits()
        }
        return true
    }
}
