import EventLog
import Ledger
import ReconnectionRules

/// Getting a concurrency, keeping it, and coming back to it.
extension StoryTeller {
    /// An apply that was granted or returned, with the move and the session that follow at once.
    mutating func tellApplied(at index: Int, _ reader: inout EventReader) throws -> Int {
        let applied = events[index]
        if applied.outcome == .returned { return try tellReturned(at: index, &reader) }
        var end = index + 1
        let moved = next(index).flatMap { $0.outcome == .moved ? $0 : nil }
        if moved != nil { end += 1 }
        let session = next(end - 1).flatMap { $0.outcome == .fresh ? $0 : nil }
        if session != nil { end += 1 }

        let place = log.place(applied)
        var text: String
        if let late = try tooLate(applied, &reader) {
            text = "\(user) came back at \(Words.time(applied.time)), \(late), and was granted "
            text += place == release.map(log.place) ? "\(place) anew" : place
        } else {
            text = "\(user) applied for \(log.project(applied.inputProject)) at "
            text += "\(Words.time(applied.time)) and was granted \(place)"
        }
        text += ", reserved until \(Words.time(applied.deadline))"
        if let session { text += "; " + started(session, after: applied) }
        say(openLoss == nil ? .granted : .tooLate, text + ".", applied, session)
        try closeLoss(with: applied, &reader)
        if let moved { try tellMoved(moved, by: applied, &reader) }
        return end
    }

    private func takeover(_ event: Event) -> String {
        "session \(event.session) took \(log.place(event)) over from session \(session), which is "
            + "superseded: a second device, or the first one back before it was reported gone"
    }

    private func started(_ session: Event, after applied: Event) -> String {
        let gap = session.time - applied.time
        let when = gap == 0 ? "at once" : "\(Words.duration(gap)) later"
        return "session \(session.session) was created \(when)"
            + (session.flag ? ", one that runs without a client" : "")
    }

    /// An apply that got the concurrency the user held already.
    private mutating func tellReturned(at index: Int, _ reader: inout EventReader) throws -> Int {
        let applied = events[index]
        let place = log.place(applied)
        let follower = next(index).flatMap { event in
            event.kind == .sessionCreated && event.outcome != .lockTimeout ? event : nil
        }
        switch phase {
        case .waiting:
            try tellBack(applied, session: follower, &reader)
            return index + (follower == nil ? 1 : 2)
        case .connected:
            var text =
                "\(user) applied again at \(Words.time(applied.time)) while session "
                + "\(session) was still connected, and kept \(place)"
            let isTakeover = follower?.outcome == .takeover
            if let follower, isTakeover {
                text += "; " + takeover(follower)
            }
            say(
                isTakeover ? .takeover : .appliedAgain, text + ".", applied,
                isTakeover ? follower : nil)
            return index + (isTakeover ? 2 : 1)
        default:
            say(
                .appliedAgain,
                "\(user) applied again at \(Words.time(applied.time)) and kept \(place), reserved "
                    + "until \(Words.time(applied.deadline)).", applied)
            return index + 1
        }
    }

    /// Back while the window was open: by an apply, or by a session alone.
    private mutating func tellBack(
        _ event: Event, session: Event?, _ reader: inout EventReader
    ) throws {
        var text = "\(user) came back at \(Words.time(event.time))"
        var positions = [event.position]
        if let clock {
            let end = try end(of: clock, asOf: event.position, &reader)
            tellOutages(end, of: clock, "the window")
            text += ", \(Words.duration(end.time - event.time)) before the end of the window"
            if event.time >= clock.deadline {
                text += " (without the outage, \(lateness(event.time - clock.deadline)))"
                positions += end.outages.map(\.position)
            }
            positions.append(clock.position)
        } else {
            text += ", in time"
        }
        text += ", and kept \(log.place(event))"
        if let session {
            text += ": session \(session.session) resumed it"
            if session.position != event.position {
                let gap = session.time - event.time
                text += gap == 0 ? "" : " \(Words.duration(gap)) later"
                positions.append(session.position)
            }
        } else {
            text += ", reserved until \(Words.time(event.deadline))"
        }
        say(.returned, text + ".", at: positions)
    }

    private func lateness(_ time: Microseconds) -> String {
        time == 0 ? "exactly at its end, too late" : "\(Words.duration(time)) after it"
    }

