import EventLog
import Ledger
import ReconnectionRules

/// Coming back after the end, what would have been enough, and refusals.
extension StoryTeller {
    /// How far behind the end of the lost grant an event is, in words; nil if the user lost nothing
    /// that it comes back for.
    func tooLate(_ event: Event, _ reader: inout EventReader) throws -> String? {
        guard let release, let openLoss else { return nil }
        let isWindow = losses[openLoss].reason == .windowExpired
        let what = isWindow ? "the window" : "the lock"
        let late = event.time - release.time
        if late == 0 { return "exactly at the end of \(what), when it is over already" }
        return "\(Words.duration(late)) after \(what) had " + (isWindow ? "closed" : "run out")
    }

    /// The user's first attempt after a loss settles by how much it was missed, and what would have
    /// kept it.
    mutating func closeLoss(with event: Event, _ reader: inout EventReader) throws {
        guard let index = openLoss, let release else {
            self.release = nil
            return
        }
        if event.kind == .applied, event.inputProject != release.project {
            // Another project: a longer window would have ended with that move.
            if event.outcome == .granted { try closeElsewhere(event, index) }
            return
        }
        losses[index].returnPosition = event.position
        losses[index].missedBy = event.time - release.time
        if let late = try tooLate(event, &reader) {
            let allowed = losses[index].allowed.map { " (it was \(Words.exactDuration($0)))" } ?? ""
            let refused = event.outcome == .noIdle ? "; and then none was idle" : ""
            answer(
                "\(user) lost \(log.place(release)) at \(Words.time(release.time)) and came back "
                    + "\(late)\(allowed)\(refused)", release, event)
        }
        try tellRemedy(index, event, &reader)
        openLoss = nil
        if event.outcome == .granted { self.release = nil }
    }

    private mutating func closeElsewhere(_ event: Event, _ index: Int) throws {
        say(
            .remedy,
            "No setting would have kept \(release.map(log.place) ?? "it"): this request for "
                + "another project would have given it up.", release, event)
        (openLoss, release) = (nil, nil)
    }

    private mutating func tellRemedy(
        _ index: Int, _ event: Event, _ reader: inout EventReader
    ) throws {
        let isWindow = losses[index].reason == .windowExpired
        let name = isWindow ? "reconnect window" : "lock timeout"
        guard let lossClock, let release else { return }
        if let spoiler {
            say(
                .remedy,
                "No \(name) would have kept it until then: what came at "
                    + "\(Words.time(spoiler.time)) would have ended it.", spoiler, event)
            return
        }
        let outages = try log.outages(
            after: lossClock.position, through: event.position, &reader)
        let down = outages.reduce(0) { $0 + $1.outage }
        let needed = event.time - lossClock.time - down + 1
        let inForce = losses[index].allowed.map(Words.exactDuration) ?? "shorter"
        let positions = [lossClock.position, release.position, event.position]
            + outages.map(\.position)
        guard needed <= RuleLimits.reconnectWindow.upperBound else {
            say(
                .remedy,
                "No \(name) that can be set would have kept it: at most "
                    + "\(Words.exactDuration(RuleLimits.reconnectWindow.upperBound)).",
                at: positions)
            return
        }
        losses[index].sufficient = needed
        let seconds = (needed + 999_999) / 1_000_000 * 1_000_000
        var text = "A \(name) of \(Words.exactDuration(seconds)) or more would have kept it until "
        text += "then; it was \(inForce)."
        if !hasToldLimits {
            text += " That is computed from \(user)'s own events; what others would have done with "
            text += "one concurrency less is not known."
            hasToldLimits = true
        }
        say(.remedy, text, at: positions)
    }

    // MARK: - Refusals

