public import ReconnectionRules

/// Checks a ledger from outside: told what was asked, it says what the log must hold, event by
/// event and field by field, and what each client must have been answered.
///
/// Written from docs/rules.md and docs/log-format.md alone, and deliberately simple: a list of
/// slots that is searched from end to end, no heap, no queue, no cache but the earliest deadline.
/// It shares with the ledger the words for what happened (`Event`), and nothing that decides.
public struct Auditor: Sendable {
    struct Slot {
        var state: ConcurrencyState = .idle
        var isAlone = false
        var user: Int32 = -1
        var session: SessionId = 0
        /// End of a reservation, a window or a cleanup.
        var until: Microseconds = 0
        var idleSince: Microseconds = 0
        var last: Position = 0

        var runs: Bool { state == .reserved || state == .waiting || state == .recovering }
        var isHeld: Bool { user >= 0 }
    }

    struct Project {
        /// The ledger's number for it.
        var number: ProjectNumber
        var capacity: UInt32 = 0
        var window: Microseconds = 90_000_000
        var lock: Microseconds = 30_000_000
        var cleanup: Microseconds = 0
        var wantsNames = false
        var last: Position = 0
        var slots: [Slot] = []

        var inService: Int { slots.count { $0.state != .withdrawn } }
    }

    struct User {
        /// The ledger's number.
        var number: UserNumber
        var isForgotten = false
        /// The slot held: index of the project and of the slot, -1 for none.
        var project: Int32 = -1
        var slot: Int32 = -1
        var eventCount: UInt32 = 0
        var last: Position = 0
    }

    /// A user's jump nodes: for each, where it is, and which node it jumps to.
    struct JumpNodes {
        var positions: [Position] = [0]
        var targets: [Int] = [0]
    }

    /// In the ledger's order; `userIndex` leads there from the simulation's numbers, -1 for who
    /// was not named, or was forgotten since.
    var users: [User] = []
    var jumps: [JumpNodes] = []
    var userIndex: [Int]
    /// In the ledger's order; `projectIndex` leads there from the simulation's numbers, -1 before.
    var projects: [Project] = []
    var projectIndex: [Int]
    /// The simulation's number by the ledger's.
    public private(set) var userOrder: [Int32] = []
    /// The ledger's numbers of those who were forgotten.
    public private(set) var forgotten: [UserNumber] = []
    public private(set) var projectOrder: [Int32] = []
    /// Changes of settings, as asks name them.
    public var changes: [Change] = []

    public internal(set) var position: Position = 0
    public internal(set) var time: Microseconds = 0
    var lastOfLedger: Position = 0
    var counts = Counters()
    /// No deadline is before this.
    private var earliest: Microseconds = .max
    private var laws = Laws()
    /// Everything audited so far, in one number.
    public private(set) var digest: UInt64 = 0x9E37_79B9_7F4A_7C15

    private var feed: [Event] = []
    private var next = 0

    public init(userCount: Int, projectCount: Int) {
        userIndex = Array(repeating: -1, count: userCount)
        projectIndex = Array(repeating: -1, count: projectCount)
    }

    // MARK: - Feeding

    /// The events of the next batch of the log.
    public mutating func begin(_ events: [Event]) {
        feed = events
        next = 0
    }

    /// Every event of the batch must have been called for.
    public mutating func end() throws(Violation) {
        if next < feed.count {
            throw Violation("nothing else happens", "nobody called for \(feed[next].text)")
        }
        feed = []
    }

    /// Takes the next event of the log, which must be this one.
    private mutating func take(_ expected: Event) throws(Violation) {
        guard next < feed.count else {
            throw Violation("every action leaves an event", "missing: \(expected.text)")
        }
        let event = feed[next]
        try laws.check(event)
        guard event == expected else {
            throw Violation(
                "\(expected.kind) \(expected.outcome)",
                "the log has \(event.text), and should have \(expected.text)")
        }
        next += 1
        position = event.position
        time = event.time
        digest = (digest ^ position ^ UInt64(bitPattern: time) << 20) &* 0xBF58_476D_1CE4_E5B9
        digest ^= digest >> 29 ^ UInt64(event.outcome.rawValue) << 8 ^ UInt64(event.concurrency)
    }

