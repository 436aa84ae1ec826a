import ReconnectionRules

/// The current view as lines of a story: what no event says by itself, such as since when a
/// concurrency has been idle.
struct ViewText {
    let cast: Cast

    /// A line for each concurrency number: "1 reserved a until 40", "2 idle since 12".
    func lines(ofProject number: ProjectNumber, in state: State) -> [String] {
        let project = state.projects[Int(number)]
        let concurrencies = project.concurrencies.enumerated().dropFirst().map {
            "| \($0.offset) \(text($0.element))"
        }
        return concurrencies
            + ["| running \(project.runningCount) of \(project.settings.concurrencyCount)"]
    }

    /// What a user holds, as in "a P/1 reserved until 40", or "a nothing".
    func line(ofUser number: UserNumber, in state: State) -> String {
        let name = cast.name(ofUser: number)
        guard let held = state.holding(of: number) else { return "| \(name) nothing" }
        let place = "\(cast.name(ofProject: held.project))/\(held.concurrency)"
        return "| \(name) \(place) \(text(held.record, withUser: false))"
    }

    /// The counters that are not 0, in the order of `Counters`.
    func line(of counters: Counters) -> String {
        let values: [(String, UInt64)] = [
            ("starts", counters.starts), ("grantedNew", counters.grantedNew),
            ("resumed", counters.resumed), ("takenOver", counters.takenOver),
            ("rejectedNoIdle", counters.rejectedNoIdle),
            ("rejectedLockTimeout", counters.rejectedLockTimeout),
            ("disconnected", counters.disconnected), ("keptRunning", counters.keptRunning),
            ("staleDisconnects", counters.staleDisconnects), ("destroyed", counters.destroyed),
            ("staleDestroys", counters.staleDestroys), ("repossessed", counters.repossessed),
            ("heldNow", counters.heldNow), ("waitingNow", counters.waitingNow),
        ]
        return "|" + values.filter { $0.1 != 0 }.map { " \($0.0) \($0.1)" }.joined()
    }

    private func text(_ record: ConcurrencyRecord, withUser: Bool = true) -> String {
        var words = ["\(record.state)"]
        if withUser, record.user != 0 { words.append(cast.name(ofUser: record.user)) }
        if record.state == .idle {
            words.append("since \(Seconds.text(record.moment))")
        } else if record.moment != 0 {
            words.append("until \(Seconds.text(record.moment))")
        }
        if record.runsWithoutClient { words.append("unattended") }
        if record.session != 0 { words.append("session \(record.session)") }
        return words.joined(separator: " ")
    }
}