    mutating func tellRefused(_ event: Event, _ reader: inout EventReader) throws {
        if toldRefusal != nil, openLoss == nil {
            refusals.append(event)
            return
        }
        toldRefusal = event
        let name = log.project(event.inputProject)
        var text: String
        if let late = try tooLate(event, &reader) {
            text = "\(user) came back at \(Words.time(event.time)), \(late), applied for \(name)"
        } else {
            text = "\(user) applied for \(name) at \(Words.time(event.time))"
        }
        text += " and was refused: no concurrency was idle"
        if event.concurrency != 0 { text += "; it kept \(log.place(event))" }
        say(openLoss == nil ? .refused : .tooLate, text + ".", event)
        if openLoss == nil {
            answer("\(user) was refused at \(Words.time(event.time)): \(name) had none idle", event)
        }
        try closeLoss(with: event, &reader)
        try tellShortage(event, &reader)
    }

    /// Says how many more were refused.
    mutating func tellRefusals() {
        guard let first = refusals.first, let last = refusals.last else { return }
        let text =
            refusals.count == 1
            ? "\(user) applied again at \(Words.time(first.time)) and was refused again."
            : "\(user) was refused \(refusals.count) times more, from \(Words.time(first.time)) to "
                + "\(Words.time(last.time))."
        say(.refused, text, first, last)
        refusals = []
    }

    private mutating func tellShortage(_ event: Event, _ reader: inout EventReader) throws {
        let project = event.inputProject
        let change = try log.changes(of: project, before: event.position, &reader).first
        let states = try log.states(of: project, at: event.position, &reader)
        let capacity = Int(change?.settings?.concurrencyCount ?? 0)
        let inService = states.isComplete ? states.inService : capacity
        var text = "None of the \(Words.count(inService, "concurrency")) in service was idle"
        if inService == 0 {
            text = "\(log.project(project)) had no concurrency in service"
        } else if states.isComplete {
            let parts = [
                ConcurrencyState.connected, .waiting, .reserved, .recovering,
            ].compactMap { state in
                states.counts[state].map { "\(Words.grouped($0)) \(state.name)" }
            }
            text =
                inService == 1
                ? "The only concurrency in service was not idle: "
                : "Of the \(Words.count(inService, "concurrency")) in service none was idle: "
            text += Words.list(parts)
        }
        if inService > capacity, inService > 0 { text += " (the capacity set was \(capacity))" }
        text += ". With a capacity of \(Words.grouped(inService + 1)) this apply would have been "
        text += "granted, had nobody else taken the one more."
        say(.shortage, text, event, change)
        try tellRelief(event, &reader)
    }

    private mutating func tellRelief(_ event: Event, _ reader: inout EventReader) throws {
        let relief = try log.relief(of: event.inputProject, after: event.position, &reader)
        func when(_ other: Event) -> String {
            let gap = other.time - event.time
            return gap == 0 ? "at the same moment" : "\(Words.duration(gap)) later"
        }
        if let freed = relief.freed {
            let what =
                freed.kind == .projectModified
                ? "The capacity was raised" : "\(log.place(freed)) came free"
            var text = "\(what) \(when(freed)), at \(Words.time(freed.time))"
            if let taken = relief.taken {
                let who = taken.user == event.user ? user : log.user(taken.user)
                let gap = taken.time - freed.time
                text += freed.kind == .projectModified ? ", and \(log.place(taken))" : ", and"
                text += " went to \(who) "
                text += gap == 0 ? "at once" : "\(Words.duration(gap)) after that"
            } else {
                text += ", and nobody has taken it, as of the newest event"
            }
            say(.shortage, text + ".", freed, relief.taken)
        } else if relief.isComplete {
            say(.shortage, "None has come free since, as of the newest event.", event)
        } else {
            say(
                .gap, "When one came free lies farther away than was looked for; --all looks on.",
                event)
        }
    }

    // MARK: - The end of the story

    /// What is left open at the last event told.
    mutating func tellEnd(isWhole: Bool, _ reader: inout EventReader) throws {
        guard isWhole else { return }
        if let release, let openLoss {
            let since = log.now - release.time
            let how = since > 0 ? ", \(Words.duration(since)) later" : ""
            say(
                .tooLate,
                "\(user) has not come back since, as of the newest event\(how).", release)
            losses[openLoss].missedBy = nil
        }
        guard let clock, phase.hasDeadline else { return }
        tellOutages(
            try end(of: clock, asOf: log.head, &reader), of: clock,
            phase == .waiting ? "the window" : "the lock")
    }
}
