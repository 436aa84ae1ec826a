import LMDB
public import ReconnectionRules

/// Single events of one snapshot, each checked by its check word. Walks over back-pointers and
/// searches are made of many such reads. Made by `LogSnapshot.reader`; lives no longer than it.
public struct EventReader: ~Copyable, ~Escapable {
    var cursor: Cursor
    /// Positions of the batch the cursor is on; empty if it is on none.
    var held: Range<Position> = 0 ..< 0
    /// Positions of the batch before the position last sought, where that one is in none.
    private var before: Range<Position> = 0 ..< 1
    /// Whether nothing was found behind the position last sought.
    private var isPastEnd = false
    /// Events read so far: what a search cost.
    public internal(set) var readCount = 0

    @_lifetime(copy cursor)
    init(_ cursor: consuming Cursor) { self.cursor = cursor }

    /// The event at a position, nil past the end, for 0, and where an epoch's begin left positions
    /// out. Cost: one descent of the tree, or none
    /// if the read before was from the same batch.
    @_lifetime(self: copy self)
    public mutating func event(at position: Position) throws(LogError) -> Event? {
        guard try seek(position) else { return nil }
        readCount += 1
        let key = held.lowerBound
        return try cursor.value.withUnsafeBytes { (bytes) throws(LogError) in
            try BatchView(bytes, key: key).event(at: position)
        }
    }

    /// The event at a position that another event names. Throws `corrupt` if it is not there.
    @_lifetime(self: copy self)
    package mutating func event(namedAt position: Position) throws(LogError) -> Event {
        guard let event = try event(at: position) else { throw missing(position) }
        return event
    }

    /// The newest event at or before a position, 0 if there is none: the position itself, unless it
    /// is past the end or was left out. Cost: as `event(at:)`.
    @_lifetime(self: copy self)
    public mutating func position(atOrBefore position: Position) throws(LogError) -> Position {
        if try seek(position) { return position }
        return before.upperBound - 1
    }

    /// The same for whoever knows that the log goes on to the position or beyond: that it does not
    /// seem to is an error, not an early end.
    @_lifetime(self: copy self)
    package mutating func position(
        reachedAtOrBefore position: Position
    ) throws(LogError) -> Position {
        let found = try self.position(atOrBefore: position)
        guard !isPastEnd, found > 0 || position == 0 else { throw missing(position) }
        return found
    }

    /// The position behind which the newest `count` events lie, 0 if there are no more. Cost: one
    /// descent of the tree a batch.
    @_lifetime(self: copy self)
    public mutating func position(beforeNewest count: UInt64) throws(LogError) -> Position {
        var end = try position(atOrBefore: .max)
        var left = count
        while left > 0, end > 0 {
            guard try seek(end) else { throw missing(end) }
            let inBatch = end - held.lowerBound + 1
            if left <= inBatch { return end - left }
            left -= inBatch
            end = try position(atOrBefore: held.lowerBound - 1)
        }
        return end
    }

    /// Moves to the batch that holds a position. False past the end, for 0, and in a gap: `before`
    /// then says which batch is before it.
    @_lifetime(self: copy self)
    mutating func seek(_ position: Position) throws(LogError) -> Bool {
        if held.contains(position) { return true }
        held = 0 ..< 0
        before = 0 ..< 1
        isPastEnd = false
        guard position > 0 else { return false }
        do {
            if try cursor.seek(atOrBefore: position) {
                guard let key = cursor.keyUInt64, key > 0 else {
                    throw LogError.corrupt(0, "a batch's key is not a position")
                }
                guard key <= position else {
                    throw LogError.corrupt(position, "the way to the batch that holds it is lost")
                }
                let last = try cursor.value.withUnsafeBytes { (bytes) throws(LogError) in
                    try BatchView(bytes, key: key).lastPosition
                }
                if last >= position {
                    held = key ..< last + 1
                    return true
                }
                before = key ..< last + 1
            }
            guard try cursor.next() else {
                isPastEnd = true
                return false
            }
            if try isBehindGap(position) { return false }
        } catch let error as LMDBError { throw LogError(error) } catch let error as LogError {
            throw error
        } catch { throw LogError(.foreign, "\(error)") }
        throw .corrupt(position, "the batch that holds it is missing")
    }

