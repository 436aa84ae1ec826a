import EventLog
public import Ledger
public import ReconnectionRules

/// What came of a project under other settings.
public struct WhatIfReport: Sendable, Equatable {
    public var project: String
    /// The recorded inputs under the recorded settings.
    public var recorded: WhatIfOutcome
    /// One for each combination asked for, in their order.
    public var outcomes: [WhatIfOutcome]
}

/// What came of the recorded inputs under one combination of settings.
public struct WhatIfOutcome: Sendable, Equatable {
    /// Repossessions in the project, by reason.
    public struct Repossessions: Sendable, Equatable {
        public var windowExpired: UInt64 = 0
        public var lockExpired: UInt64 = 0
        public var moved: UInt64 = 0
        public var byOperator: UInt64 = 0
    }

    /// Attempts of a user that ended otherwise than in the record. A return is a session on the
    /// concurrency that the user had before; a grant one on a concurrency that was new to it.
    public struct UserDifference: Sendable, Equatable {
        public var user: String
        public var returnsGained: UInt64
        public var returnsLost: UInt64
        public var grantsGained: UInt64
        public var grantsLost: UInt64
    }

    /// A concurrency of the project in the hands of somebody who was not heard of for a day and
    /// more.
    public struct SilentHolding: Sendable, Equatable {
        public var user: String
        public var concurrency: ConcurrencyNumber
        public var state: ConcurrencyState
        public var since: Microseconds
        public var until: Microseconds
        /// It is still held where time stops.
        public var isOpen: Bool
    }

    /// What was asked for.
    public var change: ProjectChange
    /// The project's settings where time stops.
    public var settings: ProjectSettings
    /// As of a ledger with these settings, all projects together; its log's bytes are those of the
    /// log that was read.
    public var statistics: LedgerStatistics
    public var repossessions = Repossessions()
    /// The most users that held a concurrency of the project at once, and since when.
    public var heldMax: UInt64
    public var heldMaxTime: Microseconds
    /// Concurrency-hours of the project spent waiting for somebody to return, and held in all.
    public var waitingHours: Double
    public var heldHours: Double
    /// Sessions assumed for applies that the record refused, and those among them that no report
    /// names: how long these last is a bound.
    public var assumedSessionCount: UInt64
    public var boundCount: UInt64
    /// By name, the users whose attempts ended otherwise than in the record.
    public var differences: [UserDifference]
    /// How often a concurrency was held for a day and more without a sign of life, the hours of
    /// that, and the longest of them, at most a hundred.
    public var silentCount: UInt64
    public var silentHours: Double
    public var silentHoldings: [SilentHolding]

    public var usersGained: Int {
        differences.count { $0.returnsGained + $0.grantsGained > 0 }
    }
    public var usersLost: Int { differences.count { $0.returnsLost + $0.grantsLost > 0 } }

    /// Names and values beside those of `statistics`, in the order they are printed.
    public var rows: [(name: String, value: UInt64)] {
        func sum(_ part: (UserDifference) -> UInt64) -> UInt64 {
            differences.reduce(0) { $0 + part($1) }
        }
        return [
            ("windowExpired", repossessions.windowExpired),
            ("lockExpired", repossessions.lockExpired), ("moved", repossessions.moved),
            ("repossessedByOperator", repossessions.byOperator), ("peakHeld", heldMax),
            ("assumedSessions", assumedSessionCount), ("bounds", boundCount),
            ("usersGained", UInt64(usersGained)), ("usersLost", UInt64(usersLost)),
            ("returnsGained", sum(\.returnsGained)), ("returnsLost", sum(\.returnsLost)),
            ("grantsGained", sum(\.grantsGained)), ("grantsLost", sum(\.grantsLost)),
            ("silentHoldings", silentCount),
        ]
    }
}

extension WhatIfOutcome {
    init(_ world: WhatIfWorld, since counters: Counters?, _ reader: LedgerReader) {
        let meter = world.meter
        change = world.change
        settings = world.state.projects[Int(world.project)].settings
        statistics = LedgerStatistics(world.state, logByteCount: reader.log.byteCount)
        if let counters { statistics.counters.subtract(counters) }
        repossessions.windowExpired = meter.windowExpired
        repossessions.lockExpired = meter.lockExpired
        repossessions.moved = meter.moved
        repossessions.byOperator = meter.byOperator
        heldMax = meter.heldMax
        heldMaxTime = meter.heldMaxTime
        waitingHours = Self.hours(meter.waitingTime)
        heldHours = Self.hours(meter.heldTime)
        assumedSessionCount = world.assumed.count
        boundCount = world.assumed.boundCount
        differences = world.differences.byUser.map { number, counts in
            UserDifference(
                user: reader.userName(of: number), returnsGained: UInt64(counts.returnsGained),
                returnsLost: UInt64(counts.returnsLost),
                grantsGained: UInt64(counts.grantsGained), grantsLost: UInt64(counts.grantsLost))
        }.sorted { $0.user < $1.user }
        silentCount = meter.silentCount
        silentHours = Self.hours(meter.silentTime)
        silentHoldings = meter.silences.map {
            SilentHolding(
                user: reader.userName(of: $0.user), concurrency: $0.concurrency, state: $0.state,
                since: $0.since, until: $0.until, isOpen: $0.isOpen)
        }
    }

    private static func hours(_ time: UInt128) -> Double { Double(time) / 3_600e6 }
}

extension LedgerReader {
    func userName(of number: UserNumber) -> String { view.users.name(of: number) }
    func projectName(of number: ProjectNumber) -> String { view.projects.name(of: UInt32(number)) }
}

extension Counters {
    /// Leaves what was counted since; what is held and waits now stays as it is.
    fileprivate mutating func subtract(_ earlier: Counters) {
        starts -= earlier.starts
        grantedNew -= earlier.grantedNew
        resumed -= earlier.resumed
        takenOver -= earlier.takenOver
        rejectedNoIdle -= earlier.rejectedNoIdle
        rejectedLockTimeout -= earlier.rejectedLockTimeout
        disconnected -= earlier.disconnected
        keptRunning -= earlier.keptRunning
        staleDisconnects -= earlier.staleDisconnects
        destroyed -= earlier.destroyed
        staleDestroys -= earlier.staleDestroys
        repossessed -= earlier.repossessed
    }
}
