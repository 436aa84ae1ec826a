/// Names by number and numbers by name, for users or for projects. Flat: one byte arena, one array
/// of ends, one open-addressing table, so a million users cost their bytes and 16 more each.
///
/// Names are compared byte by byte: two spellings that only look alike are two users.
package struct NameDirectory: Sendable {
    private var bytes: [UInt8] = []
    /// `ends[n]` is where the name of number n ends in `bytes`; index 0 is unused.
    private var ends: [Int] = [0]
    /// Numbers at their hash's place, 0 = free; a power of two, at most three quarters full.
    private var slots: [UInt32] = Array(repeating: 0, count: 64)

    /// How many names there are; they have the numbers 1 to `count`.
    package var count: Int { ends.count - 1 }

    /// Cost: one hash of the name and, on average, under two comparisons.
    func number(of name: UnsafeRawBufferPointer) -> UInt32? {
        var slot = Self.hash(name) & (slots.count - 1)
        while slots[slot] != 0 {
            if isEqual(slots[slot], name) { return slots[slot] }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    package func number(of name: String) -> UInt32? {
        var name = name
        return name.withUTF8 { number(of: UnsafeRawBufferPointer($0)) }
    }

    /// Gives the name the next number. The name must be new.
    mutating func append(_ name: UnsafeRawBufferPointer) {
        if 4 * (count + 1) > 3 * slots.count { grow() }
        bytes.append(contentsOf: name)
        ends.append(bytes.count)
        place(UInt32(count), hash: Self.hash(name))
    }

    /// The name of a number, empty for 0 and for numbers never handed out.
    package func name(of number: UInt32) -> String {
        guard number > 0, Int(number) < ends.count else { return "" }
        return String(decoding: bytes[range(of: number)], as: UTF8.self)
    }

    func withNameBytes<Result>(
        of number: UInt32, _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result {
        bytes[range(of: number)].withUnsafeBytes(body)
    }

    private func range(of number: UInt32) -> Range<Int> {
        ends[Int(number) - 1] ..< ends[Int(number)]
    }

    private func isEqual(_ number: UInt32, _ name: UnsafeRawBufferPointer) -> Bool {
        let range = range(of: number)
        guard range.count == name.count else { return false }
        return bytes.withUnsafeBytes { stored in
            UnsafeRawBufferPointer(rebasing: stored[range]).elementsEqual(name)
        }
    }

    private mutating func grow() {
        slots = Array(repeating: 0, count: 2 * slots.count)
        for number in 1 ..< UInt32(ends.count) {
            place(number, hash: withNameBytes(of: number, Self.hash))
        }
    }

    private mutating func place(_ number: UInt32, hash: Int) {
        var slot = hash & (slots.count - 1)
        while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = number
    }

    /// Seeded per process, so that nobody can choose names that collide. Never stored.
    private static func hash(_ name: UnsafeRawBufferPointer) -> Int {
        var hasher = Hasher()
        hasher.combine(bytes: name)
        return hasher.finalize()
    }
}
