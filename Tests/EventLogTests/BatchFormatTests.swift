@testable import EventLog
import LogForge
import ReconnectionRules
import Testing

/// A batch, byte by byte as docs/log-format.md has it.
@Suite struct BatchFormatTests {
    private static let origin = BatchOrigin(
        source: Digest32((0 ..< 32).map { UInt8($0) }), rowCount: 0x0102_0304_0506_0708)

    /// Two events, one with a name, behind a made-up head.
    private func sealed(
        wallOffset: Microseconds? = -3, origin: BatchOrigin? = Self.origin
    ) -> (bytes: [UInt8], head: LogHead) {
        let previous = LogHead(
            position: 40, time: 900, hash: Digest32((0 ..< 32).map { 0xF0 ^ UInt8($0) }))
        var builder = BatchMaker(after: previous, version: 1)
        builder.append(namingEvent(at: 41, time: 1_000, user: 3), name: Array("ada".utf8))
        builder.append(sampleEvent(at: 42, time: 2_000))
        var bytes: [UInt8] = []
        let head = builder.seal(wallOffset: wallOffset, origin: origin) { bytes = Array($0) }
        return (bytes, head)
    }

    @Test func theGoldenBatch() {
        #expect(hex(sealed().bytes) == Self.golden)
    }

    @Test func headerNamesOriginAndTrailerStandWhereTheDocumentSays() {
        let (bytes, head) = sealed()
        var batch = ForgedBatch(key: 41, bytes: bytes)
        #expect(bytes.count == 96 + 2 * 80 + (4 + 2 + 3) + 40 + 32)
        #expect(Array(bytes[0 ..< 4]) == Array("HFLB".utf8))
        #expect(batch.number(at: 4, as: UInt16.self) == 1)
        #expect(batch.number(at: 6, as: UInt16.self) == 96)
        #expect(batch.number(at: 8, as: UInt64.self) == 41)
        #expect(batch.number(at: 16, as: UInt32.self) == 2)
        #expect(batch.number(at: 20, as: UInt32.self) == 80)
        #expect(batch.number(at: 24, as: UInt32.self) == 9)
        #expect(batch.number(at: 28, as: UInt32.self) == 40)
        #expect(batch.number(at: 32, as: Int64.self) == 1_000)
        #expect(batch.number(at: 40, as: Int64.self) == 2_000)
        #expect(batch.number(at: 48, as: Int64.self) == -3)
        #expect(batch.number(at: 56, as: UInt64.self) == 0)
        #expect(batch.previousHash == (0 ..< 32).map { 0xF0 ^ UInt8($0) })
        #expect(Array(bytes[256 ..< 265]) == [0, 0, 0, 0, 3, 0] + Array("ada".utf8))
        #expect(Array(bytes[265 ..< 297]) == Self.origin.source.bytes)
        #expect(batch.number(at: 297, as: UInt64.self) == Self.origin.rowCount)
        #expect(batch.hash == head.hash.bytes)
        let before = batch
        batch.sealRecords()
        batch.sealHash()
        #expect(batch == before)
        #expect(head.position == 42 && head.time == 2_000)
    }

    @Test func aBatchSaysWhatItIs() throws {
        let (bytes, head) = sealed()
        try bytes.withUnsafeBytes { bytes in
            let batch = try BatchView(bytes, key: 41)
            try batch.verifyHash()
            #expect(batch.firstPosition == 41 && batch.lastPosition == 42 && batch.eventCount == 2)
            #expect(batch.times == 1_000 ... 2_000)
            #expect(batch.wallOffset == -3)
            #expect(batch.origin == Self.origin)
            #expect(batch.hash == head.hash)
            #expect(batch.name(at: 41) == Array("ada".utf8))
            #expect(batch.name(at: 42) == nil)
            #expect(try batch.event(at: 42) == sampleEvent(at: 42, time: 2_000))
        }
    }

    @Test func noWallClockAndNoOrigin() throws {
        let bytes = sealed(wallOffset: nil, origin: nil).bytes
        let batch = ForgedBatch(key: 41, bytes: bytes)
        #expect(batch.number(at: 48, as: Int64.self) == .min)
        #expect(batch.originByteCount == 0)
        try bytes.withUnsafeBytes { bytes in
            let batch = try BatchView(bytes, key: 41)
            #expect(batch.wallOffset == nil)
            #expect(batch.origin == nil)
        }
    }

