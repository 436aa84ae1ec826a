import LogForge
import ReconnectionRules

@testable import EventLog

/// Batches out of bytes that were not made to be any.
enum BatchForm {
    /// Two events and a text behind position 0, as the log writes them.
    static func sample(version: UInt16) -> [UInt8] {
        let builder = BatchBuilder(after: 0, version: version)
        var named = Event(position: 1, time: 5, kind: .userNamed, outcome: .done)
        named.user = 1
        let name = version == 1 ? Array("ada".utf8) : [UInt8](repeating: 8, count: 44)
        name.withUnsafeBytes { builder.append(named, name: $0) }
        var project = Event(position: 2, time: 6, kind: .projectNamed, outcome: .done)
        project.project = 1
        Array("play".utf8).withUnsafeBytes { builder.append(project, name: $0) }
        let origin = BatchOrigin(source: Digest32((0 ..< 32).map { UInt8($0) }), rowCount: 3)
        _ = builder.seal(after: .empty, wallOffset: -3, origin: origin)
        return Array(builder.sealedBytes)
    }

    /// The same in parts, which are put together and sealed.
    static let samples: [[UInt8]] = {
        let whole = sample(version: 2)
        let records = Array(whole[96 ..< 256])
        let texts = Array(whole[256 ..< whole.count - 72])
        return [
            [3, 2, 2, UInt8(texts.count)] + little(UInt64(1)) + [UInt8](repeating: 0, count: 8)
                + records + texts,
            [1, 2, 1, 0] + little(UInt64(9)) + [UInt8](repeating: 0, count: 8) + records,
            [1, 1, 1, 0] + little(UInt64.max - 1) + [UInt8](repeating: 1, count: 8) + records,
        ]
    }()

    /// First byte 0: the rest as it is. Otherwise version, number of events, bytes of texts,
    /// position, what is zero in the header, records and texts; the remainder is made to fit.
    static func bytes(_ input: [UInt8], previousHash: [UInt8]? = nil) -> [UInt8] {
        var reader = InputReader(input)
        let form = reader.byte()
        if form == 0 { return reader.rest() }
        let version = UInt16(reader.byte() % 4)
        let eventCount = 1 + Int(reader.byte() % 6)
        let textByteCount = Int(reader.byte())
        let first: UInt64 = reader.number()
        let reserved: UInt64 = reader.number()
        var bytes = Array("HFLB".utf8) + little(version) + little(UInt16(96)) + little(first)
        bytes += little(UInt32(eventCount)) + little(UInt32(80)) + little(UInt32(textByteCount))
        bytes += little(UInt32(form & 2 == 0 ? 0 : 40)) + [UInt8](repeating: 0, count: 24)
        bytes += little(reserved) + (previousHash ?? [UInt8](repeating: 0, count: 32))
        let end = 96 + 80 * eventCount + textByteCount + (form & 2 == 0 ? 0 : 40)
        bytes += reader.take(end - bytes.count)
        bytes += [UInt8](repeating: 0, count: end + 32 - bytes.count)
        var forged = ForgedBatch(key: first, bytes: bytes)
        // Not by position: that may be past all there can be.
        forged.set(forged.number(at: 96 + 24, as: UInt64.self), at: 32)
        forged.set(forged.number(at: 16 + 80 * eventCount + 24, as: UInt64.self), at: 40)
        forged.sealRecords()
        forged.sealHash()
        return forged.bytes
    }

    /// Holds the ways through a sound batch against each other.
    static func compare(_ view: borrowing BatchView, _ bytes: [UInt8]) throws {
        do { try compareWays(view, bytes) } catch let error as LogError {
            throw Violation("a sound batch is called damaged: \(error.message)")
        }
    }

