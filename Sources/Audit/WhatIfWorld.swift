import EventLog
import Ledger
import ReconnectionRules

/// The recorded inputs, decided again under other settings: a world of its own beside the record.
///
/// What the record derived is dropped and derived anew: repossessions by deadlines and moves, ends
/// of cleaning, withdrawals, restorals. What came from outside is kept: actions, outages,
/// operators' acts. docs/what-if.md says how each of them is taken.
struct WhatIfWorld {
    /// What the world knows of a user beyond the rules' state.
    private struct User {
        /// Position in the record of what the world's newest session came from: of a
        /// sessionCreated, or of a refused apply. Reports name their session by it.
        var name: Position = 0
        /// That session's id in this world.
        var session: SessionId = 0
        /// The newest refused apply that was given a session here.
        var assumed: Position = 0
        /// The apply was granted in the record and refused here: whoever was refused creates no
        /// session before the next apply.
        var isRefusedHere = false
    }

    let project: ProjectNumber
    let change: ProjectChange
    private(set) var state: State
    private var users: [User]
    /// Deadlines as the record has them, by project and concurrency; `.max` where none runs.
    private var recordedDeadlines: [[Microseconds]]
    private var emitted: [Event] = []
    private(set) var meter: WhatIfMeter
    private(set) var differences = WhatIfDifferences()
    private(set) var assumed = AssumedSessions()
    private var lastTime: Microseconds

    /// Begins with nothing.
    init(project: ProjectNumber, change: ProjectChange) {
        self.init(project: project, change: change, from: State())
    }

    /// Begins with what the record had come to at `time`, and changes the settings then.
    init(project: ProjectNumber, change: ProjectChange, from start: State, at time: Microseconds) {
        self.init(project: project, change: change, from: start)
        lastTime = max(time, start.time)
        let recorded = start.projects[Int(project)].settings
        meter.begin(at: lastTime)
        guard !change.applies(to: recorded) else { return }
        settle(at: lastTime)
        perform(.modifyProject(project, change.applied(to: recorded)), lastTime, .commandLine)
    }

    private init(project: ProjectNumber, change: ProjectChange, from start: State) {
        self.project = project
        self.change = change
        state = start
        // Copies share memory until they write, and only one thread at a time may begin to.
        _ = state.takeChanges()
        users = [User](repeating: User(), count: start.users.count)
        for index in start.users.indices.dropFirst() {
            let session = start.holding(of: UserNumber(index))?.record.session ?? 0
            users[index].name = session
            users[index].session = session
        }
        recordedDeadlines = start.projects.map { project in
            project.concurrencies.map { $0.deadline ?? .max }
        }
        meter = WhatIfMeter(project: project, start)
        lastTime = start.time
    }

    // MARK: - Recorded events

    /// Loads ahead what the next events are about.
    mutating func touch(_ events: UnsafeBufferPointer<Event>, _ block: EventBlock) {
        state.touch(events, block)
    }

    /// Takes the next recorded event. Throws `corrupt` if the rules cannot take it at all.
    mutating func take(_ event: Event) throws {
        if let reason = fault(of: event) {
            throw LogError(
                .corrupt(position: event.position),
                "the log is damaged at position \(event.position): \(reason); run holdfast verify")
        }
        lastTime = event.time
        switch event.kind {
        // Positions of this world are its own: an epoch is only the outage it ended.
        case .opened, .epochBegun: open(event)
        case .userForgotten: forget(event)
        case .projectModified: modify(event)
        case .applied: apply(event)
        case .sessionCreated: createSession(event)
        case .disconnected:
            settle(at: event.time)
            perform(.disconnect(user: event.user, session: session(of: event)), event)
        case .destroyed:
            settle(at: event.time)
            perform(.destroy(user: event.user, session: session(of: event)), event)
        case .userNamed:
            users.append(User())
            repeatAct(event)
        case .projectNamed: repeatAct(event)
        case .repossessed: if event.isAction { repeatAct(event) } else { settle(at: event.time) }
        // What happened at its deadline shows that the ledger was up then.
        case .recovered: settle(at: event.time)
        case .withdrawn, .restored: break
        }
        if event.concurrency != 0 { keepDeadline(of: event) }
    }

