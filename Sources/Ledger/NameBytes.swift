/// Names as bytes: what may be recorded, how they are compared and hashed.
package enum NameBytes {
    /// 1 to 256 bytes of UTF-8 without control characters, U+0080 to U+009F included: the rule of
    /// `LedgerName`.
    static func canBeRecorded(_ name: UnsafeRawBufferPointer) -> Bool {
        guard !name.isEmpty, name.count <= 256 else { return false }
        var isASCII: UInt8 = 0
        for byte in name {
            if byte < 0x20 || byte == 0x7F { return false }
            isASCII |= byte
        }
        if isASCII < 0x80 { return true }
        guard String(validating: name, as: UTF8.self) != nil else { return false }
        for index in 1 ..< name.count
        where name[index - 1] == 0xC2 && (0x80 ... 0x9F).contains(name[index]) {
            return false
        }
        return true
    }

    @inline(__always)
    static func areEqual(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
        let count = left.count
        guard count == right.count else { return false }
        var offset = 0
        while offset + 8 <= count {
            if word(left, offset) != word(right, offset) { return false }
            offset += 8
        }
        while offset < count {
            if left[offset] != right[offset] { return false }
            offset += 1
        }
        return true
    }

    /// Whether two names are the same name. Swift's `==` takes texts for equal that are spelt
    /// otherwise ("é" has two spellings): they are two names here.
    package static func areEqual(_ left: String, _ right: String) -> Bool {
        guard left.utf8.count == right.utf8.count else { return false }
        let answer: Bool?? = left.utf8.withContiguousStorageIfAvailable { left in
            right.utf8.withContiguousStorageIfAvailable { right in
                areEqual(UnsafeRawBufferPointer(left), UnsafeRawBufferPointer(right))
            }
        }
        return (answer ?? nil) ?? left.utf8.elementsEqual(right.utf8)
    }

    /// Two 64-bit words drawn at start, so that nobody can choose names that collide. Never stored.
    private static let secret: (UInt64, UInt64) = {
        var generator = SystemRandomNumberGenerator()
        return (generator.next() | 1, generator.next() | 1)
    }()

    /// Cost: one 64 × 64 → 128 bit multiplication for 16 bytes, and two more.
    static func hash(_ name: UnsafeRawBufferPointer) -> UInt64 {
        let secret = Self.secret
        var folded = fold(UInt64(name.count) ^ secret.0, secret.1)
        var offset = 0
        while offset + 16 <= name.count {
            folded = fold(
                word(name, offset) ^ secret.0 ^ folded, word(name, offset + 8) ^ secret.1)
            offset += 16
        }
        if offset < name.count {
            let rest = name.count - offset
            folded = fold(
                tail(name, offset, min(8, rest)) ^ secret.0 ^ folded,
                tail(name, offset + 8, rest - 8) ^ secret.1)
        }
        return fold(folded ^ secret.1, 0x9E37_79B9_7F4A_7C15)
    }

    @inline(__always)
    private static func fold(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let product = left.multipliedFullWidth(by: right)
        return product.high ^ product.low
    }

    @inline(__always)
    private static func word(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
        bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    }

    @inline(__always)
    private static func tail(
        _ bytes: UnsafeRawBufferPointer, _ offset: Int, _ count: Int
    ) -> UInt64 {
        guard count > 0 else { return 0 }
        if count == 8 { return word(bytes, offset) }
        var value: UInt64 = 0
        for index in 0..<count { value = value << 8 | UInt64(bytes[offset + index]) }
        return value
    }
}
