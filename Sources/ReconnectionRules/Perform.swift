/// The two steps everything runs: settle what is due, then decide and fold in what is asked. The
/// server, the importer, replay, verify and the simulator all go through here.
extension State {
    /// Settles every deadline due at `now` (`now >= deadline`), in deadline order, ties by project
    /// then lowest number, cascading. Hands each event to `emit` after folding it in.
    ///
    /// Cost: O(log n) an event; O(1) if nothing is due.
    ///
    /// - Parameter limit: stop after about that many events, so that a caller can commit in
    /// between.
    /// - Returns: whether everything due is settled.
    @discardableResult
    public mutating func settle(
        at now: Microseconds, limit: Int = .max, emit: (Event) -> Void
    ) -> Bool {
        var count = 0
        while count < limit {
            if count % Self.warmedTogether == 0 { warmDue(at: now) }
            guard let event = settleNext(at: now) else { return true }
            emit(event)
            settleConsequences(of: event, emit: emit)
            count += 1
        }
        return false
    }

    /// Decides a command at `now`, folds in its event and what follows from it, and hands each to
    /// `emit`. Everything due must have been settled. Returns the event that answers the command.
    @discardableResult
    public mutating func perform(
        _ command: Command, at now: Microseconds, by caller: Caller, emit: (Event) -> Void
    ) -> Event {
        assert(schedule.earliest.map { $0 > now } ?? true || command.endsOutage,
            "settle comes first")
        let old: Holding? = if case .apply(let user, _) = command { holding(of: user) } else { nil }
        let event = decide(command, at: now, by: caller)
        evolve(event)
        emit(event)
        if event.outcome == .granted, let old {
            let moved = decideMoved(old, event.user, now)
            evolve(moved)
            emit(moved)
            settleConsequences(of: moved, emit: emit)
        } else {
            settleConsequences(of: event, emit: emit)
        }
        return event
    }

    /// The next due deadline's event, folded in; nil if nothing is due at `now`.
    private mutating func settleNext(at now: Microseconds) -> Event? {
        while let entry = schedule.popDue(at: now) {
            let project = Int(entry.project)
            let number = Int(entry.concurrency)
            guard projects[project].concurrencies[number].scheduledAt == entry.moment else {
                continue
            }
            projects[project].concurrencies[number].scheduledAt = .max
            guard let deadline = projects[project].concurrencies[number].deadline else { continue }
            if deadline > entry.moment {
                projects[project].concurrencies[number].scheduledAt = deadline
                schedule.insert(
                    DeadlineSchedule.Entry(
                        moment: deadline, concurrency: entry.concurrency, project: entry.project))
                continue
            }
            let event = decideDue(entry)
            evolve(event)
            return event
        }
        return nil
    }

    private mutating func settleConsequences(of event: Event, emit: (Event) -> Void) {
        var latest = event
        while let next = consequence(of: latest) {
            evolve(next)
            emit(next)
            latest = next
        }
    }
}