    /// The record ends here.
    mutating func finish() { meter.finish(at: lastTime) }

    // MARK: - Acts

    private mutating func repeatAct(_ event: Event) {
        settle(at: event.time)
        if let command = event.command { perform(command, event) }
    }

    /// The outage is kept. What fell due before it, while the ledger was up, is settled first: what
    /// an opening moves back must not have ended before. The record shows that the ledger was down
    /// by the time of the first deadline it had not settled.
    private mutating func open(_ event: Event) {
        let unsettled = recordedDeadlines.reduce(Microseconds.max) { earliest, deadlines in
            deadlines.reduce(earliest) { min($0, $1) }
        }
        let lastSign = event.time - event.outage
        settle(at: max(min(lastSign, unsettled - 1), 0))
        perform(.open(outage: event.outage), event)
        guard event.outage > 0 else { return }
        for index in recordedDeadlines.indices {
            for number in recordedDeadlines[index].indices
            where recordedDeadlines[index][number] != .max {
                recordedDeadlines[index][number] += event.outage
            }
        }
    }

    /// Who is forgotten holds nothing: here too, whatever the record had to free.
    private mutating func forget(_ event: Event) {
        settle(at: event.time)
        if withUnsafeMutablePointer(to: &state, { $0.pointee.holding(of: event.user) }) != nil {
            perform(.destroy(user: event.user, session: nil), event)
        }
        perform(.forget(user: event.user), event)
    }

    private mutating func modify(_ event: Event) {
        guard let settings = event.settings else { return }
        settle(at: event.time)
        let world = event.project == project ? change.applied(to: settings) : settings
        perform(.modifyProject(event.project, world), event)
    }

    private mutating func apply(_ event: Event) {
        settle(at: event.time)
        let user = Int(event.user)
        let applied = perform(.apply(user: event.user, project: event.inputProject), event)
        let wasRefused = event.outcome == .noIdle
        users[user].isRefusedHere = applied.outcome == .noIdle && !wasRefused
        if users[user].isRefusedHere {
            let recorded = event.outcome == .returned ? Served.again : Served.anew
            differences.compare(.refused, with: recorded, of: event.user)
        }
        guard wasRefused, applied.outcome != .noIdle else { return }
        // Whoever was not refused creates a session.
        let created = perform(.createSession(user: event.user, runsWithoutClient: false), event)
        begin(created, named: event.position)
        users[user].assumed = event.position
        assumed.begin(event.position, of: event.user)
        differences.compare(Served(created.outcome), with: .refused, of: event.user)
    }

    private mutating func createSession(_ event: Event) {
        let user = users[Int(event.user)]
        if user.isRefusedHere { return }
        settle(at: event.time)
        if event.outcome == .lockTimeout, user.assumed != 0, user.name == user.assumed,
            isConnected(event.user)
        {
            // Who was refused tried a session all the same: it is the one assumed at the apply.
            return
        }
        let command = Command.createSession(user: event.user, runsWithoutClient: event.flag)
        let created = perform(command, event)
        if created.outcome != .lockTimeout {
            begin(created, named: event.position)
            if event.outcome == .lockTimeout { assumed.begin(event.position, of: event.user) }
        }
        differences.compare(
            Served(created.outcome), with: Served(event.outcome), of: event.user)
    }

    private mutating func begin(_ created: Event, named position: Position) {
        users[Int(created.user)].name = position
        users[Int(created.user)].session = created.session
    }

    /// The session a report names, in this world; 0, which no session has, if it names another than
    /// the newest.
    private mutating func session(of event: Event) -> SessionId? {
        guard event.namesSession else { return nil }
        let name = event.inputSession
        assumed.report(name, of: event.user)
        let user = users[Int(event.user)]
        return name != 0 && name == user.name ? user.session : 0
    }

    // MARK: - The rules

    private mutating func settle(at time: Microseconds) {
        emitted.removeAll(keepingCapacity: true)
        state.settle(at: time) { emitted.append($0) }
        for event in emitted { meter.take(event) }
    }

    @discardableResult
    private mutating func perform(_ command: Command, _ event: Event) -> Event {
        perform(command, event.time, Caller(rawValue: event.caller))
    }

