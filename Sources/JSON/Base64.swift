/// Base64 in the two alphabets in use (RFC 4648): with padding for signatures and notes, URL-safe
/// without padding for tokens.
///
/// Decoding is canonical: exactly one text stands for given bytes, so nobody can change a signed
/// token's text without changing what it says.
package enum Base64 {
    package static func encode(_ bytes: [UInt8], urlSafe: Bool) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity((bytes.count + 2) / 3 * 4)
        var index = 0
        while index < bytes.count {
            let left = bytes.count - index
            let word =
                UInt32(bytes[index]) << 16
                | (left > 1 ? UInt32(bytes[index + 1]) << 8 : 0)
                | (left > 2 ? UInt32(bytes[index + 2]) : 0)
            for position in 0..<4 {
                if position <= left {
                    let sextet = UInt8(truncatingIfNeeded: word >> (18 - 6 * position)) & 0x3F
                    output.append(digit(sextet, urlSafe: urlSafe))
                } else if !urlSafe {
                    output.append(padding)
                }
            }
            index += 3
        }
        return output
    }

    /// The bytes `text` stands for; nil unless it is exactly what `encode` would have written.
    package static func decode(_ text: ArraySlice<UInt8>, urlSafe: Bool) -> [UInt8]? {
        var text = text
        if !urlSafe {
            guard text.count.isMultiple(of: 4) else { return nil }
            if text.last == padding { text.removeLast() }
            if text.last == padding { text.removeLast() }
        }
        guard text.count % 4 != 1 else { return nil }
        var output: [UInt8] = []
        output.reserveCapacity(text.count / 4 * 3 + 2)
        var word: UInt32 = 0
        var bits = 0
        for byte in text {
            guard let sextet = value(byte, urlSafe: urlSafe) else { return nil }
            word = word << 6 | UInt32(sextet)
            bits += 6
            if bits >= 8 {
                bits -= 8
                output.append(UInt8(truncatingIfNeeded: word >> bits))
                word &= (1 << bits) - 1
            }
        }
        return word == 0 ? output : nil
    }

    private static let padding = UInt8(ascii: "=")

    private static func digit(_ sextet: UInt8, urlSafe: Bool) -> UInt8 {
        switch sextet {
        case 0..<26: 0x41 + sextet
        case 26..<52: 0x61 + (sextet - 26)
        case 52..<62: 0x30 + (sextet - 52)
        case 62: UInt8(ascii: urlSafe ? "-" : "+")
        default: UInt8(ascii: urlSafe ? "_" : "/")
        }
    }

    private static func value(_ byte: UInt8, urlSafe: Bool) -> UInt8? {
        switch byte {
        case 0x41...0x5A: byte - 0x41
        case 0x61...0x7A: byte - 0x61 + 26
        case 0x30...0x39: byte - 0x30 + 52
        case UInt8(ascii: urlSafe ? "-" : "+"): 62
        case UInt8(ascii: urlSafe ? "_" : "/"): 63
        default: nil
        }
    }
}
