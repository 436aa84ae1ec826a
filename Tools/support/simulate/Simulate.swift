import ArgumentParser
import LedgerAuditor
import Simulator

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Runs simulated worlds; see docs/simulation.md. Started by Tools/simulate.
@main
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "Tools/simulate",
        abstract: "Simulates users, networks, crashes and disks around a ledger.",
        discussion: """
            One seed drives a whole world. An auditor that shares no code with the ledger checks \
            every event and every answer. Ends with 1 at the first promise that is not kept, and \
            says how to repeat it.

            EXAMPLES
              Tools/simulate --actions 10000000
              Tools/simulate --seed 42 --verbose
              Tools/simulate --canary deadlineOffByOne
            """)

    @Option(help: "Run this seed alone.") var seed: UInt64?
    @Option(help: "First of many seeds.") var baseSeed: UInt64 = 1
    @Option(help: "Actions to simulate over all seeds.") var actions: UInt64 = 10_000_000
    @Option(help: "Actions of one seed.") var actionsPerSeed = 50_000
    @Option(help: "Threads.") var threads = 2
    @Option(help: "End after so many seconds.") var seconds: Double?
    @Option(help: "One seed in so many runs on LMDB, 0 for none.") var lmdbShare = 64
    @Option(help: "Features that stay off, with commas.") var without = ""
    @Option(help: "Users at most.") var users = 0
    @Option(help: "Plant a bug, or all in turn; finding it is success.") var canary: String?
    @Flag(help: "Print what happened last.") var verbose = false
    @Option(help: "How many lines of it.") var lines = 60
    @Flag(help: "Print one JSON object.") var json = false

    func options() throws -> SeedOptions {
        var options = SeedOptions()
        options.actionCount = actionsPerSeed
        options.lmdbShare = lmdbShare
        options.userCountMax = users
        for name in without.split(separator: ",") {
            guard let feature = Feature(name: name) else {
                let known = Feature.allCases.map { "\($0)" }.joined(separator: ", ")
                throw ValidationError("no feature \(name); there are \(known)")
            }
            options.without.insert(feature)
        }
        return options
    }

    func run() throws {
        Traps.announce()
        let options = try options()
        if let canary { return try runCanaries(named: canary, options) }
        if let seed { return try runOne(seed, options) }
        let shown = ProgressLine(of: actions)
        let summary = try Campaign.run(
            from: baseSeed, actionCount: actions, threadCount: threads, options,
            secondsMax: seconds ?? .infinity
        ) { shown.show($0) }
        shown.end()
        Text.put(json ? Text.json(summary) : Text.lines(summary))
        if let failure = summary.failure {
            try explain(failure, options)
            throw ExitCode(1)
        }
    }

    /// One seed, its options first.
    private func runOne(_ seed: UInt64, _ options: SeedOptions) throws {
        if !json { Text.put(options.swarm(seed).text) }
        let start = Text.now()
        let (report, trace) = try Workshop().run(
            seed: seed, options, trace: verbose ? lines : 0)
        for line in trace { Text.put(line) }
        var summary = Campaign.Summary(total: report)
        summary.seedCount = 1
        summary.seconds = Text.now() - start
        summary.failure = report.violation == nil ? nil : report
        Text.put(json ? Text.json(summary) : Text.lines(summary))
        if summary.failure != nil { throw ExitCode(1) }
    }

    /// Repeats a failure with its trace, in a world as small as it still fails in.
    private func explain(_ failure: SeedReport, _ options: SeedOptions) throws {
        guard !json, let violation = failure.violation else { return }
        let workshop = try Workshop()
        let small = workshop.shrunk(seed: failure.seed, options, violation.topic)
        Text.put(small.swarm(failure.seed).text)
        let (report, trace) = workshop.run(seed: failure.seed, small, trace: lines)
        for line in trace { Text.put(line) }
        Text.put("violation: \(report.violation?.description ?? "none, the second time")")
        Text.put("repeat: \(Text.command(failure.seed, options))")
        Text.put("smaller: \(Text.command(failure.seed, small))")
    }

    /// Each planted bug has to be found.
    private func runCanaries(named name: String, _ options: SeedOptions) throws {
        let canaries = Canary.allCases.filter { name == "all" || $0.rawValue == name }
        guard !canaries.isEmpty else {
            let known = Canary.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("no canary \(name); there are all, \(known)")
        }
        var missed: [String] = []
        for canary in canaries {
            var options = options
            options.canary = canary
            let summary = try Campaign.run(
                from: seed ?? baseSeed, actionCount: actions, threadCount: threads, options,
                secondsMax: seconds ?? 60)
            let after = "\(Text.rounded(summary.seconds)) s, \(summary.total.actions) actions"
            if let failure = summary.failure, let violation = failure.violation {
                Text.put(
                    "\(canary): found after \(after), seed \(failure.seed): \(violation.topic)")
                if verbose { try explain(failure, options) }
            } else {
                missed.append(canary.rawValue)
                Text.put("\(canary): NOT FOUND after \(after)")
            }
        }
        if !missed.isEmpty { throw ExitCode(1) }
    }
}
