import Benchmark
import EventLog
import Ledger
import ReconnectionRules

/// What one step of the engine costs, each alone: the rules, the codec, the chain, the commit, the
/// opening and a look at the history. `swift package benchmark` runs them.
let benchmarks: @Sendable () -> Void = {
    Benchmark.defaultConfiguration = .init(
        metrics: [.wallClock, .throughput], maxDuration: .seconds(3), maxIterations: 100_000)

    Benchmark("rules: 1,000 reconnects decided and folded in") { benchmark in
        var storm = RulesStorm(userCount: 100_000)
        for _ in benchmark.scaledIterations {
            benchmark.startMeasurement()
            for _ in 0 ..< 1_000 { blackHole(storm.reconnect { blackHole($0.position) }) }
            benchmark.stopMeasurement()
        }
    }

    Benchmark("codec: 1,000 events into the bytes of a batch") { benchmark in
        let events = RulesStorm.events(count: 1_000)
        for _ in benchmark.scaledIterations {
            let builder = BatchBuilder(after: 0)
            benchmark.startMeasurement()
            for event in events { builder.append(event) }
            benchmark.stopMeasurement()
            blackHole(builder.eventCount)
        }
    }

    Benchmark("chain: a batch of 1,000 events sealed") { benchmark in
        let events = RulesStorm.events(count: 1_000)
        for _ in benchmark.scaledIterations {
            let builder = BatchBuilder(after: 0)
            for event in events { builder.append(event) }
            benchmark.startMeasurement()
            let head = builder.seal(after: .empty, wallOffset: 0, origin: nil)
            benchmark.stopMeasurement()
            blackHole(head)
        }
    }

    Benchmark("append: a batch of 1,000 events made durable") { benchmark in
        try AppendFixture.shared.append(benchmark)
    }

    Benchmark("recovery: a ledger of 100,000 events opened") { benchmark in
        try await LedgerFixture.shared.open(benchmark)
    }

    Benchmark("history: the last 50 events of a user") { benchmark in
        try await LedgerFixture.shared.history(benchmark)
    }
}
