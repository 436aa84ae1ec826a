import EventLog
public import Ledger
public import ReconnectionRules

/// What somebody pressed.
public enum ReplayKey: Sendable, Equatable {
    case character(Character)
    case up, down, pageUp, pageDown, home, end
    case enter, escape, backspace, eraseLine
    /// What a terminal in its usual mode makes signals of, and asking for the screen anew: for
    /// whoever owns the terminal.
    case interrupt, suspend, redraw
}

/// Long work was ended by whoever watches its progress.
public struct ReplayInterrupted: Error {
    public init() {}
}

/// The interactive view without a terminal: keys go in, lines come out.
///
/// It shows what the ledger held when `reader` was opened. Nothing is read but what the screen and
/// the state beside the event need; see `PastStates` for what a step costs.
public final class ReplaySession {
    /// Events kept on either side of the selected one.
    private static let nearCount = 256
    /// Memory for the states that make a step back quick.
    private static let memoryByteCount = 512 << 20

    private enum Prompt { case goTo, until(isBack: Bool) }

    private let reader: LedgerReader
    private let states: PastStates
    private let head: Position
    private var moment: ReplayMoment
    private var events: [NamedEvent] = []
    private var selected = 0
    /// The user looked at whatever the event is, 0 for the event's own.
    private var keptUser: UserNumber
    private let keptProject: ProjectNumber?
    private var prompt: (what: Prompt, input: String)?
    private var message: (text: String, isError: Bool)?
    private var showsHelp = false
    private var condition: EventCondition?
    private var size = ReplaySize(columns: 80, rows: 24)

    /// Called now and then while long work runs, with what to show instead of the last line. It may
    /// throw `ReplayInterrupted`: the view then stays where it was.
    public var progress: ((String) throws -> Void)?

    /// Begins at a moment, or at the newest event, of the user if one is given. `states` are those
    /// of this reader, if somebody has some at hand.
    ///
    /// Throws `LedgerError` for a name nobody has and for an empty ledger, that or `LogError` at
    /// damage.
    public init(
        _ reader: LedgerReader, states: PastStates? = nil, at start: Moment? = nil,
        user: String? = nil, project: String? = nil,
        progress: ((String) throws -> Void)? = nil
    ) throws {
        self.reader = reader
        let states = states ?? reader.pastStates(memoryByteCount: Self.memoryByteCount)
        self.states = states
        self.progress = progress
        head = reader.head.position
        guard head > 0 else {
            throw LedgerError(.invalid, "there is no event in \(reader.directory.path) yet")
        }
        keptUser = 0
        if let user {
            guard let view = reader.user(user) else {
                throw LedgerError(
                    .unknownUser,
                    "no user \(user) in \(reader.directory.path); names are compared byte by byte")
            }
            keptUser = view.number
        }
        keptProject = try project.map { name in
            guard let number = reader.project(name)?.number else {
                throw LedgerError(
                    .unknownProject, "no project \(name) in \(reader.directory.path)")
            }
            return number
        }
        var position = head
        if let start {
            position = try reader.event(at: start).position
        } else if keptUser != 0 {
            position = reader.state.users[Int(keptUser)].last
        }
        let first = try Self.found(reader, after: 0, isBack: false)
        position = max(position, first ?? 1)
        moment = try Self.moment(
            reader, states, position, keptUser, keptProject, progress)
        try loadEvents()
    }

    public var position: Position { moment.named.event.position }

    // MARK: - Keys

    /// Does what a key asks for. Returns false for the one that quits. Throws `LedgerError` or
    /// `LogError` at damage.
    public func press(_ key: ReplayKey) throws -> Bool {
        message = nil
        do {
            if prompt != nil { try typed(key) } else { return try command(key) }
        } catch is ReplayInterrupted {
            message = ("stopped; still at event \(position)", false)
        } catch let error as ConditionError {
            message = (error.description, true)
        }
        return true
    }

