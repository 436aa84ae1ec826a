import ReconnectionRules

/// Users who hold a connected slot, and their reconnects, on the rules alone.
struct RulesStorm {
    private var state = State()
    private var time: Microseconds = 0
    private var user: UserNumber = 0
    private let userCount: UserNumber

    init(userCount: UserNumber) {
        self.userCount = userCount
        perform(.nameProject(1))
        perform(.modifyProject(1, ProjectSettings(concurrencyCount: userCount)))
        for number in 1 ... userCount {
            perform(.nameUser(number))
            perform(.apply(user: number, project: 1))
            perform(.createSession(user: number, runsWithoutClient: false))
        }
    }

    /// The next user's client vanishes and comes back. Returns the position of its new session.
    mutating func reconnect(_ emit: (Event) -> Void) -> Position {
        // A stride that shares no factor with any round number of users: all of them, no order.
        user = (user + 7_919) % userCount
        let number = user + 1
        time += 1
        state.settle(at: time, emit: emit)
        state.perform(.disconnect(user: number, session: nil), at: time, by: .library, emit: emit)
        state.perform(.apply(user: number, project: 1), at: time, by: .library, emit: emit)
        let created = state.perform(
            .createSession(user: number, runsWithoutClient: false), at: time, by: .library,
            emit: emit)
        precondition(created.outcome == .resumed, "a reconnect went wrong: \(created.outcome)")
        return created.position
    }

    private mutating func perform(_ command: Command) {
        state.perform(command, at: time, by: .library) { _ in }
    }

    /// Events as a storm makes them, at the positions from `first` on.
    static func events(count: Int, from first: Position = 1) -> [Event] {
        var storm = RulesStorm(userCount: 1_000)
        var events: [Event] = []
        while events.count < count { _ = storm.reconnect { events.append($0) } }
        return events.prefix(count).enumerated().map { index, event in
            var event = event
            event.position = first + Position(index)
            return event
        }
    }
}
