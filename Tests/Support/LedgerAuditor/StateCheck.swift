public import ReconnectionRules

extension Auditor {
    /// Compares a ledger's view with what the events must have left.
    public func compare(_ state: State) throws(Violation) {
        guard state.position == position, state.time == time, state.lastOfLedger == lastOfLedger
        else {
            throw Violation(
                "replay",
                "the view stands at \(state.position), time \(state.time), not at \(position), "
                    + "time \(time)")
        }
        guard state.userCount == userOrder.count, state.projectCount == projects.count else {
            throw Violation(
                "replay", "the view has \(state.userCount) users and \(state.projectCount) projects"
            )
        }
        for (index, user) in users.enumerated() {
            try compare(state.users[index + 1], user, jumps[index], index + 1)
        }
        var wanted = counts
        for index in projects.indices {
            try compare(state.projects[index + 1], index)
            wanted.heldNow += UInt64(projects[index].slots.count { $0.isHeld })
            wanted.waitingNow += UInt64(projects[index].slots.count { $0.state == .waiting })
        }
        guard state.counters == wanted else {
            throw Violation("counters", "the view counts \(state.counters), right is \(wanted)")
        }
    }

    private func compare(
        _ record: UserRecord, _ user: User, _ nodes: JumpNodes, _ number: Int
    ) throws(Violation) {
        let project = user.project < 0 ? 0 : projects[Int(user.project)].number
        guard record.project == project, record.concurrency == ConcurrencyNumber(user.slot + 1),
            record.eventCount == user.eventCount, record.last == user.last,
            record.jump == nodes.positions[nodes.positions.count - 1]
        else {
            throw Violation(
                "replay", "user \(number) is \(record) in the view, and should be \(user)")
        }
    }

    private func compare(_ record: ProjectRecord, _ index: Int) throws(Violation) {
        let project = projects[index]
        let settings = ProjectSettings(
            concurrencyCount: project.capacity, reconnectWindow: project.window,
            lockTimeout: project.lock, cleanupTime: project.cleanup,
            requiresSessionName: project.wantsNames)
        let running = project.slots.count { $0.state != .idle && $0.state != .withdrawn }
        guard record.settings == settings, record.last == project.last,
            Int(record.numberCount) == project.slots.count, Int(record.runningCount) == running,
            Int(record.inServiceCount) == project.inService
        else {
            throw Violation("replay", "project \(project.number) is \(record.settings) in the view")
        }
        for (number, slot) in project.slots.enumerated() {
            let view = record.concurrencies[number + 1]
            let moment = slot.state == .idle ? slot.idleSince : slot.runs ? slot.until : 0
            let user = slot.isHeld ? users[Int(slot.user)].number : 0
            guard view.state == slot.state, view.user == user, view.session == slot.session,
                view.moment == moment, view.last == slot.last,
                view.runsWithoutClient == (slot.isAlone && slot.state == .connected)
            else {
                throw Violation(
                    "replay",
                    "slot \(project.number)/\(number + 1) is \(view) in the view, should be \(slot)"
                )
            }
        }
    }

    // MARK: - What a simulation may know

    /// Whether anything has a deadline.
    public var hasDeadlines: Bool { projects.contains { $0.slots.contains { $0.runs } } }

    /// The latest deadline that runs, nil if none does.
    public var latestDeadline: Microseconds? {
        projects.flatMap { $0.slots.filter(\.runs).map(\.until) }.max()
    }

    /// What a user holds: state, newest session, and whether it runs without a client.
    public func holding(ofUser user: Int) -> (
        state: ConcurrencyState, session: SessionId, isAlone: Bool, until: Microseconds
    )? {
        guard userIndex[user] >= 0, let (project, slot) = holding(userIndex[user]) else {
            return nil
        }
        let found = projects[project].slots[slot]
        return (found.state, found.session, found.isAlone, found.until)
    }

    /// Whether the user of a ledger's number was forgotten.
    public func isForgotten(_ number: UserNumber) -> Bool { users[Int(number) - 1].isForgotten }

    /// How many slots are idle, held, waiting, or being cleaned.
    public var occupancy: (idle: Int, held: Int, waiting: Int, recovering: Int) {
        var count = (idle: 0, held: 0, waiting: 0, recovering: 0)
        for project in projects {
            for slot in project.slots {
                if slot.state == .idle { count.idle += 1 }
                if slot.isHeld { count.held += 1 }
                if slot.state == .waiting { count.waiting += 1 }
                if slot.state == .recovering { count.recovering += 1 }
            }
        }
        return count
    }

    /// Window, lock timeout, cleanup time of a project by the simulation's number; nil before it
    /// exists.
    public func settings(
        ofProject project: Int
    ) -> (capacity: UInt32, window: Microseconds, lock: Microseconds, cleanup: Microseconds)? {
        let index = projectIndex[project]
        guard index >= 0 else { return nil }
        let found = projects[index]
        return (found.capacity, found.window, found.lock, found.cleanup)
    }
}
