import LedgerAuditor
import LedgerModel
import ReconnectionRules

/// Users with devices, the platform that reports for them, the network between, and operators.
extension Simulation {
    // MARK: - The network

    /// How long a request is under way.
    private mutating func travel() -> Microseconds {
        var time = random.around(swarm.delay)
        if swarm.has(.slowNetwork), !isCalm, random.roll(swarm.mishap) {
            time += random.around(swarm.delay * 200)
        }
        return time
    }

    /// Sends a request that somebody waits for, or nobody. It may be lost, so that the sender asks
    /// again, or arrive twice.
    mutating func send(
        _ ask: Ask, from device: Int32, _ generation: UInt32, after delay: Microseconds
    ) {
        var time = delay + travel()
        let happening = Happening(.request, device: device, generation: generation, ask: ask)
        if !isCalm {
            if random.roll(swarm.odds(.lostRequests)) {
                report.count(.lostRequests)
                if device < 0, random.chance(1, in: 2) { return }
                time += random.around(swarm.delay * 20 + 1_000_000)
            }
            if random.roll(swarm.odds(.duplicates)) {
                report.count(.duplicates)
                var copy = happening
                copy.device = -1
                put(copy, after: time + random.around(swarm.delay * 8))
            }
            if swarm.has(.coarseTime), random.chance(3, in: 4) {
                // Many at once.
                let at = clock.monotonic + time
                time = (at / swarm.tick + 1) * swarm.tick - clock.monotonic
            }
        }
        put(happening, after: time)
    }

    /// Nobody answered: the sender asks again, if it still wants to know.
    mutating func retry(_ ask: Ask, _ device: Int32, _ generation: UInt32) {
        if device >= 0, devices[Int(device)].generation != generation { return }
        send(ask, from: device, generation, after: random.around(isCalm ? 200_000 : 1_000_000))
    }

    /// The ledger is down: some hear when it is back, the others knock at longer and longer
    /// intervals.
    mutating func knockAgain(_ request: Happening) {
        if request.device >= 0, devices[Int(request.device)].generation != request.generation {
            return
        }
        let wait =
            random.chance(1, in: 2)
            ? max(0, upAt - clock.monotonic) + random.around(swarm.think)
            : random.around(max(1_000_000, (upAt - clock.monotonic) / 2))
        send(request.ask, from: request.device, request.generation, after: wait)
    }

    // MARK: - A device

    private mutating func request(_ index: Int, _ ask: Ask, after delay: Microseconds) {
        send(ask, from: Int32(index), devices[index].generation, after: delay)
    }

    /// The device applies, after a while; now and then it goes straight for a session.
    mutating func startOver(_ index: Int, after delay: Microseconds) {
        devices[index].generation &+= 1
        devices[index].phase = .applying
        if !isCalm, random.chance(1, in: 24) { return create(index, after: delay) }
        if !isCalm, random.chance(1, in: 12) {
            devices[index].project = Int32(random.below(swarm.projectCount))
        }
        request(
            index, Ask(.apply, user: devices[index].user, project: devices[index].project),
            after: delay)
    }

    private mutating func create(_ index: Int, after delay: Microseconds) {
        devices[index].phase = .creating
        let isAlone = !isCalm && random.roll(swarm.odds(.unattended))
        request(
            index, Ask(.createSession, user: devices[index].user, flag: isAlone), after: delay)
    }

    /// An answer reaches whoever waits for it, unless it is lost.
    mutating func answered(_ entry: Entry) {
        guard entry.device >= 0 else { return answeredPlatform(entry) }
        let index = Int(entry.device)
        guard devices[index].generation == entry.generation else { return }
        if !isCalm, random.roll(swarm.odds(.lostReplies)) {
            report.count(.lostReplies)
            return retry(entry.ask, entry.device, entry.generation)
        }
        if isCalm { return answeredCalmly(index, entry) }
        guard entry.answer.position > 0 else {
            return startOver(index, after: random.around(swarm.away))
        }
        switch devices[index].phase {
        case .applying: hasApplied(index, entry)
        case .creating: hasSession(index, entry)
        case .closing: startOver(index, after: random.around(swarm.away))
        case .away, .connected, .done: break
        }
    }

