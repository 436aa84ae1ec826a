/// Turns what a terminal sends into keys: characters in UTF-8, control bytes, escape sequences of
/// the arrow and paging keys in the forms that terminals in use send.
public struct ReplayKeyDecoder: Sendable {
    private var bytes: [UInt8] = []
    /// No sequence is longer.
    private static let sequenceByteCountMax = 17

    public init() {}

    /// Whether something has begun that may go on: an escape alone is a key too, if nothing follows
    /// for some time. Then call `flush`.
    public var isWaiting: Bool { !bytes.isEmpty }

    /// Takes what was read and returns the keys in it.
    public mutating func keys(in read: some Sequence<UInt8>) -> [ReplayKey] {
        bytes += read
        var keys: [ReplayKey] = []
        while let (key, count) = first() {
            bytes.removeFirst(count)
            if let key { keys.append(key) }
        }
        return keys
    }

    /// Nothing more came: what has begun ends here.
    public mutating func flush() -> [ReplayKey] {
        defer { bytes = [] }
        return bytes.first == 0x1B ? [.escape] : []
    }

    /// The first key and its bytes, no key for bytes that mean none, nil if more has to come.
    private func first() -> (ReplayKey?, Int)? {
        guard let byte = bytes.first else { return nil }
        switch byte {
        case 0x1B: return escape()
        case 0x0A, 0x0D: return (.enter, 1)
        case 0x08, 0x7F: return (.backspace, 1)
        case 0x15: return (.eraseLine, 1)
        case 0x03: return (.interrupt, 1)
        case 0x1A: return (.suspend, 1)
        case 0x0C: return (.redraw, 1)
        case ..<0x20: return (nil, 1)
        case ..<0x80: return (.character(Character(Unicode.Scalar(byte))), 1)
        default: return character(byte)
        }
    }

    private func character(_ lead: UInt8) -> (ReplayKey?, Int)? {
        let count = switch lead {
        case 0xC2 ..< 0xE0: 2
        case 0xE0 ..< 0xF0: 3
        case 0xF0 ..< 0xF5: 4
        default: 1
        }
        // What is no character is dropped a byte at a time: what follows it may be one.
        if bytes.prefix(count).dropFirst().contains(where: { $0 & 0xC0 != 0x80 }) {
            return (nil, 1)
        }
        guard bytes.count >= count else { return nil }
        guard let text = String(validating: bytes.prefix(count), as: UTF8.self),
            let character = text.first, DisplayText.isHarmless(character)
        else { return (nil, count) }
        return (.character(character), count)
    }

    /// ESC [ parameters letter, or ESC O letter.
    private func escape() -> (ReplayKey?, Int)? {
        guard bytes.count >= 2 else { return nil }
        guard bytes[1] == UInt8(ascii: "[") || bytes[1] == UInt8(ascii: "O") else {
            return (.escape, 1)
        }
        let longest = bytes.indices.prefix(Self.sequenceByteCountMax)
        guard let end = longest.dropFirst(2).first(where: { bytes[$0] >= 0x40 }) else {
            // So much goes however much of it was read at once.
            return longest.count == Self.sequenceByteCountMax ? (nil, longest.count) : nil
        }
        let parameter = bytes[2..<end].prefix { $0 != UInt8(ascii: ";") }
        return (Self.key(bytes[end], String(decoding: parameter, as: UTF8.self)), end + 1)
    }

    private static func key(_ final: UInt8, _ parameter: String) -> ReplayKey? {
        switch final {
        case UInt8(ascii: "A"): return .up
        case UInt8(ascii: "B"): return .down
        case UInt8(ascii: "H"): return .home
        case UInt8(ascii: "F"): return .end
        case UInt8(ascii: "~"):
            let keys: [String: ReplayKey] = [
                "1": .home, "7": .home, "4": .end, "8": .end, "5": .pageUp, "6": .pageDown,
            ]
            return keys[parameter]
        default: return nil
        }
    }
}
