import ReconnectionRules
import Testing

/// Tells a story to the rules and compares what comes of every line with what the script expects,
/// event by event and in full. Then asserts over the whole of it what must hold for any sequence
/// (`StoryLaws`). A failure shows the whole story, the lines that differ marked - and +.
func story(_ script: String, sourceLocation: SourceLocation = #_sourceLocation) {
    do {
        let script = try Script(script)
        var telling = Telling(cast: script.cast)
        for act in script.acts { telling.tell(act) }
        telling.faults += StoryLaws(script: script, events: telling.stage.events).faults(
            endingIn: telling.stage.state)
        guard !telling.differs, telling.faults.isEmpty else {
            let text = (telling.transcript + telling.faults.map { "! \($0)" })
                .joined(separator: "\n")
            Issue.record("the story went otherwise:\n\(text)", sourceLocation: sourceLocation)
            return
        }
    } catch {
        Issue.record("the script cannot be read: \(error)", sourceLocation: sourceLocation)
    }
}

/// The rules on stage: a state, and every event that has come of it.
struct Stage {
    var state = State()
    private(set) var events: [Event] = []

    mutating func perform(_ command: Command, at time: Microseconds, by caller: Caller) {
        if !command.endsOutage { settle(at: time) }
        var emitted: [Event] = []
        let answer = state.perform(command, at: time, by: caller) { emitted.append($0) }
        #expect(emitted.first == answer, "the first event emitted answers the command")
        events += emitted
    }

    mutating func forget(_ user: UserNumber, at time: Microseconds, by caller: Caller) {
        settle(at: time)
        if state.holding(of: user) != nil {
            perform(.destroy(user: user, session: nil), at: time, by: caller)
        }
        perform(.forget(user: user), at: time, by: caller)
    }

    mutating func settle(at time: Microseconds) {
        var emitted: [Event] = []
        state.settle(at: time) { emitted.append($0) }
        events += emitted
    }
}

/// A story being told: what came of it so far, set beside what was expected.
private struct Telling {
    let cast: Cast
    var stage = Stage()
    var transcript: [String] = []
    var faults: [String] = []
    var differs = false

    init(cast: Cast) { self.cast = cast }

    mutating func tell(_ act: Act) {
        let start = stage.events.count
        var shown: [String] = []
        let view = ViewText(cast: cast)
        for step in act.steps {
            switch step {
            case .command(let command, let caller):
                stage.perform(command, at: act.time, by: caller)
            case .forget(let user, let caller): stage.forget(user, at: act.time, by: caller)
            case .settle: stage.settle(at: act.time)
            case .showProject(let project): shown += view.lines(ofProject: project, in: stage.state)
            case .showUser(let user): shown.append(view.line(ofUser: user, in: stage.state))
            case .showCounters: shown.append(view.line(of: stage.state.counters))
            }
        }
        faults += StateInvariants.faults(in: stage.state).map { "after '\(act.text)': \($0)" }
        transcript.append("  \(act.text)")
        if act.isGiven {
            compare(act.expected, [Self.range(stage.events[start...].map(\.position))])
        } else {
            let text = EventText(cast: cast)
            let withPointers = act.expected.contains { $0.contains(" after user ") }
            let lines = stage.events[start...].map { text.line($0, pointers: withPointers) } + shown
            compare(act.expected, lines.isEmpty ? ["nothing"] : lines)
        }
    }

    private mutating func compare(_ expected: [String], _ actual: [String]) {
        for index in 0 ..< max(expected.count, actual.count) {
            let wanted = index < expected.count ? expected[index] : nil
            let got = index < actual.count ? actual[index] : nil
            if let got, wanted == got {
                transcript.append("      \(got)")
            } else {
                differs = true
                if let wanted { transcript.append("-     \(wanted)") }
                if let got { transcript.append("+     \(got)") }
            }
        }
    }

    private static func range(_ positions: [Position]) -> String {
        guard let first = positions.first, let last = positions.last else { return "nothing" }
        return first == last ? "#\(first)" : "#\(first)-#\(last)"
    }
}
