/// A JSON document in memory, with members in the order they were written.
///
/// Integers keep all 64 bits, which a reader by way of `Double` would lose: session ids are
/// 64-bit numbers.
public enum JSONValue: Hashable, Sendable {
    public struct Member: Hashable, Sendable {
        public var name: String
        public var value: JSONValue

        public init(name: String, value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    /// Nesting of arrays and objects, unless a caller says otherwise.
    public static let depthMaxDefault = 16
    /// The text of one number, in bytes.
    static let numberBytesMax = 64

    case null
    case bool(Bool)
    /// An integer without sign, fraction or exponent. "-0" is 0.
    case unsigned(UInt64)
    /// An integer below zero.
    case negative(Int64)
    /// A number with a fraction or an exponent, always finite.
    case fraction(Double)
    case string(String)
    case array([JSONValue])
    /// Names are unique.
    case object([Member])

    /// Reads one document that fills the whole text (RFC 8259, UTF-8, no byte order mark).
    ///
    /// Stricter than the grammar where leniency lets two readers see different things: a name
    /// may stand once per object, a surrogate escape needs its other half, an integer has to fit
    /// 64 bits, a fraction a finite Double, nesting stays within `depthMax`. U+0000 is text like
    /// any other; who cannot use it refuses it.
    ///
    /// - Complexity: O(bytes).
    public static func parse(
        _ text: ArraySlice<UInt8>, depthMax: Int = JSONValue.depthMaxDefault
    ) throws(JSONError) -> JSONValue {
        var reader = JSONReader(text, depthMax: depthMax)
        return try reader.document()
    }

    public static func parse(
        _ text: [UInt8], depthMax: Int = JSONValue.depthMaxDefault
    ) throws(JSONError) -> JSONValue {
        try parse(text[...], depthMax: depthMax)
    }

    /// The value of a member; nil if this is no object or has none of that name. O(members).
    public subscript(_ name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        for member in members where member.name == name { return member.value }
        return nil
    }
}

/// Why a text is not a JSON document, and where.
public struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Reason: String, Sendable {
        case unexpectedEnd = "the text ends too early"
        case unexpectedByte = "a byte that cannot stand here"
        case trailingBytes = "text after the end of the document"
        case tooDeep = "arrays and objects are nested too deeply"
        case duplicateName = "a name is given twice in one object"
        case badNumber = "a malformed number"
        case numberOutOfRange = "a number out of range"
        case badEscape = "a malformed escape in a string"
        case loneSurrogate = "half of a surrogate pair in a string"
        case controlCharacter = "an unescaped control character in a string"
        case invalidUTF8 = "a string that is not UTF-8"
    }

    public var reason: Reason
    /// Bytes before the place where reading stopped.
    public var offset: Int
    /// The member of the outermost object that was being read, if its name was readable.
    public var member: String?

    public var description: String { "\(reason.rawValue), at byte \(offset)" }
}