    // MARK: - Asks

    /// What the ask leads to, what was due first. Returns the event that answers it, nil for what
    /// is no action.
    public mutating func expect(_ ask: Ask) throws(Violation) -> Event? {
        try settle(ask.now)
        // An unknown project is no action either, and names nobody.
        if ask.kind == .apply, projectIndex[Int(ask.project)] < 0 { return nil }
        switch ask.kind {
        case .settle, .malformed: return nil
        case .modify: return try modify(ask)
        case .forget: return try forget(ask)
        case .apply, .createSession, .disconnect, .destroy, .repossess:
            let user = try userIndex(of: ask)
            switch ask.kind {
            case .apply: return try apply(user, ask)
            case .createSession: return try createSession(user, ask)
            case .disconnect: return try disconnect(user, ask)
            case .destroy: return try destroy(user, ask)
            default: return try repossess(user, ask)
            }
        }
    }

    /// Checks that a client was answered what the log says.
    public func check(_ answer: Answer, against event: Event?, of ask: Ask) throws(Violation) {
        var wanted = Answer()
        if let event {
            wanted.position = event.position
            wanted.deadline = event.deadline
            wanted.session = event.session
            wanted.concurrency = event.concurrency
            wanted.project = event.project
            wanted.outcome = event.outcome
            wanted.state = event.state
        }
        if answer != wanted {
            throw Violation("answers are what is recorded", "\(ask) was answered \(answer)")
        }
    }

    /// Who acts for the first time, or for the first time since being forgotten, is named.
    private mutating func userIndex(of ask: Ask) throws(Violation) -> Int {
        let known = userIndex[Int(ask.user)]
        if known >= 0 { return known }
        let index = users.count
        userOrder.append(ask.user)
        users.append(User(number: UserNumber(index + 1)))
        jumps.append(JumpNodes())
        userIndex[Int(ask.user)] = index
        var event = blank(.userNamed, .done, ask.now, ask.caller)
        try record(&event, user: index, slot: nil)
        return index
    }

    /// What is held is freed first; nobody unknown can be forgotten.
    private mutating func forget(_ ask: Ask) throws(Violation) -> Event? {
        let user = userIndex[Int(ask.user)]
        guard user >= 0 else { return nil }
        if holding(user) != nil {
            _ = try destroy(user, Ask(.destroy, caller: ask.caller, now: ask.now))
        }
        var event = blank(.userForgotten, .done, ask.now, ask.caller)
        event.previousOfConcurrency = lastOfLedger
        try record(&event, user: user, slot: nil)
        lastOfLedger = position
        users[user].isForgotten = true
        forgotten.append(users[user].number)
        userIndex[Int(ask.user)] = -1
        return event
    }

    private mutating func apply(_ user: Int, _ ask: Ask) throws(Violation) -> Event {
        let wanted = projectIndex[Int(ask.project)]
        let lockEnd = ask.now + projects[wanted].lock
        let held = holding(user)
        counts.starts += 1
        var event = blank(.applied, .returned, ask.now, ask.caller)
        event.inputProject = projects[wanted].number
        if let held, held.project == wanted {
            if projects[wanted].slots[held.slot].state != .connected {
                let until = max(projects[wanted].slots[held.slot].until, lockEnd)
                projects[wanted].slots[held.slot].state = .reserved
                projects[wanted].slots[held.slot].until = until
                earliest = min(earliest, until)
            }
            try record(&event, user: user, slot: held)
            return event
        }
        guard let free = longestIdle(wanted) else {
            counts.rejectedNoIdle += 1
            event.outcome = .noIdle
            try record(&event, user: user, slot: held)
            return event
        }
        event.outcome = .granted
        projects[wanted].slots[free].state = .reserved
        projects[wanted].slots[free].user = Int32(user)
        projects[wanted].slots[free].until = lockEnd
        earliest = min(earliest, lockEnd)
        users[user].project = Int32(wanted)
        users[user].slot = Int32(free)
        try record(&event, user: user, slot: (wanted, free))
        if let held {
            var moved = blank(.repossessed, .moved, ask.now, 0)
            counts.repossessed += 1
            try release(held, &moved, user: user)
        }
        return event
    }

