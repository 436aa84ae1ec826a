public import Ledger
import ReconnectionRules

/// What an event came to for the user it concerns: how it is coloured.
public enum EventTone: Sendable, Equatable {
    /// A concurrency was got, kept or put to use.
    case held
    /// The client is gone, the concurrency waits.
    case waiting
    /// A concurrency was lost, or refused.
    case lost
    /// Nothing changed.
    case quiet
    /// Everything else.
    case plain

    public init(_ named: NamedEvent) {
        switch named.event.outcome {
        case .granted, .returned, .fresh, .resumed, .takeover, .keptRunning: self = .held
        case .waiting: self = .waiting
        case .noIdle, .lockTimeout, .windowExpired, .lockExpired, .moved, .operator_,
            .sessionNameRequired:
            self = .lost
        case .stale, .nothingHeld: self = .quiet
        case .freed: self = .plain
        case .done: self = named.event.kind == .userNamed ? .quiet : .plain
        }
    }
}

/// Events in words.
public enum EventSentence {
    /// What happened, in a line: the user, what was asked and came of it, and until when that
    /// lasts.
    public static func text(_ named: NamedEvent, withUser: Bool = true) -> String {
        brief(named, withUser: withUser) + details(named)
    }

    /// What happened, in a few words.
    public static func brief(_ named: NamedEvent, withUser: Bool = true) -> String {
        let event = named.event
        let place = event.concurrency == 0 ? "" : " \(named.project)/\(event.concurrency)"
        let user = named.userText.isEmpty || !withUser ? "" : "\(named.userText) "
        switch event.kind {
        case .opened:
            return event.outage == 0
                ? "ledger opened"
                : "ledger opened after \(DurationText.readable(event.outage)) down"
        case .epochBegun:
            return "epoch begun behind position \(event.previousEpochEnd ?? 0), "
                + "\(DurationText.readable(event.outage)) after the last sign of life"
        case .projectNamed: return "project \(named.project) created"
        case .projectModified: return "project \(named.project) set"
        case .userNamed: return "\(user)seen for the first time, user \(event.user)"
        case .applied:
            return "\(user)applied for \(named.inputProject): \(event.outcome.name)\(place)"
        case .sessionCreated: return "\(user)created a session: \(event.outcome.name)\(place)"
        case .disconnected: return "\(user)disconnected: \(event.outcome.name)\(place)"
        case .destroyed: return "\(user)destroyed: \(event.outcome.name)\(place)"
        case .repossessed: return "\(user)repossessed: \(event.outcome.name)\(place)"
        case .userForgotten: return "\(user)asked to be forgotten"
        case .recovered, .withdrawn, .restored: return "\(event.kind.name)\(place)"
        }
    }

    /// What happened in two words and a place, the user left out: for narrow columns. Without its
    /// project a place is `/7`.
    public static func short(_ named: NamedEvent, withProject: Bool = true) -> String {
        let event = named.event
        let project = withProject ? named.project : ""
        let place = event.concurrency == 0 ? "" : " \(project)/\(event.concurrency)"
        let outcome = event.outcome.name
        return switch event.kind {
        case .opened: "opened, down \(DurationText.readable(event.outage))"
        case .epochBegun: "epoch begun, down \(DurationText.readable(event.outage))"
        case .projectNamed: "created \(named.project)"
        case .projectModified: "set \(named.project) to \(event.settings?.concurrencyCount ?? 0)"
        case .userNamed: "first seen"
        case .applied: "apply \(outcome)" + (place.isEmpty ? " \(named.inputProject)" : place)
        case .sessionCreated: "session \(outcome)\(place)"
        case .disconnected: "drop \(outcome)\(place)"
        case .destroyed: "destroy \(outcome)\(place)"
        case .repossessed: "lost \(outcome)\(place)"
        case .userForgotten: "forgotten"
        case .recovered, .withdrawn, .restored: "\(event.kind.name)\(place)"
        }
    }

    private static func details(_ named: NamedEvent) -> String {
        let event = named.event
        if let settings = event.settings {
            return " to \(settings.concurrencyCount) concurrencies, window "
                + "\(DurationText.exact(settings.reconnectWindow)), lock "
                + "\(DurationText.exact(settings.lockTimeout)), cleanup "
                + DurationText.exact(settings.cleanupTime)
                + (settings.requiresSessionName ? ", sessions to be named" : "")
        }
        guard !event.isAboutLedger else { return "" }
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
}
