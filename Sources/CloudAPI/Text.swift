// Byte and text helpers shared by the signature and parameter code.

/// ASCII letters in lower case, everything else untouched (header names and values are bytes).
func lowercasedASCII(_ text: String) -> String {
    String(decoding: text.utf8.map(lowercasedASCII), as: UTF8.self)
}

func lowercasedASCII(_ byte: UInt8) -> UInt8 {
    (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
}

/// C0, DEL and C1: what Unicode calls control characters.
func isControl(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
}

/// Whether a text contains a control character. One pass over the bytes.
func containsControl(_ text: String) -> Bool {
    var previous: UInt8 = 0
    for byte in text.utf8 {
        if byte < 0x20 || byte == 0x7F { return true }
        // C1 controls are C2 80 ... C2 9F in UTF-8.
        if previous == 0xC2, byte < 0xA0 { return true }
        previous = byte
    }
    return false
}

/// The value of a text of decimal digits only; nil when empty, signed, spaced or too large.
func decimal(_ text: String) -> UInt64? {
    var value: UInt64 = 0
    var isEmpty = true
    for byte in text.utf8 {
        guard (0x30...0x39).contains(byte) else { return nil }
        let (shifted, tooLarge) = value.multipliedReportingOverflow(by: 10)
        let (sum, overflow) = shifted.addingReportingOverflow(UInt64(byte - 0x30))
        if tooLarge || overflow { return nil }
        value = sum
        isEmpty = false
    }
    return isEmpty ? nil : value
}

/// Whether two byte strings are equal, in a time that depends on their lengths alone, so that a
/// wrong signature does not tell how much of it was right.
func equalInConstantTime(_ left: UnsafeRawBufferPointer, _ right: [UInt8]) -> Bool {
    guard left.count == right.count else { return false }
    var difference: UInt8 = 0
    for index in left.indices { difference |= left[index] ^ right[index] }
    return difference == 0
}

/// The same for texts.
func equalInConstantTime(_ left: String, _ right: String) -> Bool {
    let (left, right) = (left.utf8, right.utf8)
    guard left.count == right.count else { return false }
    var difference: UInt8 = 0
    for (one, other) in zip(left, right) { difference |= one ^ other }
    return difference == 0
}

/// Appends the bytes in lower-case hexadecimal.
func appendHex(_ bytes: UnsafeRawBufferPointer, to output: inout [UInt8]) {
    let start = output.count
    output.append(contentsOf: repeatElement(0, count: 2 * bytes.count))
    output.withUnsafeMutableBufferPointer { output in
        for (index, byte) in bytes.enumerated() {
            output[start + 2 * index] = hexDigit(byte >> 4)
            output[start + 2 * index + 1] = hexDigit(byte & 0x0F)
        }
    }
}

func hexDigit(_ nibble: UInt8) -> UInt8 {
    nibble < 10 ? 0x30 + nibble : 0x57 + nibble
}

/// The value of a hexadecimal digit of either case, nil for anything else.
func hexValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
}

/// The bytes a text of hexadecimal digits stands for; nil if odd or not hexadecimal.
func bytes(fromHex text: ArraySlice<UInt8>) -> [UInt8]? {
    guard text.count.isMultiple(of: 2) else { return nil }
    var result: [UInt8] = []
    result.reserveCapacity(text.count / 2)
    var index = text.startIndex
    while index < text.endIndex {
        guard let high = hexValue(text[index]), let low = hexValue(text[index + 1]) else {
            return nil
        }
        result.append(high << 4 | low)
        index += 2
    }
    return result
}

/// Without spaces and tabs at either end.
func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var start = text.startIndex
    var end = text.endIndex
    while start < end, isBlank(text[start]) { start += 1 }
    while start < end, isBlank(text[end - 1]) { end -= 1 }
    return text[start..<end]
}

/// Without spaces and tabs at either end; costs nothing when there are none.
func trimmed(_ text: String) -> String {
    guard let first = text.utf8.first, let last = text.utf8.last else { return text }
    guard isBlank(first) || isBlank(last) else { return text }
    return String(decoding: trimmed(Array(text.utf8)[...]), as: UTF8.self)
}

private func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

func isEqual(_ text: ArraySlice<UInt8>, _ word: StaticString) -> Bool {
    guard text.count == word.utf8CodeUnitCount else { return false }
    var offset = 0
    for byte in text {
        guard byte == word.utf8Start[offset] else { return false }
        offset += 1
    }
    return true
}

/// Walks through the pieces between separators, empty ones included, without an allocation. A
/// text without separators is one piece.
struct Pieces: Sequence, IteratorProtocol {
    private let text: ArraySlice<UInt8>
    private let separator: UInt8
    private var start: Int?

    init(of text: ArraySlice<UInt8>, separatedBy separator: Unicode.Scalar) {
        self.text = text
        self.separator = UInt8(ascii: separator)
        self.start = text.startIndex
    }

    mutating func next() -> ArraySlice<UInt8>? {
        guard let start else { return nil }
        var end = start
        while end < text.endIndex, text[end] != separator { end += 1 }
        self.start = end < text.endIndex ? end + 1 : nil
        return text[start..<end]
    }
}
