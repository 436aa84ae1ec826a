/// A recursive-descent reader over bytes; its depth is bounded, so is its stack.
struct JSONReader {
    private let text: ArraySlice<UInt8>
    private let depthMax: Int
    private var index: Int
    private var depth = 0
    private var outerMember: String?

    init(_ text: ArraySlice<UInt8>, depthMax: Int) {
        self.text = text
        self.depthMax = depthMax
        self.index = text.startIndex
    }

    mutating func document() throws(JSONError) -> JSONValue {
        let value = try value()
        skipSpace()
        guard index == text.endIndex else { throw error(.trailingBytes) }
        return value
    }

    // MARK: - Values

    private mutating func value() throws(JSONError) -> JSONValue {
        skipSpace()
        switch try peek() {
        case UInt8(ascii: "{"): return try object()
        case UInt8(ascii: "["): return try array()
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try literal("true", .bool(true))
        case UInt8(ascii: "f"): return try literal("false", .bool(false))
        case UInt8(ascii: "n"): return try literal("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        default: throw error(.unexpectedByte)
        }
    }

    private mutating func object() throws(JSONError) -> JSONValue {
        try enter()
        var members: [JSONValue.Member] = []
        // Few names are compared one by one; many would make that quadratic.
        var names: Set<String> = []
        skipSpace()
        if try peek() == UInt8(ascii: "}") {
            leave()
            return .object(members)
        }
        while true {
            skipSpace()
            guard try peek() == UInt8(ascii: "\"") else { throw error(.unexpectedByte) }
            if depth == 1 { outerMember = nil }
            let name = try string()
            if depth == 1 { outerMember = name }
            let isKnown: Bool
            if members.count < 16 {
                isKnown = members.contains { $0.name == name }
            } else {
                if names.isEmpty { names = Set(members.map(\.name)) }
                isKnown = !names.insert(name).inserted
            }
            if isKnown { throw error(.duplicateName) }
            skipSpace()
            guard try peek() == UInt8(ascii: ":") else { throw error(.unexpectedByte) }
            index += 1
            members.append(JSONValue.Member(name: name, value: try value()))
            skipSpace()
            switch try peek() {
            case UInt8(ascii: ","): index += 1
            case UInt8(ascii: "}"):
                leave()
                return .object(members)
            default: throw error(.unexpectedByte)
            }
        }
    }

    private mutating func array() throws(JSONError) -> JSONValue {
        try enter()
        var elements: [JSONValue] = []
        skipSpace()
        if try peek() == UInt8(ascii: "]") {
            leave()
            return .array(elements)
        }
        while true {
            elements.append(try value())
            skipSpace()
            switch try peek() {
            case UInt8(ascii: ","): index += 1
            case UInt8(ascii: "]"):
                leave()
                return .array(elements)
            default: throw error(.unexpectedByte)
            }
        }
    }

    private mutating func literal(
        _ spelling: StaticString, _ value: JSONValue
    ) throws(JSONError) -> JSONValue {
        for offset in 0..<spelling.utf8CodeUnitCount {
            guard try peek() == spelling.utf8Start[offset] else { throw error(.unexpectedByte) }
            index += 1
        }
        return value
    }

    // MARK: - Numbers

    private mutating func number() throws(JSONError) -> JSONValue {
        let start = index
        let isNegative = try peek() == UInt8(ascii: "-")
        if isNegative { index += 1 }
        let integerStart = index
        let integerDigits = skipDigits()
        guard integerDigits > 0, integerDigits == 1 || text[integerStart] != UInt8(ascii: "0")
        else { throw error(.badNumber) }
        let integer = text[integerStart..<index]
        var isInteger = true
        if index < text.endIndex, text[index] == UInt8(ascii: ".") {
            isInteger = false
            index += 1
            guard skipDigits() > 0 else { throw error(.badNumber) }
        }
        if index < text.endIndex, text[index] | 0x20 == UInt8(ascii: "e") {
            isInteger = false
            index += 1
            if index < text.endIndex, text[index] == 0x2B || text[index] == 0x2D { index += 1 }
            guard skipDigits() > 0 else { throw error(.badNumber) }
        }
        guard index - start <= JSONValue.numberBytesMax else { throw error(.numberOutOfRange) }
        if isInteger { return try self.integer(integer, isNegative: isNegative) }
        let spelling = String(decoding: text[start..<index], as: UTF8.self)
        guard let value = Double(spelling), value.isFinite else { throw error(.numberOutOfRange) }
        return .fraction(value)
    }

    private func integer(
        _ digits: ArraySlice<UInt8>, isNegative: Bool
    ) throws(JSONError) -> JSONValue {
        guard let magnitude = UInt64(String(decoding: digits, as: UTF8.self)) else {
            throw error(.numberOutOfRange)
        }
        if !isNegative || magnitude == 0 { return .unsigned(magnitude) }
        guard magnitude <= Int64.min.magnitude else { throw error(.numberOutOfRange) }
        return .negative(Int64(truncatingIfNeeded: 0 &- magnitude))
    }

    /// Moves past digits and says how many there were.
    private mutating func skipDigits() -> Int {
        let start = index
        while index < text.endIndex, (0x30...0x39).contains(text[index]) { index += 1 }
        return index - start
    }

    // MARK: - Strings

    private mutating func string() throws(JSONError) -> String {
        index += 1
        let start = index
        // Most strings hold no escape and are taken as they stand.
        while true {
            let byte = try peek()
            if byte == UInt8(ascii: "\"") {
                let result = try utf8(text[start..<index])
                index += 1
                return result
            }
            if byte == UInt8(ascii: "\\") { break }
            guard byte >= 0x20 else { throw error(.controlCharacter) }
            index += 1
        }
        var unescaped = Array(text[start..<index])
        while true {
            let byte = try peek()
            if byte == UInt8(ascii: "\"") {
                let result = try utf8(unescaped[...])
                index += 1
                return result
            }
            guard byte >= 0x20 else { throw error(.controlCharacter) }
            index += 1
            if byte == UInt8(ascii: "\\") {
                try escape(into: &unescaped)
            } else {
                unescaped.append(byte)
            }
        }
    }

    private mutating func escape(into output: inout [UInt8]) throws(JSONError) {
        let byte = try peek()
        index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): output.append(byte)
        case UInt8(ascii: "b"): output.append(0x08)
        case UInt8(ascii: "f"): output.append(0x0C)
        case UInt8(ascii: "n"): output.append(0x0A)
        case UInt8(ascii: "r"): output.append(0x0D)
        case UInt8(ascii: "t"): output.append(0x09)
        case UInt8(ascii: "u"):
            let scalar = try escapedScalar()
            output.append(contentsOf: Unicode.UTF8.encode(scalar).unsafelyUnwrapped)
        default: throw error(.badEscape)
        }
    }

    /// The scalar after "\u", which is one escape, or two for a surrogate pair.
    private mutating func escapedScalar() throws(JSONError) -> Unicode.Scalar {
        let first = try fourHexDigits()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xDC00, index + 1 < text.endIndex, text[index] == UInt8(ascii: "\\"),
            text[index + 1] == UInt8(ascii: "u")
        else { throw error(.loneSurrogate) }
        index += 2
        let second = try fourHexDigits()
        guard (0xDC00...0xDFFF).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw error(.loneSurrogate) }
        return scalar
    }

    private mutating func fourHexDigits() throws(JSONError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            let character = Character(Unicode.Scalar(try peek()))
            guard let digit = character.hexDigitValue else { throw error(.badEscape) }
            value = value << 4 | UInt32(digit)
            index += 1
        }
        return value
    }

    private func utf8(_ bytes: ArraySlice<UInt8>) throws(JSONError) -> String {
        guard let result = String(validating: bytes, as: UTF8.self) else {
            throw error(.invalidUTF8)
        }
        return result
    }

    // MARK: - Moving on

    private func peek() throws(JSONError) -> UInt8 {
        guard index < text.endIndex else { throw error(.unexpectedEnd) }
        return text[index]
    }

    private mutating func skipSpace() {
        while index < text.endIndex {
            switch text[index] {
            case 0x20, 0x0A, 0x0D, 0x09: index += 1
            default: return
            }
        }
    }

    /// Past an opening bracket.
    private mutating func enter() throws(JSONError) {
        guard depth < depthMax else { throw error(.tooDeep) }
        depth += 1
        index += 1
    }

    /// Past a closing bracket.
    private mutating func leave() {
        depth -= 1
        index += 1
    }

    private func error(_ reason: JSONError.Reason) -> JSONError {
        JSONError(reason: reason, offset: index - text.startIndex, member: outerMember)
    }
}
