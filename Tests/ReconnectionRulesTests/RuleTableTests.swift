import ReconnectionRules
import Testing

/// The table of the design's first section, row by row and in its order.
private let table = RuleTable(
    """
    apply a P       | nothing held, idle         | granted P/1 reserved until 130
    apply a P       | destroyed before, idle     | granted P/1 reserved until 130
    apply a P       | nothing held, full         | noIdle
    apply a P       | recovering                 | noIdle
    apply a P       | nothing held, lowered      | noIdle
    apply a P       | reserved                   | returned P/1 reserved until 130
    apply a P       | reserved until 140         | returned P/1 reserved until 140
    apply a P       | reserved, lowered          | returned P/1 reserved until 130
    apply a P       | reapplied                  | returned P/1 reserved until 150 session 8
    apply a P       | waiting                    | returned P/1 reserved until 150 session 8
    apply a P       | waiting until 110          | returned P/1 reserved until 130 session 8
    apply a P       | connected                  | returned P/1 connected session 8
    apply a P       | unattended                 | returned P/1 connected unattended session 8
    apply a P       | taken over                 | returned P/1 connected session 9
    apply a P       | reserved there, idle       | granted P/1 reserved until 130
                    |                            | moved Q/1 idle
    apply a P       | reapplied there, idle      | granted P/1 reserved until 130
                    |                            | moved Q/1 idle session 8
    apply a P       | waiting there, idle        | granted P/1 reserved until 130
                    |                            | moved Q/1 idle session 8
    apply a P       | connected there, idle      | granted P/1 reserved until 130
                    |                            | moved Q/1 idle session 8
    apply a P       | unattended there, idle     | granted P/1 reserved until 130
                    |                            | moved Q/1 idle session 8
    apply a P       | reserved there, cleanup    | granted P/1 reserved until 130
                    |                            | moved Q/1 idle
    apply a P       | reapplied there, cleanup   | granted P/1 reserved until 130
                    |                            | moved Q/1 recovering until 120 session 8
    apply a P       | waiting there, cleanup     | granted P/1 reserved until 130
                    |                            | moved Q/1 recovering until 120 session 8
    apply a P       | connected there, cleanup   | granted P/1 reserved until 130
                    |                            | moved Q/1 recovering until 120 session 8
    apply a P       | reserved there, full       | noIdle Q/1 reserved until 110
    apply a P       | reapplied there, full      | noIdle Q/1 reserved until 150 session 8
    apply a P       | waiting there, full        | noIdle Q/1 waiting until 150 session 8
    apply a P       | connected there, full      | noIdle Q/1 connected session 8
    apply a P       | unattended there, full     | noIdle Q/1 connected unattended session 8
    session a       | reserved                   | fresh P/1 connected session 8
    session a       | reserved, lowered          | fresh P/1 connected session 9
    session a       | reapplied                  | resumed P/1 connected session 11
    session a       | waiting                    | resumed P/1 connected session 10
    session a       | connected                  | takeover P/1 connected session 9
    session a       | unattended                 | takeover P/1 connected session 9
    session a       | connected there            | takeover Q/1 connected session 9
    session a       | nothing held               | lockTimeout
    session a       | refused before             | lockTimeout
    session a       | destroyed before           | lockTimeout
    session a       | recovering                 | lockTimeout
    session a       | lock ends now              | lockExpired P/1 idle
                    |                            | lockTimeout
    session a       | lock ends 1 µs later       | fresh P/1 connected session 8
    disconnect a 8  | connected                  | waiting P/1 waiting until 190 session 8
    disconnect a    | connected                  | waiting P/1 waiting until 190 session 8
    disconnect a 8  | connected, names required  | waiting P/1 waiting until 190 session 8
    disconnect a    | connected, names required  | sessionNameRequired P/1 connected session 8
    disconnect a 8  | unattended                 | keptRunning P/1 connected unattended session 8
    disconnect a    | unattended                 | keptRunning P/1 connected unattended session 8
    disconnect a 9  | taken over                 | waiting P/1 waiting until 190 session 9
    disconnect a 8  | taken over                 | stale P/1 connected session 9
    disconnect a 99 | connected                  | stale P/1 connected session 8
    disconnect a 0  | connected                  | stale P/1 connected session 8
    disconnect a 7  | unattended                 | stale P/1 connected unattended session 8
    disconnect a 8  | refused, then connected    | stale P/1 connected session 11
    disconnect a 8  | waiting                    | stale P/1 waiting until 150 session 8
    disconnect a    | waiting                    | stale P/1 waiting until 150 session 8
    disconnect a 8  | reapplied                  | stale P/1 reserved until 150 session 8
    disconnect a    | reapplied                  | stale P/1 reserved until 150 session 8
    disconnect a 8  | reserved                   | stale P/1 reserved until 110
    disconnect a    | reserved                   | stale P/1 reserved until 110
    disconnect a 0  | reserved                   | stale P/1 reserved until 110
    disconnect a    | nothing held               | stale
    disconnect a 8  | refused before             | stale
    disconnect a 8  | destroyed before           | stale
    disconnect a 9  | recovering                 | stale
    destroy a       | reserved                   | freed P/1 idle
    destroy a       | reapplied                  | freed P/1 idle session 8
    destroy a       | waiting                    | freed P/1 idle session 8
    destroy a       | connected                  | freed P/1 idle session 8
    destroy a       | unattended                 | freed P/1 idle session 8
    destroy a       | connected there            | freed Q/1 idle session 8
    destroy a       | connected, names required  | freed P/1 idle session 8
    destroy a       | reserved, cleanup          | freed P/1 idle
    destroy a       | reapplied, cleanup         | freed P/1 recovering until 120 session 8
    destroy a       | waiting, cleanup           | freed P/1 recovering until 120 session 8
    destroy a       | connected, cleanup         | freed P/1 recovering until 120 session 8
    destroy a       | connected, lowered         | freed P/1 idle session 8
                    |                            | done P/1 withdrawn
    destroy a       | nothing held               | nothingHeld
    destroy a       | refused before             | nothingHeld
    destroy a       | destroyed before           | nothingHeld
    destroy a       | recovering                 | nothingHeld
    destroy a 8     | connected                  | freed P/1 idle session 8
    destroy a 8     | unattended                 | freed P/1 idle session 8
    destroy a 8     | connected, cleanup         | freed P/1 recovering until 120 session 8
    destroy a 9     | taken over                 | freed P/1 idle session 9
    destroy a 8     | taken over                 | stale P/1 connected session 9
    destroy a 99    | connected                  | stale P/1 connected session 8
    destroy a 7     | unattended                 | stale P/1 connected unattended session 8
    destroy a 8     | refused, then connected    | stale P/1 connected session 11
    destroy a 8     | waiting                    | stale P/1 waiting until 150 session 8
    destroy a 8     | reapplied                  | stale P/1 reserved until 150 session 8
    destroy a 7     | reserved                   | stale P/1 reserved until 110
    destroy a 0     | reserved                   | stale P/1 reserved until 110
    destroy a 8     | nothing held               | stale
    destroy a 8     | refused before             | stale
    destroy a 8     | destroyed before           | stale
    destroy a 9     | recovering                 | stale
    settle          | window ends now            | windowExpired P/1 idle session 8
    settle          | window ends now, cleanup   | windowExpired P/1 recovering until 120 session 8
    settle          | window ends now, lowered   | windowExpired P/1 idle session 8
                    |                            | done P/1 withdrawn
    settle          | window ends 1 µs later     | nothing
    settle          | lock ends now              | lockExpired P/1 idle
    settle          | lock ends now, cleanup     | lockExpired P/1 idle
    settle          | lock ends now, lowered     | lockExpired P/1 idle
                    |                            | done P/1 withdrawn
    settle          | lock ends 1 µs later       | nothing
    settle          | cleaning ends now          | done P/1 idle
    settle          | cleaning ends now, lowered | done P/1 idle
                    |                            | done P/1 withdrawn
    settle          | cleaning ends 1 µs later   | nothing
    settle          | connected                  | nothing
    repossess a     | reserved                   | operator P/1 idle
    repossess a     | reapplied                  | operator P/1 idle session 8
    repossess a     | waiting                    | operator P/1 idle session 8
    repossess a     | connected                  | operator P/1 idle session 8
    repossess a     | unattended                 | operator P/1 idle session 8
    repossess a     | reserved, cleanup          | operator P/1 idle
    repossess a     | waiting, cleanup           | operator P/1 recovering until 120 session 8
    repossess a     | connected, cleanup         | operator P/1 recovering until 120 session 8
    repossess a     | connected, lowered         | operator P/1 idle session 8
                    |                            | done P/1 withdrawn
    repossess a     | nothing held               | nothingHeld
    repossess a     | recovering                 | nothingHeld
    forget a        | nothing held               | done
    forget a        | refused before             | done
    forget a        | destroyed before           | done
    forget a        | recovering                 | done
    forget a        | reserved                   | freed P/1 idle
                    |                            | done
    forget a        | reapplied                  | freed P/1 idle session 8
                    |                            | done
    forget a        | waiting                    | freed P/1 idle session 8
                    |                            | done
    forget a        | connected                  | freed P/1 idle session 8
                    |                            | done
    forget a        | unattended                 | freed P/1 idle session 8
                    |                            | done
    forget a        | taken over                 | freed P/1 idle session 9
                    |                            | done
    forget a        | connected there            | freed Q/1 idle session 8
                    |                            | done
    forget a        | connected, names required  | freed P/1 idle session 8
                    |                            | done
    forget a        | reserved, cleanup          | freed P/1 idle
                    |                            | done
    forget a        | waiting, cleanup           | freed P/1 recovering until 120 session 8
                    |                            | done
    forget a        | connected, cleanup         | freed P/1 recovering until 120 session 8
                    |                            | done
    forget a        | connected, lowered         | freed P/1 idle session 8
                    |                            | done P/1 withdrawn
                    |                            | done
    forget a        | lock ends now              | lockExpired P/1 idle
                    |                            | done
    forget a        | window ends now            | windowExpired P/1 idle session 8
                    |                            | done
    forget a        | window ends 1 µs later     | freed P/1 idle session 8
                    |                            | done
    """)