    private mutating func createSession(_ user: Int, _ ask: Ask) throws(Violation) -> Event {
        var event = blank(.sessionCreated, .lockTimeout, ask.now, ask.caller)
        guard let (project, slot) = holding(user) else {
            counts.rejectedLockTimeout += 1
            event.flag = ask.flag
            try record(&event, user: user, slot: nil)
            return event
        }
        let before = projects[project].slots[slot]
        if before.state == .connected {
            event.outcome = .takeover
            counts.takenOver += 1
        } else if before.session == 0 {
            event.outcome = .fresh
            counts.grantedNew += 1
        } else {
            event.outcome = .resumed
            counts.resumed += 1
        }
        projects[project].slots[slot].state = .connected
        projects[project].slots[slot].until = 0
        projects[project].slots[slot].session = position + 1
        projects[project].slots[slot].isAlone = ask.flag
        try record(&event, user: user, slot: (project, slot))
        return event
    }

    private mutating func disconnect(_ user: Int, _ ask: Ask) throws(Violation) -> Event {
        var event = blank(.disconnected, .stale, ask.now, ask.caller)
        event.namesSession = ask.flag
        event.inputSession = ask.flag ? ask.session : 0
        let held = holding(user)
        if let (project, slot) = held {
            let found = projects[project].slots[slot]
            let isMeant = !ask.flag || ask.session == found.session
            if found.state == .connected, isMeant {
                if !ask.flag, projects[project].wantsNames {
                    event.outcome = .sessionNameRequired
                } else if found.isAlone {
                    event.outcome = .keptRunning
                } else {
                    event.outcome = .waiting
                    let until = ask.now + projects[project].window
                    projects[project].slots[slot].state = .waiting
                    projects[project].slots[slot].isAlone = false
                    projects[project].slots[slot].until = until
                    earliest = min(earliest, until)
                }
            }
        }
        switch event.outcome {
        case .waiting: counts.disconnected += 1
        case .keptRunning: counts.keptRunning += 1
        default: counts.staleDisconnects += 1
        }
        try record(&event, user: user, slot: held)
        return event
    }

    private mutating func destroy(_ user: Int, _ ask: Ask) throws(Violation) -> Event {
        var event = blank(.destroyed, ask.flag ? .stale : .nothingHeld, ask.now, ask.caller)
        event.namesSession = ask.flag
        event.inputSession = ask.flag ? ask.session : 0
        let held = holding(user)
        if let held {
            let found = projects[held.project].slots[held.slot]
            if !ask.flag || found.state == .connected && found.session == ask.session {
                event.outcome = .freed
                counts.destroyed += 1
                try release(held, &event, user: user)
                return event
            }
        }
        if ask.flag { counts.staleDestroys += 1 }
        try record(&event, user: user, slot: held)
        return event
    }

    private mutating func repossess(_ user: Int, _ ask: Ask) throws(Violation) -> Event {
        var event = blank(.repossessed, .nothingHeld, ask.now, ask.caller)
        guard let held = holding(user) else {
            try record(&event, user: user, slot: nil)
            return event
        }
        event.outcome = .operator_
        counts.repossessed += 1
        try release(held, &event, user: user)
        return event
    }

    // MARK: - Settings

    private mutating func modify(_ ask: Ask) throws(Violation) -> Event? {
        let change = changes[Int(ask.session)]
        var index = projectIndex[Int(ask.project)]
        if index < 0 {
            // A project never seen is created, if its capacity is given.
            guard change.capacity != nil else { return nil }
            index = projects.count
            projects.append(Project(number: ProjectNumber(index + 1)))
            projectIndex[Int(ask.project)] = index
            projectOrder.append(ask.project)
            var event = blank(.projectNamed, .done, ask.now, ask.caller)
            event.project = projects[index].number
            try take(event)
            projects[index].last = position
        }
        projects[index].capacity = change.capacity ?? projects[index].capacity
        projects[index].window = change.window ?? projects[index].window
        projects[index].lock = change.lock ?? projects[index].lock
        projects[index].cleanup = change.cleanup ?? projects[index].cleanup
        projects[index].wantsNames = change.wantsNames ?? projects[index].wantsNames
        var event = blank(.projectModified, .done, ask.now, ask.caller)
        event.project = projects[index].number
        event.previousOfUser = Position(projects[index].capacity)
        event.deadline = projects[index].window
        event.session = SessionId(projects[index].lock)
        event.inputSession = SessionId(projects[index].cleanup)
        event.flag = projects[index].wantsNames
        event.previousOfConcurrency = projects[index].last
        try take(event)
        projects[index].last = position
        try fit(index, ask.now)
        return event
    }

