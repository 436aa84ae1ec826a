public import ReconnectionRules

/// A sequence of commands told in relative terms ("one microsecond before the next deadline", "the
/// session before the current one"), so that it keeps its meaning when steps are taken out of it.
public struct Scenario: Sendable, CustomStringConvertible {
    /// When a step happens, seen from the step before it.
    public enum Moment: Sendable, Equatable {
        case same
        case later(Microseconds)
        /// At the running deadline of this rank (0 = the next), give or take.
        case deadline(rank: Int, offset: Microseconds)
    }

    /// Which session an action names.
    public enum SessionName: Sendable, Equatable {
        case unnamed
        /// The newest of this user's grant, connected or not.
        case current
        /// One of this user's sessions, counted back from its newest.
        case earlier(Int)
        /// Position of one of this user's refused applies, counted back, as a trace names it.
        case refusedApply(Int)
        /// Whatever stands at that position, be it anything.
        case position(SessionId)
    }

    public enum Action: Sendable, Equatable {
        case apply(user: Int, project: Int)
        case createSession(user: Int, runsWithoutClient: Bool)
        case disconnect(user: Int, SessionName)
        case destroy(user: Int, SessionName)
        case repossess(user: Int)
        /// Who holds something is freed first; who acts under the name again is somebody new.
        case forget(user: Int)
        case modify(project: Int, ProjectSettings)
        /// The ledger was down for that many quarters of the time since the step before.
        case open(quarters: Int64)
        /// The same, and the ledger goes on from a copy.
        case beginEpoch(quarters: Int64)
    }

    public struct Step: Sendable, Equatable {
        public var moment: Moment
        public var action: Action
        public var caller: Caller

        public init(moment: Moment, action: Action, caller: Caller = .library) {
            self.moment = moment
            self.action = action
            self.caller = caller
        }
    }

    public var steps: [Step]

    public init(steps: [Step]) { self.steps = steps }

    public var description: String {
        steps.map { "\($0.moment): \($0.action)" }.joined(separator: "\n")
    }
}

/// A command in the numbers and ledger time of one run.
public struct TimedCommand: Sendable, CustomStringConvertible {
    public var command: Command
    public var time: Microseconds
    public var caller: Caller

    public init(command: Command, time: Microseconds, caller: Caller) {
        self.command = command
        self.time = time
        self.caller = caller
    }

    public var description: String { "at \(time): \(command)" }
}

/// Turns the steps of a scenario into commands while the model plays them. Users and projects get
/// their numbers at their first appearance, as they do in a ledger.
public struct ScenarioPlayer: Sendable {
    public private(set) var model = LedgerModel()
    /// Ledger time of the newest command; the first comes at one second.
    public private(set) var now: Microseconds = .seconds(1)

    private var users: [Int: UserNumber] = [:]
    public private(set) var userCount = 0
    private var projects: [Int: ProjectNumber] = [:]
    private var sessions: [UserNumber: [SessionId]] = [:]
    private var refused: [UserNumber: [Position]] = [:]

    public init() {}

    public var projectCount: Int { projects.count }

    /// Plays one step in the model; returns its commands (names given for the first time come
    /// before the action that needs them), each with the events that the model predicts.
    public mutating func play(
        _ step: Scenario.Step
    ) -> [(input: TimedCommand, predicted: [Event])] {
        let before = now
        now = time(of: step.moment)
        var played: [(input: TimedCommand, predicted: [Event])] = []
        func perform(_ command: Command, _ player: inout ScenarioPlayer) {
            let events = player.model.run(command, at: player.now, by: step.caller)
            player.note(events)
            played.append(
                (TimedCommand(command: command, time: player.now, caller: step.caller), events))
        }
        func user(_ symbol: Int, _ player: inout ScenarioPlayer) -> UserNumber {
            if let known = player.users[symbol] { return known }
            player.userCount += 1
            let number = UserNumber(player.userCount)
            player.users[symbol] = number
            perform(.nameUser(number), &player)
            return number
        }
        func project(_ symbol: Int, _ player: inout ScenarioPlayer) -> ProjectNumber {
            if let known = player.projects[symbol] { return known }
            let number = ProjectNumber(player.projects.count + 1)
            player.projects[symbol] = number
            perform(.nameProject(number), &player)
            return number
        }
        switch step.action {
        case .apply(let symbol, let place):
            let number = project(place, &self)
            perform(.apply(user: user(symbol, &self), project: number), &self)
        case .createSession(let symbol, let alone):
            let number = user(symbol, &self)
            perform(.createSession(user: number, runsWithoutClient: alone), &self)
        case .disconnect(let symbol, let name):
            let number = user(symbol, &self)
            perform(.disconnect(user: number, session: session(name, of: number)), &self)
        case .destroy(let symbol, let name):
            let number = user(symbol, &self)
            perform(.destroy(user: number, session: session(name, of: number)), &self)
        case .repossess(let symbol):
            perform(.repossess(user: user(symbol, &self)), &self)
        case .forget(let symbol):
            guard let number = users[symbol] else { break }
            if model.slot(heldBy: number) != nil {
                perform(.destroy(user: number, session: nil), &self)
            }
            perform(.forget(user: number), &self)
            users[symbol] = nil
        case .modify(let place, let settings):
            perform(.modifyProject(project(place, &self), settings), &self)
        case .open(let quarters):
            perform(.open(outage: (now - before) * quarters / 4), &self)
        case .beginEpoch(let quarters):
            // A ledger without an event has no copy to go on from.
            guard model.position > 0 else { break }
            perform(.beginEpoch(outage: (now - before) * quarters / 4), &self)
        }
        return played
    }

