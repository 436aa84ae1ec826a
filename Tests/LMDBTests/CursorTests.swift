import LMDB
import Testing

@Suite struct CursorTests {
    let directory: TemporaryDirectory
    let environment: Environment

    init() throws {
        directory = try TemporaryDirectory()
        environment = try openQuickly(directory.path)
    }

    /// Keys 10, 20, … `10 * count`, each with its first byte as value.
    private func fill(_ count: UInt64) throws {
        var writing = try WriteTransaction(environment)
        let table = try writing.table(named: "t", create: true)
        for key in 0..<count {
            let value = [UInt8(truncatingIfNeeded: key + 1)]
            try writing.put(value.span.bytes, forKey: (key + 1) * 10, in: table, mode: .append)
        }
        try writing.commit()
    }

    @Test func walksBothWaysAndTurnsAtTheEnds() throws {
        try fill(3)
        let reading = try ReadTransaction(environment)
        let table = try #require(try reading.table(named: "t"))
        var cursor = try reading.cursor(in: table)
        let isOnEntry = cursor.isOnEntry
        #expect(!isOnEntry)
        var keys: [UInt64?] = []
        while try cursor.next() { keys.append(cursor.keyUInt64) }
        #expect(keys == [10, 20, 30])
        #expect(try !cursor.next())
        keys = []
        while try cursor.previous() { keys.append(cursor.keyUInt64) }
        #expect(keys == [30, 20, 10])
        #expect(try !cursor.previous())
        #expect(try cursor.next())
        #expect(cursor.keyUInt64 == 10)
        #expect(bytes(cursor.value) == [1])
        #expect(bytes(cursor.key) == [0, 0, 0, 0, 0, 0, 0, 10])
    }

    @Test func seeksFromBothSides() throws {
        try fill(1000)
        let reading = try ReadTransaction(environment)
        let table = try #require(try reading.table(named: "t"))
        var cursor = try reading.cursor(in: table)
        for probe: UInt64 in [0, 1, 9, 10, 11, 4999, 5000, 5001, 9999, 10_000, 10_001, .max] {
            let after = try cursor.seek(toOrAfter: probe) ? cursor.keyUInt64 : nil
            #expect(after == (probe > 10_000 ? nil : max(10, (probe + 9) / 10 * 10)))
            let before = try cursor.seek(atOrBefore: probe) ? cursor.keyUInt64 : nil
            #expect(before == (probe < 10 ? nil : min(10_000, probe / 10 * 10)))
        }
        let short: [UInt8] = [0, 0, 0, 0, 0, 0, 1]
        #expect(try cursor.seek(toOrAfter: short.span.bytes))
        #expect(cursor.keyUInt64 == 260)
        #expect(try cursor.last())
        #expect(cursor.keyUInt64 == 10_000)
        #expect(try cursor.first())
        #expect(cursor.keyUInt64 == 10)
    }

    @Test func anEmptyTableHasNoEntries() throws {
        try fill(0)
        let reading = try ReadTransaction(environment)
        let table = try #require(try reading.table(named: "t"))
        var cursor = try reading.cursor(in: table)
        #expect(try !cursor.first())
        #expect(try !cursor.last())
        #expect(try !cursor.next())
        #expect(try !cursor.seek(toOrAfter: 0))
        #expect(try !cursor.seek(atOrBefore: .max))
    }

    @Test func aKeyOfAnotherSizeIsNoNumber() throws {
        var writing = try WriteTransaction(environment)
        let table = try writing.table(named: "t", create: true)
        let key: [UInt8] = [1, 2, 3]
        try writing.put(key.span.bytes, forKey: key.span.bytes, in: table)
        do {
            var cursor = try writing.cursor(in: table)
            #expect(try cursor.first())
            #expect(cursor.keyUInt64 == nil)
        }
        try writing.commit()
    }
}
