/// Commands are decided into events. `decide` looks at the state and changes nothing; the table it
/// implements stands in docs/rules.md, a row for each outcome below.
extension State {
    /// What a command comes to at ledger time `now`, due deadlines having been settled before.
    ///
    /// Returns the one event that answers the command; what follows from it is found by
    /// `consequence(of:)`. Cost: O(1), O(log n) to find the idle concurrency. Traps if a number was
    /// never handed out or `now` is before the state's time: the edge checks both.
    public mutating func decide(
        _ command: Command, at now: Microseconds, by caller: Caller
    ) -> Event {
        precondition(now >= time, "ledger time does not run backward")
        var event =
            switch command {
            case .apply(let user, let project): decideApply(user, project, now)
            case .createSession(let user, let runsWithoutClient):
                decideCreateSession(user, runsWithoutClient, now)
            case .disconnect(let user, let session): decideDisconnect(user, session, now)
            case .destroy(let user, let session): decideDestroy(user, session, now)
            case .repossess(let user): decideRepossess(user, now)
            case .forget(let user): decideForget(user, now)
            case .nameUser(let user): decideNameUser(user, now)
            case .nameProject(let project): decideNameProject(project, now)
            case .modifyProject(let project, let settings):
                decideModifyProject(project, settings, now)
            case .open(let outage): decideOpen(outage, now)
            case .beginEpoch(let outage): decideBeginEpoch(outage, now)
            }
        event.caller = caller.rawValue
        return event
    }

    // MARK: - Users

    private mutating func decideApply(
        _ user: UserNumber, _ project: ProjectNumber, _ now: Microseconds
    ) -> Event {
        requireUser(user)
        precondition(project > 0 && Int(project) < projects.count, "unknown project number")
        var event = newEvent(.applied, .noIdle, user, now)
        event.inputProject = project
        let lockDeadline = now + projects[Int(project)].settings.lockTimeout
        let held = holding(of: user)
        if let held, held.project == project {
            event.outcome = .returned
            keep(held, in: &event)
            if held.record.state != .connected {
                event.state = .reserved
                event.deadline = max(held.record.moment, lockDeadline)
            }
            return event
        }
        if let idle = firstIdle(of: project) {
            event.outcome = .granted
            event.project = project
            event.concurrency = idle
            event.state = .reserved
            event.deadline = lockDeadline
            event.previousOfConcurrency = last(of: project, idle)
            return event
        }
        if let held { keep(held, in: &event) }
        return event
    }

    private func decideCreateSession(
        _ user: UserNumber, _ runsWithoutClient: Bool, _ now: Microseconds
    ) -> Event {
        requireUser(user)
        var event = newEvent(.sessionCreated, .lockTimeout, user, now)
        event.flag = runsWithoutClient
        guard let held = holding(of: user) else { return event }
        event.outcome =
            held.record.state == .connected
            ? .takeover : (held.record.session == 0 ? .fresh : .resumed)
        keep(held, in: &event)
        event.state = .connected
        event.deadline = 0
        event.session = event.position
        event.flag = runsWithoutClient
        return event
    }

    private func decideDisconnect(
        _ user: UserNumber, _ session: SessionId?, _ now: Microseconds
    ) -> Event {
        requireUser(user)
        var event = newEvent(.disconnected, .stale, user, now)
        event.name(session)
        guard let held = holding(of: user) else { return event }
        keep(held, in: &event)
        guard held.record.isConnected(by: session) else { return event }
        let settings = projects[Int(held.project)].settings
        if session == nil, settings.requiresSessionName {
            event.outcome = .sessionNameRequired
        } else if held.record.runsWithoutClient {
            event.outcome = .keptRunning
        } else {
            event.outcome = .waiting
            event.state = .waiting
            event.deadline = now + settings.reconnectWindow
        }
        return event
    }

    private func decideDestroy(
        _ user: UserNumber, _ session: SessionId?, _ now: Microseconds
    ) -> Event {
        requireUser(user)
        var event = newEvent(.destroyed, session == nil ? .nothingHeld : .stale, user, now)
        event.name(session)
        guard let held = holding(of: user) else { return event }
        keep(held, in: &event)
        if session == nil || held.record.isConnected(by: session) {
            release(held, at: now, as: .freed, in: &event)
        }
        return event
    }