    /// Withdraws the highest idle numbers, or brings back the lowest withdrawn ones and adds new.
    private mutating func fit(_ index: Int, _ now: Microseconds) throws(Violation) {
        while try withdrawIfAbove(index, now) {}
        let capacity = Int(projects[index].capacity)
        while projects[index].inService < capacity,
            let slot = projects[index].slots.firstIndex(where: { $0.state == .withdrawn })
        {
            projects[index].slots[slot].state = .idle
            projects[index].slots[slot].idleSince = now
            var event = blank(.restored, .done, now, 0)
            try record(&event, user: nil, slot: (index, slot))
        }
        var missing = capacity - projects[index].inService
        while missing > 0 {
            var slot = Slot()
            slot.idleSince = now
            projects[index].slots.append(slot)
            missing -= 1
        }
    }

    private mutating func withdrawIfAbove(
        _ index: Int, _ now: Microseconds
    ) throws(Violation) -> Bool {
        guard projects[index].inService > Int(projects[index].capacity),
            let slot = projects[index].slots.lastIndex(where: { $0.state == .idle })
        else { return false }
        projects[index].slots[slot].state = .withdrawn
        var event = blank(.withdrawn, .done, now, 0)
        try record(&event, user: nil, slot: (index, slot))
        return true
    }

    // MARK: - Deadlines and outages

    /// What is due at `now`, earliest first, ties by project and then by number.
    private mutating func settle(_ now: Microseconds) throws(Violation) {
        while earliest <= now {
            var best: (project: Int, slot: Int)?
            var bestUntil = Microseconds.max
            for project in projects.indices {
                for slot in projects[project].slots.indices {
                    let until = projects[project].slots[slot].until
                    if until < bestUntil, projects[project].slots[slot].runs {
                        best = (project, slot)
                        bestUntil = until
                    }
                }
            }
            earliest = bestUntil
            guard bestUntil <= now, let best else { return }
            try fallDue(best)
        }
    }

    private mutating func fallDue(_ place: (project: Int, slot: Int)) throws(Violation) {
        let slot = projects[place.project].slots[place.slot]
        // After an outage a deadline may be older than the event that moved it.
        let moment = max(slot.until, time)
        if slot.state == .recovering {
            projects[place.project].slots[place.slot].state = .idle
            projects[place.project].slots[place.slot].until = 0
            projects[place.project].slots[place.slot].idleSince = moment
            var event = blank(.recovered, .done, moment, 0)
            try record(&event, user: nil, slot: place)
            _ = try withdrawIfAbove(place.project, moment)
            return
        }
        counts.repossessed += 1
        let outcome: Event.Outcome = slot.state == .waiting ? .windowExpired : .lockExpired
        var event = blank(.repossessed, outcome, moment, 0)
        try release(place, &event, user: Int(slot.user))
    }

    /// The ledger was opened again. The length of the outage is the ledger's to say, inside bounds:
    /// it must cost nobody a slot, nor keep one longer than the sign of life may be old.
    public mutating func expect(_ opening: Opening) throws(Violation) {
        guard next < feed.count, feed[next].kind == .opened else {
            throw Violation("opened", "the log does not go on with an opening")
        }
        let now = max(time, opening.wall)
        let outage = feed[next].deadline
        if opening.compensates {
            let down = max(0, now - opening.lastRan)
            if outage < down {
                throw Violation(
                    "a restart costs nobody a slot", "down for \(down), made up for \(outage)")
            }
            if opening.hadDeadlines, outage > max(0, now - opening.lastRan + 1_000_000) {
                throw Violation(
                    "an outage is not overstated", "down for \(down), made up for \(outage)")
            }
        } else if outage != 0 {
            throw Violation("no compensation", "made up for \(outage) all the same")
        }
        var event = blank(.opened, .done, now, 0)
        event.deadline = outage
        event.previousOfConcurrency = lastOfLedger
        try take(event)
        lastOfLedger = position
        for project in projects.indices {
            for slot in projects[project].slots.indices
            where projects[project].slots[slot].runs {
                projects[project].slots[slot].until += outage
            }
        }
        earliest = earliest == .max ? .max : earliest &+ outage
    }

