import Glibc
import LMDB
import Testing

@Suite struct TransactionTests {
    let directory: TemporaryDirectory
    let environment: Environment

    init() throws {
        directory = try TemporaryDirectory()
        environment = try openQuickly(directory.path)
    }

    @Test func valuesOfEverySizeComeBack() throws {
        let values = [0, 1, 2, 100, 2037, 2038, 2039, 4080, 4081, 100_000].map { size in
            (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        }
        try commit(values, to: environment, table: "t")
        let reading = try ReadTransaction(environment)
        let table = try #require(try reading.table(named: "t"))
        #expect(try reading.entryCount(in: table) == values.count)
        for (key, value) in values.enumerated() {
            #expect(bytes(try reading.get(UInt64(key), in: table)) == value)
        }
        #expect(bytes(try reading.get(99, in: table)) == nil)
        let statistics = try reading.statistics(of: table)
        #expect(statistics.depth == 2 || statistics.depth == 1)
        #expect(statistics.overflowPageCount >= 26)
    }

    @Test func keysAreBytesAndNumbersAreBigEndianKeys() throws {
        var writing = try WriteTransaction(environment)
        let table = try writing.table(named: "t", create: true)
        try writing.put([9].span.bytes, forKey: 0x0102_0304_0506_0708, in: table)
        let key: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
        #expect(bytes(try writing.get(key.span.bytes, in: table)) != nil)
        #expect(try writing.delete(key.span.bytes, in: table))
        #expect(try !writing.delete(0x0102_0304_0506_0708, in: table))
    }

    @Test func modesRefuseWhatTheyShould() throws {
        var writing = try WriteTransaction(environment)
        let table = try writing.table(named: "t", create: true)
        let value: [UInt8] = [1]
        try writing.put(value.span.bytes, forKey: 5, in: table, mode: .append)
        for key: UInt64 in [4, 5] {
            do {
                try writing.put(value.span.bytes, forKey: key, in: table, mode: .append)
                Issue.record("out of order")
            } catch { #expect(error.code == .keyExists) }
        }
        do {
            try writing.put(value.span.bytes, forKey: 5, in: table, mode: .insert)
            Issue.record("inserted twice")
        } catch { #expect(error.code == .keyExists) }
        let other: [UInt8] = [2]
        try writing.put(other.span.bytes, forKey: 5, in: table)
        try writing.put(value.span.bytes, forKey: 4, in: table, mode: .insert)
        try writing.put(value.span.bytes, forKey: 6, in: table, mode: .append)
        #expect(bytes(try writing.get(5, in: table)) == [2])
        try writing.commit()
    }

    @Test func keySizesHaveBounds() throws {
        var writing = try WriteTransaction(environment)
        let table = try writing.table(named: "t", create: true)
        #expect(environment.keySizeBytesMax == 511)
        let value: [UInt8] = [1]
        let longest = [UInt8](repeating: 1, count: 511)
        try writing.put(value.span.bytes, forKey: longest.span.bytes, in: table)
        for size in [0, 512] {
            let key = [UInt8](repeating: 1, count: size)
            do {
                try writing.put(value.span.bytes, forKey: key.span.bytes, in: table)
                Issue.record("a key of \(size) bytes")
            } catch { #expect(error.code == .badValueSize) }
        }
        do {
            let key: [UInt8] = []
            _ = try writing.get(key.span.bytes, in: table)?.byteCount
            Issue.record("an empty key")
        } catch { #expect(error.code == .badValueSize) }
    }

    @Test(arguments: [10, 5000]) func reservedRoomIsWrittenInPlace(byteCount: Int) throws {
        var writing = try WriteTransaction(environment)
        let table = try writing.table(named: "t", create: true)
        try writing.reserve(byteCount: byteCount, forKey: 1, in: table) { room in
            for index in room.indices { room[index] = UInt8(truncatingIfNeeded: index) }
        }
        let key: [UInt8] = [7]
        try writing.reserve(byteCount: 1, forKey: key.span.bytes, in: table, mode: .insert) {
            $0[0] = 3
        }
        do {
            try writing.reserve(byteCount: 1, forKey: 1, in: table, mode: .append) { _ in
                Issue.record("called after a refusal")
            }
        } catch { #expect(error.code == .keyExists) }
        try writing.commit()
        let reading = try ReadTransaction(environment)
        let opened = try #require(try reading.table(named: "t"))
        let expected = (0..<byteCount).map { UInt8(truncatingIfNeeded: $0) }
        #expect(bytes(try reading.get(1, in: opened)) == expected)
        #expect(bytes(try reading.get(key.span.bytes, in: opened)) == [3])
    }

    @Test func aSnapshotStaysUntilItIsRenewed() throws {
        try commit([[1]], to: environment, table: "t")
        var reading = try ReadTransaction(environment)
        let table = try #require(try reading.table(named: "t"))
        try commit([[2], [3]], to: environment, table: "t")
        #expect(bytes(try reading.get(0, in: table)) == [1])
        #expect(try reading.entryCount(in: table) == 1)
        #expect(environment.lastTransactionId == reading.transactionId + 1)
        try reading.renew()
        #expect(bytes(try reading.get(0, in: table)) == [2])
        #expect(environment.lastTransactionId == reading.transactionId)
    }

    @Test func whatIsNotCommittedIsGone() throws {
        try commit([[1]], to: environment, table: "t")
        let before = environment.lastTransactionId
        do {
            var writing = try WriteTransaction(environment)
            let table = try writing.table(named: "t", create: false)
            try writing.put([2].span.bytes, forKey: 0, in: table)
            _ = try writing.table(named: "never", create: true)
        }
        let explicit = try WriteTransaction(environment)
        explicit.abort()
        let reading = try ReadTransaction(environment)
        let table = try #require(try reading.table(named: "t"))
        #expect(bytes(try reading.get(0, in: table)) == [1])
        #expect(try reading.table(named: "never") == nil)
        #expect(environment.lastTransactionId == before)
    }

    @Test func tablesAreFoundByNameAcrossTransactions() throws {
        var early = try ReadTransaction(environment)
        #expect(try early.table(named: "t") == nil)
        try commit([[1]], to: environment, table: "t")
        #expect(try early.table(named: "t") == nil)
        var writing = try WriteTransaction(environment)
        let table = try writing.table(named: "t", create: false)
        #expect(code { _ = try early.get(0, in: table)?.byteCount } == .badTable)
        do {
            _ = try writing.table(named: "absent", create: false)
            Issue.record("found")
        } catch { #expect(error.code == .notFound) }
        writing.abort()
        try early.renew()
        #expect(try early.table(named: "t") == table)
        #expect(bytes(try early.get(0, in: table)) == [1])
    }

    @Test func moreTablesThanAllowedAreRefused() throws {
        let other = try TemporaryDirectory()
        let small = try openQuickly(other.path) { $0.tableCountMax = 1 }
        try commit([[1]], to: small, table: "one")
        #expect(code { try commit([[1]], to: small, table: "two") } == .tablesFull)
    }

    @Test func clearKeepsAndDropRemovesATable() throws {
        try commit([[1], [2]], to: environment, table: "t")
        var writing = try WriteTransaction(environment)
        var table = try writing.table(named: "t", create: false)
        try writing.clear(table)
        #expect(try writing.entryCount(in: table) == 0)
        try writing.commit()
        do {
            let reading = try ReadTransaction(environment)
            var dropping = try WriteTransaction(environment)
            do {
                try dropping.drop(table)
                Issue.record("dropped under a reader")
            } catch { #expect(error.code == .system(EBUSY)) }
            #expect(try reading.entryCount(in: table) == 0)
        }
        var dropping = try WriteTransaction(environment)
        try dropping.drop(table)
        try dropping.commit()
        #expect(try ReadTransaction(environment).table(named: "t") == nil)
        try commit([[7]], to: environment, table: "t")
        let reading = try ReadTransaction(environment)
        table = try #require(try reading.table(named: "t"))
        #expect(bytes(try reading.get(0, in: table)) == [7])
    }

    @Test func anAbandonedDropKeepsTheTable() throws {
        try commit([[1]], to: environment, table: "t")
        do {
            var writing = try WriteTransaction(environment)
            try writing.drop(try writing.table(named: "t", create: false))
        }
        var writing = try WriteTransaction(environment)
        let table = try writing.table(named: "t", create: false)
        #expect(bytes(try writing.get(0, in: table)) == [1])
        try writing.commit()
        #expect(try ReadTransaction(environment).table(named: "t") == table)
    }

    @Test func aSecondWriteTransactionOnAThreadIsRefused() throws {
        let writing = try WriteTransaction(environment)
        #expect(code { try commit([], to: environment, table: "t") } == .system(EDEADLK))
        writing.abort()
        try commit([], to: environment, table: "t")
    }

    @Test func aFullMapRefusesWritesAndServesReads() throws {
        let other = try TemporaryDirectory()
        let small = try openQuickly(other.path) { $0.mapSizeBytes = 64 * 1024 }
        try commit([[1]], to: small, table: "t")
        do {
            var writing = try WriteTransaction(small)
            let table = try writing.table(named: "t", create: false)
            let large = [UInt8](repeating: 1, count: 100_000)
            do {
                try writing.put(large.span.bytes, forKey: 1, in: table)
                Issue.record("fits")
            } catch { #expect(error.code == .mapFull) }
            do {
                try writing.commit()
                Issue.record("committed")
            } catch { #expect(error.code == .badTransaction) }
        }
        try commit([[2]], to: small, table: "t")
        let reading = try ReadTransaction(small)
        let table = try #require(try reading.table(named: "t"))
        #expect(bytes(try reading.get(0, in: table)) == [2])
    }

    @Test func aReadTransactionMovesBetweenThreads() async throws {
        try commit([[1]], to: environment, table: "t")
        let reading = try ReadTransaction(environment)
        let table = try #require(try reading.table(named: "t"))
        for _ in 0..<10 {
            await Task.yield()
            #expect(bytes(try reading.get(0, in: table)) == [1])
        }
    }

    @Test func durabilityChangesWhileOpen() throws {
        for durability in Durability.allCases {
            try environment.setDurability(durability)
            try commit([[1]], to: environment, table: "t")
        }
        try environment.sync()
    }

    @Test func errorsSayWhatAndWhatToDo() {
        let full = LMDBError(.mapFull, during: "put").description
        #expect(full.hasPrefix("LMDB put: "))
        #expect(full.contains("mapSizeBytes"))
        #expect(LMDBError(.system(ENOENT), during: "open").description.contains("No such file"))
        let codes: [LMDBError.Code] = [
            .keyExists, .notFound, .truncated(expected: 2, actual: 1), .badTable, .alreadyOpen,
        ]
        for code in codes {
            #expect(!LMDBError(code, during: "x").description.contains("\n"))
        }
    }
}
