import Audit
import Ledger
import ReconnectionRules

/// Events as people read them.
enum HistoryText {
    /// One event as a line of a table: position, time, time since the line before, what happened.
    static func row(_ named: NamedEvent, after previous: Microseconds?) -> String {
        let event = named.event
        let gap = previous.map { "+" + Duration.text(event.time - $0) } ?? ""
        return pad("\(event.position)", 8, left: true) + "  " + Timestamp.text(event.time) + "  "
            + pad(gap, 14, left: true) + "  " + sentence(named)
    }

    /// What happened, in a few words.
    static func sentence(_ named: NamedEvent) -> String { EventSentence.text(named) }

    static func pad(_ text: String, _ width: Int, left: Bool = false) -> String {
        let space = String(repeating: " ", count: max(0, width - text.count))
        return left ? space + text : text + space
    }
}
