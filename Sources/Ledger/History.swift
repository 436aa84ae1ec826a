import EventLog
public import ReconnectionRules

/// An event with the names of what it is about.
public struct NamedEvent: Sendable, Equatable {
    public var event: Event
    /// The user's name; empty if the event concerns none, or one that was forgotten.
    public var user: String
    /// Name of `event.project`, empty if none is named.
    public var project: String
    /// Name of the project an apply asked for.
    public var inputProject: String
    /// Of applies and sessions: the client's address, as far as it was recorded and can be read.
    public var clientAddress: String?

    public init(
        event: Event, user: String, project: String, inputProject: String,
        clientAddress: String? = nil
    ) {
        self.event = event
        self.user = user
        self.project = project
        self.inputProject = inputProject
        self.clientAddress = clientAddress
    }

    /// The user as people read it: the name, or the number of one that was forgotten; empty if the
    /// event concerns none.
    public var userText: String {
        user.isEmpty && event.user != 0 ? Self.forgotten(event.user) : user
    }

    /// What stands in place of the name of somebody who was forgotten.
    static func forgotten(_ number: UserNumber) -> String { "user \(number) (forgotten)" }
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

    /// The addresses that stand with some events, in their order, as far as `keys` opens them.
    /// Cost: a point read for each apply and session, and a walk over the texts of each batch.
    static func addresses(
        of events: [Event], _ log: EventLog, _ keys: PersonalKeys?
    ) throws(LedgerError) -> [String?] {
        let opener = TextOpener(keys)
        var addresses = [String?](repeating: nil, count: events.count)
        guard keys != nil else { return addresses }
        do {
            try log.read { snapshot in
                var texts = TextReader()
                for (index, event) in events.enumerated()
                where event.kind == .applied || event.kind == .sessionCreated {
                    guard let text = try texts.text(at: event.position, in: snapshot) else {
                        continue
                    }
                    addresses[index] = text.bytes.withUnsafeBytes {
                        opener.address($0, event)?.description
                    }
                    guard addresses[index] == nil,
                        text.bytes.withUnsafeBytes({ opener.isDamaged($0, event) })
                    else { continue }
                    try texts.requireSound(at: event.position, in: snapshot)
                }
            }
        } catch let error as LogError { throw LedgerError(error) } catch {
            throw LedgerError(.directory, "\(error)")
        }
        return addresses
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
                    let event = try reader.event(namedAt: position)
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
