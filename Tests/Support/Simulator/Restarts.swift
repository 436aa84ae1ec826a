import EventLog
import Ledger
import LedgerAuditor
import LedgerModel
import ReconnectionRules

/// How the ledger goes down and comes back.
extension Simulation {
    /// The process ends at once. Whoever waited for an answer gets none.
    mutating func crash(appendMayHaveCome: Bool = true) {
        report.count(.crashes)
        let core = host.core
        let isWhole = !core.hasGathered
        crashed = (
            ledgerClock!.now, core.state.position, isWhole ? StateDigest.of(core.state) : nil,
            (unacknowledged ?? appending ?? queued)?.entries.first?.ask.now
                ?? pending.first?.ask.now
        )
        trace.note("crash at position \(core.state.position)")
        // The append under way may have come through.
        if let commit = appending, appendMayHaveCome, random.chance(1, in: 2) {
            try? host.append(commit.builder, .none)
        }
        survivors = [unacknowledged, appending, queued].compactMap(\.self)
        for commit in survivors { forsake(commit.entries) }
        forsake(pending)
        for request in inbox { refuse(request) }
        leave(for: outage(isPlanned: false))
    }

    private mutating func refuse(_ request: Happening) {
        retry(request.ask, request.device, request.generation)
    }

    private mutating func forsake(_ entries: [Entry]) {
        for entry in entries where entry.ask.kind != .settle {
            if entry.device < 0, random.chance(1, in: 2) { continue }
            retry(entry.ask, entry.device, entry.generation)
        }
    }

    private mutating func outage(isPlanned: Bool) -> Microseconds {
        if swarm.has(.longOutages), random.chance(1, in: 3) {
            report.count(.longOutages)
            return random.magnitude(1_000_000...20_000_000_000)
        }
        return random.magnitude(isPlanned ? 20_000...2_000_000 : 1_000...500_000)
    }

    private mutating func leave(for outage: Microseconds) {
        host.drop()
        isUp = false
        inbox.removeAll(keepingCapacity: true)
        pending.removeAll(keepingCapacity: true)
        appending = nil
        queued = nil
        unacknowledged = nil
        isSyncing = false
        turnAt = .max
        diskAt = .max
        wakeAt = .max
        upAt = clock.monotonic + outage
        put(Happening(.up), after: outage)
    }

    /// An orderly end: what has arrived is decided, everything is durable and answered, and a
    /// checkpoint is written.
    mutating func restart() throws(Violation) {
        report.count(.restarts)
        trace.note("orderly end")
        try finish()
        guard isUp else { return }
        crashed = (
            ledgerClock!.now, host.core.state.position, StateDigest.of(host.core.state), nil
        )
        host.saveCheckpoint(at: auditedHead)
        leave(for: outage(isPlanned: true))
    }

    /// Takes a last turn and waits for the disk.
    mutating func finish() throws(Violation) {
        while isUp {
            try turn()
            while isUp, appending != nil || isSyncing { try diskIsDone() }
            if pending.isEmpty, inbox.isEmpty { return }
        }
    }

    // MARK: - Coming back

    mutating func openAgain() throws(Violation) {
        let plan = openingPlan()
        let recovered: LogHead
        do { recovered = try host.recover(plan, clock.ledgerClock) } catch {
            throw Violation("recovery", "\(error)")
        }
        trace.note("up again at position \(recovered.position), checkpoint \(plan.checkpoint)")
        try checkRecovered(recovered)
        try resume(plan)
        isUp = true
        turnAt = clock.monotonic
        batchesSinceCheckpoint = 0
    }

    private mutating func openingPlan() -> OpeningPlan {
        var plan = OpeningPlan(
            checkpoint: .newest, keptCount: random.below(3), compensates: true)
        if swarm.has(.lostCheckpoints) {
            switch random.below(12) {
            case 0: plan.checkpoint = .none
            case 1: plan.checkpoint = .damaged
            case 2, 3, 4: plan.checkpoint = .older
            default: break
            }
            if plan.checkpoint != .newest { report.count(.lostCheckpoints) }
        }
        if swarm.has(.noCompensation) { plan.compensates = random.chance(1, in: 2) }
        return plan
    }

