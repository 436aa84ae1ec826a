import Ledger
import ReconnectionRules

/// What a project's concurrencies went through in one world: measured event by event.
struct WhatIfMeter {
    /// Without a sign of life for that long, a holding is listed.
    static let silenceMin: Microseconds = .seconds(86_400)
    private static let listCount = 100

    private struct Slot {
        var state: ConcurrencyState = .idle
        var user: UserNumber = 0
        /// When its user was last heard of.
        var lastSign: Microseconds = 0
    }

    private let project: ProjectNumber
    private var slots: [Slot]
    private var time: Microseconds = 0
    private var hasTime = false
    private var heldNow: UInt64 = 0
    private var waitingNow: UInt64 = 0
    private(set) var heldTime: UInt128 = 0
    private(set) var waitingTime: UInt128 = 0
    private(set) var heldMax: UInt64 = 0
    private(set) var heldMaxTime: Microseconds = 0
    private(set) var windowExpired: UInt64 = 0
    private(set) var lockExpired: UInt64 = 0
    private(set) var moved: UInt64 = 0
    private(set) var byOperator: UInt64 = 0
    private(set) var silentCount: UInt64 = 0
    private(set) var silentTime: UInt128 = 0
    /// The longest, longest first.
    private(set) var silences: [Silence] = []

    /// A stretch of a holding in which its user was not heard of.
    struct Silence: Equatable {
        var user: UserNumber
        var concurrency: ConcurrencyNumber
        var state: ConcurrencyState
        var since: Microseconds
        var until: Microseconds
        var isOpen: Bool
        var length: Microseconds { until - since }
    }

    init(project: ProjectNumber, _ start: State) {
        self.project = project
        slots = [Slot()]
        guard Int(project) < start.projects.count else { return }
        for record in start.projects[Int(project)].concurrencies.dropFirst() {
            slots.append(Slot(state: record.state, user: record.user))
            if record.state.isHeld { heldNow += 1 }
            if record.state == .waiting { waitingNow += 1 }
        }
    }

    /// What was there before counts from now on.
    mutating func begin(at start: Microseconds) {
        time = start
        hasTime = true
        heldMax = heldNow
        heldMaxTime = start
        for index in slots.indices { slots[index].lastSign = start }
    }

    /// Takes an event of the world, in order.
    mutating func take(_ event: Event) {
        advance(to: event.time)
        guard event.project == project, event.concurrency != 0, event.kind != .projectModified
        else { return }
        countReason(event)
        let number = Int(event.concurrency)
        while slots.count <= number { slots.append(Slot()) }
        let before = slots[number].state
        let after = event.state
        if before != after {
            if before == .waiting { waitingNow -= 1 }
            if after == .waiting { waitingNow += 1 }
        }
        switch (before.isHeld, after.isHeld) {
        case (false, true):
            heldNow += 1
            if heldNow > heldMax { (heldMax, heldMaxTime) = (heldNow, event.time) }
            slots[number].user = event.user
            slots[number].lastSign = event.time
        case (true, false):
            heldNow -= 1
            endSilence(number, at: event.time, isOpen: false)
        case (true, true):
            if Self.isSign(event) {
                endSilence(number, at: event.time, isOpen: false)
                slots[number].lastSign = event.time
            }
        case (false, false): break
        }
        slots[number].state = after
    }

    mutating func finish(at end: Microseconds) {
        advance(to: end)
        for number in slots.indices where slots[number].state.isHeld {
            endSilence(number, at: end, isOpen: true)
        }
    }

    private mutating func advance(to now: Microseconds) {
        if hasTime, now > time {
            let length = UInt128(now - time)
            heldTime += UInt128(heldNow) * length
            waitingTime += UInt128(waitingNow) * length
        }
        hasTime = true
        time = max(time, now)
    }

    private mutating func countReason(_ event: Event) {
        guard event.kind == .repossessed else { return }
        switch event.outcome {
        case .windowExpired: windowExpired += 1
        case .lockExpired: lockExpired += 1
        case .moved: moved += 1
        case .operator_: byOperator += 1
        default: break
        }
    }

    /// Whether the event shows that somebody is there, or was until now. A stale report is about
    /// another connection.
    private static func isSign(_ event: Event) -> Bool {
        switch event.kind {
        case .applied, .sessionCreated: true
        case .disconnected: event.outcome != .stale
        default: false
        }
    }

    private mutating func endSilence(_ number: Int, at end: Microseconds, isOpen: Bool) {
        let slot = slots[number]
        guard end - slot.lastSign >= Self.silenceMin else { return }
        silentCount += 1
        silentTime += UInt128(end - slot.lastSign)
        let silence = Silence(
            user: slot.user, concurrency: ConcurrencyNumber(number), state: slot.state,
            since: slot.lastSign, until: end, isOpen: isOpen)
        if silences.count == Self.listCount {
            guard silences[silences.count - 1].length < silence.length else { return }
            silences.removeLast()
        }
        let index = silences.firstIndex { $0.length < silence.length } ?? silences.count
        silences.insert(silence, at: index)
    }
}

/// Whose attempts ended otherwise than in the record.
struct WhatIfDifferences {
    /// One user's attempts.
    struct Counts {
        var returnsGained: UInt32 = 0
        var returnsLost: UInt32 = 0
        var grantsGained: UInt32 = 0
        var grantsLost: UInt32 = 0
    }

    /// Users without a difference are not in it.
    private(set) var byUser: [UserNumber: Counts] = [:]

    @inline(__always)
    mutating func compare(_ world: Served, with record: Served, of user: UserNumber) {
        if world != record { note(world, record, user) }
    }

    private mutating func note(_ world: Served, _ record: Served, _ user: UserNumber) {
        var counts = byUser[user] ?? Counts()
        if world > record {
            if world == .again { counts.returnsGained += 1 } else { counts.grantsGained += 1 }
        } else {
            if record == .again { counts.returnsLost += 1 } else { counts.grantsLost += 1 }
        }
        byUser[user] = counts
    }
}
