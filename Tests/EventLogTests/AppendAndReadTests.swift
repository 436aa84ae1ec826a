import EventLog
import LogForge
import ReconnectionRules
import Testing

/// What is appended is what is read.
@Suite struct AppendAndReadTests {
    private let scratch = ScratchDirectory()

    @Test func anEmptyLog() throws {
        let log = try EventLog(directory: scratch.path, mode: .create)
        #expect(try log.head() == .empty)
        #expect(try log.event(at: 0) == nil)
        #expect(try log.event(at: 1) == nil)
        #expect(try log.allEvents() == [])
        let batchCount = try log.read { snapshot in try snapshot.batchCount() }
        #expect(batchCount == 0)
        #expect(log.ledgerId.count == 32)
    }

    @Test func pointReadsFindEveryEvent() throws {
        let log = try EventLog(directory: scratch.path, mode: .create)
        let heads = try log.appendSamples([1, 5, 40, 2])
        for position in 1 ... Position(48) {
            let expected = sampleEvent(at: position, time: .seconds(Int64(position)))
            #expect(try log.event(at: position) == expected)
        }
        for position in [Position(0), 49, 1_000, .max] {
            #expect(try log.event(at: position) == nil)
        }
        #expect(try log.head() == heads.last)
        #expect(heads.map(\.position) == [1, 6, 46, 48])
        let batchCount = try log.read { snapshot in try snapshot.batchCount() }
        #expect(batchCount == 4)
    }

    @Test func walksBeginAnywhereAndStopWhenTold() throws {
        let log = try EventLog(directory: scratch.path, mode: .create)
        try log.appendSamples([1, 5, 40, 2])
        for first in Position(0) ... 50 {
            let expected = Array(max(1, first) ..< max(49, first))
            #expect(try log.allEvents(from: first).map(\.position) == expected)
        }
        var seen: [Position] = []
        try log.forEachBatch(from: 6) { batch in
            seen.append(batch.firstPosition)
            return seen.count < 2
        }
        #expect(seen == [2, 7])
        seen = []
        try log.forEachBatchBackward { batch in
            seen.append(batch.firstPosition)
            return true
        }
        #expect(seen == [47, 7, 2, 1])
        seen = []
        try log.forEachBatchBackward { batch in
            seen.append(batch.firstPosition)
            return seen.count < 3
        }
        #expect(seen == [47, 7, 2])
    }

    @Test func aReopenedLogGoesOn() throws {
        let id = try EventLog(directory: scratch.path, mode: .create).ledgerId
        for round in 1 ... 4 {
            let log = try EventLog(directory: scratch.path, mode: .readWrite)
            try log.appendSamples([3])
            #expect(try log.head().position == Position(3 * round))
            #expect(log.ledgerId == id)
        }
        let log = try EventLog(directory: scratch.path, mode: .readOnly)
        #expect(try log.allEvents().count == 12)
    }

    @Test func namesComeBack() throws {
        let log = try EventLog(directory: scratch.path, mode: .create)
        let names = ["a", "Ärger ☂︎", String(repeating: "ü", count: 128), "a,b\"c"]
        var builder = BatchMaker(after: .empty, version: 1)
        var position: Position = 0
        for (index, name) in names.enumerated() {
            // Two events without a name in between.
            for _ in 0 ..< 2 {
                position += 1
                builder.append(sampleEvent(at: position, time: 0))
            }
            position += 1
            builder.append(
                namingEvent(at: position, time: 0, user: UserNumber(index + 1)),
                name: Array(name.utf8))
        }
        _ = try builder.seal(wallOffset: nil, origin: nil) { (bytes) throws(LogError) in
            try log.append(bytes, at: 1)
        }
        try log.read { snapshot in
            for position in Position(0) ... 14 {
                let name = try snapshot.name(boundAt: position)
                let isName = position % 3 == 0 && (3 ... 12).contains(position)
                #expect(name == (isName ? names[Int(position) / 3 - 1] : nil))
            }
        }
        var walked: [String] = []
        try log.forEachBatch { batch in
            try batch.forEachEvent { event, name in
                #expect((name != nil) == (event.kind == .userNamed))
                if let name { walked.append(String(decoding: name, as: UTF8.self)) }
            }
            return true
        }
        #expect(walked == names)
    }

