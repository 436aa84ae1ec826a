/// A state as the records a checkpoint stores, without the queues that are derived from them.
///
/// Taking one costs a reference a chunk (see `RecordTable`), not a copy of the records.
public struct StateRecords: Sendable {
    public struct Project: Sendable {
        public var settings: ProjectSettings
        public var last: Position
        public var concurrencies: RecordTable<ConcurrencyRecord>

        public init(
            settings: ProjectSettings, last: Position,
            concurrencies: RecordTable<ConcurrencyRecord>
        ) {
            self.settings = settings
            self.last = last
            self.concurrencies = concurrencies
        }
    }

    /// Which chunks were written to since the last call of `State.takeChanges`: a bit each.
    public struct Changes: Sendable {
        public var users: [UInt64] = []
        public var jumps: [UInt64] = []
        /// By project number.
        public var concurrencies: [[UInt64]] = []

        public init() {}
    }

    /// Index = number; index 0 is unused. So in `projects`.
    public var users = RecordTable<UserRecord>(blank: UserRecord())
    public var jumps = JumpTable()
    public var projects: [Project] = []
    public var counters = Counters()
    public var position: Position = 0
    public var time: Microseconds = 0
    public var lastOfLedger: Position = 0
    public var skippedCount: UInt64 = 0

    public init() {}
}

extension State {
    public var records: StateRecords {
        var records = StateRecords()
        records.users = users
        records.jumps = jumps
        records.projects = projects.map {
            StateRecords.Project(
                settings: $0.settings, last: $0.last, concurrencies: $0.concurrencies)
        }
        records.counters = counters
        records.position = position
        records.time = time
        records.lastOfLedger = lastOfLedger
        records.skippedCount = skippedCount
        return records
    }

    /// Restores a state from stored records and derives the queues from them. The records must come
    /// from one state.
    ///
    /// Cost: linear in the number of concurrencies, O(n log n) in those that are idle or have a
    /// deadline.
    public init(_ records: StateRecords) {
        users = records.users
        jumps = records.jumps
        projects = records.projects.map { stored in
            var project = ProjectRecord()
            project.settings = stored.settings
            project.last = stored.last
            project.concurrencies = stored.concurrencies
            project.countStates()
            return project
        }
        counters = records.counters
        position = records.position
        time = records.time
        lastOfLedger = records.lastOfLedger
        skippedCount = records.skippedCount
        numberCount = projects.dropFirst().reduce(0) { $0 + Int($1.numberCount) }
        rebuildSchedule()
    }

    /// Which chunks of the records were written to since the last call.
    public mutating func takeChanges() -> StateRecords.Changes {
        var changes = StateRecords.Changes()
        changes.users = users.takeChanges()
        changes.jumps = jumps.takeChanges()
        for project in projects.indices {
            changes.concurrencies.append(projects[project].concurrencies.takeChanges())
        }
        return changes
    }

    /// The roots of each user's jump trees, oldest first, for the users that have any: for
    /// comparing states. Cost: linear in the users.
    public var jumpStacks: [UserNumber: [Position]] {
        var stacks: [UserNumber: [Position]] = [:]
        for (number, user) in users.enumerated() where user.jumpBlock != 0 {
            stacks[UserNumber(number)] = jumps.roots(user.jumpBlock)
        }
        return stacks
    }
}
