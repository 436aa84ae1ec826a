import EventLog
import Ledger
import ReconnectionRules

/// Finds the stretch of a user's events that a moment asks for, and has it told.
struct Telling {
    var explanation: Explanation
    private var events: UserEvents
    private let view: RecoveredView
    private let limits: Explainer.Limits
    private let log: LogQuestions

    /// Which events are told.
    private struct Stretch {
        var first: Int
        var last: Int
        /// The user's grant lies farther back than was read.
        var isCutBefore = false
        /// The grant's end lies farther on than was read.
        var isCutAfter = false
    }

    init(
        _ user: String, _ events: UserEvents, _ view: RecoveredView, _ limits: Explainer.Limits,
        _ moment: Moment?
    ) {
        explanation = Explanation(user: user, userNumber: events.user, moment: moment)
        self.events = events
        self.view = view
        self.limits = limits
        log = LogQuestions(view, searchBudget: limits.searchEventCount)
    }

    private var user: String { explanation.user }

    /// - Parameter held: what the user held at the moment, nil without one.
    mutating func tell(_ held: UserView?, _ reader: inout EventReader) throws {
        defer { explanation.readCount = reader.readCount }
        try findMoment(&reader)
        guard
            let (event, count) = try reader.event(
                ofUser: events.user, atOrBefore: explanation.position, newest: events.newest,
                count: UInt32(events.count))
        else { return try tellNotYet(&reader) }
        let number = Int(count)
        events.keep(event, at: number)
        var stretch: Stretch
        if explanation.moment == nil {
            try tellSummary(&reader)
            stretch = try newest(number, &reader)
        } else {
            if let held { tellHeld(held) }
            stretch = try around(number, &reader)
        }
        try events.load(stretch.first ... stretch.last, &reader)
        if !stretch.isCutBefore { try tellEarlier(than: stretch.first, &reader) }
        try tellStory(stretch, around: event.position, &reader)
        if explanation.moment == nil { tellNow() } else { try tellLater(stretch, &reader) }
    }

    private mutating func add(_ kind: Explanation.Kind, _ text: String, _ positions: [Position]) {
        explanation.statements.append(
            Explanation.Statement(
                kind: kind, text: text, positions: Array(Set(positions)).sorted()))
    }

    // MARK: - Which events

    private mutating func findMoment(_ reader: inout EventReader) throws {
        var limit = log.head
        switch explanation.moment {
        case nil: break
        case .position(let position): limit = min(position, limit)
        case .time(let time): limit = try reader.position(atOrBefore: time, upTo: limit)
        }
        // Not every number up to the head need be an event's.
        var newest: Event?
        try reader.forEachEvent(before: limit + 1) { event in
            newest = event
            return false
        }
        explanation.position = newest?.position ?? 0
        explanation.time = newest?.time ?? 0
        explanation.isNewest = explanation.position == log.head
    }

    /// The grant that contains an event, or the last one before it, up to the next grant.
    private mutating func around(
        _ number: Int, _ reader: inout EventReader
    ) throws -> Stretch {
        var stretch = try grant(upTo: number, &reader)
        let limit = limits.userEventCount
        let (next, highest) = try events.first(above: number, limit: limit, &reader) {
            $0.outcome == .granted
        }
        stretch.last = next ?? highest
        stretch.isCutAfter = next == nil && highest < events.count
        guard next != nil else { return stretch }
        // With the grant go the move and the session that follow it.
        for fits in [
            { (event: Event) in event.outcome == .moved }, { $0.kind == .sessionCreated },
        ] where stretch.last < events.count {
            try events.load(stretch.last + 1 ... stretch.last + 1, &reader)
            if let event = events[stretch.last + 1], fits(event) { stretch.last += 1 }
        }
        return stretch
    }

    private mutating func grant(upTo number: Int, _ reader: inout EventReader) throws -> Stretch {
        let (found, lowest) = try events.last(
            upTo: number, limit: limits.userEventCount, &reader
        ) { $0.outcome == .granted }
        return Stretch(
            first: found ?? lowest, last: number, isCutBefore: found == nil && lowest > 1)
    }

    /// The newest grant, from the one before it on if that was lost, or given up for it.
    private mutating func newest(_ number: Int, _ reader: inout EventReader) throws -> Stretch {
        var stretch = try grant(upTo: number, &reader)
        guard !stretch.isCutBefore, stretch.first > 1 else { return stretch }
        let isMove = stretch.first < number && events[stretch.first + 1]?.outcome == .moved
        guard try isMove || lossBefore(stretch.first, &reader) != nil else { return stretch }
        let earlier = try grant(upTo: stretch.first - 1, &reader)
        if !earlier.isCutBefore { stretch.first = earlier.first }
        return stretch
    }

    /// The event that took the concurrency held before a grant; nil if it was given up, or none was
    /// held.
    private mutating func lossBefore(
        _ number: Int, _ reader: inout EventReader
    ) throws -> Event? {
        guard number > 1 else { return nil }
        let (found, _) = try events.last(upTo: number - 1, limit: 32, &reader) {
            $0.releasesUser || $0.outcome == .moved || $0.outcome == .granted
        }
        guard let found, let event = events[found], event.releasesUser, event.outcome != .freed
        else { return nil }
        return event
    }

    // MARK: - The story

