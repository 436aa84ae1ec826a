import ReconnectionRules

/// What must hold of any history, whatever was asked: the promises a user would quote. Looks at
/// events alone and predicts nothing, so that it cannot be wrong in the way the prediction is.
struct Laws: Sendable {
    private struct Slot {
        var user: UserNumber = 0
        var session: SessionId = 0
        var state: ConcurrencyState = .idle
        var until: Microseconds = 0
    }

    /// By project number, then concurrency number.
    private var slots: [[Slot]] = [[]]
    /// By user number: the slot held, as project · 2³² + concurrency, 0 for none.
    private var held: [UInt64] = [0]
    /// By user number: nothing happens to them any more.
    private var isForgotten: [Bool] = [false]
    private var lastSession: SessionId = 0
    private var position: Position = 0
    private var time: Microseconds = .min
    /// Whose old slot has to be let go by the next event, and which it is.
    private var moving: (user: UserNumber, slot: UInt64) = (0, 0)

    mutating func check(_ event: Event) throws(Violation) {
        if event.position != position + 1 {
            throw Violation("position", "\(event.text) does not follow \(position)")
        }
        if event.time < time { throw Violation("time", "\(event.text) is before \(time)") }
        position = event.position
        time = event.time
        if moving.user != 0 {
            guard event.outcome == .moved, event.user == moving.user, key(event) == moving.slot
            else {
                throw Violation("one user, one concurrency", "two are held before \(event.text)")
            }
        }
        makeRoom(for: event)
        if isForgotten[Int(event.user)] {
            throw Violation("the forgotten are left alone", "\(event.text) comes after that")
        }
        if event.kind == .userForgotten {
            if held[Int(event.user)] != 0 {
                throw Violation("the forgotten hold nothing", "\(event.text)")
            }
            isForgotten[Int(event.user)] = true
        }
        if event.kind == .opened { return postpone(by: event.deadline) }
        guard event.concurrency != 0 else { return }
        try checkSlot(event)
        note(event)
    }

    private func key(_ event: Event) -> UInt64 {
        UInt64(event.project) << 32 | UInt64(event.concurrency)
    }

    private mutating func makeRoom(for event: Event) {
        while held.count <= Int(event.user) {
            held.append(0)
            isForgotten.append(false)
        }
        while slots.count <= Int(event.project) { slots.append([]) }
        while slots[Int(event.project)].count <= Int(event.concurrency) {
            slots[Int(event.project)].append(Slot())
        }
    }

    private mutating func postpone(by outage: Microseconds) {
        for project in slots.indices {
            for number in slots[project].indices { slots[project][number].until += outage }
        }
    }

    private func checkSlot(_ event: Event) throws(Violation) {
        let slot = slots[Int(event.project)][Int(event.concurrency)]
        let isOwn = event.user != 0 && held[Int(event.user)] == key(event)
        switch event.outcome {
        case .granted:
            if slot.user != 0 {
                let topic = slot.state == .waiting ? "a waiting slot is kept" : "one holder"
                throw Violation(topic, "\(event.text) takes what user \(slot.user) holds")
            }
            if slot.state != .idle {
                throw Violation("only idle is granted", "\(event.text): it is \(slot.state)")
            }
        case .returned, .fresh, .resumed, .takeover, .freed, .operator_, .keptRunning, .noIdle,
            .sessionNameRequired, .stale:
            if !isOwn { throw Violation("own slot", "\(event.text) is about another's slot") }
        case .waiting:
            if !isOwn || slot.state != .connected {
                throw Violation("window", "\(event.text): nothing is connected there")
            }
            if event.namesSession, event.inputSession != slot.session {
                throw Violation(
                    "a stale report opens no window", "\(event.text): session \(slot.session) runs")
            }
        case .windowExpired, .lockExpired:
            let wanted: ConcurrencyState = event.outcome == .windowExpired ? .waiting : .reserved
            if !isOwn || slot.state != wanted || event.time < slot.until {
                throw Violation("deadline", "\(event.text): \(slot.state) until \(slot.until)")
            }
        case .moved:
            if key(event) != moving.slot { throw Violation("move", "\(event.text): no move") }
        case .done:
            let wanted: ConcurrencyState =
                event.kind == .recovered
                ? .recovering : (event.kind == .withdrawn ? .idle : .withdrawn)
            if slot.state != wanted {
                throw Violation("capacity", "\(event.text): it is \(slot.state)")
            }
        case .lockTimeout, .nothingHeld:
            throw Violation("own slot", "\(event.text) names a slot and says nothing is held")
        }
        try checkUnchanged(event, slot)
    }

    /// What takes no effect changes nothing.
    private func checkUnchanged(_ event: Event, _ slot: Slot) throws(Violation) {
        switch event.outcome {
        case .stale, .keptRunning, .noIdle, .sessionNameRequired:
            if event.state != slot.state || event.session != slot.session
                || event.state != .connected && event.deadline != slot.until
            {
                throw Violation("no effect", "\(event.text) changes what it found")
            }
        case .fresh, .resumed, .takeover:
            if event.session != event.position || event.session <= lastSession {
                throw Violation("sessions increase", "\(event.text) after \(lastSession)")
            }
        default: break
        }
    }

    private mutating func note(_ event: Event) {
        let key = key(event)
        let user = Int(event.user)
        if event.kind == .sessionCreated { lastSession = event.session }
        if event.outcome == .granted {
            moving = held[user] == 0 ? (0, 0) : (event.user, held[user])
            held[user] = key
        } else if event.outcome == .moved {
            moving = (0, 0)
        } else if !event.state.isHeld, user != 0, held[user] == key {
            held[user] = 0
        }
        let isHeld = event.state.isHeld
        slots[Int(event.project)][Int(event.concurrency)] = Slot(
            user: isHeld ? event.user : 0, session: isHeld ? event.session : 0, state: event.state,
            until: event.deadline)
    }
}