    @discardableResult
    private mutating func perform(
        _ command: Command, _ time: Microseconds, _ caller: Caller
    ) -> Event {
        emitted.removeAll(keepingCapacity: true)
        let answer = state.perform(command, at: time, by: caller) { emitted.append($0) }
        for event in emitted { meter.take(event) }
        return answer
    }

    private mutating func isConnected(_ user: UserNumber) -> Bool {
        // By its address: otherwise the compiler copies the state for each look at it.
        withUnsafeMutablePointer(to: &state) {
            $0.pointee.holding(of: user)?.record.state == .connected
        }
    }

    // MARK: - The record

    private mutating func keepDeadline(of event: Event) {
        let project = Int(event.project)
        let number = Int(event.concurrency)
        while recordedDeadlines.count <= project { recordedDeadlines.append([]) }
        while recordedDeadlines[project].count <= number {
            recordedDeadlines[project].append(.max)
        }
        recordedDeadlines[project][number] = event.state.hasDeadline ? event.deadline : .max
    }

    /// Why the rules cannot take an event, nil if they can: they trap on what the edge never lets
    /// through, and a log that somebody rewrote may hold anything.
    private mutating func fault(of event: Event) -> String? {
        let (projectCount, time) = withUnsafeMutablePointer(to: &state) {
            ($0.pointee.projects.count, $0.pointee.time)
        }
        if event.time < time { return "ledger time runs backward" }
        if event.kind != .userNamed, Int(event.user) >= users.count {
            return "the user number was never handed out"
        }
        let isNamed = event.kind == .projectNamed ? projectCount + 1 : projectCount
        if Int(event.project) >= isNamed || Int(event.inputProject) >= projectCount {
            return "the project number was never handed out"
        }
        if event.concurrency > RuleLimits.concurrencyCountMax { return "no such concurrency" }
        switch event.kind {
        case .userNamed:
            return Int(event.user) == users.count ? nil : "the user number is out of order"
        case .projectNamed:
            return Int(event.project) == projectCount ? nil : "the project number is out of order"
        case .projectModified:
            if event.project == 0 { return "no project is named" }
            return event.settings?.fault == nil ? nil : "the settings are out of bounds"
        case .opened, .epochBegun: return event.outage < 0 ? "the outage is negative" : nil
        case .applied:
            return event.user == 0 || event.inputProject == 0
                ? "it names nobody, or no project" : nil
        case .sessionCreated, .disconnected, .destroyed, .userForgotten:
            return event.user == 0 ? "it names nobody" : nil
        case .repossessed: return event.isAction && event.user == 0 ? "it names nobody" : nil
        case .recovered, .withdrawn, .restored: return nil
        }
    }
}

/// How an attempt to play ended, worst first.
enum Served: UInt8, Comparable {
    case refused, anew, again

    /// By the outcome of createSession: a fresh concurrency, or the user's own.
    init(_ outcome: Event.Outcome) {
        switch outcome {
        case .resumed, .takeover: self = .again
        case .fresh: self = .anew
        default: self = .refused
        }
    }

    static func < (left: Served, right: Served) -> Bool { left.rawValue < right.rawValue }
}

/// Sessions given to applies that the record refused, until a report names that apply.
struct AssumedSessions {
    /// What is kept of one user: older ones count as never reported, as they nearly always are.
    private static let keptOfUser = 8

    private(set) var count: UInt64 = 0
    private(set) var reportedCount: UInt64 = 0
    private var open: [UserNumber: [Position]] = [:]

    /// Sessions that no report names: how long they last here is a bound.
    var boundCount: UInt64 { count - reportedCount }

    mutating func begin(_ position: Position, of user: UserNumber) {
        count += 1
        var positions = open[user] ?? []
        if positions.count == Self.keptOfUser { positions.removeFirst() }
        positions.append(position)
        open[user] = positions
    }

    mutating func report(_ position: Position, of user: UserNumber) {
        guard !open.isEmpty, position != 0, let index = open.index(forKey: user),
            let found = open.values[index].firstIndex(of: position)
        else { return }
        reportedCount += 1
        open.values[index].remove(at: found)
        if open.values[index].isEmpty { open.remove(at: index) }
    }
}
