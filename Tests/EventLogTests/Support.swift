import EventLog
import LogForge
import ReconnectionRules

/// Events that look alive: every field that may differ does.
func sampleEvent(at position: Position, time: Microseconds) -> Event {
    var event = Event(position: position, time: time, kind: .applied, outcome: .granted)
    event.state = .reserved
    event.user = UserNumber(truncatingIfNeeded: position % 7 + 1)
    event.project = 1
    event.inputProject = 1
    event.concurrency = ConcurrencyNumber(truncatingIfNeeded: position % 5 + 1)
    event.caller = Caller.library.rawValue
    event.deadline = time + .seconds(30)
    event.previousOfUser = position / 2
    event.previousOfConcurrency = position / 3
    return event
}

func namingEvent(at position: Position, time: Microseconds, user: UserNumber) -> Event {
    var event = Event(position: position, time: time, kind: .userNamed, outcome: .done)
    event.user = user
    return event
}

extension EventLog {
    /// Appends batches of that many sample events each, a second apart. Returns all heads.
    @discardableResult
    func appendSamples(_ counts: [Int], origin: BatchOrigin? = nil) throws -> [LogHead] {
        var head = try head()
        var builder = BatchMaker(after: head)
        var heads: [LogHead] = []
        for count in counts {
            let first = builder.nextPosition
            for _ in 0 ..< count {
                let position = builder.nextPosition
                builder.append(sampleEvent(at: position, time: .seconds(Int64(position))))
            }
            head = try builder.seal(wallOffset: 5, origin: origin) {
                (bytes) throws(LogError) in try append(bytes, at: first)
            }
            heads.append(head)
        }
        return heads
    }

    /// Everything a walk from the first position hands over.
    func allEvents(from position: Position = 1) throws -> [Event] {
        var events: [Event] = []
        try forEachBatch(from: position) { batch in
            try batch.forEachEvent(from: position) { event, _ in events.append(event) }
            return true
        }
        return events
    }
}

/// A new log of sample batches in `directory`, closed again.
func makeLog(in directory: String, _ counts: [Int]) throws {
    let log = try EventLog(directory: directory, mode: .create)
    try log.appendSamples(counts)
}

/// What opening a log and reading every event of it throws, nil if nothing.
func readingError(_ directory: String, mode: EventLog.Mode = .readOnly) -> LogError? {
    do {
        _ = try EventLog(directory: directory, mode: mode).allEvents()
        return nil
    } catch {
        return error as? LogError ?? LogError(.foreign, "not a LogError: \(error)")
    }
}

/// The position a damage names.
func damagedPosition(_ error: LogError?) -> Position? {
    if case .corrupt(let position) = error?.code { position } else { nil }
}

func hex(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef")
    return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
}

/// Makes batches one behind the other: what the engine does with a builder and a head.
struct BatchMaker {
    private let builder: BatchBuilder
    private var head: LogHead

    /// Version 1 has names as they are.
    init(after head: LogHead, version: UInt16 = LogFormat.version) {
        builder = BatchBuilder(after: head.position, version: version)
        self.head = head
    }

    var nextPosition: Position { builder.nextPosition }
    var eventCount: Int { builder.eventCount }
    var isEmpty: Bool { builder.isEmpty }
    var isFull: Bool { builder.isFull }

    func append(_ event: Event, name: [UInt8]? = nil) {
        guard let name else { return builder.append(event) }
        name.withUnsafeBytes { builder.append(event, name: $0) }
    }

    mutating func seal(
        wallOffset: Microseconds?, origin: BatchOrigin?,
        _ body: (UnsafeRawBufferPointer) throws -> Void
    ) rethrows -> LogHead {
        let sealed = builder.seal(after: head, wallOffset: wallOffset, origin: origin)
        try body(builder.sealedBytes)
        head = sealed
        builder.begin(after: sealed.position)
        return sealed
    }
}
