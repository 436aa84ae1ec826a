import Audit
import Ledger
import ReconnectionRules

/// What happened to a user around a moment, and whether the log can be trusted with it.
func eveningReport(of user: String, at time: String, in path: String) throws -> [String] {
    guard let moment = Timestamp.parseLocal(time.utf8) else { return ["\(time) is no time"] }
    let reader = try LedgerReader(opening: path)
    var report: [String] = []

    // What the user held then, from the user's own events.
    if let then = try reader.user(user, at: .time(moment)) {
        report.append("then: \(then.project ?? "nothing") \(then.state.name)")
    }

    // Why, in sentences and in numbers.
    let explanation = try Explainer(reader).explain(user, at: .time(moment))
    for loss in explanation.losses {
        let late = loss.missedBy.map { Words.duration($0) } ?? "not back yet"
        report.append("lost at \(Words.time(loss.time)), position \(loss.position), late: \(late)")
        if let enough = loss.sufficient {
            report.append("a window longer than \(Words.exactDuration(enough - 1)) was needed")
        }
    }
    for statement in explanation.statements where statement.kind == .nextHolder {
        report.append(ExplanationText.text(statement))
    }

    // Who else was refused in that hour, streamed.
    var query = EventQuery()
    query.filter.project = "cap-demo"
    query.filter.outcomes = [.noIdle]
    query.filter.since = .time(moment - .seconds(3_600))
    query.filter.until = .time(moment + .seconds(3_600))
    try query.run(on: reader) { named in
        report.append("refused: \(named.user) at \(Words.time(named.event.time))")
        return true
    }

    // A condition is text, the same as after --where.
    query = EventQuery()
    query.filter.condition = try EventCondition("user=\(user) and kind=sessionCreated")
    let sessions = try query.run(on: reader) { _ in true }
    report.append("sessions: \(sessions.matchCount)")

    // Counts over the whole ledger. Verifier.verify opens the log by itself, after this reader.
    report.append("events: \(LedgerStatistics(reader).eventCount)")
    return report
}
