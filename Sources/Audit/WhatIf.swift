import EventLog
public import Ledger
public import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Decides what was recorded again under other settings, and says what would have come of it.
///
/// The recorded inputs are taken as they are: what people would have done otherwise under other
/// settings, no log knows (`caveats`). docs/what-if.md says how each recorded event is taken.
///
/// ```swift
/// var question = WhatIf()
/// question.changes = WhatIf.combinations(
///     reconnectWindows: [.seconds(40), .seconds(120)], concurrencyCounts: [60, 110])
/// let report = try question.run(on: LedgerReader(opening: "./ledger"))
/// ```
public struct WhatIf: Sendable {
    /// The project whose settings are changed; nil if the ledger has one alone. Other projects run
    /// as recorded.
    public var project: String?
    /// One world for each. A setting that is nil is as recorded, with its recorded changes; one
    /// that is given overrides them.
    public var changes: [ProjectChange] = [ProjectChange()]
    /// The settings are changed then, and everything counts from then on; nil: from the beginning.
    public var since: Microseconds?
    /// Time stops at the last event that is not later; nil: at the newest.
    public var until: Microseconds?
    /// nil: every core.
    public var threads: Int?
    /// Bytes of worlds in memory at once, about; more worlds than fit take further passes.
    public var byteCountMax = 1 << 30

    public init() {}

    /// Every combination of the values given; an empty list leaves a setting as recorded.
    public static func combinations(
        reconnectWindows: [Microseconds] = [], concurrencyCounts: [UInt32] = [],
        lockTimeouts: [Microseconds] = [], cleanupTimes: [Microseconds] = []
    ) -> [ProjectChange] {
        func orRecorded<Value>(_ values: [Value]) -> [Value?] {
            values.isEmpty ? [nil] : values.map { $0 }
        }
        var changes: [ProjectChange] = []
        for count in orRecorded(concurrencyCounts) {
            for window in orRecorded(reconnectWindows) {
                for lock in orRecorded(lockTimeouts) {
                    for cleanup in orRecorded(cleanupTimes) {
                        changes.append(
                            ProjectChange(
                                concurrencyCount: count, reconnectWindow: window,
                                lockTimeout: lock, cleanupTime: cleanup))
                    }
                }
            }
        }
        return changes
    }

    /// What the figures cannot know, a sentence each.
    public static let caveats = [
        "It decides the recorded actions again; people would have acted differently: who was "
            + "refused might have come back sooner, or not at all, who kept a concurrency might "
            + "have left earlier.",
        "An apply that was refused and is granted here gets an assumed session, created at once; "
            + "it ends with the report that names that apply. Where none does (bound), how long it "
            + "lasts is not known, and it is held until something else ends it.",
        "Outages stay as recorded, also where other deadlines would have run.",
    ]

    /// Runs every combination, and the recorded settings, to compare with.
    ///
    /// `progress` hears events done and in all, over all passes, from any thread, one call at a
    /// time. Throws `unknownProject` or `invalid` for a project or settings that cannot be, and
    /// what is at fault in the log at the lowest position. Cost: one pass over the log for as many
    /// worlds as fit into `byteCountMax`, on all cores; memory for one state a world.
    public func run(
        on reader: LedgerReader, progress: ((UInt64, UInt64) -> Void)? = nil
    ) throws -> WhatIfReport {
        let project = try number(in: reader)
        for change in changes {
            if let fault = change.fault { throw LedgerError(.invalid, fault) }
        }
        let range = try positions(in: reader)
        let start = try self.start(before: range.lowerBound, of: reader)
        if let start, Int(project) >= start.projects.count {
            throw LedgerError(
                .invalid, "the project did not exist yet at that time; name a later one")
        }
        func world(_ change: ProjectChange) -> WhatIfWorld {
            guard let start, let since else {
                return WhatIfWorld(project: project, change: change)
            }
            return WhatIfWorld(project: project, change: change, from: start, at: since)
        }
        let all = [ProjectChange()] + changes
        var outcomes: [WhatIfOutcome] = []
        let groupCount = worldCount(in: reader.state)
        let passCount = UInt64((all.count + groupCount - 1) / groupCount)
        var begun = 0
        while begun < all.count {
            let group = all[begun ..< min(begun + groupCount, all.count)]
            let folds = group.map { WhatIfFold(world($0), range) }
            let passesDone = UInt64(begun / groupCount)
            _ = try LogScan(
                reader.log, from: range.lowerBound, through: range.upperBound - 1,
                threads: threads
            ).run(folds) { progress?(passesDone * $1 + $0, passCount * $1) }
            outcomes += folds.map { WhatIfOutcome($0.world, since: start?.counters, reader) }
            begun += group.count
        }
        return WhatIfReport(
            project: reader.projectName(of: project), recorded: outcomes[0],
            outcomes: Array(outcomes.dropFirst()))
    }

