public import ReconnectionRules

/// The rules of reconnection a second time, written from their description alone: a flat list of
/// slots, searched from end to end for every question. Slow on purpose, and shares nothing with
/// the rules but the words of the vocabulary (commands, events, settings), so that a mistake has
/// to be made twice, in two different ways, to go unseen.
///
/// It predicts every field of every event except `jump`, which belongs to no rule.
public struct LedgerModel: Sendable {
    /// One concurrency as the model sees it.
    public struct Slot: Sendable {
        public var project: ProjectNumber
        public var number: ConcurrencyNumber
        public var state: ConcurrencyState = .idle
        public var user: UserNumber = 0
        /// Newest session of this grant, 0 before the first.
        public var session: SessionId = 0
        public var runsWithoutClient = false
        /// End of a reservation, a window or a cleanup.
        public var until: Microseconds = 0
        /// Since when it is idle.
        public var idleSince: Microseconds
        /// Position of its newest event.
        public var last: Position = 0
    }

    public private(set) var slots: [Slot] = []
    public private(set) var settings: [ProjectNumber: ProjectSettings] = [:]
    public private(set) var lastOfUser: [UserNumber: Position] = [:]
    public private(set) var lastOfProject: [ProjectNumber: Position] = [:]
    public private(set) var lastOfLedger: Position = 0
    public private(set) var position: Position = 0
    public private(set) var eventCount: UInt64 = 0
    public private(set) var time: Microseconds = 0

    private var predicted: [Event] = []

    public init() {}

    // MARK: Questions

    /// The slot a user holds, found by looking at all of them.
    public func slot(heldBy user: UserNumber) -> Slot? { heldIndex(user).map { slots[$0] } }

    /// Every deadline that runs, earliest first.
    public var runningDeadlines: [Microseconds] {
        slots.filter { runs($0) }.map(\.until).sorted()
    }

    public func total(of project: ProjectNumber) -> Int {
        Int(settings[project]?.concurrencyCount ?? 0)
    }

    public func running(of project: ProjectNumber) -> Int {
        slots.count {
            $0.project == project && $0.state != .idle && $0.state != .withdrawn
        }
    }

    public var heldCount: Int { slots.count { $0.user != 0 } }
    public var waitingCount: Int { slots.count { $0.state == .waiting } }

    // MARK: Commands

    /// Everything that happens when the command arrives at `now`: what was due, in order, then the
    /// command's own event, then what follows from it. An `open` comes before what was due.
    public mutating func run(
        _ command: Command, at now: Microseconds, by caller: Caller
    ) -> [Event] {
        predicted = []
        switch command {
        case .open(let outage):
            open(outage, now, caller)
            settleDue(now)
        case .beginEpoch(let outage):
            beginEpoch(outage, now, caller)
            settleDue(now)
        default:
            settleDue(now)
            act(command, now, caller)
        }
        return predicted
    }

    /// Only what is due at `now`.
    public mutating func settle(at now: Microseconds) -> [Event] {
        predicted = []
        settleDue(now)
        return predicted
    }

    private mutating func act(_ command: Command, _ now: Microseconds, _ caller: Caller) {
        switch command {
        case .open, .beginEpoch: fatalError("what ends an outage settles nothing first")
        case .apply(let user, let project): apply(user, project, now, caller)
        case .createSession(let user, let alone): createSession(user, alone, now, caller)
        case .disconnect(let user, let session): disconnect(user, session, now, caller)
        case .destroy(let user, let session): destroy(user, session, now, caller)
        case .repossess(let user): repossess(user, now, caller)
        case .forget(let user):
            precondition(heldIndex(user) == nil, "who holds a slot is freed before")
            var event = blank(.userForgotten, .done, now, caller)
            event.user = user
            event.previousOfConcurrency = lastOfLedger
            record(event, at: nil)
            lastOfLedger = position
        case .nameUser(let user):
            var event = blank(.userNamed, .done, now, caller)
            event.user = user
            record(event, at: nil)
        case .nameProject(let project):
            settings[project] = ProjectSettings()
            var event = blank(.projectNamed, .done, now, caller)
            event.project = project
            recordOfProject(event)
        case .modifyProject(let project, let new): modify(project, new, now, caller)
        }
    }

    // MARK: Deadlines

    private func runs(_ slot: Slot) -> Bool {
        slot.state == .reserved || slot.state == .waiting || slot.state == .recovering
    }

    private mutating func settleDue(_ now: Microseconds) {
        while let index = firstDue(now) {
            // After an outage a deadline may be older than the event that moved it; time does not
            // run backward for it.
            let moment = max(slots[index].until, time)
            switch slots[index].state {
            case .waiting: release(index, .repossessed, .windowExpired, moment, .ledger)
            case .reserved: release(index, .repossessed, .lockExpired, moment, .ledger)
            default:
                slots[index].state = .idle
                slots[index].until = 0
                slots[index].idleSince = moment
                record(blank(.recovered, .done, moment, .ledger), at: index)
                withdrawIfAbove(slots[index].project, moment)
            }
        }
    }