    private static func compareWays(_ view: borrowing BatchView, _ bytes: [UInt8]) throws {
        var events: [Event] = []
        var texts: [[UInt8]?] = []
        try view.forEachEvent { event, text in
            events.append(event)
            texts.append(text.map { Array($0) })
        }
        var blocks: [Event] = []
        view.forEachBlock(EventBlock(), before: .max) { blocks += $0 }
        try require(blocks == events, "by block and by event there are others")
        for (index, event) in events.enumerated() {
            try require(try view.event(at: event.position) == event, "event \(index) differs")
            try require(view.name(at: event.position) == texts[index], "text \(index) differs")
        }
        let first = events[0]
        let end = first.previousEpochEnd ?? first.position - 1
        guard end < first.position else { return }
        let builder = BatchBuilder(after: end, version: view.formatVersion)
        for (event, text) in zip(events, texts) {
            guard let text else {
                builder.append(event)
                continue
            }
            text.withUnsafeBytes { builder.append(event, name: $0) }
        }
        let previous = LogHead(position: end, time: 0, hash: view.previousHash)
        let head = builder.seal(
            after: previous, wallOffset: view.wallOffset, origin: view.origin)
        try require(Array(builder.sealedBytes) == bytes, "written otherwise: \(shown(bytes))")
        try require(
            head == LogHead(
                position: view.lastPosition, time: view.times.upperBound, hash: view.hash),
            "the head differs")
    }
}

/// Blocks of names out of bytes.
enum NameBlockForm {
    static let samples: [[UInt8]] = [
        [0, 0, 0], [0, 2, 0, 0, 0, 31, 0, 4, 0, 0, 0, 1, 2, 3, 4],
        [1, 0] + Array("ada\nbob\ncid\ndan\n".utf8), [1, 1] + [UInt8](repeating: 0x0A, count: 60),
        [2, 1, 2, 0, 0, 0, 30, 3, 0] + Array("ada".utf8), [2, 0, 1, 0, 1, 0, 32, 0, 0],
    ]

    static func run(_ input: [UInt8], _ keys: PersonalKeys, _ id: [UInt8]) throws -> Bool {
        var reader = InputReader(input)
        let form = reader.byte()
        let blocks = NameBlocks(keys)
        switch form % 3 {
        case 0: return try open(reader.rest(), UInt64(form >> 6), blocks)
        case 1:
            let block = UInt64(reader.byte() & 1)
            var plain: [UInt8] = []
            let names = reader.rest().split(separator: 0x0A, omittingEmptySubsequences: false)
            for (index, name) in names.prefix(256).enumerated() {
                let isForgotten = block == 0 ? index == 2 : index == 43
                let name = isForgotten ? [] : name.prefix(256)
                plain += little(UInt16(name.count)) + name
            }
            let stored = blocks.seal(block, plain)
            let opened = stored.withUnsafeBytes { blocks.open(block, $0) }
            try require(opened == plain, "a sealed block opens to another")
            return true
        default:
            let block = UInt64(reader.byte() & 1)
            let userCount: UInt16 = reader.number()
            let offset: UInt16 = reader.number()
            let depth = reader.byte()
            let inside = reader.rest()
            let first = UInt32(block) << 8 | UInt32(offset)
            var path = KeyPath()
            guard let seed = keys.seed(first, min(depth, 32), &path) else { return false }
            let nonce = [UInt8](repeating: 1, count: 12)
            let binding = id + little(first) + [depth] + Array("names".utf8)
            let box = nonce.withUnsafeBytes { nonce in
                inside.withUnsafeBytes {
                    Array(SealedText.seal($0, seed.blockKey, nonce: nonce, binding))
                }
            }
            return try open(
                little(userCount) + little(offset) + [depth, 0] + little(UInt32(box.count)) + box,
                block, blocks)
        }
    }

    private static func open(
        _ stored: [UInt8], _ block: UInt64, _ blocks: NameBlocks
    ) throws -> Bool {
        guard let plain = stored.withUnsafeBytes({ blocks.open(block, $0) }) else { return false }
        var (start, count) = (0, 0)
        while start + 2 <= plain.count {
            let byteCount = UInt16(plain[start]) | UInt16(plain[start + 1]) << 8
            start += 2 + (byteCount == NameBlocks.lockedMark ? 0 : Int(byteCount))
            count += 1
        }
        let userCount = Int(stored[0]) | Int(stored[1]) << 8
        try require(start == plain.count, "the block does not fit together")
        try require(count == userCount, "\(count) users of \(userCount)")
        return true
    }
}

