import Histogram
import Synchronization

/// Latencies in nanoseconds, in an HdrHistogram of three digits: up to an hour.
struct Latencies: Sendable {
    private var histogram = Histogram<UInt64>(
        highestTrackableValue: 3_600_000_000_000, numberOfSignificantValueDigits: .three)

    mutating func record(nanoseconds: Int64) {
        histogram.record(UInt64(max(1, nanoseconds)))
    }

    mutating func add(_ other: Latencies) { histogram.add(other.histogram) }

    var count: UInt64 { histogram.totalCount }

    /// In microseconds.
    func percentile(_ percent: Double) -> Double {
        Double(histogram.valueAtPercentile(percent)) / 1e3
    }
}

/// Latencies of many callers in a few histograms: one has 280 KiB, too much for each of a thousand.
final class SharedLatencies: Sendable {
    private let shards: [Shard]

    private final class Shard: Sendable {
        let latencies = Mutex(Latencies())
    }

    init() { shards = (0..<16).map { _ in Shard() } }

    func record(nanoseconds: Int64, by caller: Int) {
        shards[caller & 15].latencies.withLock { $0.record(nanoseconds: nanoseconds) }
    }

    var all: Latencies {
        var sum = Latencies()
        for shard in shards { shard.latencies.withLock { sum.add($0) } }
        return sum
    }
}
