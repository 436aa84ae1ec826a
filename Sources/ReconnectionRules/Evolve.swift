/// Views are folded from events. `evolve` decides nothing: all it needs stands in the event.
extension State {
    /// Folds one event in. Events come in order, from position 1 on, without gaps but where an epoch
    /// begins.
    ///
    /// Cost: O(1) amortised, plus O(log n) where a deadline or an idle concurrency is queued;
    /// O(concurrencies) for opened, epochBegun and projectModified. Traps on an event out of order; whether an
    /// event is possible at all is the business of `verify`, which decides it again.
    public mutating func evolve(_ event: Event) {
        if event.position != position + 1 {
            precondition(
                event.position > position && event.previousEpochEnd == position,
                "events are folded in order")
            skippedCount += event.position - position - 1
        }
        position = event.position
        time = event.time
        counters.count(event)
        boundSchedule()
        switch event.kind {
        case .opened, .epochBegun:
            lastOfLedger = event.position
            postponeDeadlines(by: event.outage)
        case .projectNamed:
            projects.append(ProjectRecord())
            projects[Int(event.project)].last = event.position
        case .projectModified: evolveSettings(event)
        case .userNamed:
            users.append(UserRecord())
            evolveUser(event)
        case .userForgotten:
            lastOfLedger = event.position
            evolveUser(event)
        case .applied, .sessionCreated, .disconnected, .destroyed, .repossessed, .recovered,
            .withdrawn, .restored:
            if event.user != 0 { evolveUser(event) }
            if event.concurrency != 0 { evolveConcurrency(event) }
        }
    }

    private mutating func evolveUser(_ event: Event) {
        let isJumpNode = users.update(Int(event.user)) { user in
            if event.outcome == .granted {
                user.project = event.project
                user.concurrency = event.concurrency
            } else if event.releasesUser {
                user.project = 0
                user.concurrency = 0
            }
            // Ends the user's chain of events in this one.
            user.last = event.position
            user.eventCount &+= 1
            return user.eventCount % JumpTable.stride == 0
        }
        if isJumpNode { addJumpNode(event) }
    }

    private mutating func addJumpNode(_ event: Event) {
        let user = users[Int(event.user)]
        let block = jumps.append(
            event.position, to: user.jumpBlock,
            nodeCount: user.eventCount / JumpTable.stride &- 1)
        users.update(Int(event.user)) { user in
            user.jump = event.position
            user.jumpBlock = block
        }
    }

    private mutating func evolveConcurrency(_ event: Event) {
        let project = Int(event.project)
        let (before, scheduled) = projects[project].concurrencies.update(Int(event.concurrency)) {
            record in
            let before = record.state
            record.last = event.position
            record.state = event.state
            let isHeld = event.state.isHeld
            record.user = isHeld ? event.user : 0
            record.session = isHeld ? event.session : 0
            record.moment = event.state == .idle ? event.time : event.deadline
            record.runsWithoutClient = event.state == .connected && event.flag
            guard let deadline = record.deadline, deadline < record.scheduledAt else {
                return (before, Microseconds?.none)
            }
            record.scheduledAt = deadline
            return (before, deadline)
        }
        if let scheduled {
            schedule.insert(
                DeadlineSchedule.Entry(
                    moment: scheduled, concurrency: event.concurrency, project: event.project))
        }
        if event.state == .idle, before != .idle {
            projects[project].idle.insert(event.concurrency, since: event.time)
        }
        tally(project, from: before, to: event.state)
    }

    @inline(__always)
    private mutating func tally(
        _ project: Int, from before: ConcurrencyState, to after: ConcurrencyState
    ) {
        guard before != after else { return }
        if before == .idle { projects[project].idleCount -= 1 }
        if after == .idle { projects[project].idleCount += 1 }
        if before == .withdrawn { projects[project].inServiceCount += 1 }
        if after == .withdrawn { projects[project].inServiceCount -= 1 }
        if before == .waiting { counters.waitingNow -= 1 }
        if after == .waiting { counters.waitingNow += 1 }
        if before.isHeld, !after.isHeld { counters.heldNow -= 1 }
        if !before.isHeld, after.isHeld { counters.heldNow += 1 }
    }

    private mutating func evolveSettings(_ event: Event) {
        guard let settings = event.settings else { return }
        let index = Int(event.project)
        projects[index].settings = settings
        projects[index].last = event.position
        // Numbers never used before come into service with the event itself; withdrawn ones are
        // brought back one event each.
        let numberCount = projects[index].numberCount
        guard settings.concurrencyCount > numberCount else { return }
        for number in numberCount + 1...settings.concurrencyCount {
            var record = ConcurrencyRecord()
            record.moment = event.time
            projects[index].concurrencies.append(record)
            projects[index].idle.insert(number, since: event.time)
        }
        projects[index].inServiceCount += settings.concurrencyCount - numberCount
        projects[index].idleCount += settings.concurrencyCount - numberCount
        self.numberCount += Int(settings.concurrencyCount - numberCount)
    }

    private mutating func postponeDeadlines(by outage: Microseconds) {
        guard outage > 0 else { return }
        for project in projects.indices.dropFirst() {
            for number in projects[project].concurrencies.indices.dropFirst()
            where projects[project].concurrencies[number].state.hasDeadline {
                // Wraps in a log that somebody forged, which must not crash whoever verifies it.
                projects[project].concurrencies[number].moment &+= outage
            }
        }
        rebuildSchedule()
    }
}