    private func decideRepossess(_ user: UserNumber, _ now: Microseconds) -> Event {
        requireUser(user)
        var event = newEvent(.repossessed, .nothingHeld, user, now)
        if let held = holding(of: user) { release(held, at: now, as: .operator_, in: &event) }
        return event
    }

    private func decideForget(_ user: UserNumber, _ now: Microseconds) -> Event {
        requireUser(user)
        precondition(holding(of: user) == nil, "who holds a concurrency is freed before")
        var event = newEvent(.userForgotten, .done, user, now)
        event.previousOfConcurrency = lastOfLedger
        return event
    }

    private func requireUser(_ user: UserNumber) {
        precondition(user > 0 && Int(user) < users.count, "unknown user number")
    }

    private func decideNameUser(_ user: UserNumber, _ now: Microseconds) -> Event {
        precondition(Int(user) == users.count, "user numbers are handed out in order")
        return newEvent(.userNamed, .done, user, now)
    }

    // MARK: - Projects and the ledger

    private func decideNameProject(_ project: ProjectNumber, _ now: Microseconds) -> Event {
        precondition(Int(project) == projects.count, "project numbers are handed out in order")
        var event = newEvent(.projectNamed, .done, 0, now)
        event.project = project
        return event
    }

    private func decideModifyProject(
        _ project: ProjectNumber, _ settings: ProjectSettings, _ now: Microseconds
    ) -> Event {
        precondition(project > 0 && Int(project) < projects.count, "unknown project number")
        precondition(settings.fault == nil, "settings out of bounds")
        var event = newEvent(.projectModified, .done, 0, now)
        event.project = project
        event.carry(settings)
        event.previousOfConcurrency = projects[Int(project)].last
        return event
    }

    private func decideOpen(_ outage: Microseconds, _ now: Microseconds) -> Event {
        precondition(outage >= 0, "an outage has a length")
        var event = newEvent(.opened, .done, 0, now)
        event.deadline = outage
        event.previousOfConcurrency = lastOfLedger
        return event
    }

    private func decideBeginEpoch(_ outage: Microseconds, _ now: Microseconds) -> Event {
        precondition(outage >= 0, "an outage has a length")
        precondition(position > 0, "an empty ledger has no epoch to end")
        guard let first = Epochs.firstPosition(after: position, at: now) else {
            preconditionFailure("no position is left to begin an epoch at")
        }
        var event = newEvent(.epochBegun, .done, 0, now)
        event.position = first
        event.deadline = outage
        event.session = eventCount
        event.previousOfUser = position
        event.previousOfConcurrency = lastOfLedger
        return event
    }

    // MARK: - What follows

    /// What a deadline that fell due comes to, at the deadline itself. Only one that was overdue
    /// already when the ledger went down lies before the `opened` that postponed it: it takes the
    /// time of that event, since times never decrease.
    func decideDue(_ entry: DeadlineSchedule.Entry) -> Event {
        let record = projects[Int(entry.project)].concurrencies[Int(entry.concurrency)]
        let held = Holding(project: entry.project, concurrency: entry.concurrency, record: record)
        let moment = max(record.moment, time)
        switch record.state {
        case .reserved, .waiting:
            var event = newEvent(.repossessed, .windowExpired, record.user, moment)
            let outcome: Event.Outcome = record.state == .waiting ? .windowExpired : .lockExpired
            release(held, at: moment, as: outcome, in: &event)
            return event
        case .recovering:
            var event = newEvent(.recovered, .done, 0, moment)
            keep(held, in: &event)
            event.state = .idle
            event.deadline = 0
            return event
        case .none, .idle, .connected, .withdrawn:
            preconditionFailure("a state without a deadline fell due")
        }
    }

    /// The old concurrency of a user that was granted one in another project.
    func decideMoved(_ old: Holding, _ user: UserNumber, _ now: Microseconds) -> Event {
        var event = newEvent(.repossessed, .moved, user, now)
        release(old, at: now, as: .moved, in: &event)
        return event
    }

    /// The event that must follow the one just folded in, nil if none does: a project above its
    /// capacity withdraws what is idle, one below it brings back what was withdrawn.
    ///
    /// Cost: O(1) where nothing follows; one pass over the concurrencies for a whole change of
    /// capacity.
    func consequence(of event: Event) -> Event? {
        switch event.kind {
        case .projectModified, .withdrawn, .restored: break
        case .destroyed, .repossessed, .recovered: if event.state != .idle { return nil }
        case .opened, .epochBegun, .projectNamed, .userNamed, .applied, .sessionCreated,
            .disconnected, .userForgotten:
            return nil
        }
        let index = Int(event.project)
        let capacity = projects[index].settings.concurrencyCount
        if projects[index].inServiceCount > capacity, projects[index].idleCount > 0 {
            return capacityEvent(.withdrawn, event.project, highestIdle(after: event), event.time)
        }
        if projects[index].inServiceCount < capacity,
            projects[index].numberCount > projects[index].inServiceCount
        {
            return capacityEvent(
                .restored, event.project, lowestWithdrawn(after: event), event.time)
        }
        return nil
    }

