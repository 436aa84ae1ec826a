import EventLog
public import ReconnectionRules

/// An event with the names of what it is about.
public struct NamedEvent: Sendable, Equatable {
    public var event: Event
    /// The user's name, empty if the event concerns none.
    public var user: String
    /// Name of `event.project`, empty if none is named.
    public var project: String
    /// Name of the project an apply asked for.
    public var inputProject: String

    public init(event: Event, user: String, project: String, inputProject: String) {
        self.event = event
        self.user = user
        self.project = project
        self.inputProject = inputProject
    }
}

/// Walks over back-pointers: k point reads for k events, in a log of any length.
enum History {
    /// A user's events, newest first: from the one at `newest`, those before `before`.
    static func ofUser(
        _ log: EventLog, newest: Position, before: Position?, limit: Int
    ) throws(LedgerError) -> [Event] {
        try walk(log, newest: newest, before: before, limit: limit, jumps: true) {
            $0.previousOfUser
        }
    }

    /// A concurrency's events, newest first.
    static func ofConcurrency(
        _ log: EventLog, newest: Position, before: Position?, limit: Int
    ) throws(LedgerError) -> [Event] {
        try walk(log, newest: newest, before: before, limit: limit, jumps: false) {
            $0.previousOfConcurrency
        }
    }

    private static func walk(
        _ log: EventLog, newest: Position, before: Position?, limit: Int, jumps: Bool,
        _ previous: (Event) -> Position
    ) throws(LedgerError) -> [Event] {
        var events: [Event] = []
        do {
            try log.read { snapshot in
                var reader = try snapshot.reader()
                var position = newest
                while position > 0, events.count < limit {
                    guard let event = try reader.event(at: position) else { break }
                    guard previous(event) < position, event.jump < position else {
                        throw LogError(
                            .corrupt(position: position),
                            "the log is damaged at position \(position): the event names itself or "
                                + "a later one as its predecessor; run holdfast verify")
                    }
                    if let before, position >= before {
                        // Skip by the long jump as long as it does not lead past the goal.
                        let isFar = jumps && event.jump >= before
                        position = isFar ? event.jump : previous(event)
                        continue
                    }
                    events.append(event)
                    position = previous(event)
                }
            }
        } catch let error as LogError { throw LedgerError(error) } catch {
            throw LedgerError(.directory, "\(error)")
        }
        return events
    }
}
