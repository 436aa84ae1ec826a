import JSON

/// The parameters of one action, handed out one by one; what is left over at the end is unknown.
///
/// A JSON `null` is an absent parameter. From a query string or form body every value is text,
/// so numbers are read from text everywhere.
struct ActionFields {
    private var members: [JSONValue.Member]

    init(_ parameters: CloudCall.Parameters) throws(CloudError) {
        switch parameters {
        case .pairs(let pairs):
            members = pairs.map { JSONValue.Member(name: $0.0, value: .string($0.1)) }
        case .json(let bytes):
            guard case .object(let members) = try Self.document(bytes) else {
                throw CloudError(
                    .invalidParameterJsonParseError, "The body is not a JSON object.")
            }
            self.members = members
        }
    }

    /// A value that is text but not Unicode is a bad value; everything else is not JSON.
    private static func document(_ bytes: [UInt8]) throws(CloudError) -> JSONValue {
        do throws(JSONError) {
            return try JSONValue.parse(bytes)
        } catch {
            switch (error.reason, error.member) {
            case (.invalidUTF8, let member?), (.loneSurrogate, let member?):
                throw .badValue(CloudError.printable(member), "is not Unicode text")
            case (.numberOutOfRange, let member?):
                throw .badValue(CloudError.printable(member), "is a number out of range")
            default:
                throw CloudError(
                    .invalidParameterJsonParseError, "The body is not valid JSON: \(error).")
            }
        }
    }

    // MARK: - Text

    /// A required id: 1 to 256 bytes, no control characters.
    mutating func identifier(_ name: String) throws(CloudError) -> String {
        try text(name, bytesMax: Limits.identifierBytesMax)
    }

    /// An id that may be absent or empty, which both mean there is none.
    mutating func optionalIdentifier(_ name: String) throws(CloudError) -> String? {
        try optionalText(name, bytesMax: Limits.identifierBytesMax)
    }

    /// An id that may be absent but not empty.
    mutating func presentIdentifier(_ name: String) throws(CloudError) -> String? {
        let text = try possiblyEmptyText(name, bytesMax: Limits.identifierBytesMax)
        if let text, text.isEmpty { throw .badValue(name, "is empty") }
        return text
    }

    mutating func text(_ name: String, bytesMax: Int) throws(CloudError) -> String {
        guard let text = try possiblyEmptyText(name, bytesMax: bytesMax) else {
            throw .missing(name)
        }
        guard !text.isEmpty else { throw .badValue(name, "is empty") }
        return text
    }

    mutating func optionalText(_ name: String, bytesMax: Int) throws(CloudError) -> String? {
        let text = try possiblyEmptyText(name, bytesMax: bytesMax)
        return text == "" ? nil : text
    }

    mutating func possiblyEmptyText(
        _ name: String, bytesMax: Int
    ) throws(CloudError) -> String? {
        guard let value = take(name) else { return nil }
        guard case .string(let text) = value else { throw .badValue(name, "is not a string") }
        guard text.utf8.count <= bytesMax else {
            throw .badValue(name, "is longer than \(bytesMax) bytes")
        }
        guard !containsControl(text) else {
            throw .badValue(name, "has a control character")
        }
        return text
    }

    /// One of a closed set of words; absent and empty are none.
    mutating func choice<Choice: RawRepresentable<String>>(
        _ name: String, _ type: Choice.Type
    ) throws(CloudError) -> Choice? {
        guard let text = try optionalText(name, bytesMax: Limits.identifierBytesMax) else {
            return nil
        }
        guard let choice = Choice(rawValue: text) else {
            throw .badValue(name, "is not one of the documented values")
        }
        return choice
    }

    // MARK: - Numbers

    /// A number without sign or fraction, written as a JSON number or as a string of digits (the
    /// vendor itself gives timeouts as strings).
    mutating func number(
        _ name: String, in range: ClosedRange<UInt64>
    ) throws(CloudError) -> UInt64? {
        let number: UInt64
        switch take(name) {
        case nil: return nil
        case .unsigned(let value): number = value
        case .string(let text):
            guard let value = decimal(text) else {
                throw .badValue(name, "is not a decimal number of up to 64 bits")
            }
            number = value
        default: throw .badValue(name, "is not a whole number")
        }
        guard range.contains(number) else {
            throw .badValue(name, "is not between \(range.lowerBound) and \(range.upperBound)")
        }
        return number
    }

    // MARK: - The rest

    /// Refuses the first parameter nobody asked for.
    func refuseRest() throws(CloudError) {
        if let member = members.first { throw .unknown(member.name) }
    }

    private mutating func take(_ name: String) -> JSONValue? {
        guard let index = members.firstIndex(where: { $0.name == name }) else { return nil }
        let value = members.remove(at: index).value
        return value == .null ? nil : value
    }
}