    private mutating func tellStory(
        _ stretch: Stretch, around position: Position, _ reader: inout EventReader
    ) throws {
        var first = stretch.first
        var told = (first ... stretch.last).compactMap { events[$0] }
        var before: Event?
        if stretch.isCutBefore, let cut = told.first {
            add(
                .gap,
                "\(user)'s grant began before position \(cut.position); the story is told from "
                    + "there, with --all from its beginning.", [cut.position])
            before = told.removeFirst()
            first += 1
        }
        var teller = StoryTeller(user, told, log)
        if let before { teller.follow(before) }
        try teller.tell(isWhole: stretch.last == events.count, &reader)
        explanation.losses = teller.losses
        if let answer = teller.answer { explanation.statements.insert(answer, at: 0) }
        explanation.statements += Abridgement.of(teller.statements, keeping: position)
        if stretch.isCutAfter, let cut = told.last {
            add(
                .gap,
                "\(user)'s grant goes on after position \(cut.position), where the story stops; "
                    + "--all tells it to its end.", [cut.position])
        }
    }

    private mutating func tellNotYet(_ reader: inout EventReader) throws {
        try events.load(1 ... 1, &reader)
        guard let first = events[1] else { return }
        add(
            .notYetSeen,
            "The ledger had not seen \(user) by then: it first did at \(Words.time(first.time)).",
            [first.position])
    }

    private mutating func tellHeld(_ held: UserView) {
        guard let project = held.project else {
            add(.moment, "At that moment \(user) held nothing.", [held.lastPosition])
            return
        }
        var text = "At that moment \(user) held \(project)/\(held.concurrency), \(held.state.name)"
        if let deadline = held.deadline { text += " until \(Words.time(deadline))" }
        if held.session != 0 {
            text += held.state == .connected ? " with " : " after "
            text += "session \(held.session)"
        }
        add(.moment, text + ".", [held.lastPosition])
    }

    private mutating func tellEarlier(than number: Int, _ reader: inout EventReader) throws {
        guard let loss = try lossBefore(number, &reader) else { return }
        let why =
            switch loss.outcome {
            case .windowExpired: "the window closed"
            case .lockExpired: "the lock ran out"
            default: "an operator repossessed it"
            }
        add(
            .earlier,
            "Before this, \(user) had lost \(log.place(loss)) at \(Words.time(loss.time)), when "
                + "\(why); --at \(loss.position) tells that story.", [loss.position])
    }

    private mutating func tellLater(
        _ stretch: Stretch, _ reader: inout EventReader
    ) throws {
        guard stretch.last < events.count, !stretch.isCutAfter else { return }
        try events.load(stretch.last + 1 ... stretch.last + 1, &reader)
        guard let next = events[stretch.last + 1] else { return }
        let left = events.count - stretch.last
        add(
            .later,
            "\(Words.count(left, "event")) of \(user) follow\(left == 1 ? "s" : "") after that, "
                + "from \(Words.time(next.time)) on; --at \(next.position) goes on from there.",
            [next.position])
    }

    private mutating func tellNow() {
        let moment = "Now, as of the newest event (position \(log.head), \(Words.time(log.now)))"
        guard let held = view.user(user), let project = held.project else {
            add(.now, "\(moment), \(user) holds nothing.", [events.newest])
            return
        }
        var text = "\(moment), \(user) holds \(project)/\(held.concurrency)"
        switch held.state {
        case .connected: text += ", connected with session \(held.session)"
        case .waiting: text += ", which waits for it"
        default: text += ", reserved"
        }
        if let deadline = held.deadline {
            text += " until \(Words.time(deadline)), for \(Words.duration(deadline - log.now)) more"
        }
        add(.now, text + ".", [events.newest])
    }

    // MARK: - The summary

    private mutating func tellSummary(_ reader: inout EventReader) throws {
        try events.load(1 ... 1, &reader)
        let first = max(1, events.count - min(limits.userEventCount, events.count) + 1)
        var tally = UserTally()
        // In pieces, from the newest on: nothing but the counts is kept.
        var last = events.count
        while last >= first {
            let start = max(first, last - 255)
            var piece = events
            try piece.load(start ... last, &reader)
            for number in start ... last {
                if let event = piece[number] { tally.count(event) }
            }
            if last == events.count { events = piece }
            last = start - 1
        }
        guard let oldest = events[1], let newest = events[events.count] else { return }
        let isWhole = first == 1
        add(
            .summary,
            "\(user) has \(Words.count(events.count, "event")), from \(Words.time(oldest.time)) to "
                + "\(Words.time(newest.time))"
                + (isWhole ? "" : "; of its newest \(Words.grouped(events.count - first + 1))")
                + ": \(tally.text).", [oldest.position, newest.position])
    }
}

/// How often what happened to a user.
private struct UserTally {
    var granted = 0
    var resumed = 0
    var takenOver = 0
    var freed = 0
    var windowExpired = 0
    var lockExpired = 0
    var byOperator = 0
    var moved = 0
    var refused = 0

    mutating func count(_ event: Event) {
        switch event.outcome {
        case .granted: granted += 1
        case .resumed: resumed += 1
        case .takeover: takenOver += 1
        case .freed: freed += 1
        case .windowExpired: windowExpired += 1
        case .lockExpired: lockExpired += 1
        case .operator_: byOperator += 1
        case .moved: moved += 1
        case .noIdle: refused += 1
        default: break
        }
    }

    var text: String {
        let parts: [(Int, String, String)] = [
            (granted, "grant", "grants"), (resumed, "return in time", "returns in time"),
            (takenOver, "takeover", "takeovers"), (freed, "destroyed", "destroyed"),
            (moved, "move to another project", "moves to another project"),
            (windowExpired, "window missed", "windows missed"),
            (lockExpired, "lock that ran out", "locks that ran out"),
            (byOperator, "taken by an operator", "taken by an operator"),
            (refused, "apply refused", "applies refused"),
        ]
        let told = parts.filter { $0.0 > 0 }.map { number, one, many in
            "\(Words.grouped(number)) \(number == 1 ? one : many)"
        }
        return told.isEmpty ? "no apply" : Words.list(told)
    }
}
