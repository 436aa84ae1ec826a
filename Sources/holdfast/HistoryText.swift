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
    static func sentence(_ named: NamedEvent) -> String {
        let event = named.event
        let place = event.concurrency == 0 ? "" : " \(named.project)/\(event.concurrency)"
        let user = named.userText.isEmpty ? "" : "\(named.userText) "
        var text: String
        switch event.kind {
        case .opened:
            text = "ledger opened after \(Duration.text(event.outage)) down"
        case .projectNamed: text = "project \(named.project) created"
        case .projectModified:
            text = "project \(named.project) set"
            if let settings = event.settings {
                text +=
                    " to \(settings.concurrencyCount) concurrencies, window "
                    + "\(Duration.text(settings.reconnectWindow)), lock "
                    + "\(Duration.text(settings.lockTimeout)), cleanup "
                    + Duration.text(settings.cleanupTime)
            }
        case .userNamed: text = "\(user)seen for the first time, user \(event.user)"
        case .applied:
            text = "\(user)applied for \(named.inputProject): \(event.outcome.name)\(place)"
        case .sessionCreated: text = "\(user)created a session: \(event.outcome.name)\(place)"
        case .disconnected: text = "\(user)disconnected: \(event.outcome.name)\(place)"
        case .destroyed: text = "\(user)destroyed: \(event.outcome.name)\(place)"
        case .repossessed: text = "\(user)repossessed: \(event.outcome.name)\(place)"
        case .userForgotten: text = "\(user)asked to be forgotten"
        case .recovered, .withdrawn, .restored: text = "\(event.kind.name)\(place)"
        }
        return text + details(event)
    }

    private static func details(_ event: Event) -> String {
        guard event.settings == nil, event.kind != .opened else { return "" }
        var parts: [String] = []
        if event.session != 0 { parts.append("session \(event.session)") }
        if event.namesSession, event.inputSession != event.session {
            parts.append("about session \(event.inputSession)")
        }
        if event.kind == .disconnected, !event.namesSession { parts.append("session unnamed") }
        if event.deadline != 0 {
            parts.append("\(event.state.name) until \(Timestamp.text(event.deadline))")
        } else if event.state != .none, !event.state.isHeld, event.kind != .withdrawn {
            parts.append("now \(event.state.name)")
        }
        return parts.isEmpty ? "" : " (" + parts.joined(separator: ", ") + ")"
    }

    static func pad(_ text: String, _ width: Int, left: Bool = false) -> String {
        let space = String(repeating: " ", count: max(0, width - text.count))
        return left ? space + text : text + space
    }
}
