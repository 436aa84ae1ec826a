#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// How much of a client's address is recorded with an apply or a session.
public enum ClientAddressRecording: String, Sendable, CaseIterable {
    /// Nothing: the default.
    case none
    /// The network: /24 of an IPv4 address, /48 of an IPv6 address.
    case truncated
    /// The whole address.
    case full
}

/// The IP address of a client, or the network it is in.
public struct ClientAddress: Sendable, Equatable, CustomStringConvertible {
    /// The 16 bytes, most significant first; an IPv4 address has the first 4, the rest are zero.
    private var bytes: (UInt64, UInt64)
    private var isIPv6: Bool
    private var prefixBitCount: UInt8

    static let byteCount = 18

    /// Reads an IPv4 address in four numbers or an IPv6 address; nil for any other text. An IPv4
    /// address written as IPv6 (`::ffff:192.0.2.7`) is the IPv4 address.
    public init?(_ text: String) {
        var four = in_addr()
        var six = in6_addr()
        // To the functions below a text ends where it has a zero.
        guard !text.utf8.contains(0) else { return nil }
        if inet_pton(AF_INET, text, &four) == 1 {
            let word = UInt64(UInt32(bigEndian: four.s_addr))
            (bytes, isIPv6, prefixBitCount) = ((word << 32, 0), false, 32)
        } else if inet_pton(AF_INET6, text, &six) == 1 {
            let words = withUnsafeBytes(of: six) {
                (
                    UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)),
                    UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
                )
            }
            if words.0 == 0, words.1 >> 32 == 0xFFFF {
                (bytes, isIPv6, prefixBitCount) = ((words.1 << 32, 0), false, 32)
            } else {
                (bytes, isIPv6, prefixBitCount) = (words, true, 128)
            }
        } else {
            return nil
        }
    }

    /// What the setting leaves of it; nil if that is nothing.
    public func recorded(_ recording: ClientAddressRecording) -> ClientAddress? {
        switch recording {
        case .none: return nil
        case .full: return self
        case .truncated:
            var network = self
            network.prefixBitCount = isIPv6 ? 48 : 24
            network.bytes = (bytes.0 & ~0 << (isIPv6 ? 16 : 40), 0)
            return network
        }
    }

    /// The address, with `/24` or `/48` behind it if only that much was recorded.
    public var description: String {
        var text = [CChar](repeating: 0, count: 64)
        withUnsafeBytes(of: (bytes.0.bigEndian, bytes.1.bigEndian)) {
            _ = inet_ntop(isIPv6 ? AF_INET6 : AF_INET, $0.baseAddress, &text, 64)
        }
        let address = String(
            decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return prefixBitCount == (isIPv6 ? 128 : 32) ? address : "\(address)/\(prefixBitCount)"
    }

    /// Reads what `description` writes; nil for any other text.
    public init?(recorded text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard let first = parts.first, parts.count <= 2, let address = Self(String(first)) else {
            return nil
        }
        let whole = parts.count == 1 ? address : address.recorded(.truncated)
        guard let whole, whole.description == text else { return nil }
        self = whole
    }

    // MARK: - As it is sealed: kind, bits of the prefix, 16 bytes

    func store(at buffer: UnsafeMutableRawBufferPointer) {
        buffer[0] = isIPv6 ? 6 : 4
        buffer[1] = prefixBitCount
        buffer.storeBytes(of: bytes.0.bigEndian, toByteOffset: 2, as: UInt64.self)
        buffer.storeBytes(of: bytes.1.bigEndian, toByteOffset: 10, as: UInt64.self)
    }

    /// Nil for anything but what `store` writes of an address that is recorded.
    init?(stored: UnsafeRawBufferPointer) {
        guard stored.count == Self.byteCount, stored[0] == 4 || stored[0] == 6 else { return nil }
        isIPv6 = stored[0] == 6
        prefixBitCount = stored[1]
        guard prefixBitCount <= (isIPv6 ? 128 : 32) else { return nil }
        bytes = (
            UInt64(bigEndian: stored.loadUnaligned(fromByteOffset: 2, as: UInt64.self)),
            UInt64(bigEndian: stored.loadUnaligned(fromByteOffset: 10, as: UInt64.self))
        )
        guard Self(recorded: description) == self else { return nil }
    }

    public static func == (left: ClientAddress, right: ClientAddress) -> Bool {
        left.bytes == right.bytes && left.isIPv6 == right.isIPv6
            && left.prefixBitCount == right.prefixBitCount
    }
}
