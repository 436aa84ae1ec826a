import Dispatch
import EventLog
import LedgerAuditor
import ReconnectionRules
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// How one seed is run: what a command line that repeats it has to say.
public struct SeedOptions: Sendable, Equatable {
    /// Actions of the safety phase.
    public var actionCount = 50_000
    /// One seed in so many runs on LMDB; 0 for none, 1 for all.
    public var lmdbShare = 64
    /// Features that stay off whatever the seed says.
    public var without: Set<Feature> = []
    /// Users at most, 0 for what the seed says.
    public var userCountMax = 0
    public var canary: Canary?

    public init() {}

    public func swarm(_ seed: UInt64) -> Swarm {
        var swarm = Swarm(seed: seed, actionCount: actionCount, lmdbShare: lmdbShare)
        swarm.features.subtract(without)
        if userCountMax > 0 { swarm.userCount = min(swarm.userCount, userCountMax) }
        if canary != nil { swarm.store = .memory }
        return swarm
    }
}

/// A place to run seeds in, one after the other: a directory in memory, if the machine has one.
public final class Workshop {
    private let path: String
    private let scratch: EventLog

    public init() throws {
        let parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
        var template = Array("\(parent)/holdfast-simulate-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw HostFailure.failed }
        path = String(
            decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        mkdir(path + "/scratch", 0o700)
        scratch = try EventLog(directory: path + "/scratch", mode: .create)
    }

    deinit { Files.removeAll(path) }

    /// Runs a seed. `trace`: how many lines of what happened last are wanted.
    public func run(
        seed: UInt64, _ options: SeedOptions, trace: Int = 0
    ) -> (report: SeedReport, trace: [String]) {
        let swarm = options.swarm(seed)
        func run(on host: any Host) -> (SeedReport, [String]) {
            var simulation = Simulation(
                swarm, host: host, canary: options.canary, isTracing: trace > 0)
            let report = simulation.run()
            return (report, simulation.trace.text(lineCount: trace))
        }
        switch swarm.store {
        case .memory:
            let keyPath = path + "/personal.keys"
            defer { unlink(keyPath) }
            return run(
                on: MemoryHost(
                    scratch: scratch, keyPath: keyPath, options: swarm.ledgerOptions,
                    canary: options.canary))
        case .lmdb:
            let host = DiskHost(path: path + "/ledger", options: swarm.ledgerOptions)
            defer { host.removeAll() }
            return run(on: host)
        }
    }

    /// A smaller world in which the same seed breaks the same promise: features that it does not
    /// take are off, and users it does not take are gone.
    public func shrunk(seed: UInt64, _ options: SeedOptions, _ topic: String) -> SeedOptions {
        var best = options
        func fails(_ candidate: SeedOptions) -> Bool {
            run(seed: seed, candidate).report.violation?.topic == topic
        }
        for feature in Feature.allCases where options.swarm(seed).has(feature) {
            var candidate = best
            candidate.without.insert(feature)
            if fails(candidate) { best = candidate }
        }
        var userCount = options.swarm(seed).userCount / 2
        while userCount >= 1 {
            var candidate = best
            candidate.userCountMax = userCount
            guard fails(candidate) else { break }
            best = candidate
            userCount /= 2
        }
        return best
    }
}

/// Which seeds run at the moment, 0 where none does: where a trap in the ledger ends the process,
/// somebody has to say which world it was. Read by a signal handler, so plain memory.
public enum SeedsUnderWay {
    public static let countMax = 64
    public nonisolated(unsafe) static let seeds: UnsafeMutablePointer<UInt64> = {
        let seeds = UnsafeMutablePointer<UInt64>.allocate(capacity: countMax)
        seeds.initialize(repeating: 0, count: countMax)
        return seeds
    }()
}

/// Many seeds, from a first one on, until enough actions are simulated or one breaks a promise.
public enum Campaign {
    public struct Summary: Sendable {
        public var seedCount = 0
        public var total: SeedReport
        /// The lowest seed that broke a promise, of those that were run.
        public var failure: SeedReport?
        /// Seconds of real time.
        public var seconds = 0.0

        public init(total: SeedReport) { self.total = total }
    }

    private struct Shared {
        var nextSeed: UInt64
        var summary: Summary
        var error: String?
    }

    /// Runs seeds on that many threads. `progress` hears the sums so far, one call at a time.
    public static func run(
        from firstSeed: UInt64, actionCount: UInt64, threadCount: Int, _ options: SeedOptions,
        secondsMax: Double = .infinity, progress: @escaping @Sendable (Summary) -> Void = { _ in }
    ) throws -> Summary {
        let start = now()
        let shared = Mutex(
            Shared(nextSeed: firstSeed, summary: Summary(total: SeedReport(seed: firstSeed))))
        DispatchQueue.concurrentPerform(iterations: threadCount) { thread in
            let workshop: Workshop
            do { workshop = try Workshop() } catch {
                return shared.withLock { $0.error = "cannot make a place to run in: \(error)" }
            }
            while let seed = shared.withLock({ shared -> UInt64? in
                let isOver =
                    shared.summary.total.actions >= actionCount || shared.summary.failure != nil
                    || now() - start > secondsMax
                if isOver { return nil }
                defer { shared.nextSeed &+= 1 }
                return shared.nextSeed
            }) {
                let place = SeedsUnderWay.seeds + thread % SeedsUnderWay.countMax
                place.pointee = seed
                let report = workshop.run(seed: seed, options).report
                place.pointee = 0
                shared.withLock { shared in
                    shared.summary.seedCount += 1
                    shared.summary.total.add(report)
                    shared.summary.seconds = now() - start
                    if report.violation != nil,
                        shared.summary.failure.map({ $0.seed > report.seed }) ?? true
                    {
                        shared.summary.failure = report
                    }
                    progress(shared.summary)
                }
            }
        }
        return try shared.withLock { shared in
            if let error = shared.error { throw CampaignError(message: error) }
            shared.summary.seconds = now() - start
            return shared.summary
        }
    }

    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

public struct CampaignError: Error, CustomStringConvertible {
    public var message: String
    public var description: String { message }
}
