import ReconnectionRules

/// What must hold of a state between any two actions, counted afresh from its records.
enum StateInvariants {
    static func faults(in state: State) -> [String] {
        var faults: [String] = []
        var holders: [UserNumber] = []
        var waiting = 0
        for (index, project) in state.projects.enumerated().dropFirst() {
            for (number, record) in project.concurrencies.enumerated().dropFirst() {
                let place = "\(index)/\(number)"
                if record.state == .waiting { waiting += 1 }
                if record.state.isHeld {
                    holders.append(record.user)
                    let held = state.holding(of: record.user)
                    if held?.project != ProjectNumber(index)
                        || held?.concurrency != ConcurrencyNumber(number)
                    {
                        faults.append("\(place) is held by a user who holds something else")
                    }
                } else if record.user != 0 || record.session != 0 {
                    faults.append("\(place) is not held, yet somebody's")
                }
                if record.state.hasDeadline != (record.deadline != nil) {
                    faults.append("\(place) has a deadline it should not have, or none")
                }
            }
            faults += countFaults(in: project).map { "project \(index): \($0)" }
        }
        let holding = state.users.indices.dropFirst().filter {
            state.holding(of: UserNumber($0)) != nil
        }
        if holding.map(UserNumber.init) != holders.sorted() {
            faults.append("users and concurrencies disagree on who holds one")
        }
        if state.counters.heldNow != UInt64(holders.count)
            || state.counters.waitingNow != UInt64(waiting)
        {
            faults.append("the counters of what is held and waiting now are wrong")
        }
        return faults
    }

    private static func countFaults(in project: ProjectRecord) -> [String] {
        var faults: [String] = []
        let states = project.concurrencies.dropFirst().map(\.state)
        let idle = UInt32(states.count { $0 == .idle })
        let inService = UInt32(states.count { $0 != .withdrawn })
        let capacity = project.settings.concurrencyCount
        if project.idleCount != idle { faults.append("the idle are miscounted") }
        if project.inServiceCount != inService { faults.append("those in service are miscounted") }
        if inService < capacity { faults.append("fewer in service than the capacity") }
        if inService > capacity, idle > 0 { faults.append("above the capacity, yet one is idle") }
        return faults
    }
}