    /// Header fields that contradict the length or each other, trailer recomputed each time.
    @Test(arguments: [
        (0, 0), (4, 0), (6, 95), (16, 0), (16, 1), (16, 3), (20, 79), (24, 8), (24, 10), (28, 39),
        (28, 0), (8, 40), (56, 1), (63, 128),
    ])
    func aHeaderThatDoesNotFitIsRefused(offset: Int, value: Int) throws {
        var batch = ForgedBatch(key: 41, bytes: sealed().bytes)
        batch.bytes[offset] = UInt8(value)
        batch.sealHash()
        let error = #expect(throws: LogError.self) {
            try batch.bytes.withUnsafeBytes { _ = try BatchView($0, key: 41) }
        }
        #expect(error?.code == .corrupt(position: 41))
    }

    @Test func positionsBeginWithOne() {
        var batch = ForgedBatch(key: 0, bytes: sealed().bytes)
        batch.set(UInt64(0), at: 8)
        batch.sealRecords()
        batch.sealHash()
        let error = #expect(throws: LogError.self) {
            try batch.bytes.withUnsafeBytes { _ = try BatchView($0, key: 0) }
        }
        #expect(error?.code == .corrupt(position: 0))
    }

    @Test func everyShorterValueIsRefused() {
        let bytes = sealed().bytes
        for count in 0 ..< bytes.count {
            #expect(throws: LogError.self) {
                try Array(bytes[..<count]).withUnsafeBytes { _ = try BatchView($0, key: 41) }
            }
        }
    }

    /// A position so high that its successor cannot be counted must not trap.
    @Test func positionsAtTheEndOfTheNumbersAreRefused() {
        var batch = ForgedBatch(key: .max, bytes: sealed().bytes)
        batch.set(UInt64.max, at: 8)
        batch.sealRecords()
        batch.sealHash()
        #expect(throws: LogError.self) {
            try batch.bytes.withUnsafeBytes { _ = try BatchView($0, key: .max) }
        }
    }

    /// Names that belong to no event, or are cut short, with a trailer that fits.
    @Test(arguments: [
        [2, 0, 0, 0, 3, 0, 1, 1, 1], [0, 0, 0, 0, 4, 0, 1, 1, 1], [0, 0, 0, 0, 2, 0, 1, 1, 1],
        [0, 0, 0, 0, 255, 255, 1, 1, 1], [255, 255, 255, 255, 3, 0, 1, 1, 1],
    ] as [[UInt8]])
    func namesThatDoNotFitAreFound(text: [UInt8]) throws {
        var batch = ForgedBatch(key: 41, bytes: sealed().bytes)
        batch.bytes.replaceSubrange(256 ..< 265, with: text)
        batch.sealHash()
        try batch.bytes.withUnsafeBytes { bytes in
            let view = try BatchView(bytes, key: 41)
            try view.verifyHash()
            var error: LogError?
            do { try view.forEachEvent { _, _ in } } catch let thrown as LogError { error = thrown }
            let position = try #require(damagedPosition(error))
            #expect((41 ... 42).contains(position))
        }
    }

    @Test func theBuilderIsUsedOverAndOver() throws {
        var builder = BatchMaker(after: .empty, version: 1)
        var previous = Digest32.zero
        for round in 0 ..< 3 {
            let first = Position(2 * round + 1)
            builder.append(namingEvent(at: first, time: 1, user: UserNumber(round + 1)), name: [65])
            builder.append(sampleEvent(at: first + 1, time: 1))
            #expect(builder.eventCount == 2 && !builder.isEmpty)
            var bytes: [UInt8] = []
            let head = builder.seal(wallOffset: nil, origin: nil) { bytes = Array($0) }
            let batch = ForgedBatch(key: first, bytes: bytes)
            #expect(batch.previousHash == previous.bytes)
            #expect(bytes.count == 96 + 160 + 7 + 32)
            #expect(builder.isEmpty && builder.nextPosition == first + 2)
            previous = head.hash
        }
    }

    @Test func aFullBatchSaysSo() {
        let builder = BatchMaker(after: .empty)
        for position in 1 ... Position(LogFormat.batchEventCountMax) {
            #expect(!builder.isFull)
            builder.append(sampleEvent(at: position, time: 0))
        }
        #expect(builder.isFull)
    }

    @Test func aDigestIsItsBytes() {
        let bytes = (0 ..< 32).map { UInt8(255 - $0) }
        let digest = Digest32(bytes)
        #expect(digest.bytes == bytes)
        #expect(digest.description == hex(bytes))
        #expect(Digest32.zero.bytes == [UInt8](repeating: 0, count: 32))
    }

    /// Header, previous hash, two records, name, origin, trailer.
    private static let golden =
        "48464c4201006000290000000000000002000000500000000900000028000000e803000000000000"
        + "d007000000000000fdffffffffffffff0000000000000000"
        + "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeffe0e1e2e3e4e5e6e7e8e9eaebecedeeef"
        + "0401000074d598dc00000000030000000000000000000000e8030000000000000000000000000000"
        + "00000000000000000000000000000000000000000000000000000000000000000000000000000000"
        + "05020200582e280501000000010000000300000001000100d00700000000000050cbc90100000000"
        + "0000000000000000000000000000000015000000000000000e000000000000000000000000000000"
        + "000000000300616461"
        + "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0807060504030201"
        + "13fe8241f6e169127c61baab845e0549b8e6aba6f9273b211b699518298c2e76"
}
