/// The users of a storm: `user000000000000` and so on, 16 bytes each, as a peer's load generator
/// makes them too.
struct StormUsers: Sendable {
    static let byteCount = 16
    var count: Int

    /// Calls `body` with the name of a user, by its index from 0.
    @inline(__always)
    static func withName<Result>(
        of index: Int, _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result {
        var name: (UInt64, UInt64) = (0, 0)
        return withUnsafeMutableBytes(of: &name) { bytes in
            bytes[0] = UInt8(ascii: "u")
            bytes[1] = UInt8(ascii: "s")
            bytes[2] = UInt8(ascii: "e")
            bytes[3] = UInt8(ascii: "r")
            var rest = UInt64(index)
            for place in stride(from: 15, through: 4, by: -1) {
                bytes[place] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            }
            return body(UnsafeRawBufferPointer(bytes))
        }
    }

    static func name(of index: Int) -> String {
        withName(of: index) { String(decoding: $0, as: UTF8.self) }
    }
}

/// SplitMix64: the same numbers from the same seed on every machine and toolchain.
struct StormRandom: Sendable {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    /// A number from 0 up to `count` − 1.
    mutating func next(below count: Int) -> Int {
        Int(next().multipliedFullWidth(by: UInt64(count)).high)
    }
}
