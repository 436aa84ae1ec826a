/// Writes the members of one JSON object as bytes, in the order of the calls.
///
/// Names are written as given and must be plain ASCII without quotes or backslashes; values are
/// escaped. It does not look for repeated names.
public struct JSONObjectWriter: Sendable {
    private var output: [UInt8]
    private var needsComma = false

    /// The bytes of `{...}` with what `members` writes into it.
    public static func bytes(
        reservingCapacity capacity: Int = 256, _ members: (inout JSONObjectWriter) -> Void
    ) -> [UInt8] {
        var writer = JSONObjectWriter(output: [])
        writer.output.reserveCapacity(capacity)
        writer.braces(members)
        return writer.output
    }

    /// Appends `{...}` with what `members` writes into it to bytes that are there: for many objects
    /// in one buffer. Cost: no allocation but the buffer's growth.
    public static func append(
        to output: inout [UInt8], _ members: (inout JSONObjectWriter) -> Void
    ) {
        var writer = JSONObjectWriter(output: [])
        swap(&writer.output, &output)
        writer.braces(members)
        swap(&writer.output, &output)
    }

    private init(output: [UInt8]) { self.output = output }

    public mutating func string(_ name: String, _ value: String) {
        begin(name)
        append(quoted: value)
    }

    public mutating func unsigned(_ name: String, _ value: some UnsignedInteger) {
        begin(name)
        append(UInt64(value))
    }

    public mutating func integer(_ name: String, _ value: Int64) {
        begin(name)
        if value < 0 { output.append(UInt8(ascii: "-")) }
        append(value.magnitude)
    }

    public mutating func bool(_ name: String, _ value: Bool) {
        begin(name)
        output.append(contentsOf: (value ? "true" : "false").utf8)
    }

    public mutating func null(_ name: String) {
        begin(name)
        output.append(contentsOf: "null".utf8)
    }

    /// A nested object.
    public mutating func object(_ name: String, _ members: (inout JSONObjectWriter) -> Void) {
        begin(name)
        braces(members)
    }

    /// An array of objects, one for each element of `elements`.
    public mutating func array<Element>(
        _ name: String, _ elements: some Sequence<Element>,
        _ members: (inout JSONObjectWriter, Element) -> Void
    ) {
        begin(name)
        output.append(UInt8(ascii: "["))
        var isFirst = true
        for element in elements {
            if !isFirst { output.append(UInt8(ascii: ",")) }
            isFirst = false
            braces { writer in members(&writer, element) }
        }
        output.append(UInt8(ascii: "]"))
        needsComma = true
    }

    /// An array of strings.
    public mutating func strings(_ name: String, _ elements: some Sequence<String>) {
        begin(name)
        output.append(UInt8(ascii: "["))
        var isFirst = true
        for element in elements {
            if !isFirst { output.append(UInt8(ascii: ",")) }
            isFirst = false
            append(quoted: element)
        }
        output.append(UInt8(ascii: "]"))
    }

    /// A member whose value is already JSON; nothing is checked.
    public mutating func json(_ name: String, _ value: [UInt8]) {
        begin(name)
        output.append(contentsOf: value)
    }

    // MARK: - Bytes

    private mutating func begin(_ name: String) {
        if needsComma { output.append(UInt8(ascii: ",")) }
        needsComma = true
        output.append(UInt8(ascii: "\""))
        output.append(contentsOf: name.utf8)
        output.append(UInt8(ascii: "\""))
        output.append(UInt8(ascii: ":"))
    }

    private mutating func braces(_ members: (inout JSONObjectWriter) -> Void) {
        output.append(UInt8(ascii: "{"))
        needsComma = false
        members(&self)
        output.append(UInt8(ascii: "}"))
        needsComma = true
    }

    private mutating func append(_ value: UInt64) {
        if value < 10 {
            output.append(0x30 + UInt8(value))
            return
        }
        let start = output.count
        var rest = value
        while rest > 0 {
            output.append(0x30 + UInt8(rest % 10))
            rest /= 10
        }
        output[start...].reverse()
    }

    private mutating func append(quoted text: String) {
        output.append(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { bytes in
            // Nearly every text stands as it is.
            if bytes.allSatisfy(Self.standsAsItIs) {
                output.append(contentsOf: bytes)
            } else {
                for byte in bytes { append(escaped: byte) }
            }
        }
        output.append(UInt8(ascii: "\""))
    }

    private static func standsAsItIs(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }

    private mutating func append(escaped byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            output.append(UInt8(ascii: "\\"))
            output.append(byte)
        case 0x0A: output.append(contentsOf: "\\n".utf8)
        case 0x0D: output.append(contentsOf: "\\r".utf8)
        case 0x09: output.append(contentsOf: "\\t".utf8)
        case 0..<0x20:
            output.append(contentsOf: "\\u00".utf8)
            output.append(Self.hexDigit(byte >> 4))
            output.append(Self.hexDigit(byte & 0x0F))
        default: output.append(byte)
        }
    }

    private static func hexDigit(_ nibble: UInt8) -> UInt8 {
        nibble < 10 ? 0x30 + nibble : 0x57 + nibble
    }
}
