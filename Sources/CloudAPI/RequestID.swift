import Synchronization

/// The id every answer carries: a random UUID (version 4) in lower case.
public struct RequestID: Hashable, Sendable, CustomStringConvertible {
    private let high: UInt64
    private let low: UInt64

    /// A new id: 128 bits of system randomness drawn once per process, scrambled with a counter.
    ///
    /// Unique, and apart from other processes, but no secret: who knows one can work out others.
    /// Asking the system for each id would take longer than writing the whole answer.
    public init() {
        let number = Self.count.add(1, ordering: .relaxed).newValue
        var scrambled = Scrambler(
            first: Self.scramble(Self.seed.first &+ number),
            second: Self.scramble(Self.seed.second &+ number))
        self.init(using: &scrambled)
    }

    /// A new id from `random`, with the version and variant bits of RFC 9562 set.
    public init(using random: inout some RandomNumberGenerator) {
        high = random.next() & ~0xF000 | 0x4000
        low = random.next() & ~(3 << 62) | 2 << 62
    }

    private static let count = Atomic<UInt64>(0)
    private static let seed = (
        first: UInt64.random(in: 0...UInt64.max), second: UInt64.random(in: 0...UInt64.max)
    )

    /// A bijection that spreads each bit over all others (the finalizer of SplitMix64).
    private static func scramble(_ value: UInt64) -> UInt64 {
        var mixed = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// Hands out two words, once.
    private struct Scrambler: RandomNumberGenerator {
        var first: UInt64
        var second: UInt64

        mutating func next() -> UInt64 {
            defer { first = second }
            return first
        }
    }

    /// 36 characters.
    public var description: String {
        String(unsafeUninitializedCapacity: 36) { output in
            var index = 0
            for position in 0..<32 {
                if position == 8 || position == 12 || position == 16 || position == 20 {
                    output[index] = UInt8(ascii: "-")
                    index += 1
                }
                let word = position < 16 ? high : low
                let shift = UInt64(60 - 4 * (position % 16))
                output[index] = hexDigit(UInt8(truncatingIfNeeded: word >> shift) & 0x0F)
                index += 1
            }
            return index
        }
    }
}
