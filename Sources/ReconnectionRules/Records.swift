/// What the current view knows of a user: what it holds, and where its history ends.
public struct UserRecord: Equatable, Sendable, BitwiseCopyable {
    /// Project of the concurrency held, 0 if none is.
    public var project: ProjectNumber = 0
    /// Number of the concurrency held, 0 if none is.
    public var concurrency: ConcurrencyNumber = 0
    /// How many events the user has.
    public var eventCount: UInt32 = 0
    /// Position of the user's newest event.
    public var last: Position = 0
    /// Position of the user's newest event that carries a long jump (see `JumpTable`).
    public var jump: Position = 0
    /// Block of the user's newest jump trees in `State.jumps`, 0 if it has none.
    public var jumpBlock: UInt32 = 0

    public init() {}

    public var holdsConcurrency: Bool { concurrency != 0 }
}

/// What the current view knows of a concurrency.
public struct ConcurrencyRecord: Equatable, Sendable, BitwiseCopyable {
    public var state: ConcurrencyState = .idle
    /// Run mode of the connected session is RunWithoutClient.
    public var runsWithoutClient = false
    /// Who holds it, 0 if nobody does.
    public var user: UserNumber = 0
    /// Newest session of this grant, 0 if the grant had none yet.
    public var session: SessionId = 0
    /// Reserved, waiting, recovering: when that ends. Idle: since when. Otherwise 0.
    public var moment: Microseconds = 0
    /// Position of the concurrency's newest event.
    public var last: Position = 0
    /// Earliest key under which the deadline schedule will look at this concurrency; `.max` if it
    /// will not. Derived; see `DeadlineSchedule`.
    var scheduledAt: Microseconds = .max

    public init() {}

    /// When the state ends by itself, nil if it does not.
    @inline(__always)
    public var deadline: Microseconds? { state.hasDeadline ? moment : nil }
}

extension ConcurrencyRecord {
    /// Fills index 0 of the array.
    static var unused: ConcurrencyRecord {
        var record = ConcurrencyRecord()
        record.state = .none
        return record
    }
}
