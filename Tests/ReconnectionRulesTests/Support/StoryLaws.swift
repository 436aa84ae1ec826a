import ReconnectionRules

/// What must hold of any sequence of events, whatever the story is about.
struct StoryLaws {
    let script: Script
    let events: [Event]

    func faults(endingIn state: State) -> [String] {
        orderFaults() + foldFaults(state) + decisionFaults() + pointerFaults()
            + counterFaults(state.counters) + punctualityFaults() + restoreFaults()
    }

    /// Positions count from 1 without gaps but where an epoch begins; ledger time never runs
    /// backward.
    private func orderFaults() -> [String] {
        var faults: [String] = []
        var last: Position = 0
        for event in events {
            if event.position != last + 1, event.previousEpochEnd != last {
                faults.append("#\(event.position) follows #\(last)")
            }
            last = event.position
        }
        for (earlier, later) in zip(events, events.dropFirst()) where later.time < earlier.time {
            faults.append("#\(later.position) is earlier than #\(earlier.position)")
        }
        return faults
    }

    /// The events alone, folded over an empty state, give the state they were decided in.
    private func foldFaults(_ state: State) -> [String] {
        var folded = State()
        for event in events { folded.evolve(event) }
        return canonicalWords(folded) == canonicalWords(state)
            ? [] : ["folding the events alone gives another state"]
    }

    /// An event holds its whole input: asked again in the state before it, it comes out the same.
    private func decisionFaults() -> [String] {
        var faults: [String] = []
        var state = State()
        for event in events {
            if let command = event.command {
                let again = state.decide(
                    command, at: event.time, by: Caller(rawValue: event.caller))
                if again != event { faults.append("#\(event.position) is decided otherwise again") }
            } else if event.isAction {
                faults.append("#\(event.position) is an action without its command")
            }
            state.evolve(event)
        }
        return faults
    }

    /// Every event points to the previous one of its user and of its concurrency, project or
    /// ledger, each a chain of its own.
    private func pointerFaults() -> [String] {
        var faults: [String] = []
        var lastOfUser: [UserNumber: Position] = [:]
        var lastOfThing: [String: Position] = [:]
        for event in events {
            if event.user != 0 {
                if event.previousOfUser != lastOfUser[event.user] ?? 0 {
                    faults.append("#\(event.position) points to a wrong event of its user")
                }
                lastOfUser[event.user] = event.position
            }
            let thing: String? =
                switch event.kind {
                case .opened, .userForgotten, .epochBegun: "ledger"
                case .projectNamed, .projectModified: "\(event.project)"
                default:
                    event.concurrency == 0 ? nil : "\(event.project)/\(event.concurrency)"
                }
            let previous = thing.flatMap { lastOfThing[$0] } ?? 0
            if event.previousOfConcurrency != previous {
                faults.append("#\(event.position) points to a wrong event of its concurrency")
            }
            if let thing { lastOfThing[thing] = event.position }
        }
        return faults
    }

    /// The counters are what a recount of the events gives.
    private func counterFaults(_ counters: Counters) -> [String] {
        func count(_ kind: Event.Kind, _ outcomes: Event.Outcome...) -> UInt64 {
            UInt64(
                events.count {
                    $0.kind == kind && (outcomes.isEmpty || outcomes.contains($0.outcome))
                })
        }
        var recount = Counters()
        recount.starts = count(.applied)
        recount.grantedNew = count(.sessionCreated, .fresh)
        recount.resumed = count(.sessionCreated, .resumed)
        recount.takenOver = count(.sessionCreated, .takeover)
        recount.rejectedNoIdle = count(.applied, .noIdle)
        recount.rejectedLockTimeout = count(.sessionCreated, .lockTimeout)
        recount.disconnected = count(.disconnected, .waiting)
        recount.keptRunning = count(.disconnected, .keptRunning)
        recount.staleDisconnects = count(.disconnected, .stale, .sessionNameRequired)
        recount.destroyed = count(.destroyed, .freed)
        recount.staleDestroys = count(.destroyed, .stale)
        recount.repossessed = count(
            .repossessed, .windowExpired, .lockExpired, .moved, .operator_)
        // What is held now is no sum over events; `StateInvariants` counts it in the records.
        recount.heldNow = counters.heldNow
        recount.waitingNow = counters.waitingNow
        return recount == counters ? [] : ["the counters are not what the events add up to"]
    }

    /// No outcome depends on how punctual a thread was: settling at every moment that matters, and
    /// a microsecond beside it, gives the same events as settling only when something is asked.
    private func punctualityFaults() -> [String] {
        let moments = Set(
            events.flatMap { [$0.time - 1, $0.time, $0.time + 1, $0.deadline, $0.deadline - 1] })
        let sortedMoments = moments.filter { $0 >= 0 }.sorted()
        var stage = Stage()
        var now: Microseconds = 0
        for act in script.acts {
            for step in act.steps {
                if case .command(let command, _) = step, command.endsOutage {
                } else {
                    for moment in sortedMoments where moment > now && moment < act.time {
                        stage.settle(at: moment)
                    }
                }
                perform(step, of: act, on: &stage)
            }
            now = act.time
        }
        return stage.events == events ? [] : ["a punctual thread would have seen other events"]
    }

    /// A state restored from stored records before every step goes on exactly as the live one.
    private func restoreFaults() -> [String] {
        var stage = Stage()
        for act in script.acts {
            for step in act.steps {
                stage.state = restored(stage.state)
                perform(step, of: act, on: &stage)
            }
        }
        return stage.events == events ? [] : ["a restored state goes on otherwise"]
    }

    private func perform(_ step: Step, of act: Act, on stage: inout Stage) {
        switch step {
        case .command(let command, let caller): stage.perform(command, at: act.time, by: caller)
        case .forget(let user, let caller): stage.forget(user, at: act.time, by: caller)
        case .settle: stage.settle(at: act.time)
        case .showProject, .showUser, .showCounters: break
        }
    }
}

/// The words a state digest hashes.
func canonicalWords(_ state: State) -> [UInt64] {
    var words: [UInt64] = []
    state.forEachCanonicalWord { words.append($0) }
    return words
}

/// The same state, taken apart into the records a checkpoint stores and put together again.
func restored(_ state: State) -> State {
    State(state.records)
}
