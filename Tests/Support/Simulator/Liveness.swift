import EventLog
import Ledger
import LedgerAuditor
import LedgerModel
import ReconnectionRules

/// What is kept of the second act.
struct Liveness {
    /// Devices that ask until they are served, and have not been yet.
    var unserved = 0
    /// Users who stay away: what they hold has to come free by itself.
    var isAway: [Bool] = []
}

/// The second act: everything that went wrong stops. Whoever keeps asking has to be served within a
/// bounded time, every window has to end, and in the end nothing is left running.
extension Simulation {
    private static let holdMax: Microseconds = 1_000_000
    private static let patience: Microseconds = 500_000

    mutating func calmDown() throws(Violation) {
        trace.note("calm begins")
        isCalm = true
        queue.removeAll()
        // What is under way concerns nobody any more.
        for index in devices.indices {
            devices[index].generation &+= 1
            devices[index].phase = .done
        }
        if !isUp { try openAgain() }
        try finish()
        guard isUp else { throw Violation("liveness", "the ledger does not run in calm") }
        let capacities = setCapacities()
        let bound = try sendEverybody(capacities)
        let end = clock.monotonic + bound
        while liveness.unserved > 0 {
            guard clock.monotonic <= end else {
                throw Violation(
                    "who keeps asking is served",
                    "\(liveness.unserved) are not after \(bound) microseconds of calm")
            }
            guard try step() else { throw Violation("liveness", "nothing happens any more") }
        }
        try comeToRest()
    }

    /// Small or ample ones. Returns them by project.
    private mutating func setCapacities() -> [Int] {
        let isAmple = random.chance(1, in: 2)
        return (0..<swarm.projectCount).map { project in
            let capacity = isAmple ? swarm.userCount : random.within(1...swarm.capacityMax)
            var change = Change()
            change.capacity = UInt32(capacity)
            change.wantsNames = false
            putModification(of: Int32(project), change, after: 0)
            return capacity
        }
    }

    /// Every user either asks or stays away. Returns how long it may take until all who ask are
    /// served: what runs has to end first, then each slot serves one after the other.
    private mutating func sendEverybody(_ capacities: [Int]) throws(Violation) -> Microseconds {
        let now = ledgerClock!.now
        var longest: Microseconds = max(0, (auditor.latestDeadline ?? now) - now)
        var askers = [Int](repeating: 0, count: swarm.projectCount)
        liveness.isAway = []
        for user in 0..<swarm.userCount {
            let index = user * swarm.deviceCountPerUser
            let held = auditor.holding(ofUser: user)
            let isAway = held != nil && random.chance(1, in: 3)
            liveness.isAway.append(isAway)
            // Sessions of the first act have no client any more. One that nobody reported keeps its
            // slot: two users who each ask where the other's old session runs would wait for ever,
            // and rightly so.
            if let held { reportGone(user, held.state, held.session, held.isAlone) }
            if !isAway {
                askers[Int(devices[index].project)] += 1
                liveness.unserved += 1
                startOver(index, after: random.around(Self.patience))
            }
        }
        for project in 0..<swarm.projectCount {
            let settings = auditor.settings(ofProject: project)
            longest = max(longest, settings?.window ?? 90_000_000, settings?.lock ?? 30_000_000)
        }
        let cleanup = (0..<swarm.projectCount).map { auditor.settings(ofProject: $0)?.cleanup ?? 0 }
        var rounds: Microseconds = 0
        for project in 0..<swarm.projectCount {
            // Asks again within the longest of its waits, connects, goes, is cleaned up after.
            let turn =
                40 * (Self.holdMax + Self.patience + swarm.delay + swarm.diskDelay)
                + (cleanup.max() ?? 0)
            rounds = max(
                rounds, Microseconds(askers[project] / capacities[project] + 2) * turn)
        }
        return 2 * longest + rounds + 60_000_000
    }

    /// The platform reports a user who is gone, in the way that frees the slot in the end.
    private mutating func reportGone(
        _ user: Int, _ state: ConcurrencyState, _ session: SessionId, _ isAlone: Bool
    ) {
        guard state == .connected else { return }
        let kind: Ask.Kind = isAlone ? .destroy : .disconnect
        send(Ask(kind, user: Int32(user), session: session, flag: true), from: -1, 0, after: 0)
    }

    mutating func answeredCalmly(_ index: Int, _ entry: Entry) {
        switch devices[index].phase {
        case .applying:
            let isRefused = entry.answer.position == 0 || entry.answer.outcome == .noIdle
            if isRefused { return startOver(index, after: random.around(Self.patience)) }
            let ask = Ask(.createSession, user: devices[index].user)
            devices[index].phase = .creating
            send(ask, from: Int32(index), devices[index].generation, after: 0)
        case .creating:
            if entry.answer.outcome == .lockTimeout { return startOver(index, after: 0) }
            devices[index].phase = .connected
            devices[index].session = entry.answer.session
            put(
                Happening(.holdEnds, device: Int32(index), generation: devices[index].generation),
                after: random.around(Self.holdMax / 4))
        case .closing:
            devices[index].phase = .done
            liveness.unserved -= 1
        case .away, .connected, .done: break
        }
    }

    mutating func closeCalmly(_ index: Int) {
        devices[index].phase = .closing
        let ask = Ask(
            .destroy, user: devices[index].user, session: devices[index].session, flag: true)
        send(ask, from: Int32(index), devices[index].generation, after: 0)
    }

    /// Waits until no deadline is left, and looks at everything once more.
    private mutating func comeToRest() throws(Violation) {
        var stepCount = 0
        while queue.count > 0 || !inbox.isEmpty || !pending.isEmpty || appending != nil || isSyncing
            || auditor.hasDeadlines
        {
            stepCount += 1
            guard stepCount < 1_000_000, try step() else {
                throw Violation("every window ends", "deadlines are left and nothing happens")
            }
        }
        let left = auditor.occupancy
        guard left.held == 0, left.waiting == 0, left.recovering == 0 else {
            throw Violation("every window ends", "at rest there are \(left)")
        }
        try finish()
        try auditor.compare(host.core.state)
        do {
            let replayed = try host.replayed()
            guard replayed.head == auditedHead,
                StateDigest.of(replayed.state) == StateDigest.of(host.core.state)
            else { throw Violation("replay", "the log alone gives another view") }
        } catch let violation as Violation { throw violation } catch {
            throw Violation("replay", "\(error)")
        }
        try auditLast()
    }

    /// Replaying from the first event gives what the auditor knows.
    private mutating func auditLast() throws(Violation) {
        let crashes = report[.crashes]
        crash()
        try openAgain()
        precondition(report[.crashes] == crashes + 1)
    }
}
