import EventLog
public import Ledger
import ReconnectionRules

/// Replays a stretch of a ledger: each event with the state beside it, oldest first.
///
/// Every event between the bounds is folded; those that `filter` wants are handed over. Memory: the
/// state, and some thousand events.
public struct ReplayStream: Sendable {
    /// Which events are handed over, with the bounds as `since` and `until`.
    public var filter = EventFilter()
    /// Stop behind the first event handed over that this is true of.
    public var stop: EventCondition?
    /// Look at this user beside every event, instead of the event's own.
    public var user: String?

    public init() {}

    /// Runs it on what the ledger held when `reader` was opened. Returns whether `stop` was met.
    ///
    /// `progress` hears how far it is and how far it has to go before the first is handed over, as
    /// of `PastStates.state(at:progress:)`, and may throw to end it. Throws `LedgerError` or
    /// `LogError` at damage, and what `body` throws. Cost: the events between the bounds, and those
    /// before them as far back as the nearest kept checkpoint, or what `states` has at hand.
    @discardableResult
    public func run(
        on reader: LedgerReader, states: PastStates? = nil,
        progress: (UInt64, UInt64) throws -> Void = { _, _ in },
        _ body: (ReplayMoment) throws -> Bool
    ) throws -> Bool {
        var bounds = EventQuery()
        bounds.filter.since = filter.since
        bounds.filter.until = filter.until
        let plan = try EventPlan(bounds, reader)
        guard plan.low <= plan.high else { return false }
        let names = NumberedNames(reader)
        let wanted = filter.asCondition.node.map(names.numbered)
        let stop = stop?.node.map(names.numbered)
        let chosen = user.flatMap { reader.view.users.number(of: $0) }
        var fold = StreamFold(
            state: try (states ?? reader.pastStates()).state(
                at: plan.low - 1, progress: progress))
        let scan = ForwardScan(reader.log, plan.low ... plan.high, .and([]), plan.sizes)
        while let page = try scan.nextPage() {
            var shown = try reader.named(page.events.filter(wanted.matches))[...]
            for event in page.events {
                try fold.take(event)
                guard shown.first?.event.position == event.position,
                    let named = shown.popFirst()
                else { continue }
                let project = ReplayMoment.project(nil, event)
                let moment = ReplayMoment(
                    named, fold.state, reader, user: chosen, counts: fold.counts(of: project))
                let goesOn = try body(moment)
                if stop?.matches(event) == true { return true }
                if !goesOn { return false }
            }
        }
        return false
    }
}

/// A state and the counts beside it, kept up to date event by event.
struct StreamFold {
    private(set) var state: State
    /// By project number, those that were asked for.
    private var known: [ProjectNumber: StateCounts] = [:]

    init(state: consuming State) { self.state = state }

    mutating func take(_ event: Event) throws {
        let fault = withUnsafeMutablePointer(to: &state) { $0.pointee.fault(of: event) }
        if let fault {
            throw LogError(
                .corrupt(position: event.position),
                "the log is damaged at position \(event.position): \(fault); run holdfast verify")
        }
        if event.kind == .projectModified {
            // Numbers may have come into service with it.
            known[event.project] = nil
        } else if event.concurrency != 0, known[event.project] != nil {
            let before = withUnsafeMutablePointer(to: &state) {
                $0.pointee.projects[Int(event.project)].concurrencies[Int(event.concurrency)].state
            }
            known[event.project]?[before] -= 1
            known[event.project]?[event.state] += 1
        }
        state.evolve(event)
    }

    /// Cost: linear in the project's concurrencies the first time and after its settings changed.
    mutating func counts(of project: ProjectNumber) -> StateCounts? {
        guard project != 0, Int(project) < state.projects.count else { return nil }
        if let counts = known[project] { return counts }
        let counts = StateCounts(state.projects[Int(project)])
        known[project] = counts
        return counts
    }
}