    private func time(of moment: Scenario.Moment) -> Microseconds {
        switch moment {
        case .same: return now
        case .later(let length): return now + length
        case .deadline(let rank, let offset):
            let running = model.runningDeadlines
            guard !running.isEmpty else { return now + .seconds(1) }
            return max(now, running[min(rank, running.count - 1)] + offset)
        }
    }

    private func session(_ name: Scenario.SessionName, of user: UserNumber) -> SessionId? {
        switch name {
        case .unnamed: nil
        case .current: model.slot(heldBy: user)?.session ?? 0
        case .earlier(let count): sessions[user]?.dropLast(count).last ?? 1
        case .refusedApply(let count): refused[user]?.dropLast(count).last ?? 2
        case .position(let position): position
        }
    }

    private mutating func note(_ events: [Event]) {
        for event in events {
            if event.kind == .sessionCreated && event.outcome != .lockTimeout {
                sessions[event.user, default: []].append(event.position)
            }
            if event.outcome == .noIdle { refused[event.user, default: []].append(event.position) }
        }
    }
}

extension Scenario {
    /// A scenario drawn from a seed: few users, few concurrencies, short windows, many moments
    /// exactly at a deadline or one microsecond beside it.
    public static func random(seed: UInt64) -> Scenario {
        var random = SplitMix64(seed: seed)
        let users = random.within(1...8)
        let projects = random.within(1...3)
        var current = (0..<projects).map { _ in settings(from: &random) }
        var steps = current.indices.map {
            Step(moment: .same, action: .modify(project: $0, current[$0]))
        }
        // Most bugs show within a few dozen commands; every fourth scenario is a long one.
        let length = random.chance(1, in: 4) ? random.within(60...120) : random.within(30...60)
        while steps.count < length {
            let user = random.below(users)
            let action: Action
            switch random.below(100) {
            case ..<32: action = .apply(user: user, project: random.below(projects))
            case ..<57:
                action = .createSession(user: user, runsWithoutClient: random.chance(1, in: 8))
            case ..<77: action = .disconnect(user: user, name(from: &random))
            case ..<86: action = .destroy(user: user, name(from: &random))
            case ..<89: action = .repossess(user: user)
            case ..<91: action = .forget(user: user)
            case ..<96:
                let project = random.below(projects)
                change(&current[project], from: &random)
                action = .modify(project: project, current[project])
            default:
                let quarters = Int64(random.pick([0, 1, 2, 3, 4, 4, 4]))
                action =
                    random.chance(1, in: 4)
                    ? .beginEpoch(quarters: quarters) : .open(quarters: quarters)
            }
            let caller = random.pick([Caller.library, .anonymous, .credential(7), .commandLine])
            steps.append(Step(moment: moment(from: &random), action: action, caller: caller))
        }
        return Scenario(steps: steps)
    }

    private static func settings(from random: inout SplitMix64) -> ProjectSettings {
        ProjectSettings(
            concurrencyCount: UInt32(random.below(6)),
            reconnectWindow: length(1...6, &random),
            lockTimeout: length(1...4, &random),
            cleanupTime: random.chance(1, in: 2) ? 0 : length(0...3, &random),
            requiresSessionName: random.chance(1, in: 5))
    }

    private static func change(_ settings: inout ProjectSettings, from random: inout SplitMix64) {
        switch random.below(8) {
        case ..<4: settings.concurrencyCount = UInt32(random.below(6))
        case 4: settings.reconnectWindow = length(1...6, &random)
        case 5: settings.lockTimeout = length(1...4, &random)
        case 6: settings.cleanupTime = random.chance(1, in: 3) ? 0 : length(0...3, &random)
        default: settings.requiresSessionName.toggle()
        }
    }

    /// Whole seconds for the most part, so that deadlines tie; now and then a little more.
    private static func length(
        _ seconds: ClosedRange<Int>, _ random: inout SplitMix64
    ) -> Microseconds {
        .seconds(Int64(random.within(seconds))) + (random.chance(1, in: 8) ? 1 : 0)
    }

    private static func moment(from random: inout SplitMix64) -> Moment {
        switch random.below(100) {
        case ..<35: .same
        case ..<60: .later(.seconds(Int64(random.within(0...2))))
        case ..<66: .later(Microseconds(random.within(0...3)))
        case ..<94:
            .deadline(
                rank: random.chance(1, in: 4) ? random.below(4) : 0,
                offset: Microseconds(random.pick([-1, 0, 0, 1])))
        default: .later(.seconds(Int64(random.within(3...12))))
        }
    }

    private static func name(from random: inout SplitMix64) -> SessionName {
        switch random.below(100) {
        case ..<50: .current
        case ..<72: .unnamed
        case ..<86: .earlier(random.within(0...3))
        case ..<94: .refusedApply(random.below(2))
        default: .position(SessionId(random.below(80)))
        }
    }

    /// The same failure with fewer steps: takes out runs of steps, long ones first, for as long as
    /// `fails` still says so of what is left.
    public func shrunk(attempts: Int = 2_000, fails: (Scenario) -> Bool) -> Scenario {
        var best = self
        var left = attempts
        var width = max(1, steps.count / 2)
        while width >= 1 {
            var start = 0
            var progress = false
            while start < best.steps.count {
                guard left > 0 else { return best }
                left -= 1
                var candidate = best
                candidate.steps.removeSubrange(
                    start..<Swift.min(start + width, best.steps.count))
                if fails(candidate) {
                    best = candidate
                    progress = true
                } else {
                    start += width
                }
            }
            if width == 1 && !progress { break }
            width = width == 1 ? 1 : width / 2
        }
        return best
    }
}
