import EventLog
import Ledger
import ReconnectionRules

/// How a concurrency is lost or given up, what became of it, and what would have kept it.
extension StoryTeller {
    mutating func tellRepossessed(_ event: Event, _ reader: inout EventReader) throws {
        switch event.outcome {
        case .windowExpired, .lockExpired: try tellExpired(event, &reader)
        case .operator_:
            let by = Words.caller(Caller(rawValue: event.caller))
            say(
                .lost,
                "Lost at \(Words.time(event.time)): an operator, by \(by), repossessed "
                    + "\(log.place(event)) while it was \(phaseText(event)).", event)
            say(.remedy, "No setting would have kept it: it was an operator's act.", event)
            answer(
                "an operator took \(log.place(event)) from \(user) at \(Words.time(event.time))",
                event)
            try tellFuture(of: event, &reader)
            (release, openLoss, spoiler) = (event, nil, nil)
        case .moved:
            // Told with the apply it follows from, unless the story begins between the two.
            try tellMoved(event, by: nil, &reader)
        default:
            say(
                .stale,
                "An operator's repossession at \(Words.time(event.time)) found nothing held.",
                event)
            if openLoss != nil, spoiler == nil { spoiler = event }
        }
    }

    private func phaseText(_ event: Event) -> String {
        let session = event.session == 0 ? "" : " (session \(event.session))"
        return (phase == .none ? "held" : phase.name) + session
    }

    /// The old concurrency of a user that was granted one in another project.
    mutating func tellMoved(
        _ event: Event, by applied: Event?, _ reader: inout EventReader
    ) throws {
        let cause =
            applied.map { "this request for \(log.project($0.inputProject))" }
            ?? "\(user)'s own request for another project"
        say(
            .givenUp,
            "Until then \(user) held \(log.place(event)). A user holds one concurrency, and the "
                + "latest request wins: \(cause) gave \(log.place(event)) up at "
                + "\(Words.time(event.time)). No setting changes that.", event, applied)
        answer(
            "\(user) gave \(log.place(event)) up at \(Words.time(event.time)) by asking for "
                + "another project", event, applied)
        try tellFuture(of: event, &reader)
        (release, openLoss, spoiler) = (nil, nil, nil)
    }

    mutating func tellDestroyed(_ event: Event, _ reader: inout EventReader) throws {
        let time = Words.time(event.time)
        let by = Words.caller(Caller(rawValue: event.caller))
        switch event.outcome {
        case .freed:
            let state =
                event.namesSession
                ? "which named its session \(event.inputSession)"
                : "which named no session, while it was \(phaseText(event))"
            say(
                .givenUp,
                "Given up at \(time): \(log.place(event)) was destroyed by \(by), \(state).", event)
            answer("\(user)'s \(log.place(event)) was destroyed at \(time), by \(by)", event)
            try tellFuture(of: event, &reader)
            (release, openLoss, spoiler) = (event, nil, nil)
        case .nothingHeld:
            say(.stale, "A destroy at \(time), by \(by), found nothing held.", event)
            if openLoss != nil, spoiler == nil { spoiler = event }
        default:
            try tellStale(event, &reader)
        }
    }

    // MARK: - Deadlines

    private mutating func tellExpired(_ event: Event, _ reader: inout EventReader) throws {
        let isWindow = event.outcome == .windowExpired
        let what = isWindow ? "the window" : "the lock"
        var loss = Explanation.Loss(
            position: event.position, time: event.time, reason: event.outcome,
            since: clock?.position ?? 0, allowed: nil, outage: 0, returnPosition: 0, missedBy: nil,
            sufficient: nil)
        var length = ""
        if let clock {
            let end = try end(of: clock, asOf: event.position, &reader)
            tellOutages(end, of: clock, what)
            loss.outage = end.moved
            loss.allowed = try allowed(by: clock, isWindow, &reader)
            length = loss.allowed.map { " of " + Words.exactDuration($0) } ?? ""
        }
        let place = log.place(event)
        let why =
            isWindow
            ? "\(user) did not come back within the window\(length)"
            : "no session was created before the lock\(length) ran out"
        say(
            .lost, "Lost at \(Words.time(event.time)): \(why), and \(place) was repossessed.",
            clock, event)
        losses.append(loss)
        answer(
            "\(user) lost \(place) at \(Words.time(event.time)), when \(what)\(length) "
                + "\(isWindow ? "closed" : "ran out"), and was not back by then", clock, event)
        if let clock { try tellSettings(of: clock, &reader) }
        try tellFuture(of: event, &reader)
        (release, openLoss, spoiler) = (event, losses.count - 1, nil)
        lossClock = clock
    }

