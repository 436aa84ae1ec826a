/// The current view as numbers: who holds which concurrency, in which state, until when.
///
/// Folding the same events over an empty state gives the same state on any machine, byte for byte
/// (`forEachCanonicalWord`). Nothing here reads a clock, draws a random number or does I/O.
public struct State: Sendable {
    /// Index = number; index 0 is unused.
    public internal(set) var users = RecordTable<UserRecord>(
        CollectionOfOne(UserRecord()), blank: UserRecord())
    /// Index = number; index 0 is unused.
    public internal(set) var projects: [ProjectRecord] = [ProjectRecord()]
    /// Jump trees of the users that have 16 events and more.
    public internal(set) var jumps = JumpTable()
    public internal(set) var counters = Counters()
    /// Position of the newest event folded in, 0 before the first.
    public internal(set) var position: Position = 0
    /// Ledger time of that event. Event times never decrease.
    public internal(set) var time: Microseconds = 0
    /// Positions that no event has, left out where epochs begin.
    public internal(set) var skippedCount: UInt64 = 0
    /// Position of the newest event of the ledger's own chain (opened, userForgotten, epochBegun).
    public internal(set) var lastOfLedger: Position = 0
    var schedule = DeadlineSchedule()
    /// What the cache was warmed with: kept, so that reading it is not left out. Of no meaning.
    var warmth: UInt64 = 0
    /// Concurrency numbers in use over all projects: bounds the schedule.
    var numberCount = 0

    public init() {}

    /// How many events were folded in.
    public var eventCount: UInt64 { position - skippedCount }
    public var userCount: Int { users.count - 1 }
    public var projectCount: Int { projects.count - 1 }

    /// The concurrency a user holds, nil if it holds none. A number never handed out holds none.
    public func holding(of user: UserNumber) -> Holding? {
        guard Int(user) < users.count, users[Int(user)].holdsConcurrency else { return nil }
        let record = users[Int(user)]
        return Holding(
            project: record.project, concurrency: record.concurrency,
            record: projects[Int(record.project)].concurrencies[Int(record.concurrency)])
    }

    /// No deadline falls due before this moment; nil if none runs. Cost: O(1). It may be earlier
    /// than the first real deadline: settling then finds nothing to do and the next value is later.
    public var nextDeadline: Microseconds? { schedule.earliest }

    /// Whether any deadline may run: true whenever one does, and for a while after the last ended.
    public var hasDeadlines: Bool { schedule.earliest != nil }

    /// Stale entries go once they are most of the schedule: deadlines that became earlier, over and
    /// over, would otherwise pile up until the late ones come. Amortised O(1).
    mutating func boundSchedule() {
        if schedule.count > 4 * numberCount + 1_024 { rebuildSchedule() }
    }

    mutating func rebuildSchedule() {
        var entries: [DeadlineSchedule.Entry] = []
        for projectIndex in projects.indices.dropFirst() {
            for index in projects[projectIndex].concurrencies.indices.dropFirst() {
                let deadline = projects[projectIndex].concurrencies[index].deadline
                projects[projectIndex].concurrencies[index].scheduledAt = deadline ?? .max
                if let deadline {
                    entries.append(
                        DeadlineSchedule.Entry(
                            moment: deadline, concurrency: ConcurrencyNumber(index),
                            project: ProjectNumber(projectIndex)))
                }
            }
        }
        schedule.replaceAll(with: entries)
    }
}

/// A concurrency in somebody's hands.
public struct Holding: Equatable, Sendable {
    public var project: ProjectNumber
    public var concurrency: ConcurrencyNumber
    public var record: ConcurrencyRecord
}