    private func firstDue(_ now: Microseconds) -> Int? {
        var best: Int?
        for index in slots.indices where runs(slots[index]) && now >= slots[index].until {
            guard let other = best else {
                best = index
                continue
            }
            let a = slots[index]
            let b = slots[other]
            if a.until < b.until
                || (a.until == b.until && a.project < b.project)
                || (a.until == b.until && a.project == b.project && a.number < b.number)
            {
                best = index
            }
        }
        return best
    }

    private mutating func open(_ outage: Microseconds, _ now: Microseconds, _ caller: Caller) {
        for index in slots.indices where runs(slots[index]) { slots[index].until += outage }
        var event = blank(.opened, .done, now, caller)
        event.deadline = outage
        event.previousOfConcurrency = lastOfLedger
        append(event)
        lastOfLedger = position
    }

    /// As an open, behind a gap: four million positions for each second since 2020, or, where those
    /// lie behind already or less than sixteen million on, the beginning of the block of 2⁴⁰ after the next.
    private mutating func beginEpoch(
        _ outage: Microseconds, _ now: Microseconds, _ caller: Caller
    ) {
        for index in slots.indices where runs(slots[index]) { slots[index].until += outage }
        var event = blank(.epochBegun, .done, now, caller)
        let seconds = max(0, now / 1_000_000 - 1_577_836_800)
        event.position = Position(seconds) * 4_194_304
        if event.position <= position + 16_777_216 {
            event.position = (position / 1_099_511_627_776 + 2) * 1_099_511_627_776
        }
        event.deadline = outage
        event.session = eventCount
        event.previousOfUser = position
        event.previousOfConcurrency = lastOfLedger
        append(event)
        lastOfLedger = position
    }

    // MARK: Actions

    private mutating func apply(
        _ user: UserNumber, _ project: ProjectNumber, _ now: Microseconds, _ caller: Caller
    ) {
        let lock = now + settings[project]!.lockTimeout
        let held = heldIndex(user)
        var event = blank(.applied, .returned, now, caller)
        event.user = user
        event.inputProject = project
        if let held, slots[held].project == project {
            if slots[held].state != .connected {
                slots[held].state = .reserved
                slots[held].until = max(slots[held].until, lock)
            }
            record(event, at: held)
            return
        }
        guard let free = longestIdle(project) else {
            event.outcome = .noIdle
            record(event, at: held)
            return
        }
        slots[free].state = .reserved
        slots[free].user = user
        slots[free].until = lock
        event.outcome = .granted
        record(event, at: free)
        if let held { release(held, .repossessed, .moved, now, .ledger) }
    }

    private mutating func createSession(
        _ user: UserNumber, _ alone: Bool, _ now: Microseconds, _ caller: Caller
    ) {
        var event = blank(.sessionCreated, .lockTimeout, now, caller)
        event.user = user
        event.flag = alone
        guard let held = heldIndex(user) else {
            record(event, at: nil)
            return
        }
        if slots[held].state == .connected {
            event.outcome = .takeover
        } else {
            event.outcome = slots[held].session == 0 ? .fresh : .resumed
        }
        slots[held].state = .connected
        slots[held].until = 0
        slots[held].session = position + 1
        slots[held].runsWithoutClient = alone
        record(event, at: held)
    }

    private mutating func disconnect(
        _ user: UserNumber, _ session: SessionId?, _ now: Microseconds, _ caller: Caller
    ) {
        var event = blank(.disconnected, .stale, now, caller)
        event.user = user
        event.namesSession = session != nil
        event.inputSession = session ?? 0
        guard let held = heldIndex(user), slots[held].state == .connected else {
            record(event, at: heldIndex(user))
            return
        }
        let rules = settings[slots[held].project]!
        if session == nil && rules.requiresSessionName {
            event.outcome = .sessionNameRequired
        } else if session == nil || session == slots[held].session {
            if slots[held].runsWithoutClient {
                event.outcome = .keptRunning
            } else {
                event.outcome = .waiting
                slots[held].state = .waiting
                slots[held].until = now + rules.reconnectWindow
            }
        }
        record(event, at: held)
    }

    private mutating func destroy(
        _ user: UserNumber, _ session: SessionId?, _ now: Microseconds, _ caller: Caller
    ) {
        let held = heldIndex(user)
        if let session {
            if let held, slots[held].state == .connected, slots[held].session == session {
                release(held, .destroyed, .freed, now, caller, naming: session)
                return
            }
            var event = blank(.destroyed, .stale, now, caller)
            event.user = user
            event.namesSession = true
            event.inputSession = session
            record(event, at: held)
        } else if let held {
            release(held, .destroyed, .freed, now, caller)
        } else {
            var event = blank(.destroyed, .nothingHeld, now, caller)
            event.user = user
            record(event, at: nil)
        }
    }

    private mutating func repossess(
        _ user: UserNumber, _ now: Microseconds, _ caller: Caller
    ) {
        if let held = heldIndex(user) {
            release(held, .repossessed, .operator_, now, caller)
        } else {
            var event = blank(.repossessed, .nothingHeld, now, caller)
            event.user = user
            record(event, at: nil)
        }
    }