    /// The idle concurrency to withdraw next. One withdrawal after another goes down the numbers,
    /// so lowering by n costs one pass; what just came free above capacity is the only one idle.
    private func highestIdle(after event: Event) -> Int? {
        if event.state == .idle { return Int(event.concurrency) }
        let concurrencies = projects[Int(event.project)].concurrencies
        let end = event.kind == .withdrawn ? Int(event.concurrency) : concurrencies.count
        return concurrencies[..<end].lastIndex { $0.state == .idle }
    }

    /// The withdrawn concurrency to bring back next: one pass up the numbers, as above.
    private func lowestWithdrawn(after event: Event) -> Int? {
        let concurrencies = projects[Int(event.project)].concurrencies
        let start = event.kind == .restored ? Int(event.concurrency) : 0
        return concurrencies[start...].firstIndex { $0.state == .withdrawn }
    }

    private func capacityEvent(
        _ kind: Event.Kind, _ project: ProjectNumber, _ number: Int?, _ now: Microseconds
    ) -> Event? {
        guard let number else { return nil }
        var event = newEvent(kind, .done, 0, now)
        event.project = project
        event.concurrency = ConcurrencyNumber(number)
        event.state = kind == .withdrawn ? .withdrawn : .idle
        event.previousOfConcurrency = last(of: project, event.concurrency)
        return event
    }

    // MARK: - Building an event

    private func newEvent(
        _ kind: Event.Kind, _ outcome: Event.Outcome, _ user: UserNumber, _ now: Microseconds
    ) -> Event {
        var event = Event(position: position + 1, time: now, kind: kind, outcome: outcome)
        event.user = user
        if Int(user) < users.count, user > 0 {
            let record = users[Int(user)]
            event.previousOfUser = record.last
            let isJumpNode = (record.eventCount &+ 1) % JumpTable.stride == 0
            event.jump =
                isJumpNode
                ? jumps.nextJump(
                    record.jumpBlock, nodeCount: record.eventCount / JumpTable.stride)
                : record.jump
        }
        return event
    }

    /// Names a concurrency in the event, in the state it is in.
    private func keep(_ held: Holding, in event: inout Event) {
        event.project = held.project
        event.concurrency = held.concurrency
        event.state = held.record.state
        event.deadline = held.record.deadline ?? 0
        event.session = held.record.session
        event.previousOfConcurrency = held.record.last
        if event.kind != .sessionCreated { event.flag = held.record.runsWithoutClient }
    }

    /// Names a concurrency in the event and lets go of it: one that had a session is cleaned for
    /// the cleanup time, one whose grant had none is idle at once.
    private func release(
        _ held: Holding, at now: Microseconds, as outcome: Event.Outcome, in event: inout Event
    ) {
        keep(held, in: &event)
        event.outcome = outcome
        let cleanupTime = projects[Int(held.project)].settings.cleanupTime
        let needsCleanup = held.record.session != 0 && cleanupTime > 0
        event.state = needsCleanup ? .recovering : .idle
        event.deadline = needsCleanup ? now + cleanupTime : 0
        event.flag = false
    }

    private mutating func firstIdle(of project: ProjectNumber) -> ConcurrencyNumber? {
        let index = Int(project)
        guard projects[index].idleCount > 0 else { return nil }
        return projects[index].idle.first(in: projects[index].concurrencies)
    }

    private func last(of project: ProjectNumber, _ concurrency: ConcurrencyNumber) -> Position {
        projects[Int(project)].concurrencies[Int(concurrency)].last
    }
}

extension ConcurrencyRecord {
    /// Whether a report that names this session, or none, is about the connected session.
    func isConnected(by named: SessionId?) -> Bool {
        state == .connected && (named == nil || named == session)
    }
}

extension Event {
    mutating func name(_ session: SessionId?) {
        namesSession = session != nil
        inputSession = session ?? 0
    }
}
