import LMDB
import LogForge
import ReconnectionRules

@testable import EventLog

/// A log whose batches are whatever an input says.
final class LogForm: Sendable {
    static let shared = LogForm()

    private let log: EventLog

    private init() {
        do {
            log = try EventLog(directory: Scratch.directory.directory("log"), mode: .create)
        } catch { preconditionFailure("\(error)") }
    }

    static let samples: [[UInt8]] = {
        let whole = [0] + BatchForm.sample(version: 2)
        let second = BatchForm.samples[1]
        return [
            little(UInt16(whole.count)) + whole,
            little(UInt16(BatchForm.samples[0].count)) + BatchForm.samples[0]
                + little(UInt16(second.count)) + second,
        ]
    }()

    /// Fills the log, each batch linked to the one before unless it is raw.
    private func fill(_ input: [UInt8]) throws -> [Position] {
        var reader = InputReader(input)
        var keys: [Position] = []
        var previousHash = [UInt8](repeating: 0, count: 32)
        var transaction = try WriteTransaction(log.environment)
        try transaction.clear(log.batches)
        while !reader.isAtEnd, keys.count < 4 {
            let byteCount = Int(reader.number(UInt16.self) % 700)
            let bytes = BatchForm.bytes(reader.take(byteCount), previousHash: previousHash)
            let key =
                bytes.count < 16
                ? Position(keys.count + 1)
                : ForgedBatch(key: 0, bytes: bytes).number(at: 8, as: UInt64.self)
            guard !bytes.isEmpty, keys.allSatisfy({ $0 < key }) else { continue }
            previousHash = bytes.count < 32 ? previousHash : Array(bytes.suffix(32))
            try transaction.put(bytes.span.bytes, forKey: key, in: log.batches)
            keys.append(key)
        }
        try transaction.commit()
        return keys
    }

    func run(_ input: [UInt8]) throws -> Bool {
        let keys = try fill(input)
        if keys.isEmpty { return false }
        let isSound = (try? check()) ?? false
        var ways: [[Event]?] = []
        try log.read { snapshot in
            var reader = try snapshot.reader()
            var forward: [Event] = []
            ways.append(
                Self.collected {
                    try reader.forEachEvent(after: 0, through: .max) {
                        forward.append($0)
                        return forward.count < 100
                    }
                    return forward
                })
            var backward: [Event] = []
            let head: Position = (try? reader.position(atOrBefore: .max)) ?? 0
            ways.append(
                Self.collected {
                    if head < .max {
                        try reader.forEachEvent(before: head + 1) {
                            backward.append($0)
                            return backward.count < 100
                        }
                    }
                    return backward.reversed()
                })
            if let events = ways[0], isSound { try look(events, head, &reader, snapshot) }
            _ = try? snapshot.head()
            _ = try? snapshot.eventCount()
        }
        if isSound {
            try require(ways[0] != nil, "a sound log is called damaged")
            try require(ways[0] == ways[1], "forward and backward there are other events")
        }
        return isSound
    }

    private static func collected(_ body: () throws -> [Event]) -> [Event]? {
        try? body()
    }

    /// Whether the checked pass over the log finds nothing.
    private func check() throws -> Bool {
        var previous: BatchLink?
        try log.forEachBatch { batch in
            try batch.check(after: previous)
            previous = BatchLink(batch)
            return true
        }
        return previous != nil
    }

    @_lifetime(reader: copy reader)
    private func look(
        _ events: [Event], _ head: Position, _ reader: inout EventReader,
        _ snapshot: borrowing LogSnapshot
    ) throws {
        try require(events.last?.position == head, "the log ends elsewhere")
        try require(
            try snapshot.eventCount() == UInt64(events.count), "another number of events")
        var texts = TextReader()
        for (index, event) in events.enumerated() {
            let position = event.position
            try require(try reader.event(at: position) == event, "another event at \(position)")
            try require(try snapshot.event(at: position) == event, "another event at \(position)")
            let next = index + 1 < events.count ? events[index + 1].position : head
            try require(
                try reader.position(atOrBefore: next == head ? next : next - 1)
                    == (next == head ? head : position), "another position before \(next)")
            let found = try reader.position(atOrBefore: event.time, upTo: head)
            let expected = events.last { $0.time <= event.time }?.position ?? 0
            try require(found == expected, "at its time \(position) ends at \(found)")
            var text: [UInt8]?
            try snapshot.withBatch(holding: position) { text = $0.name(at: position) }
            try require(
                try texts.text(at: position, in: snapshot)?.bytes == text, "another text")
        }
    }
}