    private mutating func modify(
        _ project: ProjectNumber, _ new: ProjectSettings, _ now: Microseconds, _ caller: Caller
    ) {
        settings[project] = new
        var event = blank(.projectModified, .done, now, caller)
        event.project = project
        event.previousOfUser = Position(new.concurrencyCount)
        event.deadline = new.reconnectWindow
        event.session = SessionId(new.lockTimeout)
        event.inputSession = SessionId(new.cleanupTime)
        event.flag = new.requiresSessionName
        recordOfProject(event)

        while withdrawIfAbove(project, now) {}
        while inService(project) < total(of: project), let index = lowestWithdrawn(project) {
            slots[index].state = .idle
            slots[index].idleSince = now
            record(blank(.restored, .done, now, .ledger), at: index)
        }
        // Numbers never used before are simply there, idle since now.
        while inService(project) < total(of: project) {
            let number = slots.count { $0.project == project } + 1
            slots.append(
                Slot(project: project, number: ConcurrencyNumber(number), idleSince: now))
        }
    }

    // MARK: Slots

    private func heldIndex(_ user: UserNumber) -> Int? {
        slots.firstIndex { $0.user == user }
    }

    private func inService(_ project: ProjectNumber) -> Int {
        slots.count { $0.project == project && $0.state != .withdrawn }
    }

    private func longestIdle(_ project: ProjectNumber) -> Int? {
        slots.indices.filter { slots[$0].project == project && slots[$0].state == .idle }
            .min {
                slots[$0].idleSince != slots[$1].idleSince
                    ? slots[$0].idleSince < slots[$1].idleSince
                    : slots[$0].number < slots[$1].number
            }
    }

    private func lowestWithdrawn(_ project: ProjectNumber) -> Int? {
        slots.indices.filter { slots[$0].project == project && slots[$0].state == .withdrawn }
            .min { slots[$0].number < slots[$1].number }
    }

    private func highestIdle(_ project: ProjectNumber) -> Int? {
        slots.indices.filter { slots[$0].project == project && slots[$0].state == .idle }
            .max { slots[$0].number < slots[$1].number }
    }

    /// Takes one idle slot out of service if there are more than the capacity allows.
    @discardableResult
    private mutating func withdrawIfAbove(
        _ project: ProjectNumber, _ moment: Microseconds
    ) -> Bool {
        guard inService(project) > total(of: project), let index = highestIdle(project) else {
            return false
        }
        slots[index].state = .withdrawn
        record(blank(.withdrawn, .done, moment, .ledger), at: index)
        return true
    }

    /// Ends a grant: the slot is cleaned if a session ever ran on it, else idle at once.
    private mutating func release(
        _ index: Int, _ kind: Event.Kind, _ outcome: Event.Outcome, _ moment: Microseconds,
        _ caller: Caller, naming session: SessionId? = nil
    ) {
        var event = blank(kind, outcome, moment, caller)
        event.user = slots[index].user
        event.session = slots[index].session
        event.namesSession = session != nil
        event.inputSession = session ?? 0

        let project = slots[index].project
        let cleanup = settings[project]!.cleanupTime
        let wasUsed = slots[index].session != 0
        slots[index].user = 0
        slots[index].session = 0
        slots[index].runsWithoutClient = false
        if wasUsed && cleanup > 0 {
            slots[index].state = .recovering
            slots[index].until = moment + cleanup
        } else {
            slots[index].state = .idle
            slots[index].until = 0
            slots[index].idleSince = moment
        }
        record(event, at: index)
        withdrawIfAbove(project, moment)
    }

    // MARK: Events

    private func blank(
        _ kind: Event.Kind, _ outcome: Event.Outcome, _ time: Microseconds, _ caller: Caller
    ) -> Event {
        var event = Event(position: position + 1, time: time, kind: kind, outcome: outcome)
        event.caller = caller.rawValue
        return event
    }

    /// Completes an event with what it left behind and links it into the chains of its user and
    /// its slot.
    private mutating func record(_ input: Event, at index: Int?) {
        var event = input
        if let index {
            event.project = slots[index].project
            event.concurrency = slots[index].number
            event.state = slots[index].state
            event.deadline = runs(slots[index]) ? slots[index].until : 0
            if slots[index].session != 0 { event.session = slots[index].session }
            // The run mode in force, except where it is an input.
            if event.kind != .sessionCreated {
                event.flag = slots[index].state == .connected && slots[index].runsWithoutClient
            }
            event.previousOfConcurrency = slots[index].last
            slots[index].last = event.position
        }
        if event.user != 0 {
            event.previousOfUser = lastOfUser[event.user] ?? 0
            lastOfUser[event.user] = event.position
        }
        append(event)
    }

    private mutating func recordOfProject(_ input: Event) {
        var event = input
        event.previousOfConcurrency = lastOfProject[event.project] ?? 0
        lastOfProject[event.project] = event.position
        append(event)
    }

    private mutating func append(_ event: Event) {
        position = event.position
        time = event.time
        eventCount += 1
        predicted.append(event)
    }
}
