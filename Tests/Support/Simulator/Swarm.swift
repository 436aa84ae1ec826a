import EventLog
import Ledger
import LedgerModel
import ReconnectionRules

/// What may go wrong, or go on, in a simulated world. Each seed switches some of it on: a world
/// where everything happens at once hides what happens only where something else does not.
public enum Feature: UInt8, CaseIterable, Sendable {
    case lostRequests, duplicates, lostReplies, slowNetwork, ghosts, lostReports, unnamedReports
    case exactDeadlines, unattended, takeovers, noise, malformed
    case repossessing, forgetting, addresses, capacity, settings, sessionNames, newProjects
    case crashes, restarts, longOutages, noCompensation, clockSteps, failedAppends, failedSyncs
    case lostCheckpoints, slowDisk, slowWriter, coarseTime, singleActions

    public init?(name: some StringProtocol) {
        guard let found = Self.allCases.first(where: { "\($0)" == name }) else { return nil }
        self = found
    }
}

/// The options of one seed, drawn before anything happens.
public struct Swarm: Sendable {
    public enum Store: String, Sendable { case memory, lmdb }

    public var seed: UInt64
    public var store: Store
    public var features: Set<Feature> { didSet { bits = Self.bits(features) } }
    /// The same, for the many times it is asked.
    private var bits: UInt64 = 0
    /// Actions of the safety phase, before everything calms down.
    public var actionCount: Int
    public var userCount: Int
    public var deviceCountPerUser: Int
    public var projectCount: Int
    /// Most concurrencies of a project.
    public var capacityMax: Int
    var window: Microseconds
    var lock: Microseconds
    var cleanup: Microseconds
    /// How long a device stays connected, away, and on the way.
    var hold: Microseconds
    var away: Microseconds
    var delay: Microseconds
    var think: Microseconds
    var diskDelay: Microseconds
    /// With coarse time, most requests arrive on whole multiples of this.
    var tick: Microseconds
    /// Between two acts of each of these.
    var operatorInterval: Microseconds
    var noiseInterval: Microseconds
    var crashInterval: Microseconds
    var restartInterval: Microseconds
    var clockStepInterval: Microseconds
    /// Odds of each mishap.
    var mishap: Odds
    var checkpointInterval: Int

    public func has(_ feature: Feature) -> Bool { bits & 1 << UInt64(feature.rawValue) != 0 }

    /// Odds of a mishap, 0 if the feature is off.
    func odds(_ feature: Feature) -> Odds { has(feature) ? mishap : 0 }

    private static func bits(_ features: Set<Feature>) -> UInt64 {
        features.reduce(0) { $0 | 1 << UInt64($1.rawValue) }
    }

    /// Draws the options of a seed. `lmdbShare`: one seed in that many runs on LMDB, none for 0.
    public init(seed: UInt64, actionCount: Int, lmdbShare: Int) {
        var random = SplitMix64(seed: seed ^ 0x5157_4152_4D00_0001)
        self.seed = seed
        // Drawn in any case: the rest of the world does not depend on the store.
        let draw = random.next()
        store = lmdbShare > 0 && draw % UInt64(lmdbShare) == 0 ? .lmdb : .memory
        let richness = random.within(1...7)
        features = Set(Feature.allCases.filter { _ in random.chance(richness, in: 8) })
        bits = Self.bits(features)
        self.actionCount = actionCount
        userCount = Int(random.magnitude(2...512))
        deviceCountPerUser = random.within(1...3)
        projectCount = random.within(1...4)
        capacityMax = max(1, Int(random.magnitude(1...64)) * userCount / 64)
        if random.chance(1, in: 3) { capacityMax = userCount / projectCount + 1 }
        capacityMax = min(capacityMax, 96)
        window = random.magnitude(1_000_000...3_600_000_000)
        lock = random.magnitude(1_000_000...120_000_000)
        cleanup = random.chance(1, in: 2) ? 0 : random.magnitude(1_000...60_000_000)
        // Comings and goings of about the window's length are those that matter.
        hold = max(1_000, window >> Int64(random.below(8)))
        away = max(1_000, (window * 2) >> Int64(random.below(6)))
        delay = random.magnitude(50...50_000)
        think = random.magnitude(100...2_000_000)
        // So many acts of all users between two of these, however long that takes.
        let pace = max(1, (hold + away) / Int64(3 * userCount))
        // In half of the worlds much arrives while the disk works.
        diskDelay = random.magnitude(20...4_000)
        if random.chance(1, in: 2) {
            diskDelay = min(60_000, max(diskDelay, pace * random.magnitude(1...16)))
        }
        tick = max(1_000, pace * random.magnitude(1...64))
        // A short world has as many of these as a long one.
        func interval(_ range: ClosedRange<Int>) -> Microseconds {
            let least = Int64(max(1, range.lowerBound * actionCount / 1_000))
            let most = Int64(max(2, range.upperBound * actionCount / 1_000))
            return pace * random.magnitude(least...most)
        }
        operatorInterval = min(interval(10...40), pace * random.magnitude(20...2_000))
        noiseInterval = pace * random.magnitude(4...200)
        crashInterval = interval(50...2_000)
        restartInterval = interval(60...2_000)
        clockStepInterval = interval(4...400)
        mishap = Odds(random.magnitude(200...12_000))
        checkpointInterval = Int(random.magnitude(16...2_000))
        if store == .lmdb { self.actionCount = min(actionCount, 20_000) }
    }

    /// How the ledger is opened: keys and nonces come from the seed too.
    var ledgerOptions: LedgerOptions {
        var options = LedgerOptions()
        options.random = .repeatable(seed: seed)
        if has(.addresses) { options.clientAddresses = .full }
        return options
    }

    /// The options as they are printed before a run.
    public var text: String {
        let on = Feature.allCases.filter(has).map { "\($0)" }.joined(separator: " ")
        func seconds(_ time: Microseconds) -> String { "\(Double(time) / 1e6) s" }
        return """
            seed \(seed): store \(store), \(actionCount) actions, \(userCount) users with up to \
            \(deviceCountPerUser) devices, \(projectCount) projects of up to \(capacityMax)
              window \(seconds(window)), lock \(seconds(lock)), cleanup \(seconds(cleanup)), \
            connected \(seconds(hold)), away \(seconds(away)), network \(seconds(delay)), \
            disk \(seconds(diskDelay)), mishaps \(mishap) in 65536
              on: \(on.isEmpty ? "nothing" : on)
            """
    }
}
