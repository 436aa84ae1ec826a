import Audit
import Ledger
import ReconnectionRules

/// Events as people read them.
enum HistoryText {
    /// What happened, in a few words.
    static func sentence(_ named: NamedEvent) -> String { EventSentence.text(named) }

    static func pad(_ text: String, _ width: Int, left: Bool = false) -> String {
        let space = String(repeating: " ", count: max(0, width - text.count))
        return left ? space + text : text + space
    }
}