    private mutating func hasApplied(_ index: Int, _ entry: Entry) {
        if entry.answer.outcome == .noIdle {
            // Asks again soon, or much later.
            let wait = random.chance(3, in: 4) ? swarm.think * 4 : swarm.away
            return startOver(index, after: random.around(wait))
        }
        if random.chance(1, in: 16) {
            // Thinks better of it: the lock runs out.
            report.count(.vanished)
            return startOver(index, after: random.around(swarm.away))
        }
        let left = entry.answer.deadline - entry.ask.now
        if entry.answer.state == .reserved, swarm.has(.exactDeadlines), random.chance(1, in: 8) {
            arriveExactly(
                Ask(.createSession, user: entry.ask.user), from: index,
                worldTime(of: entry.answer.deadline) + Microseconds(random.below(3) - 1))
            devices[index].phase = .creating
            return
        }
        create(index, after: min(random.around(swarm.think), max(0, left * 2)))
    }

    /// World time at which the ledger's clock shows a time, as long as this opening lasts.
    func worldTime(of ledger: Microseconds) -> Microseconds {
        ledger - openedAt.ledger + openedAt.world
    }

    private mutating func arriveExactly(_ ask: Ask, from index: Int?, _ time: Microseconds) {
        let device = index.map { Int32($0) } ?? -1
        let generation = index.map { devices[$0].generation } ?? 0
        queue.put(
            Happening(.request, device: device, generation: generation, ask: ask),
            at: max(clock.monotonic, time))
    }

    private mutating func hasSession(_ index: Int, _ entry: Entry) {
        guard entry.answer.outcome != .lockTimeout else {
            return startOver(index, after: random.around(swarm.think))
        }
        devices[index].phase = .connected
        devices[index].session = entry.answer.session
        put(
            Happening(.holdEnds, device: Int32(index), generation: devices[index].generation),
            after: random.around(swarm.hold))
        if swarm.has(.takeovers), swarm.deviceCountPerUser > 1, random.chance(1, in: 4) {
            startAnother(index)
        }
    }

    /// Another device of the same user comes while this one is connected.
    private mutating func startAnother(_ index: Int) {
        let first = index / swarm.deviceCountPerUser * swarm.deviceCountPerUser
        let other = first + random.below(swarm.deviceCountPerUser)
        guard other != index, devices[other].phase != .connected else { return }
        devices[other].project = devices[index].project
        startOver(other, after: random.around(swarm.hold))
    }

    /// A connected device vanishes or closes.
    mutating func holdEnds(_ happening: Happening) {
        let index = Int(happening.device)
        guard devices[index].generation == happening.generation,
            devices[index].phase == .connected
        else { return }
        if isCalm { return closeCalmly(index) }
        if random.chance(1, in: 4) {
            devices[index].phase = .closing
            devices[index].generation &+= 1
            let isNamed = random.chance(3, in: 4)
            return request(
                index,
                Ask(
                    .destroy, user: devices[index].user,
                    session: isNamed ? devices[index].session : 0, flag: isNamed), after: 0)
        }
        vanish(index)
    }

    private mutating func vanish(_ index: Int) {
        report.count(.vanished)
        reportDisconnection(index)
        // Back at once, within the window most often, or long after.
        let pick = random.below(8)
        let wait =
            pick < 2
            ? swarm.think : pick < 6 ? swarm.window / 2 : pick < 7 ? swarm.window : swarm.away * 2
        startOver(index, after: random.around(wait))
    }

    /// The platform sees that a client is gone, sooner or later, or never.
    private mutating func reportDisconnection(_ index: Int) {
        if random.roll(swarm.odds(.lostReports)) { return report.count(.lostReports) }
        let isNamed = !swarm.has(.unnamedReports) || random.chance(2, in: 3)
        let ask = Ask(
            .disconnect, user: devices[index].user, session: isNamed ? devices[index].session : 0,
            flag: isNamed)
        var delay = random.around(swarm.think / 4)
        if swarm.has(.ghosts), random.chance(1, in: 3) {
            report.count(.ghosts)
            delay += random.around(swarm.window)
        }
        send(ask, from: -1, 0, after: delay)
    }

