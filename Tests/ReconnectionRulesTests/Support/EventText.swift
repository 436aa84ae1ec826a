import ReconnectionRules

/// An event as one line of a story. Every field that is not 0 is written whatever the kind, so that
/// a value where none belongs shows up as a difference.
///
///     #5 at 10 applied granted a P/1 reserved until 40 asked P by library
///     #6 at 12 sessionCreated fresh a P/1 connected session 6 by library
///     #7 at 15 disconnected waiting a P/1 waiting until 105 session 6 named 6 by library
///
/// With pointers, the line ends in the events it points back to: the same user's, then the same
/// concurrency's (project's, ledger's) previous one, then the jump.
///
///     … by library after user #4 concurrency #2 jump #0
struct EventText {
    let cast: Cast

    func line(_ event: Event, pointers: Bool) -> String {
        var words = [
            "#\(event.position)", "at \(Seconds.text(event.time))", "\(event.kind)",
            outcome(event),
        ]
        if event.user != 0 { words.append(cast.name(ofUser: event.user)) }
        if event.project != 0 || event.concurrency != 0 { words.append(place(event)) }
        words += event.kind == .projectModified ? settings(event) : result(event)
        words += input(event)
        words.append("by \(caller(event.caller))")
        if pointers {
            let isOther = event.kind == .projectModified || event.kind == .epochBegun
            let ofUser = isOther ? 0 : event.previousOfUser
            words.append("after user #\(ofUser)")
            words.append("concurrency #\(event.previousOfConcurrency)")
            words.append("jump #\(event.jump)")
        }
        return words.joined(separator: " ")
    }

    /// The part of the line that a rule table shows: "granted P/1 reserved until 130".
    func outcomeLine(_ event: Event) -> String {
        let place = event.concurrency == 0 ? [] : [place(event)]
        return ([outcome(event)] + place + result(event)).joined(separator: " ")
    }

    private func outcome(_ event: Event) -> String {
        "\(event.outcome)".replacing("_", with: "")
    }

    private func place(_ event: Event) -> String {
        let project = cast.name(ofProject: event.project)
        return event.concurrency == 0 ? project : "\(project)/\(event.concurrency)"
    }

    private func result(_ event: Event) -> [String] {
        var words: [String] = []
        if event.isAboutLedger {
            words.append("outage \(Seconds.text(event.deadline))")
            if let end = event.previousEpochEnd { words.append("behind #\(end)") }
        } else {
            if event.state != .none { words.append("\(event.state)") }
            if event.deadline != 0 { words.append("until \(Seconds.text(event.deadline))") }
        }
        if event.flag { words.append("unattended") }
        if let count = event.eventCountBefore { words.append("events \(count)") }
        if event.session != 0, event.kind != .epochBegun { words.append("session \(event.session)") }
        return words
    }

    private func settings(_ event: Event) -> [String] {
        guard let settings = event.settings else { return ["without settings"] }
        var words = [
            "concurrencies \(settings.concurrencyCount)",
            "window \(Seconds.text(settings.reconnectWindow))",
            "lock \(Seconds.text(settings.lockTimeout))",
            "cleanup \(Seconds.text(settings.cleanupTime))",
        ]
        if settings.requiresSessionName { words.append("names required") }
        if event.state != .none { words.append("\(event.state)") }
        return words
    }

    private func input(_ event: Event) -> [String] {
        var words: [String] = []
        if event.inputProject != 0 {
            words.append("asked \(cast.name(ofProject: event.inputProject))")
        }
        let mayName = event.kind == .disconnected || event.kind == .destroyed
        if event.namesSession {
            words.append("named \(event.inputSession)")
        } else if event.inputSession != 0, event.kind != .projectModified {
            words.append("unnamed but \(event.inputSession)")
        } else if mayName {
            words.append("unnamed")
        }
        return words
    }

    private func caller(_ raw: Caller.RawValue) -> String {
        let caller = Caller(rawValue: raw)
        if let number = caller.credentialNumber { return "credential \(number)" }
        return switch caller {
        case .ledger: "ledger"
        case .library: "library"
        case .commandLine: "commandLine"
        case .trace: "trace"
        case .anonymous: "anonymous"
        default: "caller?\(raw)"
        }
    }
}
