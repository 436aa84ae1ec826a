extension State {
    /// Why an event cannot be folded in at all, nil if it can: numbers that were never handed out,
    /// or out of order. A sound log never has one; a log that somebody rewrote may. Whether the
    /// event is what the rules decide is a question for `verify`.
    public func fault(of event: Event) -> String? {
        if event.position != nextPosition(event) {
            return "the event does not follow position \(position)"
        }
        if event.time < time { return "ledger time runs backward" }
        if !RuleLimits.time.contains(event.time) { return "the time is none a clock shows" }
        switch event.kind {
        case .userNamed:
            return Int(event.user) == users.count ? nil : "the user number is out of order"
        case .projectNamed:
            return Int(event.project) == projects.count ? nil : "the project number is out of order"
        case .projectModified:
            guard let settings = event.settings, settings.fault == nil else {
                return "the settings are out of bounds"
            }
        case .opened, .epochBegun:
            if event.outage < 0 { return "the outage is negative" }
            if let end = event.previousEpochEnd, end != position || end == 0 {
                return "the epoch before does not end where it says"
            }
        case .userForgotten:
            if event.user == 0 || event.concurrency != 0 {
                return "forgetting is about one user and no concurrency"
            }
        default:
            if event.user == 0, event.concurrency == 0 { return "the event is about nothing" }
        }
        if Int(event.user) >= users.count { return "the user number was never handed out" }
        if Int(event.project) >= projects.count || Int(event.inputProject) >= projects.count {
            return "the project number was never handed out"
        }
        if event.kind == .projectModified, event.project == 0 { return "no project is named" }
        if event.concurrency != 0 {
            guard event.project != 0,
                Int(event.concurrency) < projects[Int(event.project)].concurrencies.count
            else { return "the concurrency was never in service" }
            if event.state == .none { return "the concurrency is left in no state" }
        }
        return nil
    }

    /// The position the event has to have, nil if there is none for it.
    private func nextPosition(_ event: Event) -> Position? {
        event.kind == .epochBegun
            ? Epochs.firstPosition(after: position, at: event.time) : position + 1
    }
}