    /// Nothing acknowledged is lost, nothing else has come, and the view is what the log says.
    private mutating func checkRecovered(_ recovered: LogHead) throws(Violation) {
        if recovered.position < max(acknowledged, auditedHead.position) {
            throw Violation(
                "nothing acknowledged is lost",
                "the log ends at \(recovered.position); \(acknowledged) was acknowledged, "
                    + "\(auditedHead.position) durable")
        }
        while auditedHead.position < recovered.position {
            let first = auditedHead.position + 1
            guard let index = survivors.firstIndex(where: { $0.first == first }) else {
                throw Violation("nothing else is in the log", "nobody wrote position \(first)")
            }
            var commit = survivors[index]
            try audit(&commit)
            report.count(.survivors)
        }
        guard auditedHead == recovered else {
            throw Violation("the chain is whole", "it ends in \(recovered), not \(auditedHead)")
        }
        survivors = []
        sealedHead = recovered
        let core = host.core
        try auditor.compare(core.state)
        if let crashed, crashed.position == recovered.position, let digest = crashed.digest,
            StateDigest.of(core.state) != digest
        {
            throw Violation("replay", "another digest than before the crash")
        }
        try checkNames(core.users, core.projects)
        keylessCount = 0
        try checkForgotten()
    }

    private func checkNames(
        _ users: NameDirectory, _ projects: NameDirectory
    ) throws(Violation) {
        guard users.count == auditor.userOrder.count, projects.count == auditor.projectOrder.count
        else {
            throw Violation(
                "names", "\(users.count) users and \(projects.count) projects are named")
        }
        for (index, user) in auditor.userOrder.enumerated() {
            let number = UInt32(index + 1)
            let isForgotten = auditor.isForgotten(number)
            let wanted = isForgotten ? [] : userNames[Int(user)]
            guard Array(users.name(of: number).utf8) == wanted,
                users.isForgotten(number) == isForgotten
            else { throw Violation("names", "user \(number) is \(users.name(of: number))") }
        }
        for (index, project) in auditor.projectOrder.enumerated()
        where projects.name(of: UInt32(index + 1)) != projectNames[Int(project)] {
            throw Violation("names", "project \(index + 1) has another's name")
        }
    }

    private mutating func resume(_ plan: OpeningPlan) throws(Violation) {
        let hadDeadlines = auditor.hasDeadlines
        let wasEmpty = auditedHead.position == 0
        var lastSign: Microseconds?
        if let crashed, hadDeadlines {
            lastSign = sign(before: crashed.ledger, crashed.firstLost ?? crashed.ledger)
        }
        do {
            ledgerClock = try host.resume(
                clock.ledgerClock, lastSign: lastSign, compensates: plan.compensates)
        } catch { throw Violation("recovery", "\(error)") }
        let opened = max(auditedHead.time, clock.wall)
        openedAt = (opened, clock.monotonic)
        guard !wasEmpty else { return }
        let opening = Opening(
            lastRan: crashed?.ledger ?? opened, wall: clock.wall, compensates: plan.compensates,
            hadDeadlines: hadDeadlines)
        try auditOpening(opening)
        // From now on it runs: an outage that follows at once is counted from here.
        crashed = nil
        try auditor.compare(host.core.state)
    }

    /// A sign of life, written every half second and only once what was decided before it is
    /// durable. It is at most a second old when the ledger ends.
    private mutating func sign(
        before end: Microseconds, _ firstLost: Microseconds
    ) -> Microseconds {
        let written = min(end, firstLost) - Microseconds(random.below(500_001))
        return max(auditedHead.time, written, end - 1_000_000)
    }

    private mutating func auditOpening(_ opening: Opening) throws(Violation) {
        events.removeAll(keepingCapacity: true)
        var head = LogHead.empty
        do {
            try host.read(at: auditedHead.position + 1) { batch in
                _ = try batch.checkRecords()
                batch.forEachBlock(decoding, before: .max) { events.append(contentsOf: $0) }
                head = LogHead(
                    position: batch.lastPosition, time: batch.times.upperBound, hash: batch.hash)
            }
        } catch { throw Violation("opened", "\(error)") }
        if canary != nil { for event in events { shadow.evolve(event) } }
        trace.add([], events)
        report.events += UInt64(events.count)
        auditor.begin(events)
        try auditor.expect(opening)
        try auditor.end()
        auditedHead = head
        sealedHead = head
    }
}