    // MARK: - Slots

    func holding(_ user: Int) -> (project: Int, slot: Int)? {
        let project = Int(users[user].project)
        return project < 0 ? nil : (project, Int(users[user].slot))
    }

    private func longestIdle(_ index: Int) -> Int? {
        var best: Int?
        var since = Microseconds.max
        for slot in projects[index].slots.indices {
            let idleSince = projects[index].slots[slot].idleSince
            if idleSince < since, projects[index].slots[slot].state == .idle {
                best = slot
                since = idleSince
            }
        }
        return best
    }

    /// Ends a grant: what had a session is cleaned, if that takes time; the rest is idle at once.
    private mutating func release(
        _ place: (project: Int, slot: Int), _ event: inout Event, user: Int
    ) throws(Violation) {
        let found = projects[place.project].slots[place.slot]
        event.session = found.session
        let cleanup = projects[place.project].cleanup
        var slot = Slot()
        slot.last = found.last
        if found.session != 0, cleanup > 0 {
            slot.state = .recovering
            slot.until = event.time + cleanup
            earliest = min(earliest, slot.until)
        } else {
            slot.idleSince = event.time
        }
        projects[place.project].slots[place.slot] = slot
        if users[user].project == Int32(place.project), users[user].slot == Int32(place.slot) {
            users[user].project = -1
            users[user].slot = -1
        }
        try record(&event, user: user, slot: place)
        _ = try withdrawIfAbove(place.project, event.time)
    }

    // MARK: - Events

    private func blank(
        _ kind: Event.Kind, _ outcome: Event.Outcome, _ time: Microseconds, _ caller: UInt32
    ) -> Event {
        var event = Event(position: position + 1, time: time, kind: kind, outcome: outcome)
        event.caller = caller
        return event
    }

    /// Completes an event with what it left behind and the chains it continues, and takes it.
    private mutating func record(
        _ event: inout Event, user: Int?, slot place: (project: Int, slot: Int)?
    ) throws(Violation) {
        if let place {
            let slot = projects[place.project].slots[place.slot]
            event.project = projects[place.project].number
            event.concurrency = ConcurrencyNumber(place.slot + 1)
            event.state = slot.state
            event.deadline = slot.runs ? slot.until : 0
            if event.session == 0 { event.session = slot.session }
            event.flag = slot.isAlone && slot.state == .connected
            event.previousOfConcurrency = slot.last
        }
        if let user {
            event.user = users[user].number
            event.previousOfUser = users[user].last
            event.jump = jump(ofNextEventOf: user)
        }
        try take(event)
        if let place { projects[place.project].slots[place.slot].last = position }
        if let user { count(user) }
    }

    /// Every 16th event is a jump node; any other jumps to the newest one. Nodes jump as in Myers'
    /// random-access stacks, by their depths: two jumps of equal length become one.
    private func jump(ofNextEventOf user: Int) -> Position {
        let isNode = (users[user].eventCount + 1) % 16 == 0
        if !isNode { return jumps[user].positions[jumps[user].positions.count - 1] }
        return jumps[user].positions[target(jumps[user])]
    }

    private func target(_ nodes: JumpNodes) -> Int {
        let parent = nodes.positions.count - 1
        let jump = nodes.targets[parent]
        return parent - jump == jump - nodes.targets[jump] ? nodes.targets[jump] : parent
    }

    private mutating func count(_ user: Int) {
        users[user].last = position
        users[user].eventCount += 1
        if users[user].eventCount % 16 == 0 {
            let target = target(jumps[user])
            jumps[user].positions.append(position)
            jumps[user].targets.append(target)
        }
    }
}
