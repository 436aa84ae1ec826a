import EventLog
import Ledger
import ReconnectionRules

/// What a story about one user asks of the rest of the log: outages, settings, and what others did.
/// Every answer is a bounded number of reads.
final class LogQuestions {
    private let view: RecoveredView
    /// Events that may still be read in searches along the log.
    private(set) var searchBudget: Int
    /// The ledger's own events from the newest backward, as far as they were needed: openings,
    /// epochs, and others that take no time.
    private var openings: [Event] = []
    private var nextOpening: Position
    private var changes: [ProjectNumber: [Event]] = [:]

    init(_ view: RecoveredView, searchBudget: Int) {
        self.view = view
        self.searchBudget = searchBudget
        nextOpening = view.state.lastOfLedger
    }

    var head: Position { view.state.position }
    var now: Microseconds { view.state.time }

    func user(_ number: UserNumber) -> String { view.userText(of: number) }
    func project(_ number: ProjectNumber) -> String { view.projects.name(of: UInt32(number)) }
    func place(_ event: Event) -> String { "\(project(event.project))/\(event.concurrency)" }

    // MARK: - The ledger and its projects

    /// Openings after an outage, behind one position and up to another, oldest first. Cost: a read
    /// for each opening since the first position, once.
    func outages(
        after first: Position, through last: Position, _ reader: inout EventReader
    ) throws -> [Event] {
        while nextOpening > first {
            guard let opened = try reader.event(at: nextOpening), opened.isOfLedger,
                opened.previousOfConcurrency < nextOpening
            else { throw damaged(nextOpening, "no opening is where the one after it says") }
            openings.append(opened)
            nextOpening = opened.previousOfConcurrency
        }
        return openings.lazy.reversed().filter {
            $0.position > first && $0.position <= last && $0.outage > 0
        }
    }

    /// The changes of a project's settings before a position, newest first. Cost: a read for each
    /// change, once.
    func changes(
        of project: ProjectNumber, before position: Position, _ reader: inout EventReader
    ) throws -> ArraySlice<Event> {
        if changes[project] == nil {
            var found: [Event] = []
            var next = view.state.projects[Int(project)].last
            while next > 0, let event = try reader.event(at: next) {
                guard event.project == project, event.previousOfConcurrency < next else {
                    throw damaged(next, "the event is not about the project it is linked from")
                }
                if event.kind != .projectModified { break }
                found.append(event)
                next = event.previousOfConcurrency
            }
            changes[project] = found
        }
        return changes[project, default: []].drop { $0.position >= position }
    }

    private func damaged(_ position: Position, _ what: String) -> LogError {
        LogError(
            .corrupt(position: position),
            "the log is damaged at position \(position): \(what); run holdfast verify")
    }

    // MARK: - A concurrency's future

    /// What became of a concurrency after the event that released it.
    struct Future {
        enum End {
            /// Somebody was granted it.
            case granted(Event)
            /// It was taken out of service.
            case withdrawn(Event)
            /// Nobody has it, as of the newest event: idle, or being cleaned until then.
            case free(until: Microseconds?)
            /// Farther away than the search goes.
            case unknown
        }
        /// The end of its cleaning, if it was cleaned.
        var recovered: Event?
        var end = End.unknown
    }

    /// Looks for it forward from the release and backward from the concurrency's newest event, in
    /// turns: the nearer end decides what it costs.
    func future(after release: Event, _ reader: inout EventReader) throws -> Future {
        let record = view.state.projects[Int(release.project)]
            .concurrencies[Int(release.concurrency)]
        if record.last <= release.position { return Future(end: atHead(record)) }
        var backward = BackwardWalk(next: record.last)
        var forward = ForwardWalk(position: release.position)
        var burst = 64
        while searchBudget > 0 {
            if let future = try backward.go(burst, to: release, self, &reader) { return future }
            if let future = try forward.go(burst * 32, from: release, self, &reader) {
                return future
            }
            burst *= 2
        }
        return Future()
    }

    private func atHead(_ record: ConcurrencyRecord) -> Future.End {
        .free(until: record.state == .recovering ? record.deadline : nil)
    }

    private func spend() -> Bool {
        searchBudget -= 1
        return searchBudget >= 0
    }

    /// The events of the concurrency on the way back; the two oldest are the ones looked for.
    private struct BackwardWalk {
        var next: Position
        var seen: Event?
        var seenBefore: Event?

        mutating func go(
            _ count: Int, to release: Event, _ log: LogQuestions, _ reader: inout EventReader
        ) throws -> Future? {
            for _ in 0 ..< count {
                if next <= release.position { break }
                guard log.spend(), let event = try reader.event(at: next) else { return nil }
                guard event.previousOfConcurrency < next else {
                    throw log.damaged(next, "the event names itself or a later one")
                }
                (seen, seenBefore) = (event, seen)
                next = event.previousOfConcurrency
            }
            guard next <= release.position, let seen else { return nil }
            return log.future(first: seen, second: seenBefore)
        }
    }