    @Test func theOriginComesBack() throws {
        let log = try EventLog(directory: scratch.path, mode: .create)
        let origin = BatchOrigin(source: Digest32([UInt8](repeating: 7, count: 32)), rowCount: 99)
        try log.appendSamples([2], origin: origin)
        try log.appendSamples([2])
        var origins: [BatchOrigin?] = []
        try log.forEachBatch { batch in
            origins.append(batch.origin)
            return true
        }
        #expect(origins == [origin, nil])
    }

    /// A batch that would leave a gap, overlap, or hang on another past than the log's.
    @Test(arguments: [
        LogHead(position: 0, time: 0, hash: .zero), LogHead(position: 2, time: 0, hash: .zero),
        LogHead(position: 4, time: 0, hash: .zero), LogHead(position: 5, time: 0, hash: .zero),
        LogHead(position: 6, time: 0, hash: .zero), LogHead(position: 99, time: 0, hash: .zero),
    ])
    func aBatchThatDoesNotContinueTheLogIsRefused(head: LogHead) throws {
        let log = try EventLog(directory: scratch.path, mode: .create)
        try log.appendSamples([2, 3])
        let before = try log.head()
        var builder = BatchMaker(after: head)
        builder.append(sampleEvent(at: head.position + 1, time: .seconds(1_000)))
        let error = #expect(throws: LogError.self) {
            _ = try builder.seal(wallOffset: nil, origin: nil) { (bytes) throws(LogError) in
                try log.append(bytes, at: head.position + 1)
            }
        }
        #expect(error?.code == .outOfOrder)
        #expect(try log.head() == before)
        try log.appendSamples([1])
        #expect(try log.allEvents().count == 6)
    }

    @Test func bytesThatAreNoBatchAreRefused() throws {
        let log = try EventLog(directory: scratch.path, mode: .create)
        for count in [0, 10, 500] {
            let error = #expect(throws: LogError.self) {
                try [UInt8](repeating: 1, count: count).withUnsafeBytes {
                    try log.append($0, at: 1)
                }
            }
            #expect(error?.code == .corrupt(position: 1))
        }
        #expect(try log.head() == .empty)
    }

    /// More than one snapshot's worth: what is appended after the walk began is walked too.
    @Test func aLongWalkTakesNewSnapshots() throws {
        let log = try EventLog(directory: scratch.path, mode: .create)
        var head = LogHead.empty
        let name = [UInt8](repeating: 120, count: LogFormat.nameByteCountMax)
        var builder = BatchMaker(after: head, version: 1)
        // 256-byte names make it long in fewer events.
        for _ in 0 ..< 7 {
            let first = builder.nextPosition
            for _ in 0 ..< 8_000 {
                let position = builder.nextPosition
                builder.append(namingEvent(at: position, time: 0, user: 1), name: name)
            }
            head = try builder.seal(wallOffset: nil, origin: nil) { (bytes) throws(LogError) in
                try log.append(bytes, at: first)
            }
        }
        #expect(log.byteCount > 16 << 20)
        var positions: [Position] = []
        try log.forEachBatch { batch in
            if positions.isEmpty { try log.appendSamples([1]) }
            positions.append(batch.firstPosition)
            return true
        }
        #expect(positions == (0 ..< 8).map { 8_000 * $0 + 1 })
        #expect(head.position == 56_000)
        let batchCount = try log.read { snapshot in try snapshot.batchCount() }
        #expect(batchCount == 8)
    }

    @Test func theChangeMarkMovesWithEveryCommit() throws {
        let log = try EventLog(directory: scratch.path, mode: .create)
        var marks = [log.changeMark]
        for _ in 0 ..< 3 {
            try log.appendSamples([1])
            marks.append(log.changeMark)
        }
        #expect(Set(marks).count == 4)
    }
}