    /// A session on its own: not told together with the apply before it.
    mutating func tellSession(_ event: Event, _ reader: inout EventReader) throws {
        let place = log.place(event)
        let time = Words.time(event.time)
        switch event.outcome {
        case .lockTimeout: try tellSessionRefused(event, &reader)
        case .resumed where phase == .waiting: try tellBack(event, session: event, &reader)
        case .takeover:
            say(
                .takeover, "At \(time), while session \(session) was still connected, "
                    + takeover(event) + ".", event)
        default:
            let verb = event.outcome == .resumed ? "resumed \(place)" : "was created on \(place)"
            var text = "Session \(event.session) \(verb) at \(time)"
            if let clock {
                let end = try end(of: clock, asOf: event.position, &reader)
                tellOutages(end, of: clock, "the lock")
                text += ", \(Words.duration(event.time - clock.time)) after the apply and "
                text += "\(Words.duration(end.time - event.time)) before the lock ran out"
            }
            if event.flag { text += "; it runs without a client" }
            say(.session, text + ".", clock, event)
        }
    }

    private mutating func tellSessionRefused(
        _ event: Event, _ reader: inout EventReader
    ) throws {
        var text = "\(user) asked for a session at \(Words.time(event.time))"
        if let late = try tooLate(event, &reader) { text += ", \(late)," }
        text += " and was refused: it held nothing."
        say(openLoss == nil ? .refused : .tooLate, text, event, release)
        try closeLoss(with: event, &reader)
    }

    // MARK: - The client vanishes

    mutating func tellDisconnected(_ event: Event, _ reader: inout EventReader) throws {
        let time = Words.time(event.time)
        let by = Words.caller(Caller(rawValue: event.caller))
        let place = log.place(event)
        switch event.outcome {
        case .waiting:
            let created = try reader.event(at: event.session)
            let length = created.map { " after \(Words.duration(event.time - $0.time))" } ?? ""
            var text =
                "The client of session \(event.session) was reported gone at \(time)\(length), by "
                + "\(by); \(place) was kept for \(user) for "
                + "\(Words.exactDuration(event.deadline - event.time)), until "
                + "\(Words.time(event.deadline))."
            if !event.namesSession {
                text += " The report named no session, so it was taken to mean the current one; "
                text += "a late report about an older session would have done the same."
            }
            say(.vanished, text, event)
        case .keptRunning:
            say(
                .keptRunning,
                "The client of session \(event.session) was reported gone at \(time), by \(by); "
                    + "that session runs without a client, so it goes on, \(place) stays "
                    + "connected, and no window was opened.", event)
        case .sessionNameRequired:
            say(
                .refused,
                "A report at \(time), by \(by), that the client was gone was refused: it named "
                    + "no session, which \(log.project(event.project)) requires. Nothing changed.",
                event)
        default:
            try tellStale(event, &reader)
        }
    }

    /// A report or a destroy that changed nothing, and why.
    mutating func tellStale(_ event: Event, _ reader: inout EventReader) throws {
        let isReport = event.kind == .disconnected
        let by = Words.caller(Caller(rawValue: event.caller))
        func say(_ subject: String, _ why: String, _ others: [Position] = []) {
            let start = isReport ? "A report that the client" : "A destroy"
            self.say(
                .stale,
                "\(start)\(subject)\(isReport ? " was gone" : ""), at \(Words.time(event.time)) by "
                    + "\(by), changed nothing: \(why).", at: [event.position] + others)
        }
        guard event.namesSession else { return say("", staleReason(isReport)) }
        let named = event.inputSession
        if named == session, phase != .none {
            return say(" of session \(named)", staleReason(isReport))
        }
        let origin = named < event.position ? try reader.event(at: named) : nil
        guard let origin, origin.user == event.user else {
            return say(
                " of session \(named)", "\(user) never had a session of that number")
        }
        if origin.session == named {
            let isReplaced = phase != .none && session != 0
            say(
                " of session \(named)",
                isReplaced
                    ? "\(user)'s session was \(session) by then"
                    : phase == .none
                        ? "\(user) held nothing then" : "that session had ended before",
                isReplaced ? [named, session] : [named])
        } else if origin.outcome == .noIdle {
            say(
                " of the attempt refused at \(Words.time(origin.time))",
                "that attempt never had a session", [named])
        } else {
            say(" of session \(named)", "\(user) never had a session of that number", [named])
        }
    }

    /// Why nothing changed, of a report or a destroy about the newest session, or about none.
    private func staleReason(_ isReport: Bool) -> String {
        switch (phase, isReport) {
        case (.none, _): "\(user) held nothing then"
        case (.waiting, true): "it was known to be gone, and the window was open already"
        case (.waiting, false):
            "its client was gone, and a destroy that names a session frees only a connected one"
        default: "no client was connected"
        }
    }
}
