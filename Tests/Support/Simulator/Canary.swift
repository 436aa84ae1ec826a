import LedgerAuditor
import ReconnectionRules

/// A bug planted on purpose, between the ledger and the auditor or in what the simulation does in
/// the ledger's place. A simulator that does not find it is worth nothing.
public enum Canary: String, CaseIterable, Sendable {
    /// A window is still open at the very moment it ends.
    case deadlineOffByOne
    /// A report about an earlier session opens a window.
    case staleReportOpensAWindow
    /// Who finds nothing idle is given what waits for somebody else.
    case givesAwayAWaitingSlot
    /// The highest of the equally idle numbers is granted.
    case grantsTheHighestNumber
    /// A user who moves keeps the old slot.
    case keepsBothSlots
    /// A second apply shortens a reservation.
    case shortensAReservation
    /// A deadline takes effect when it is looked at.
    case deadlineHappensWhenSettled
    /// A slot never used is cleaned all the same.
    case cleansUnusedSlots
    /// A jump node leads to its predecessor, always.
    case jumpsTooShort
    /// A duplicate createSession is answered with the first one's session.
    case answersWithAnotherSession
    /// Nothing is made up for an outage.
    case forgetsTheOutage
    /// Ledger time follows the steps of the wall clock.
    case followsTheWallClock
    /// A crash takes a batch away that was acknowledged.
    case losesAcknowledgedBatch
    /// Answers go out before the disk has them.
    case answersBeforeTheDisk
    /// A checkpoint does not say since when slots are idle.
    case checkpointForgetsIdleness
    /// A batch behind the checkpoint is not replayed.
    case replaySkipsABatch
    /// Bringing capacity back leaves a slot withdrawn for good.
    case forgetsToRestore
    /// The key of somebody forgotten stays where it is.
    case keepsTheKeys

    /// What the log would hold instead, had the rules this bug. Nil where it does not bite. `state`
    /// is the view before the event.
    private func changed(_ event: Event, _ state: State) -> Event? {
        var event = event
        switch self {
        case .staleReportOpensAWindow:
            guard event.kind == .disconnected, event.outcome == .stale, event.state == .connected,
                !event.flag
            else { return nil }
            event.outcome = .waiting
            event.state = .waiting
            event.deadline =
                event.time + state.projects[Int(event.project)].settings.reconnectWindow
        case .givesAwayAWaitingSlot:
            guard event.outcome == .noIdle, event.concurrency == 0 else { return nil }
            let slots = state.projects[Int(event.inputProject)].concurrencies
            guard let number = slots.indices.first(where: { slots[$0].state == .waiting })
            else { return nil }
            event.outcome = .granted
            event.project = event.inputProject
            event.concurrency = ConcurrencyNumber(number)
            event.state = .reserved
            event.deadline = event.time + state.projects[Int(event.project)].settings.lockTimeout
            event.previousOfConcurrency = slots[number].last
        case .grantsTheHighestNumber:
            guard event.outcome == .granted else { return nil }
            let slots = state.projects[Int(event.project)].concurrencies
            guard let number = slots.indices.last(where: { slots[$0].state == .idle }),
                number > Int(event.concurrency)
            else { return nil }
            event.concurrency = ConcurrencyNumber(number)
            event.previousOfConcurrency = slots[number].last
        case .shortensAReservation:
            guard event.outcome == .returned, event.state == .reserved else { return nil }
            let end = event.time + state.projects[Int(event.project)].settings.lockTimeout
            guard end < event.deadline else { return nil }
            event.deadline = end
        case .cleansUnusedSlots:
            guard event.outcome == .lockExpired, event.session == 0 else { return nil }
            let cleanup = state.projects[Int(event.project)].settings.cleanupTime
            guard cleanup > 0 else { return nil }
            event.state = .recovering
            event.deadline = event.time + cleanup
        case .jumpsTooShort:
            guard event.user != 0, event.jump != 0 else { return nil }
            let users = state.users
            guard Int(event.user) < users.count else { return nil }
            let isNode = (users[Int(event.user)].eventCount + 1) % 16 == 0
            guard isNode, users[Int(event.user)].jump != event.jump else { return nil }
            event.jump = users[Int(event.user)].jump
        default: return nil
        }
        return event
    }

    /// Whether the rules leave this event out, had they this bug.
    private func leavesOut(_ event: Event) -> Bool {
        switch self {
        case .keepsBothSlots: event.outcome == .moved
        case .forgetsToRestore: event.kind == .restored
        default: false
        }
    }

    /// Puts into a batch of the log what it would hold, had the rules this bug. `shadow` is the
    /// view before the batch, and is led on by what really happened.
    func tamper(_ events: inout [Event], _ entries: inout [Entry], _ shadow: inout State) {
        var result: [Event] = []
        for event in events {
            if !leavesOut(event) {
                var other = changed(event, shadow) ?? timed(event, entries) ?? event
                other.position -= Position(events.count - result.count - remaining(event, events))
                result.append(other)
            }
            shadow.evolve(event)
        }
        events = result
        guard self == .answersWithAnotherSession else { return }
        for index in entries.indices where entries[index].answer.outcome == .takeover {
            entries[index].answer.session -= 1
        }
    }

    private func remaining(_ event: Event, _ events: [Event]) -> Int {
        Int(events[events.count - 1].position - event.position) + 1
    }

    /// The bugs about a deadline at the very moment, or after it, that somebody asks.
    private func timed(_ event: Event, _ entries: [Entry]) -> Event? {
        guard event.outcome == .windowExpired else { return nil }
        switch self {
        case .deadlineHappensWhenSettled:
            guard let now = entries.first(where: { $0.ask.now >= event.time })?.ask.now,
                now > event.time
            else { return nil }
            var event = event
            event.time = now
            return event
        case .deadlineOffByOne:
            guard entries.contains(where: { $0.ask.kind != .settle && $0.ask.now == event.time })
            else { return nil }
            var event = event
            event.kind = .applied
            event.outcome = .returned
            event.state = .reserved
            event.inputProject = event.project
            event.deadline = event.time + 1_000_000
            return event
        default: return nil
        }
    }
}
