import EventLog
import Ledger
import ReconnectionRules

/// Decides every event of a scan again.
final class RulesFold: BatchFold {
    private var redecision = Redecision()
    private let block = EventBlock()
    private let checkpoints: KeptCheckpointCheck?

    var state: State { redecision.state }

    init(_ checkpoints: KeptCheckpointCheck? = nil) { self.checkpoints = checkpoints }

    func fold(_ batch: borrowing BatchView, before limit: Position) throws {
        try batch.forEachBlock(block, before: limit) { events in
            redecision.state.touch(events, block)
            try redecision.check(events)
        }
        if batch.lastPosition < limit { checkpoints?.note(redecision.state) }
    }

    func finish() throws { try redecision.finish() }
}

/// Decides every recorded input again and compares what comes out with what is recorded.
struct Redecision {
    private(set) var state = State()
    /// Events the rules decided that the log has to show next.
    private var expected: [Event] = []
    private var expectedIndex = 0

    mutating func check(_ events: UnsafeBufferPointer<Event>) throws {
        for event in events { try check(event) }
    }

    private mutating func check(_ event: Event) throws {
        let decided = try decided(for: event)
        guard decided == event else { throw differs(decided, event) }
    }

    /// As `check`, for an event whose jump is not known. Returns it with its jump.
    mutating func complete(_ event: Event) throws -> Event {
        let decided = try decided(for: event)
        var event = event
        event.jump = decided.jump
        guard decided == event else { throw differs(decided, event) }
        return event
    }

    /// Whether the next event begins something: nothing decided is owed before it.
    var isBetweenActions: Bool { expectedIndex == expected.count }

    /// What the rules decide where the event stands.
    private mutating func decided(for event: Event) throws -> Event {
        if expectedIndex == expected.count { try decideNext(event) }
        expectedIndex += 1
        return expected[expectedIndex - 1]
    }

    private func differs(_ decided: Event, _ event: Event) -> LogError {
        fault(event, "the rules decide \(Self.difference(decided, event))")
    }

    /// Nothing may be owed at the end: a batch holds a command's events whole.
    func finish() throws {
        guard expectedIndex == expected.count else {
            throw LogError(
                .corrupt(position: expected[expectedIndex].position),
                "the log ends in the middle of an action: position "
                    + "\(expected[expectedIndex].position) is missing")
        }
    }

    private mutating func decideNext(_ event: Event) throws {
        // By its address: otherwise the compiler copies the state for each look at it.
        let reason = withUnsafeMutablePointer(to: &state) { $0.pointee.fault(of: event) }
        if let reason { throw fault(event, reason) }
        if !canBeDecided(event) {
            throw fault(
                event,
                event.kind == .userForgotten
                    ? "the user holds a concurrency" : "the action names nobody, or no project")
        }
        expected.removeAll(keepingCapacity: true)
        expectedIndex = 0
        // What an opening moves back must not be settled before it. One deadline at a time: a batch
        // may end between two, and so may the log.
        if !event.isAboutLedger { settleNext(at: event.time) }
        if expected.isEmpty, let command = event.command {
            let caller = Caller(rawValue: event.caller)
            state.perform(command, at: event.time, by: caller) { expected.append($0) }
        }
        if expected.isEmpty {
            throw fault(event, "nothing was due and nothing was asked, yet something happened")
        }
    }

    private mutating func settleNext(at time: Microseconds) {
        state.settle(at: time, limit: 1) { expected.append($0) }
    }

    /// Whether the rules take the input at all: they trap on what the edge never lets through.
    private mutating func canBeDecided(_ event: Event) -> Bool {
        switch event.kind {
        case .applied: event.user != 0 && event.inputProject != 0
        case .sessionCreated, .disconnected, .destroyed: event.user != 0
        case .repossessed: event.user != 0 || !event.isAction
        case .userForgotten:
            withUnsafeMutablePointer(to: &state) { $0.pointee.holding(of: event.user) == nil }
        case .opened, .epochBegun, .projectNamed, .projectModified, .userNamed, .recovered,
            .withdrawn, .restored:
            true
        }
    }

    private func fault(_ event: Event, _ what: String) -> LogError {
        LogError(
            .corrupt(position: event.position),
            "position \(event.position) (\(event.kind.name) \(event.outcome.name)): \(what)")
    }

    /// The first field that differs, in words.
    private static func difference(_ decided: Event, _ recorded: Event) -> String {
        if decided.kind != recorded.kind || decided.outcome != recorded.outcome {
            return "\(decided.kind.name) \(decided.outcome.name) at \(Timestamp.text(decided.time))"
        }
        let fields: [(String, Int64, Int64)] = [
            ("time", decided.time, recorded.time),
            ("user", Int64(decided.user), Int64(recorded.user)),
            ("project", Int64(decided.project), Int64(recorded.project)),
            ("concurrency", Int64(decided.concurrency), Int64(recorded.concurrency)),
            ("state", Int64(decided.state.rawValue), Int64(recorded.state.rawValue)),
            ("deadline", decided.deadline, recorded.deadline),
            ("session", Int64(bitPattern: decided.session), Int64(bitPattern: recorded.session)),
            (
                "the user's previous event", Int64(bitPattern: decided.previousOfUser),
                Int64(bitPattern: recorded.previousOfUser)
            ),
            (
                "the concurrency's previous event",
                Int64(bitPattern: decided.previousOfConcurrency),
                Int64(bitPattern: recorded.previousOfConcurrency)
            ),
            ("jump", Int64(bitPattern: decided.jump), Int64(bitPattern: recorded.jump)),
            ("caller", Int64(decided.caller), Int64(recorded.caller)),
        ]
        for (name, decided, recorded) in fields where decided != recorded {
            return "\(name) \(decided), the log says \(recorded)"
        }
        return "another event"
    }
}