    // MARK: - What is asked

    private func number(in reader: LedgerReader) throws(LedgerError) -> ProjectNumber {
        if let project {
            guard let view = reader.project(project) else {
                throw LedgerError(
                    .unknownProject, "no project \(project) in \(reader.directory.path)")
            }
            return view.number
        }
        switch reader.state.projectCount {
        case 0: throw LedgerError(.invalid, "the ledger has no project, so nothing to ask about")
        case 1: return 1
        case let count:
            throw LedgerError(
                .invalid, "the ledger has \(count) projects; name the one to ask about")
        }
    }

    /// Positions of the events to decide again.
    private func positions(in reader: LedgerReader) throws(LedgerError) -> Range<Position> {
        var first: Position = 1
        var last = reader.head.position
        if let since { first = try reader.event(at: .time(since)).position + 1 }
        if let until { last = try reader.event(at: .time(until)).position }
        guard first <= last else {
            throw LedgerError(.invalid, "nothing was recorded in that time; name a longer one")
        }
        return first ..< last + 1
    }

    /// What the record had come to before a position; nil where everything is decided again.
    private func start(before position: Position, of reader: LedgerReader) throws -> State? {
        guard since != nil else { return nil }
        if position == 1 { return State() }
        let fold = StartFold(before: position)
        _ = try LogScan(reader.log, through: position - 1, threads: threads).run([fold])
        return fold.state
    }

    /// How many worlds are in memory at once. A world holds what a state does, and as much again to
    /// measure it.
    private func worldCount(in state: State) -> Int {
        let concurrencyCount = state.projects.reduce(0) { $0 + Int($1.numberCount) }
        let byteCount = 1 << 20 + 100 * state.userCount + 120 * concurrencyCount
        let cores = threads ?? Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        return max(1, cores, byteCountMax / byteCount)
    }
}

/// What the record had come to before a position.
private final class StartFold: BatchFold {
    private(set) var state = State()
    private let end: Position
    private let block = EventBlock()

    init(before end: Position) { self.end = end }

    func fold(_ batch: borrowing BatchView, before limit: Position) throws {
        // A scan ends with a batch, the start may be in the middle of one.
        try batch.forEachBlock(block, before: min(limit, end)) { events in
            state.touch(events, block)
            for event in events {
                // By its address: otherwise the compiler copies the state for each look at it.
                let fault = withUnsafeMutablePointer(to: &state) { $0.pointee.fault(of: event) }
                if let fault {
                    throw LogError(
                        .corrupt(position: event.position),
                        "the log is damaged at position \(event.position): \(fault); run "
                            + "holdfast verify")
                }
                state.evolve(event)
            }
        }
    }

    func finish() {}
}

/// Plays the batches of a scan in a world.
private final class WhatIfFold: BatchFold {
    private(set) var world: WhatIfWorld
    private let range: Range<Position>
    private let block = EventBlock()

    init(_ world: WhatIfWorld, _ range: Range<Position>) {
        self.world = world
        self.range = range
    }

    func fold(_ batch: borrowing BatchView, before limit: Position) throws {
        if batch.lastPosition < range.lowerBound { return }
        try batch.forEachBlock(block, before: min(limit, range.upperBound)) { events in
            world.touch(events, block)
            for event in events where event.position >= range.lowerBound { try world.take(event) }
        }
    }

    func finish() { world.finish() }
}
