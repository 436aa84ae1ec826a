public import ReconnectionRules

/// A reconnect workload to be generated: people who come, lose their connection or leave, and come
/// back as people do. In the form of a trace; the same seed gives the same bytes on every machine.
///
/// What each setting does, and where the figures come from, docs/workloads.md says.
public struct Workload: Sendable, Equatable {
    public enum Arrivals: String, Sendable, CaseIterable {
        /// At any hour as likely as at any other.
        case poisson
        /// By the hour of the day in UTC: few at five in the morning, most at nine in the evening.
        case diurnal
    }

    public var userCount = 500
    public var seed: UInt64 = 1
    /// Ledger time at which it begins.
    public var begin: Microseconds = .seconds(1_767_225_600)
    /// It ends after that time, or after so many starts, whatever is first; nil: no such end. One
    /// of them must be given.
    public var length: Microseconds?
    public var startCount: UInt64?
    public var arrivals = Arrivals.diurnal
    /// How often a user comes in a day, returns after a loss within the hour left out.
    public var visitsPerDay = 1.0
    /// Half of all sessions are shorter.
    public var sessionMedian: Microseconds = .seconds(3_600)
    public var returnTimes = ReturnTimes.published
    /// How sessions end: shares in proportion of resets, ping timeouts and deliberate exits.
    public var resetWeight = 3_119.0
    public var pingTimeoutWeight = 5_603.0
    public var exitWeight = 2_676.0
    /// Of ping timeouts, the share whose user is back on a second connection before the first is
    /// noticed to be dead: the late report of a replaced connection.
    public var ghostShare = 648.0 / 5_603
    /// How late a ping timeout is noticed.
    public var pingTimeoutDelay: Microseconds = .seconds(256)
    /// How often many connections are lost at once, and what share of all each time.
    public var massDisconnectsPerDay = 0.05
    public var massDisconnectShare = 0.5

    public init() {}

    /// What is out of bounds, nil if nothing is.
    public var fault: String? {
        func isShare(_ value: Double) -> Bool { value >= 0 && value <= 1 }
        if length == nil, startCount == nil { return "say how long it is, or how many starts" }
        if !(1 ... 100_000_000).contains(userCount) { return "users must be 1 to 100000000" }
        if let length, !(1 ... .seconds(36_525 * 86_400)).contains(length) {
            return "its length must be more than nothing, up to 100 years"
        }
        if startCount == 0 { return "starts must be 1 or more" }
        if !(0 ... .seconds(200_000_000_000)).contains(begin) {
            return "it must begin in 1970 or later, before the year 8300"
        }
        if !(visitsPerDay > 0 && visitsPerDay <= 10_000) {
            return "visits per day must be above 0, up to 10000"
        }
        if !(Microseconds.seconds(1) ... .seconds(30 * 86_400)).contains(sessionMedian) {
            return "the median session must be 1 s to 30 days"
        }
        if !isShare(ghostShare) || !isShare(massDisconnectShare) {
            return "a share must be 0 to 1"
        }
        if let points = returnTimes.curves[.pingTimeout],
            ghostShare + points[points.count - 1].share > 1
        {
            return "ghosts and returns after ping timeouts are more than all of them"
        }
        if !(massDisconnectsPerDay >= 0 && massDisconnectsPerDay <= 10_000) {
            return "mass disconnects per day must be 0 to 10000"
        }
        let weights = [resetWeight, pingTimeoutWeight, exitWeight]
        if weights.contains(where: { !($0 >= 0 && $0 < 1e9) }) || weights.reduce(0, +) <= 0 {
            return "the weights of endings must be 0 or more, and not all 0"
        }
        if !(Microseconds.seconds(1) ... .seconds(86_400)).contains(pingTimeoutDelay) {
            return "a ping timeout is noticed 1 s to 24 h late"
        }
        return nil
    }

    /// Quantiles of how long connections last: share, multiple of the median. Counted from the
    /// 12,666 connections of log A whose end is known.
    static let sessionLengths: [(share: Double, factor: Double)] = [
        (0, 1 / 7_884.0), (0.05, 122 / 7_884.0), (0.10, 324 / 7_884.0), (0.25, 1_451 / 7_884.0),
        (0.50, 1), (0.75, 30_140 / 7_884.0), (0.90, 132_969 / 7_884.0), (0.95, 372_927 / 7_884.0),
        (1, 1_550_362 / 7_884.0),
    ]

    /// How busy each hour of the day is, from midnight in UTC; the busiest is 1.
    static let hours: [Double] = [
        0.72, 0.58, 0.45, 0.34, 0.27, 0.25, 0.27, 0.33, 0.42, 0.51, 0.58, 0.63, 0.67, 0.69, 0.71,
        0.74, 0.78, 0.83, 0.89, 0.95, 0.99, 1.00, 0.95, 0.85,
    ]
    static let meanOfHours = hours.reduce(0, +) / 24
}

/// What was generated.
public struct WorkloadSummary: Sendable, Equatable {
    public var rowCount: UInt64 = 0
    public var startCount: UInt64 = 0
    /// Users with at least one row.
    public var userCount: UInt64 = 0
    /// Endings written, by kind.
    public var endings: [ReturnTimes.Ending: UInt64] = [:]
    /// Of the ping timeouts, reports about a connection that was replaced already.
    public var ghostCount: UInt64 = 0
    public var massDisconnectCount: UInt64 = 0
    public var byteCount: UInt64 = 0
    public var firstTime: Microseconds = 0
    public var lastTime: Microseconds = 0

    /// Names and values in the order they are printed.
    public var rows: [(name: String, value: UInt64)] {
        [
            ("rows", rowCount), ("starts", startCount), ("users", userCount),
            ("resets", endings[.reset] ?? 0), ("pingTimeouts", endings[.pingTimeout] ?? 0),
            ("exits", endings[.exit] ?? 0), ("netsplitDrops", endings[.massDisconnect] ?? 0),
            ("ghosts", ghostCount), ("massDisconnects", massDisconnectCount), ("bytes", byteCount),
        ]
    }
}
