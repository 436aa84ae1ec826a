import Crypto
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Where keys, nonces and the ledger's id come from: injected, so that a simulation repeats itself
/// byte by byte.
public struct RandomSource: Sendable {
    private let fillBytes: @Sendable (UnsafeMutableRawBufferPointer) -> Void

    /// `fill` fills the whole buffer, from any thread. What it gives must be fit for keys.
    public init(_ fill: @escaping @Sendable (UnsafeMutableRawBufferPointer) -> Void) {
        fillBytes = fill
    }

    /// The operating system's.
    public static let system = RandomSource { buffer in
        var rest = buffer[...]
        while !rest.isEmpty {
            let part = UnsafeMutableRawBufferPointer(rebasing: rest.prefix(256))
            precondition(getentropy(part.baseAddress!, part.count) == 0, "no random bytes")
            rest = rest.dropFirst(part.count)
        }
    }

    /// The same bytes for the same seed, in the order of the calls. For simulations and tests:
    /// whoever knows the seed knows every key.
    public static func repeatable(seed: UInt64) -> RandomSource {
        let blocks = RepeatableBlocks(seed: seed)
        return RandomSource { blocks.fill($0) }
    }

    func fill(_ buffer: UnsafeMutableRawBufferPointer) { fillBytes(buffer) }

    /// That many bytes.
    func bytes(count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        bytes.withUnsafeMutableBytes { fillBytes($0) }
        return bytes
    }
}

/// SHA-256 of seed and counter, block by block.
private final class RepeatableBlocks: Sendable {
    private let seed: UInt64
    private let counter = Mutex<UInt64>(0)

    init(seed: UInt64) { self.seed = seed }

    func fill(_ buffer: UnsafeMutableRawBufferPointer) {
        counter.withLock { counter in
            var offset = 0
            while offset < buffer.count {
                let block = withUnsafeBytes(of: (seed.littleEndian, counter.littleEndian)) {
                    Array(SHA256.hash(data: Array($0)))
                }
                counter += 1
                for byte in block.prefix(buffer.count - offset) {
                    buffer[offset] = byte
                    offset += 1
                }
            }
        }
    }
}
