import Audit
import JSON
import Ledger

/// How counts are printed.
enum StatisticsText {
    static func print(_ statistics: LedgerStatistics, _ isJSON: Bool) {
        if isJSON {
            let bytes = JSONObjectWriter.bytes { object in
                for (name, value) in statistics.rows { object.unsigned(name, value) }
                object.string("lastTime", Timestamp.text(statistics.lastTime))
                object.string("stateDigest", statistics.stateDigest)
            }
            Swift.print(String(decoding: bytes, as: UTF8.self))
            return
        }
        for (name, value) in statistics.rows {
            Swift.print(HistoryText.pad(name, 20) + HistoryText.pad("\(value)", 12, left: true))
        }
        Swift.print(HistoryText.pad("lastTime", 20) + "  " + Timestamp.text(statistics.lastTime))
        Swift.print(HistoryText.pad("stateDigest", 20) + "  " + statistics.stateDigest)
    }
}