    /// All events after the release, until one is about the concurrency and settles the question.
    private struct ForwardWalk {
        var position: Position
        var recovered: Event?

        mutating func go(
            _ count: Int, from release: Event, _ log: LogQuestions, _ reader: inout EventReader
        ) throws -> Future? {
            var (left, last, first) = (count, position, recovered)
            var found: Future?
            try reader.forEachEvent(after: position, through: log.head) { event in
                guard left > 0, log.spend() else { return false }
                left -= 1
                last = event.position
                guard event.concurrency == release.concurrency, event.project == release.project
                else { return true }
                if event.kind == .recovered {
                    first = event
                    return true
                }
                found = log.future(first: first ?? event, second: first == nil ? nil : event)
                return false
            }
            (position, recovered) = (last, first)
            return found
        }
    }

    /// Reads the answer off the first two events after the release.
    private func future(first: Event, second: Event?) -> Future {
        let recovered = first.kind == .recovered ? first : nil
        let event = recovered == nil ? first : second
        guard let event else { return Future(recovered: recovered, end: .free(until: nil)) }
        let end: Future.End = event.kind == .withdrawn ? .withdrawn(event) : .granted(event)
        return Future(recovered: recovered, end: end)
    }

    // MARK: - A project short of concurrencies

    /// How many concurrencies of a project were in each state at a position.
    struct StateCounts {
        var counts: [ConcurrencyState: Int] = [:]
        /// Whether each was found; the search is bounded.
        var isComplete = false

        /// In service: all but those withdrawn.
        var inService: Int { counts.reduce(0) { $0 + ($1.key == .withdrawn ? 0 : $1.value) } }
    }

    /// Looks back along the log, where each concurrency's newest event holds its state; those that
    /// had none for long are looked up from their newest event. For a moment at which none is idle:
    /// each concurrency then has an event.
    func states(
        of project: ProjectNumber, at position: Position, _ reader: inout EventReader
    ) throws -> StateCounts {
        let capacities = try changes(of: project, before: position, &reader)
            .compactMap(\.settings?.concurrencyCount)
        let count = Int(capacities.max() ?? 0)
        var counts = StateCounts()
        var isSeen = [Bool](repeating: false, count: count + 1)
        var missing = count
        var left = searchBudget / 2
        try reader.forEachEvent(before: position + 1) { event in
            guard missing > 0, left > 0, spend() else { return false }
            left -= 1
            let index = Int(event.concurrency)
            if event.project == project, index > 0, index <= count, !isSeen[index] {
                isSeen[index] = true
                missing -= 1
                counts.counts[event.state, default: 0] += 1
            }
            return true
        }
        left = searchBudget / 2
        for index in isSeen.indices.dropFirst() where !isSeen[index] {
            var next = view.state.projects[Int(project)].concurrencies[index].last
            while next > 0, left > 0, spend(), let event = try reader.event(at: next) {
                left -= 1
                if event.position <= position {
                    missing -= 1
                    counts.counts[event.state, default: 0] += 1
                    break
                }
                next = event.previousOfConcurrency
            }
        }
        counts.isComplete = missing == 0
        return counts
    }

    /// The first concurrency of a project that came free after a position at which none was idle,
    /// and the grant that took it.
    struct Relief {
        /// What made it idle: a release, the end of its cleaning, or a raised capacity.
        var freed: Event?
        var taken: Event?
        /// Whether the search reached the log's newest event or the answer.
        var isComplete = false
    }

    func relief(
        of project: ProjectNumber, after position: Position, _ reader: inout EventReader
    ) throws -> Relief {
        var relief = Relief()
        var idle: [ConcurrencyNumber: Event] = [:]
        var raised: Event?
        var left = searchBudget / 2
        relief.isComplete = true
        try reader.forEachEvent(after: position, through: head) { event in
            guard left > 0, spend() else {
                relief.isComplete = false
                return false
            }
            left -= 1
            guard event.project == project else { return true }
            if event.kind == .projectModified {
                raised = event
            } else if event.outcome == .granted {
                relief.taken = event
                relief.freed = idle[event.concurrency] ?? raised
                return false
            } else if event.state == .idle {
                idle[event.concurrency] = event
            } else if event.kind == .withdrawn {
                idle[event.concurrency] = nil
            }
            return true
        }
        if relief.taken == nil { relief.freed = idle.values.min { $0.position < $1.position } }
        return relief
    }
}
