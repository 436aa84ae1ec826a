import Audit
import JSON
import Ledger
import ReconnectionRules

/// How counts are printed.
enum StatisticsText {
    static func print(
        _ statistics: LedgerStatistics, _ isJSON: Bool, _ storage: StorageStatistics? = nil
    ) {
        if isJSON {
            let bytes = JSONObjectWriter.bytes { object in
                for (name, value) in statistics.rows { object.unsigned(name, value) }
                object.string("lastTime", Timestamp.text(statistics.lastTime))
                object.string("stateDigest", statistics.stateDigest)
                if let storage { write(storage, to: &object) }
            }
            Swift.print(String(decoding: bytes, as: UTF8.self))
            return
        }
        for (name, value) in statistics.rows {
            row(name, "\(value)", ofBytes: name.hasSuffix("Bytes") ? value : nil)
        }
        Swift.print(HistoryText.pad("lastTime", 20) + "  " + Timestamp.text(statistics.lastTime))
        Swift.print(HistoryText.pad("stateDigest", 20) + "  " + statistics.stateDigest)
        if let storage { print(storage) }
    }

    private static func write(_ storage: StorageStatistics, to object: inout JSONObjectWriter) {
        number("bytesPerEvent", storage.bytesPerEvent, &object)
        let week = storage.growth.first { $0.name == "week" }
        number("growthBytesPerDay", week?.bytesPerDay, &object)
        if let free = storage.logFreeByteCount {
            object.unsigned("logFreeBytes", UInt64(free))
        } else {
            object.null("logFreeBytes")
        }
        object.unsigned("viewsBytes", storage.viewsByteCount)
        object.unsigned("checkpoints", UInt64(storage.checkpointCount))
        object.unsigned("checkpointsBytes", storage.checkpointsByteCount)
        object.strings("checkpointFaults", storage.checkpointFaults.map(\.description))
        object.array("growth", storage.growth) { object, growth in
            object.string("over", growth.name)
            object.json("seconds", EventJSON.seconds(growth.length))
            object.unsigned("events", growth.eventCount)
            number("eventsPerDay", growth.eventsPerDay, &object)
            number("growthBytesPerDay", growth.bytesPerDay, &object)
        }
    }

    private static func print(_ storage: StorageStatistics) {
        func bytes(_ name: String, _ count: UInt64) { row(name, "\(count)", ofBytes: count) }
        if let free = storage.logFreeByteCount { bytes("logFreeBytes", UInt64(free)) }
        if let bytes = storage.bytesPerEvent { row("bytesPerEvent", tenths(bytes)) }
        bytes("viewsBytes", storage.viewsByteCount)
        row("checkpoints", "\(storage.checkpointCount)")
        bytes("checkpointsBytes", storage.checkpointsByteCount)
        for growth in storage.growth {
            let length = DurationText.readable(growth.length)
            row("growth, \(growth.name)", "\(growth.eventCount)")
            guard let events = growth.eventsPerDay, let bytes = growth.bytesPerDay else {
                Swift.print("  events in \(length), too short a time to tell a rate")
                continue
            }
            Swift.print(
                "  events in \(length): \(Words.count(whole(events), "event", isGrouped: false)) "
                    + "and \(ByteText.readable(whole(bytes))) a day")
        }
    }

    /// A count, and how many bytes it is in a larger unit.
    private static func row(_ name: String, _ value: String, ofBytes count: UInt64? = nil) {
        let text = count.flatMap { $0 < 1_000 ? nil : ByteText.readable($0) }
        Swift.print(
            HistoryText.pad(name, 20) + HistoryText.pad(value, 12, left: true)
                + (text.map { "  \($0)" } ?? ""))
    }

    private static func number(
        _ name: String, _ value: Double?, _ object: inout JSONObjectWriter
    ) {
        guard let value else { return object.null(name) }
        object.json(name, Array(tenths(value).utf8))
    }

    private static func whole(_ value: Double) -> UInt64 {
        UInt64(min(max(value, 0), 1e18).rounded())
    }

    /// One digit behind the point, without an exponent however large.
    private static func tenths(_ value: Double) -> String {
        let tenths = UInt64(min(max(value, 0), 1e17) * 10 + 0.5)
        return "\(tenths / 10).\(tenths % 10)"
    }
}
