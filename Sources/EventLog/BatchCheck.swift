public import ReconnectionRules

/// What the batch before one says, as far as the next one has to fit it.
struct BatchLink {
    var lastPosition: Position
    var lastTime: Microseconds
    var hash: Digest32
    var formatVersion: UInt16

    init(_ batch: borrowing BatchView) {
        lastPosition = batch.lastPosition
        lastTime = batch.times.upperBound
        hash = batch.hash
        formatVersion = batch.formatVersion
    }
}

extension BatchView {
    /// Checks everything a batch says of itself and of the one before it: hash, link, each event's
    /// check word and numbers, times that do not run backward, texts that are whole and stand with
    /// events that have one. Sealed texts are not opened: no key is needed. What passes can be
    /// folded by `forEachBlock` without another look.
    ///
    /// `previous` is nil for the first batch of a log. Throws at the lowest position at fault. One
    /// pass of SHA-256 and one of multiplications.
    func check(after previous: BatchLink?) throws(LogError) {
        let last = previous?.lastPosition ?? 0
        guard follows(last) else {
            throw .corrupt(last + 1, "the batch that begins there is missing")
        }
        try verifyHash()
        guard previousHash == previous?.hash ?? .zero else {
            throw .corrupt(firstPosition, "the batch does not continue the chain before it")
        }
        guard formatVersion >= previous?.formatVersion ?? 0 else {
            throw .corrupt(firstPosition, "the batch has an older form than the one before it")
        }
        let lastTime = try checkRecords(after: previous?.lastTime ?? .min)
        let first: Microseconds = EventCodec.load(firstRecord, at: EventCodec.timeOffset)
        guard times == first ... lastTime else {
            throw LogError(
                .corrupt(position: firstPosition),
                "position \(firstPosition): the batch's header says other times than its events")
        }
    }

    /// Checks the records and the texts, and returns the time of the last event.
    package func checkRecords(after time: Microseconds = .min) throws(LogError) -> Microseconds {
        var time = time
        var text = names
        var nextNamed = text.nextIndex ?? -1
        let kindMax = NumberedValues.kindMax(in: formatVersion)
        var record = firstRecord
        for index in 0 ..< eventCount {
            let position = firstPosition + Position(index)
            let kind: UInt8 = EventCodec.load(record, at: 0)
            guard EventCodec.isSound(record, position: position), kind <= kindMax else {
                throw .corrupt(position, "the event's check word does not match")
            }
            let eventTime: Microseconds = EventCodec.load(record, at: EventCodec.timeOffset)
            guard eventTime >= time else {
                throw .corrupt(position, "ledger time runs backward")
            }
            time = eventTime
            if EventCodec.bindsName(record) || index == nextNamed {
                try checkText(at: index, &text, record)
                nextNamed = text.nextIndex ?? -1
            }
            record += LogFormat.recordByteCount
        }
        guard text.isAtEnd else {
            throw .corrupt(lastPosition, "the batch has a text that stands with no event")
        }
        return time
    }

    private func checkText(
        at index: Int, _ texts: inout NameWalk, _ record: UnsafeRawPointer
    ) throws(LogError) {
        let position = firstPosition + Position(index)
        let text = texts.name(ofEventAt: index)
        if texts.isDamaged { throw .corrupt(position, "the names are cut short") }
        let byteCount = text?.count ?? 0
        switch (Event.Kind(rawValue: EventCodec.load(record, at: 0)), hasSealedTexts) {
        case (.projectNamed, _), (.userNamed, false):
            guard (1 ... LogFormat.nameByteCountMax).contains(byteCount) else {
                throw .corrupt(position, "no name is bound")
            }
        case (.userNamed, true):
            guard SealedText.canBeName(byteCount: byteCount) else {
                throw .corrupt(position, "no name is bound")
            }
        case (.applied, true), (.sessionCreated, true):
            guard byteCount == SealedText.addressByteCount else {
                throw .corrupt(position, "what stands with the event is no sealed address")
            }
        default: throw .corrupt(position, "a text stands with an event that has none")
        }
    }
}

/// Events decoded a block at a time: a fold over an array costs no call an event.
package final class EventBlock {
    /// What stays in a core's nearest cache together with the records it was made of.
    private static let capacity = 64
    fileprivate let events: UnsafeMutableBufferPointer<Event>
    /// Room for whoever loads ahead what the events are about, and for what was loaded, which is of
    /// no use but to keep the loads in the program.
    package var users: [UserNumber] = []
    package var touched: UInt64 = 0

    package init() {
        events = .allocate(capacity: Self.capacity)
        events.initialize(
            repeating: Event(position: 0, time: 0, kind: .opened, outcome: .done))
    }

    deinit { events.deallocate() }
}

extension BatchView {
    /// Hands over the events before position `limit` in order, some at a time. Only for a batch
    /// whose records were checked: see `checkRecords`.
    package func forEachBlock(
        _ block: EventBlock, before limit: Position,
        _ body: (UnsafeBufferPointer<Event>) throws -> Void
    ) rethrows {
        guard limit > firstPosition else { return }
        let count = Int(min(limit - firstPosition, Position(eventCount)))
        var record = firstRecord
        var index = 0
        while index < count {
            let blockCount = min(block.events.count, count - index)
            for offset in 0 ..< blockCount {
                block.events[offset] = EventCodec.decodeTrusted(
                    record, position: firstPosition + Position(index + offset))
                record += LogFormat.recordByteCount
            }
            try body(UnsafeBufferPointer(rebasing: block.events[..<blockCount]))
            index += blockCount
        }
    }
}