    /// Whether the batch the cursor is on follows the one before as an epoch's first, and the
    /// position is between the two. One that begins before it was not found where it has to be: a
    /// page of the tree leads astray.
    @_lifetime(self: copy self)
    private mutating func isBehindGap(_ position: Position) throws(LogError) -> Bool {
        guard let key = cursor.keyUInt64, key > 0 else {
            throw .corrupt(0, "a batch's key is not a position")
        }
        guard key > position else { return false }
        let last = before.upperBound - 1
        return try cursor.value.withUnsafeBytes { (bytes) throws(LogError) in
            try BatchView(bytes, key: key).follows(last)
        }
    }

    // MARK: - Searches

    /// The newest event with a time not after `time`, among those up to position `last`, which must
    /// be in the log; 0 if there is none. Cost: two logarithms, of the batches and of one batch.
    @_lifetime(self: copy self)
    public mutating func position(
        atOrBefore time: Microseconds, upTo last: Position
    ) throws(LogError) -> Position {
        // The event at `low` is not after the time, the one past `high` is, or is out of reach.
        var (low, high): (Position, Position) = (0, last)
        while low < high {
            var middle = low + (high - low + 1) / 2
            if try !seek(middle) {
                if isPastEnd { throw missing(middle) }
                // Nothing is in a gap: what lies behind it decides.
                guard let first = cursor.keyUInt64, first > middle else { throw missing(middle) }
                let end = before.upperBound - 1
                if first > high {
                    high = end
                    continue
                }
                guard let event = try event(at: first) else { throw missing(first) }
                if event.time <= time { low = first } else { high = end }
                continue
            }
            // A batch's first event first: its page has the header, which was read anyway.
            middle = held.lowerBound > low ? held.lowerBound : middle
            guard let event = try event(at: middle) else { throw missing(middle) }
            if event.time <= time { low = middle } else { high = middle - 1 }
        }
        return low
    }

    /// A user's newest event at or before position `limit`, and how many events the user had then;
    /// nil if the user had none. `newest` is any later event of the user, its `count`-th.
    ///
    /// Throws `corrupt` at an event that is not the user's, or points forward. Cost: O(log k) reads
    /// in a user's k events.
    @_lifetime(self: copy self)
    public mutating func event(
        ofUser user: UserNumber, atOrBefore limit: Position, newest: Position, count: UInt32
    ) throws(LogError) -> (event: Event, count: UInt32)? {
        var (position, index) = (newest, count)
        while position > 0 {
            let event = try event(at: position, ofUser: user)
            if position <= limit { return (event, index) }
            // The jump is taken unless it may lead past the event looked for.
            let isFar = event.jump > limit
            position = isFar ? event.jump : event.previousOfUser
            index = isFar ? JumpOrder.target(ofEvent: index) : index &- 1
        }
        return nil
    }

    /// A user's first event. `newest` is any of them. Cost: O(log k) reads in a user's k events.
    @_lifetime(self: copy self)
    package mutating func firstEvent(
        ofUser user: UserNumber, newest: Position
    ) throws(LogError) -> Event? {
        var position = newest
        while position > 0 {
            let event = try event(at: position, ofUser: user)
            if event.previousOfUser == 0 { return event }
            position = event.jump > 0 ? event.jump : event.previousOfUser
        }
        return nil
    }

    /// A user's `wanted`-th event, from 1; nil if `newest`, its `count`-th, is an earlier one.
    ///
    /// Throws `corrupt` at an event that is not the user's, or points forward. Cost: O(log k) reads
    /// in a user's k events.
    @_lifetime(self: copy self)
    package mutating func event(
        ofUser user: UserNumber, number wanted: UInt32, newest: Position, count: UInt32
    ) throws(LogError) -> Event? {
        var (position, index) = (newest, count)
        while position > 0, index >= wanted {
            let event = try event(at: position, ofUser: user)
            if index == wanted { return event }
            let target = JumpOrder.target(ofEvent: index)
            let isFar = target >= wanted
            position = isFar ? event.jump : event.previousOfUser
            index = isFar ? target : index - 1
        }
        return nil
    }

    /// The event there, which has to be the user's and to point backward.
    @_lifetime(self: copy self)
    package mutating func event(
        at position: Position, ofUser user: UserNumber
    ) throws(LogError) -> Event {
        guard let event = try event(at: position) else { throw missing(position) }
        guard event.user == user, event.previousOfUser < position, event.jump < position else {
            throw .corrupt(
                position, "the event is another user's, or names itself or a later one as its "
                    + "predecessor")
        }
        return event
    }

    func missing(_ position: Position) -> LogError {
        .corrupt(position, "the event there is missing")
    }
}
