/// The id every answer carries: a random UUID (version 4) in lower case.
public struct RequestID: Hashable, Sendable, CustomStringConvertible {
    private let high: UInt64
    private let low: UInt64

    /// A new id from system randomness.
    public init() {
        var system = SystemRandomNumberGenerator()
        self.init(using: &system)
    }

    /// A new id from `random`, with the version and variant bits of RFC 9562 set.
    public init(using random: inout some RandomNumberGenerator) {
        high = random.next() & ~0xF000 | 0x4000
        low = random.next() & ~(3 << 62) | 2 << 62
    }

    /// 36 characters.
    public var description: String {
        var text: [UInt8] = []
        text.reserveCapacity(36)
        for position in 0..<32 {
            if position == 8 || position == 12 || position == 16 || position == 20 {
                text.append(UInt8(ascii: "-"))
            }
            let word = position < 16 ? high : low
            let shift = UInt64(60 - 4 * (position % 16))
            text.append(hexDigit(UInt8(truncatingIfNeeded: word >> shift) & 0x0F))
        }
        return String(decoding: text, as: UTF8.self)
    }
}
