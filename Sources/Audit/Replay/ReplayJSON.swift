import JSON
public import Ledger
public import ReconnectionRules

/// A replayed event as `replay --json` prints it.
public enum ReplayJSON {
    /// One object on one line, without the line feed: `event` (see `EventJSON`), `counts` (of the
    /// project the event is about: `project`, `total`, `running`, `idle`, `reserved`, `connected`,
    /// `waiting`, `recovering`, `withdrawn`; null without a project), and `user` (what the event's
    /// user holds after it, as `state --json` prints it; null without a user).
    public static func line(_ moment: ReplayMoment) -> String {
        let bytes = JSONObjectWriter.bytes(reservingCapacity: 800) { object in
            object.json("event", Array(EventJSON.line(moment.named).utf8))
            if let counts = moment.counts {
                object.object("counts") { object in
                    object.string("project", moment.project)
                    object.unsigned("total", counts.total)
                    object.unsigned("running", counts.running)
                    for state in StateCounts.shown {
                        object.unsigned(state.name, counts[state])
                    }
                }
            } else {
                object.null("counts")
            }
            if let user = moment.user {
                object.object("user") { UserJSON.write(user, to: &$0) }
            } else {
                object.null("user")
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension StateCounts {
    /// The states in the order they are printed.
    public static let shown: [ConcurrencyState] = [
        .idle, .reserved, .connected, .waiting, .recovering, .withdrawn,
    ]
}

/// A replayed event as `replay` prints it for people.
public enum ReplayText {
    /// What stands below the event's row: what its user holds, and its project's counts.
    public static func lines(_ moment: ReplayMoment) -> [String] {
        var lines: [String] = []
        if let user = moment.user { lines.append(holding(user)) }
        if let counts = moment.counts {
            let states = StateCounts.shown.filter { counts[$0] > 0 || $0 == .idle }
                .map { "\(counts[$0]) \($0.name)" }
            lines.append(
                "\(moment.project): \(counts.running) of \(counts.total) running, "
                    + states.joined(separator: ", "))
        }
        return lines.map { DisplayText.fitted($0, to: .max) }
    }

    /// What a user holds, in a line.
    public static func holding(_ user: UserView) -> String {
        guard let project = user.project else { return "\(user.text) holds nothing" }
        var text = "\(user.text) holds \(project)/\(user.concurrency), \(user.state.name)"
        if let deadline = user.deadline { text += " until \(Timestamp.text(deadline))" }
        if user.session != 0 { text += ", session \(user.session)" }
        return text
    }
}