    private mutating func answeredPlatform(_ entry: Entry) {
        guard swarm.has(.exactDeadlines), !isCalm, entry.ask.kind == .disconnect,
            entry.answer.outcome == .waiting, random.chance(1, in: 4)
        else { return }
        // Somebody is there at the very end of the window, or a microsecond beside it.
        let time = worldTime(of: entry.answer.deadline) + Microseconds(random.below(3) - 1)
        let user = random.chance(3, in: 4) ? entry.ask.user : Int32(random.below(swarm.userCount))
        let index = Int(user) * swarm.deviceCountPerUser
        arriveExactly(
            Ask(.apply, user: user, project: devices[index].project), from: nil, time)
    }

    // MARK: - Noise and operators

    /// Somebody asks what nobody should: of any user, any session.
    mutating func makeNoise() {
        if isCalm { return }
        let user = Int32(random.below(swarm.userCount))
        var ask = Ask(.destroy, user: user, project: Int32(random.below(swarm.projectCount)))
        switch random.below(12) {
        case 0: ask.kind = .apply
        case 1: ask.kind = .createSession
        case 2..<8: ask.kind = .disconnect
        default: break
        }
        if ask.kind == .disconnect || ask.kind == .destroy, random.chance(7, in: 8) {
            ask.flag = true
            ask.session = someSession()
        }
        if swarm.has(.malformed), random.chance(1, in: 4) {
            report.count(.malformed)
            ask.kind = .malformed
            ask.session = SessionId(random.below(4))
        }
        send(ask, from: -1, 0, after: 0)
        put(Happening(.noise), after: random.around(swarm.noiseInterval))
    }

    private mutating func someSession() -> SessionId {
        let end = Int(min(auditor.position, 1 << 40))
        switch random.below(8) {
        case 0: return 0
        case 1: return SessionId(end) + SessionId(random.below(10))
        case 2: return .max
        case 3, 4: return SessionId(max(0, end - random.below(64)))
        default: return SessionId(random.below(end + 1))
        }
    }

    mutating func operatorActs() {
        if isCalm { return }
        put(Happening(.operatorActs), after: random.around(swarm.operatorInterval))
        let project = Int32(random.below(swarm.projectCount))
        switch random.below(8) {
        case 0, 1:
            guard swarm.has(.repossessing) else { return }
            send(Ask(.repossess, user: Int32(random.below(swarm.userCount))), from: -1, 0, after: 0)
        case 2, 3, 4:
            guard swarm.has(.capacity) else { return }
            var change = Change()
            change.capacity = UInt32(random.below(swarm.capacityMax + 1))
            putModification(of: project, change, after: 0)
        case 5: if swarm.has(.settings) { changeSettings(of: project) }
        case 6:
            guard swarm.has(.forgetting), random.chance(1, in: 4) else { return }
            send(Ask(.forget, user: Int32(random.below(swarm.userCount))), from: -1, 0, after: 0)
        default:
            guard swarm.has(.newProjects) else { return }
            putModification(of: project, firstSettings(), after: 0)
        }
    }

    private mutating func changeSettings(of project: Int32) {
        var change = Change()
        switch random.below(4) {
        case 0: change.window = length(around: swarm.window)
        case 1: change.lock = length(around: swarm.lock)
        case 2: change.cleanup = random.chance(1, in: 3) ? 0 : random.magnitude(1...60_000_000)
        default:
            guard swarm.has(.sessionNames) else { return }
            change.wantsNames = random.chance(1, in: 2)
        }
        putModification(of: project, change, after: 0)
    }

    private mutating func length(around mean: Microseconds) -> Microseconds {
        min(86_400_000_000, max(1_000_000, random.around(mean)))
    }

    mutating func firstSettings() -> Change {
        Change(
            capacity: UInt32(random.within(1...swarm.capacityMax)), window: swarm.window,
            lock: swarm.lock, cleanup: swarm.cleanup,
            wantsNames: swarm.has(.sessionNames) && random.chance(1, in: 2))
    }

    mutating func putModification(
        of project: Int32, _ change: Change, after delay: Microseconds
    ) {
        auditor.changes.append(change)
        let ask = Ask(
            .modify, project: project, session: SessionId(auditor.changes.count - 1))
        put(Happening(.request, ask: ask), after: delay + random.around(swarm.delay))
    }
}