    private func command(_ key: ReplayKey) throws -> Bool {
        let wasHelp = showsHelp
        showsHelp = false
        switch key {
        case .character("q"): return false
        case .character("?"), .character("h"): showsHelp = !wasHelp
        case .escape where wasHelp, .enter where wasHelp: break
        case .down, .character("j"), .character(" "), .enter: try step(1)
        case .up, .character("k"): try step(-1)
        case .pageDown, .character("f"): try step(size.bodyRows - 1)
        case .pageUp, .character("b"): try step(1 - size.bodyRows)
        case .home, .character("<"): try move(to: try Self.found(reader, after: 0) ?? 1)
        case .end, .character(">"): try move(to: head)
        case .character("g"): prompt = (.goTo, "")
        case .character("/"): prompt = (.until(isBack: false), "")
        case .character("\\"): prompt = (.until(isBack: true), "")
        case .character("n"): try runAgain(isBack: false)
        case .character("N"): try runAgain(isBack: true)
        case .character("u"): try goToUser(isBack: false)
        case .character("U"): try goToUser(isBack: true)
        case .character("c"): try goToConcurrency(isBack: false)
        case .character("C"): try goToConcurrency(isBack: true)
        case .character("x"): try keepUser()
        case .interrupt: return false
        case .suspend, .redraw: break
        default: message = ("? shows the keys", false)
        }
        return true
    }

    private func typed(_ key: ReplayKey) throws {
        guard let (what, input) = prompt else { return }
        switch key {
        case .character(let character): prompt = (what, input + String(character))
        case .backspace: prompt = input.isEmpty ? nil : (what, String(input.dropLast()))
        case .eraseLine: prompt = (what, "")
        case .escape, .interrupt: prompt = nil
        case .enter:
            prompt = nil
            switch what {
            case .goTo: try goTo(input)
            case .until(let isBack):
                // Nothing typed means the one before.
                if !input.isEmpty || condition == nil { condition = try EventCondition(input) }
                try runAgain(isBack: isBack)
            }
        default: break
        }
    }

    private func goTo(_ input: String) throws {
        let moment: Moment
        let text = input.filter { $0 != " " }
        if let position = Position(text) {
            moment = .position(position)
        } else if let time = Timestamp.parseLocal(text.utf8) {
            moment = .time(time)
        } else {
            message = (
                "\(input.isEmpty ? "nothing" : input) is no position and no time such as "
                    + "2026-11-23T10:15:30Z", true
            )
            return
        }
        let found = try reader.event(at: moment).position
        let position = try found > 0 ? found : Self.found(reader, after: 0) ?? 1
        try move(to: position)
    }

    private func goToUser(isBack: Bool) throws {
        let user = keptUser != 0 ? keptUser : moment.named.event.user
        guard user != 0 else {
            message = ("event \(position) concerns no user", false)
            return
        }
        var query = EventQuery()
        query.filter.userNumber = user
        query.sizes.chainCount = 1
        let name = reader.user(user, in: reader.state)?.text ?? ""
        try go(query, isBack: isBack, "\(name) has no \(isBack ? "earlier" : "later") event")
    }

    private func goToConcurrency(isBack: Bool) throws {
        guard let place = moment.concurrency else {
            message = ("event \(position) names no concurrency", false)
            return
        }
        var query = EventQuery()
        query.filter.project = place.project
        query.filter.concurrency = place.number
        try go(
            query, isBack: isBack,
            "\(place.project)/\(place.number) has no \(isBack ? "earlier" : "later") event")
    }

    private func runAgain(isBack: Bool) throws {
        guard let condition else {
            message = ("no condition yet: / asks for one", false)
            return
        }
        var query = EventQuery()
        query.filter.condition = condition
        try go(
            query, isBack: isBack,
            "no \(isBack ? "earlier" : "later") event with \(condition)")
    }

    private func keepUser() throws {
        if keptUser != 0 {
            keptUser = 0
            message = ("looking at each event's own user", false)
        } else if let user = moment.user {
            keptUser = user.number
            message = ("looking at \(user.text) until x is pressed again", false)
        } else {
            message = ("event \(position) concerns no user", false)
        }
        moment = try Self.moment(reader, states, position, keptUser, keptProject, nil)
    }

    // MARK: - Moving

