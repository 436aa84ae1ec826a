public import JSON
import Ledger

/// What a reconnect storm came to.
public struct ReconnectFigures: Sendable {
    let storm: ReconnectStorm
    let seconds: Double
    public let reconnects: Int
    let latencies: Latencies
    let processorSeconds: Double
    let before: LedgerMetrics
    let after: LedgerMetrics
    /// Bytes of the newest batches, oldest first: what a peer has to write to compare.
    public var batchBytes: [Int] = []

    /// Whether latencies are those of whole batches.
    public var isBatch: Bool { storm.mode == .batch }
    public var reconnectsPerSecond: Double { Double(reconnects) / seconds }
    public var events: UInt64 { after.eventCount - before.eventCount }
    public var eventsPerSecond: Double { Double(events) / seconds }
    public var commits: UInt64 { after.commitCount - before.commitCount }
    public var commandsPerSecond: Double {
        Double(after.commandCount - before.commandCount) / seconds
    }
    /// Events of a batch by share of the events, from the distribution by powers of two.
    private var sizes: [UInt64] { zip(after.batchSizes, before.batchSizes).map { $0 - $1 } }

    /// In microseconds.
    public func latency(_ percent: Double) -> Double { latencies.percentile(percent) }

    public func write(to fields: inout JSONObjectWriter) {
        fields.string("mode", storm.mode.rawValue)
        fields.unsigned("users", UInt64(storm.users))
        fields.unsigned("callers", UInt64(storm.callers))
        fields.unsigned("batch", UInt64(storm.mode == .batch ? storm.batch : 1))
        fields.number("offeredPerSecond", storm.rate)
        fields.number("seconds", seconds)
        fields.unsigned("reconnects", UInt64(reconnects))
        fields.number("reconnectsPerSecond", reconnectsPerSecond)
        fields.unsigned("commands", after.commandCount - before.commandCount)
        fields.number("commandsPerSecond", commandsPerSecond)
        fields.unsigned("events", events)
        fields.number("eventsPerSecond", eventsPerSecond)
        fields.unsigned("commits", commits)
        fields.unsigned("syncs", after.syncCount - before.syncCount)
        fields.unsigned("bytes", after.byteCount - before.byteCount)
        fields.number("processorSeconds", processorSeconds)
        fields.object("latencyMicroseconds") { fields in
            for (name, percent) in Self.percentiles {
                fields.number(name, latency(percent))
            }
        }
        fields.object("batchEvents") { fields in
            fields.number("mean", commits == 0 ? 0 : Double(events) / Double(commits))
            fields.unsigned("max", after.batchEventCountMax)
        }
        fields.json(
            "batchesByLog2Events", Array("[\(sizes.map(String.init).joined(separator: ","))]".utf8))
        fields.json(
            "batchBytes", Array("[\(batchBytes.map(String.init).joined(separator: ","))]".utf8))
    }

    static let percentiles: [(String, Double)] = [
        ("p50", 50), ("p90", 90), ("p99", 99), ("p999", 99.9), ("max", 100),
    ]
}

extension JSONObjectWriter {
    /// A number with three digits behind the point, null if there is none.
    mutating func number(_ name: String, _ value: Double?) {
        guard let value, value.isFinite else { return null(name) }
        json(name, Array(Self.text(value).utf8))
    }

    private static func text(_ value: Double) -> String {
        let thousandths = (value * 1_000).rounded()
        guard thousandths.magnitude < 9e15 else { return "\(value)" }
        let whole = Int64(thousandths)
        let fraction = String(whole.magnitude % 1_000 + 1_000).dropFirst()
        return "\(whole < 0 ? "-" : "")\(whole.magnitude / 1_000).\(fraction)"
    }
}
