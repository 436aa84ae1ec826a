import Histogram

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
