import LMDB
public import ReconnectionRules

/// Walks from one event on, along the log in both directions.
extension EventReader {
    /// Hands over the events after `position` up to `last`, oldest first, until `body` returns
    /// false. Cost: an event is one read; a batch is looked up once.
    @_lifetime(self: copy self)
    public mutating func forEachEvent(
        after position: Position, through last: Position, _ body: (Event) throws -> Bool
    ) throws {
        guard position < last else { return }
        var next = position + 1
        // Where no event has the number after it, the walk goes on with the next batch.
        var isHeld = try seekBatch(from: next)
        while isHeld {
            next = max(next, held.lowerBound)
            while next < held.upperBound {
                guard next <= last else { return }
                guard let event = try event(at: next) else { throw missing(next) }
                if try !body(event) { return }
                next += 1
            }
            isHeld = try seekBatch(from: next)
        }
    }

    /// Hands over the events before `position`, newest first, until `body` returns false.
    @_lifetime(self: copy self)
    public mutating func forEachEvent(
        before position: Position, _ body: (Event) throws -> Bool
    ) throws {
        var end = position
        while end > 1 {
            guard try seekBatch(upTo: end - 1) else { return }
            end = min(end, held.upperBound)
            while end > held.lowerBound {
                guard let event = try event(at: end - 1) else { throw missing(end - 1) }
                if try !body(event) { return }
                end -= 1
            }
        }
    }

    /// Moves to the batch that holds `position`, or to the first one after it.
    @_lifetime(self: copy self)
    private mutating func seekBatch(from position: Position) throws(LogError) -> Bool {
        if try seekBatch(upTo: position), held.upperBound > position { return true }
        let wasBefore = !held.isEmpty
        held = 0 ..< 0
        do {
            guard try wasBefore ? cursor.next() : cursor.first() else { return false }
        } catch { throw LogError(error) }
        try hold()
        return true
    }

    /// Moves to the newest batch that begins at or before `position`.
    @_lifetime(self: copy self)
    private mutating func seekBatch(upTo position: Position) throws(LogError) -> Bool {
        if held.contains(position) { return true }
        held = 0 ..< 0
        do {
            guard try cursor.seek(atOrBefore: position) else { return false }
        } catch { throw LogError(error) }
        try hold()
        return true
    }

    /// Notes which positions the batch under the cursor has.
    @_lifetime(self: copy self)
    private mutating func hold() throws(LogError) {
        guard let key = cursor.keyUInt64, key > 0 else {
            throw .corrupt(0, "a batch's key is not a position")
        }
        let last = try cursor.value.withUnsafeBytes { (bytes) throws(LogError) in
            try BatchView(bytes, key: key).lastPosition
        }
        held = key ..< last + 1
    }
}