    /// The setting in force when a deadline was set. A lock may end later than that: it is never
    /// shorter than the window it follows.
    private func allowed(
        by clock: Event, _ isWindow: Bool, _ reader: inout EventReader
    ) throws -> Microseconds? {
        if isWindow { return clock.deadline - clock.time }
        let change = try log.changes(of: clock.project, before: clock.position, &reader).first
        return (change?.settings ?? ProjectSettings()).lockTimeout
    }

    /// Changes of settings that bear on a loss: one that lowered what was in force, and one that
    /// came too late to count.
    private mutating func tellSettings(
        of clock: Event, _ reader: inout EventReader
    ) throws {
        guard let loss = losses.last, let allowed = loss.allowed else { return }
        let isWindow = loss.reason == .windowExpired
        let name = isWindow ? "reconnect window" : "lock timeout"
        func length(_ event: Event) -> Microseconds {
            let settings = event.settings ?? ProjectSettings()
            return isWindow ? settings.reconnectWindow : settings.lockTimeout
        }
        let changes = try log.changes(of: clock.project, before: loss.position, &reader)
        let before = changes.drop { $0.position > clock.position }
        if let inForce = before.first, let older = before.dropFirst().first,
            length(older) > length(inForce)
        {
            say(
                .settings,
                "The \(name) had been lowered from \(Words.exactDuration(length(older))) to "
                    + "\(Words.exactDuration(length(inForce))) at \(Words.time(inForce.time)), by "
                    + "\(Words.caller(Caller(rawValue: inForce.caller))).", older, inForce)
        }
        for change in changes.reversed()
        where change.position > clock.position && length(change) != allowed {
            say(
                .settings,
                "The \(name) was set to \(Words.exactDuration(length(change))) at "
                    + "\(Words.time(change.time)), while this one ran: a change counts for what "
                    + "begins after it.", change)
        }
    }

    // MARK: - What became of the concurrency

    private mutating func tellFuture(of release: Event, _ reader: inout EventReader) throws {
        let place = log.place(release)
        let future = try log.future(after: release, &reader)
        var text = place
        if let recovered = future.recovered {
            text += " was cleaned until \(Words.time(recovered.time)), and"
        }
        switch future.end {
        case .granted(let event):
            let gap = event.time - release.time
            let when = gap == 0 ? "at that moment" : "\(Words.duration(gap)) later"
            let who = event.user == release.user ? "back to \(user)" : "to \(log.user(event.user))"
            text += " went \(who) at \(Words.time(event.time)), \(when)."
            say(.nextHolder, text, release, future.recovered, event)
        case .withdrawn(let event):
            let change = try log.changes(of: release.project, before: event.position, &reader).first
            text += " was withdrawn at \(Words.time(event.time))"
            if let change, let capacity = change.settings?.concurrencyCount {
                text += ": \(log.project(release.project)) had been set to "
                text += "\(Words.count(capacity, "concurrency")) at \(Words.time(change.time))"
            }
            say(.nextHolder, text + ".", release, future.recovered, change, event)
        case .free(let end?):
            text += " is being cleaned until \(Words.time(end)); nobody has it."
            say(.nextHolder, text, release, future.recovered)
        case .free:
            text += future.recovered == nil ? " has been idle since then" : " has been idle since"
            say(
                .nextHolder, text + "; nobody has it, as of the newest event.", release,
                future.recovered)
        case .unknown:
            say(
                .gap,
                "Who got \(place) next lies farther away than was looked for; --all looks on.",
                release)
        }
    }
}