/// `a` acts at 100, on what `Circumstance` prepared.
@Suite struct RuleTableTests {
    @Test(arguments: table.rows)
    func `an action comes to what the table says`(row: RuleTable.Row) throws {
        let script = try Script(
            Circumstance.script(row.finds) + "at 100 \(row.action)", isScenery: true)
        var stage = Stage()
        var start = 0
        for act in script.acts {
            start = stage.events.count
            for step in act.steps {
                switch step {
                case .command(let command, let caller):
                    stage.perform(command, at: act.time, by: caller)
                case .forget(let user, let caller):
                    stage.forget(user, at: act.time, by: caller)
                default: stage.settle(at: act.time)
                }
            }
        }
        let emitted = stage.events[start...]
        let text = EventText(cast: script.cast)
        let lines = emitted.map { text.outcomeLine($0) }
        #expect((lines.isEmpty ? ["nothing"] : lines) == row.comes)
        #expect(emitted.allSatisfy { $0.time == 100_000_000 })
        // The view shows what the last event of each concurrency says it left.
        for event in emitted.reversed().uniqued(by: Place.init) where event.concurrency != 0 {
            let record = stage.state.projects[Int(event.project)]
                .concurrencies[Int(event.concurrency)]
            #expect(record.state == event.state)
            #expect(record.deadline ?? 0 == event.deadline)
            #expect(record.last == event.position)
        }
        let faults = StateInvariants.faults(in: stage.state)
            + StoryLaws(script: script, events: stage.events).faults(endingIn: stage.state)
        #expect(faults.isEmpty)
    }
}

private struct Place: Hashable {
    var project: ProjectNumber
    var concurrency: ConcurrencyNumber

    init(_ event: Event) {
        project = event.project
        concurrency = event.concurrency
    }
}

extension Sequence {
    /// The first element of each key, in order.
    fileprivate func uniqued<Key: Hashable>(by key: (Element) -> Key) -> [Element] {
        var seen: Set<Key> = []
        return filter { seen.insert(key($0)).inserted }
    }
}
