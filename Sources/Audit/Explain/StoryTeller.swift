import EventLog
import Ledger
import ReconnectionRules

/// Tells a stretch of one user's events, oldest first, as statements.
///
/// It follows what the user holds from event to event, and asks the rest of the log for what the
/// user's own events do not say: outages, settings, who came next. The texts live in its
/// extensions, an extension for a theme.
struct StoryTeller {
    typealias Kind = Explanation.Kind

    let user: String
    let log: LogQuestions
    /// The events to tell.
    let events: [Event]
    var statements: [Explanation.Statement] = []
    var losses: [Explanation.Loss] = []
    /// The story in one sentence, if something was lost, given up or refused.
    var answer: Explanation.Statement?

    /// What the user holds at this point of the story.
    var phase = ConcurrencyState.none
    /// Its newest session, 0 if there was none.
    var session: SessionId = 0
    /// The event whose deadline runs: a disconnect, or an apply; nil if none does, or it lies
    /// before the story.
    var clock: Event?
    /// The release that a return, or a refused one, has to be measured against.
    var release: Event?
    /// What is known of that loss: index in `losses`.
    var openLoss: Int?
    /// What came after the loss that would have given the concurrency up anyway.
    var spoiler: Event?
    /// The event from which the time of the lost grant ran.
    var lossClock: Event?
    /// Whether it was said what the computed remedies do not know.
    var hasToldLimits = false
    /// Applies refused since the last one that was told in full.
    var refusals: [Event] = []
    /// The refused apply that was told in full, for the ones after it.
    var toldRefusal: Event?

    init(_ user: String, _ events: [Event], _ log: LogQuestions) {
        self.user = user
        self.events = events
        self.log = log
    }

    /// Tells everything. `isWhole` says that nothing of the user's follows the last event.
    mutating func tell(isWhole: Bool, _ reader: inout EventReader) throws {
        var index = 0
        while index < events.count {
            index = try tellEvent(at: index, &reader)
        }
        tellRefusals()
        try tellEnd(isWhole: isWhole, &reader)
    }

    mutating func say(_ kind: Kind, _ text: String, _ events: Event?...) {
        say(kind, text, at: events.compactMap { $0?.position })
    }

    mutating func say(_ kind: Kind, _ text: String, at positions: [Position]) {
        statements.append(
            Explanation.Statement(
                kind: kind, text: text, positions: Array(Set(positions)).sorted()))
    }

    mutating func answer(_ text: String, _ events: Event?...) {
        answer = Explanation.Statement(
            kind: .answer, text: "In short: \(text).",
            positions: Array(Set(events.compactMap { $0?.position })).sorted())
    }

    /// The event behind one of the story; nil at its end.
    func next(_ index: Int) -> Event? { index + 1 < events.count ? events[index + 1] : nil }

    /// Tells the event, and those after it that make one sentence with it. Returns the index of
    /// the next one to tell.
    private mutating func tellEvent(at index: Int, _ reader: inout EventReader) throws -> Int {
        let event = events[index]
        var end = index + 1
        switch event.kind {
        case .userNamed: break
        case .applied where event.outcome == .noIdle:
            try tellRefused(event, &reader)
        case .applied:
            tellRefusals()
            toldRefusal = nil
            end = try tellApplied(at: index, &reader)
        case .sessionCreated: try tellSession(event, &reader)
        case .disconnected: try tellDisconnected(event, &reader)
        case .destroyed: try tellDestroyed(event, &reader)
        case .repossessed: try tellRepossessed(event, &reader)
        case .userForgotten:
            say(
                .forgotten,
                "\(user) was forgotten at \(Words.time(event.time)): the name is gone for good.",
                event)
        default: say(.session, "\(event.kind.name) at \(Words.time(event.time)).", event)
        }
        for told in events[index ..< end] { follow(told) }
        return end
    }

    /// Takes over what the user holds after an event.
    mutating func follow(_ event: Event) {
        if event.outcome == .moved || event.kind == .userNamed { return }
        if event.releasesUser || event.concurrency == 0 {
            (phase, session, clock) = (.none, 0, nil)
            return
        }
        phase = event.state
        session = event.session
        switch (event.kind, event.outcome) {
        case (.disconnected, .waiting), (.applied, .granted), (.applied, .returned):
            clock = event.state.hasDeadline ? event : nil
        case (.sessionCreated, _) where event.outcome != .lockTimeout: clock = nil
        default: break
        }
    }

    // MARK: - Deadlines and outages

    /// The end of what runs, as of an event: its deadline, moved by the outages in between.
    struct End {
        var time: Microseconds
        var outages: [Event]
        var moved: Microseconds { outages.reduce(0) { $0 + $1.outage } }
    }

    func end(
        of clock: Event, asOf event: Position, _ reader: inout EventReader
    ) throws -> End {
        let outages = try log.outages(after: clock.position, through: event, &reader)
        let moved = outages.reduce(0) { $0 + $1.outage }
        return End(time: clock.deadline + moved, outages: outages)
    }

    /// Says that outages moved the end of what runs, if they did.
    mutating func tellOutages(_ end: End, of clock: Event, _ what: String) {
        guard let first = end.outages.first, let last = end.outages.last else { return }
        let downtime =
            end.outages.count == 1
            ? (first.kind == .epochBegun ? "A backup was restored; the ledger" : "The ledger")
                + " was down for \(Words.duration(first.outage)) until "
                + "\(Words.time(first.time))"
            : "The ledger was down \(end.outages.count) times, \(Words.duration(end.moved)) in "
                + "all, the last time until \(Words.time(last.time))"
        say(
            .outage,
            "\(downtime): the end of \(what) moved from \(Words.time(clock.deadline)) to "
                + "\(Words.time(end.time)).",
            at: [clock.position] + end.outages.map(\.position))
    }
}
