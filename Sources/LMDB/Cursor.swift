import CLMDB

/// A place in a table, moved entry by entry. It cannot outlive its transaction, and no update
/// can happen while it lives.
@safe public struct Cursor: ~Copyable, ~Escapable {
    private enum Place { case fresh, beforeStart, entry, afterEnd }

    private let handle: OpaquePointer
    private var place = Place.fresh
    private var keyBytes = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
    private var valueBytes = unsafe UnsafeRawBufferPointer(start: nil, count: 0)

    @_lifetime(immortal)
    init(handle: OpaquePointer) {
        unsafe self.handle = handle
    }

    deinit { unsafe mdb_cursor_close(handle) }

    static func open(
        in table: Table, _ transaction: OpaquePointer
    ) throws(LMDBError) -> OpaquePointer {
        var opened: OpaquePointer?
        let result = unsafe mdb_cursor_open(transaction, table.handle, &opened)
        guard result == MDB_SUCCESS, let handle = unsafe opened else {
            throw RawTransaction.error(result, during: "cursor")
        }
        return unsafe handle
    }

    /// Whether it is on an entry, so that `key` and `value` can be read.
    public var isOnEntry: Bool { place == .entry }

    /// Moves to the lowest key. False if the table is empty.
    ///
    /// - Throws: `.corrupted`, `.pageNotFound`, as every move does.
    @_lifetime(self: copy self)
    public mutating func first() throws(LMDBError) -> Bool {
        try move(MDB_FIRST, orElse: .afterEnd)
    }

    /// Moves to the highest key. False if the table is empty.
    @_lifetime(self: copy self)
    public mutating func last() throws(LMDBError) -> Bool {
        try move(MDB_LAST, orElse: .beforeStart)
    }

    /// Moves one key up; to the lowest if not moved before. False, and past the end, if there is
    /// none.
    @_lifetime(self: copy self)
    public mutating func next() throws(LMDBError) -> Bool {
        switch place {
        case .entry: try move(MDB_NEXT, orElse: .afterEnd)
        case .fresh, .beforeStart: try first()
        case .afterEnd: false
        }
    }

    /// Moves one key down; to the highest if not moved before. False, and before the start, if
    /// there is none.
    @_lifetime(self: copy self)
    public mutating func previous() throws(LMDBError) -> Bool {
        switch place {
        case .entry: try move(MDB_PREV, orElse: .beforeStart)
        case .fresh, .afterEnd: try last()
        case .beforeStart: false
        }
    }

    /// Moves to `key` or the lowest above it. False, and past the end, if there is none.
    ///
    /// - Throws: `.badValueSize` for an empty key.
    @_lifetime(self: copy self)
    public mutating func seek(toOrAfter key: RawSpan) throws(LMDBError) -> Bool {
        let handle = unsafe handle
        let step = unsafe key.withUnsafeBytes { unsafe Step(handle, MDB_SET_RANGE, from: $0) }
        return try finish(step, orElse: .afterEnd)
    }

    /// Moves to the 8-byte key `key`, highest byte first, or the lowest above it. False, and past
    /// the end, if there is none.
    @_lifetime(self: copy self)
    public mutating func seek(toOrAfter key: UInt64) throws(LMDBError) -> Bool {
        let handle = unsafe handle
        let step = unsafe withBigEndianBytes(of: key) {
            unsafe Step(handle, MDB_SET_RANGE, from: $0)
        }
        return try finish(step, orElse: .afterEnd)
    }

    /// Moves to the 8-byte key `key`, highest byte first, or the highest below it. False, and
    /// before the start, if there is none.
    @_lifetime(self: copy self)
    public mutating func seek(atOrBefore key: UInt64) throws(LMDBError) -> Bool {
        guard try seek(toOrAfter: key) else { return try last() }
        if keyUInt64 == key { return true }
        return try previous()
    }

    /// The key it is on, until it moves. It must be on an entry.
    public var key: RawSpan {
        @_lifetime(borrow self)
        get {
            precondition(isOnEntry, "Read a key only after a move that returned true.")
            let span = unsafe RawSpan(_unsafeBytes: keyBytes)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// The value it is on, until it moves. It must be on an entry.
    public var value: RawSpan {
        @_lifetime(borrow self)
        get {
            precondition(isOnEntry, "Read a value only after a move that returned true.")
            let span = unsafe RawSpan(_unsafeBytes: valueBytes)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// The key it is on as a number, if it has 8 bytes: the highest byte comes first.
    public var keyUInt64: UInt64? {
        precondition(isOnEntry, "Read a key only after a move that returned true.")
        guard unsafe keyBytes.count == 8 else { return nil }
        return unsafe UInt64(bigEndian: keyBytes.loadUnaligned(as: UInt64.self))
    }

    @_lifetime(self: copy self)
    private mutating func move(
        _ operation: MDB_cursor_op, orElse end: Place
    ) throws(LMDBError) -> Bool {
        let nothing = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        return try unsafe finish(Step(handle, operation, from: nothing), orElse: end)
    }

    @_lifetime(self: copy self)
    private mutating func finish(_ step: Step, orElse end: Place) throws(LMDBError) -> Bool {
        if step.result == MDB_SUCCESS {
            unsafe keyBytes = step.key.bytes
            unsafe valueBytes = step.value.bytes
            place = .entry
            return true
        }
        guard step.result == MDB_NOTFOUND else {
            place = .fresh
            throw RawTransaction.error(step.result, during: "cursor")
        }
        place = end
        return false
    }

    /// One move of LMDB's cursor and where it led.
    @safe private struct Step {
        var key: MDB_val
        var value = unsafe MDB_val()
        let result: Int32

        init(
            _ cursor: OpaquePointer, _ operation: MDB_cursor_op, from start: UnsafeRawBufferPointer
        ) {
            unsafe key = MDB_val(start)
            unsafe result = mdb_cursor_get(cursor, &key, &value, operation)
        }
    }
}
