import ReconnectionRules

/// One event as 80 bytes. The check word covers the other 76 bytes and the event's position, so
/// that a single event read out of a batch is known to be the one that was written there.
enum EventCodec {
    /// Writes the record. `pointer` has 80 bytes. Cost: a few nanoseconds, no allocation.
    ///
    /// Word by word, each checked as it is written: a word read back from narrower stores would
    /// wait for them.
    static func encode(_ event: Event, at pointer: UnsafeMutableRawPointer) {
        let flags: UInt64 = (event.namesSession ? 1 : 0) | (event.flag ? 2 : 0)
        let head =
            UInt64(event.kind.rawValue) | UInt64(event.outcome.rawValue) << 8
            | UInt64(event.state.rawValue) << 16 | flags << 24
        var folded = CheckWord.fold(CheckWord.start(seed: event.position), head)
        func store(_ word: UInt64, at offset: Int) {
            folded = CheckWord.fold(folded, word)
            pointer.storeBytes(of: word.littleEndian, toByteOffset: offset, as: UInt64.self)
        }
        store(UInt64(event.caller) | UInt64(event.user) << 32, at: 8)
        store(
            UInt64(event.concurrency) | UInt64(event.project) << 32
                | UInt64(event.inputProject) << 48, at: 16)
        store(UInt64(bitPattern: event.time), at: 24)
        store(UInt64(bitPattern: event.deadline), at: 32)
        store(event.session, at: 40)
        store(event.inputSession, at: 48)
        store(event.previousOfUser, at: 56)
        store(event.previousOfConcurrency, at: 64)
        store(event.jump, at: 72)
        let check = UInt64(UInt32(truncatingIfNeeded: folded ^ folded >> 32))
        pointer.storeBytes(of: (head | check << 32).littleEndian, as: UInt64.self)
    }

    /// Reads the record back, nil if the check word or a numbered value is not right.
    static func decode(_ pointer: UnsafeRawPointer, position: Position) -> Event? {
        isSound(pointer, position: position) ? decodeTrusted(pointer, position: position) : nil
    }

    static let timeOffset = 24
    static let previousOfUserOffset = 56

    /// Whether the event of the record gives a number to a name.
    @inline(__always)
    static func bindsName(_ pointer: UnsafeRawPointer) -> Bool {
        let kind: UInt8 = load(pointer, at: 0)
        return kind == Event.Kind.userNamed.rawValue || kind == Event.Kind.projectNamed.rawValue
    }

    /// Whether the record is one that was written at that position: its check word is right and
    /// every numbered value is known. Records do not depend on each other, so that a processor
    /// checks several at once.
    @inline(__always)
    static func isSound(_ pointer: UnsafeRawPointer, position: Position) -> Bool {
        let head: UInt64 = load(pointer, at: 0)
        let stored = UInt32(truncatingIfNeeded: head >> 32)
        let kind = UInt8(truncatingIfNeeded: head)
        let outcome = UInt8(truncatingIfNeeded: head >> 8)
        let state = UInt8(truncatingIfNeeded: head >> 16)
        let flags = UInt8(truncatingIfNeeded: head >> 24)
        return stored == check(of: pointer, position: position)
            && NumberedValues.kinds.contains(kind)
            && NumberedValues.outcomes.contains(outcome)
            && NumberedValues.states.contains(state) && flags & ~3 == 0
    }

    /// Reads a record that `isSound`. Traps on a numbered value that is not known.
    @inline(__always)
    static func decodeTrusted(_ pointer: UnsafeRawPointer, position: Position) -> Event {
        let flags: UInt8 = load(pointer, at: 3)
        var event = Event(
            position: position, time: load(pointer, at: 24),
            kind: Event.Kind(rawValue: load(pointer, at: 0))!,
            outcome: Event.Outcome(rawValue: load(pointer, at: 1))!)
        event.state = ConcurrencyState(rawValue: load(pointer, at: 2))!
        event.namesSession = flags & 1 != 0
        event.flag = flags & 2 != 0
        event.caller = load(pointer, at: 8)
        event.user = load(pointer, at: 12)
        event.concurrency = load(pointer, at: 16)
        event.project = load(pointer, at: 20)
        event.inputProject = load(pointer, at: 22)
        event.deadline = load(pointer, at: 32)
        event.session = load(pointer, at: 40)
        event.inputSession = load(pointer, at: 48)
        event.previousOfUser = load(pointer, at: 56)
        event.previousOfConcurrency = load(pointer, at: 64)
        event.jump = load(pointer, at: 72)
        return event
    }

    /// Folds the ten words with the position as seed, the check word itself taken as zero.
    @inline(__always)
    private static func check(of pointer: UnsafeRawPointer, position: Position) -> UInt32 {
        var folded = CheckWord.start(seed: position)
        for index in 0 ..< 10 {
            var word: UInt64 = load(pointer, at: 8 * index)
            if index == 0 { word &= 0x0000_0000_FFFF_FFFF }
            folded = CheckWord.fold(folded, word)
        }
        return UInt32(truncatingIfNeeded: folded ^ folded >> 32)
    }

    @inline(__always)
    static func load<Value: FixedWidthInteger & BitwiseCopyable>(
        _ pointer: UnsafeRawPointer, at offset: Int
    ) -> Value {
        Value(littleEndian: pointer.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }
}

/// The numbers in use. Without gaps, so that a range says which there are: a test holds it to that.
enum NumberedValues {
    static let kinds: ClosedRange<UInt8> = 1 ... 14

    /// The greatest kind in a batch of that version.
    static func kindMax(in version: UInt16) -> UInt8 {
        version < LogFormat.sealedVersion ? Event.Kind.restored.rawValue : kinds.upperBound
    }

    static let outcomes: ClosedRange<UInt8> = 1 ... 18
    static let states: ClosedRange<UInt8> = 0 ... 6
}