    private func go(_ query: EventQuery, isBack: Bool, _ nothing: String) throws {
        var query = query
        query.isNewestFirst = isBack
        query.limit = 1
        if isBack { query.before = position } else { query.after = position }
        var found: Position?
        try query.run(on: reader) { done, all in
            try self.progress?("searching, \(100 * done / max(1, all)) %  (any key stops)")
        } _: { named in
            found = named.event.position
            return false
        }
        if let found { try move(to: found) } else { message = (nothing, false) }
    }

    private func step(_ count: Int) throws {
        try loadEvents()
        let index = max(0, min(events.count - 1, selected + count))
        if index == selected {
            message = (count > 0 ? "this is the last event" : "this is the first event", false)
            return
        }
        try move(to: events[index].event.position)
    }

    private func move(to position: Position) throws {
        guard position != self.position else { return }
        moment = try Self.moment(reader, states, position, keptUser, keptProject, progress)
        try loadEvents()
    }

    private static func moment(
        _ reader: LedgerReader, _ states: PastStates, _ position: Position,
        _ user: UserNumber, _ project: ProjectNumber?, _ progress: ((String) throws -> Void)?
    ) throws -> ReplayMoment {
        guard let event = try reader.log.event(at: position) else {
            throw LedgerError(.invalid, "there is no event at position \(position)")
        }
        let state = try states.state(at: position) { done, all in
            try progress?("replaying, \(100 * done / max(1, all)) %  (any key stops)")
        }
        return ReplayMoment(
            reader.named(event), state, reader, user: user == 0 ? nil : user, project: project)
    }

    /// The nearest event behind or before a position, nil if there is none.
    private static func found(
        _ reader: LedgerReader, after position: Position, isBack: Bool = false
    ) throws -> Position? {
        try near(reader, position, count: 1, isBack: isBack).first?.event.position
    }

    private static func near(
        _ reader: LedgerReader, _ position: Position, count: Int, isBack: Bool
    ) throws -> [NamedEvent] {
        var query = EventQuery()
        query.isNewestFirst = isBack
        if isBack { query.before = position } else { query.after = position }
        query.limit = count
        query.sizes.eventCount = count
        var events: [NamedEvent] = []
        try query.run(on: reader) { named in
            events.append(named)
            return true
        }
        return events
    }

    /// Finds the selected event among those at hand, and reads others if it stands near their end.
    private func loadEvents() throws {
        let position = position
        let index = events.partitionIndex { $0.event.position >= position }
        let margin = max(size.bodyRows, 1)
        let isThere = index < events.count && events[index].event.position == position
        let hasBefore = index >= margin || events.first?.event.position == firstPosition
        let hasAfter =
            events.count - index > margin || events.last?.event.position == head
        if isThere, hasBefore, hasAfter {
            selected = index
            return
        }
        let before = try Self.near(reader, position, count: Self.nearCount, isBack: true)
        let after = try Self.near(reader, position, count: Self.nearCount, isBack: false)
        events = before.reversed() + [moment.named] + after
        selected = before.count
        if before.count < Self.nearCount { firstPosition = events[0].event.position }
    }

    /// Position of the log's first event, 0 before it was seen.
    private var firstPosition: Position = 0

    // MARK: - The screen

    /// The screen for a terminal of that size: a line for each row, in pieces that name their
    /// columns. Nothing in it turns the direction of text or moves the cursor.
    public func screen(_ size: ReplaySize) throws -> [[ReplaySegment]] {
        self.size = size
        try loadEvents()
        return ReplayLayout.lines(frame, size)
    }

    private var frame: ReplayFrame {
        let previous = selected > 0 ? events[selected - 1].event.time : nil
        var bottom = ReplayFrame.Bottom.hints
        if let message { bottom = .message(message.text, isError: message.isError) }
        if let prompt {
            let label =
                switch prompt.what {
                case .goTo: "go to a position or time"
                case .until(let isBack): isBack ? "run back until" : "run until"
                }
            bottom = .prompt(label, prompt.input)
        }
        return ReplayFrame(
            directory: reader.directory.path, head: head, moment: moment,
            gap: previous.map { moment.named.event.time - $0 }, events: events,
            selected: selected, user: moment.user?.number ?? 0, bottom: bottom,
            showsHelp: showsHelp)
    }
}
