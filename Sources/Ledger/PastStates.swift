package import EventLog
public import ReconnectionRules

/// The states of everything at past moments: the nearest state that is at hand at or before the
/// moment, and the events between.
///
/// At hand are the kept checkpoints, the state asked for before, and where states are stepped
/// through a few in between, so that a step back costs some hundred events and not a replay.
///
/// Cost of a state: at most the events between two kept checkpoints, some ten million a second, or
/// the whole log up to the moment where none are kept; and reading one checkpoint. Memory: one
/// state, up to eight where they are stepped through, however long the log is.
public final class PastStates {
    /// Events that are read one by one; more of them are scanned, on all cores.
    private static let readCountMax: UInt64 = 32_768
    /// A kept checkpoint is loaded if it saves more events than this.
    private static let savingMin: UInt64 = 65_536
    /// The state nearest before the one asked for stands so many events before it, the next twice
    /// as many, and so on.
    private static let nearestStep: UInt64 = 512
    private static let stepCount = 8

    private let log: EventLog
    private let checkpoints: KeptCheckpoints
    private let head: Position
    private let isSteppedThrough: Bool
    private var present: State?
    private var current = State()
    /// States before the current one, ascending.
    private var steps: [State] = []

    /// Kept checkpoints that were to be used and are not what was written.
    public private(set) var faults: [KeptCheckpointFault] = []
    /// Position of the kept checkpoint the newest state was found from, 0 if from none.
    public private(set) var checkpointPosition: Position = 0
    /// Events folded for the newest state.
    public private(set) var replayedEventCount: UInt64 = 0

    /// - Parameters:
    ///   - head: the last position that may be asked for: what is behind it is not durable yet.
    ///   - present: the state there, if it is known.
    package init(
        _ log: EventLog, _ directory: DataDirectory, head: Position, present: State? = nil,
        isSteppedThrough: Bool = false
    ) {
        self.log = log
        self.head = head
        self.present = present
        self.isSteppedThrough = isSteppedThrough
        checkpoints = KeptCheckpoints(directory, log)
    }

    /// The state that the events up to a position lead to; past the head, that at the head.
    ///
    /// `progress` hears the position reached and the goal, from any thread, one call at a time.
    /// Throws `log` where the log is damaged.
    public func state(
        at wanted: Position, progress: ((Position, Position) -> Void)? = nil
    ) throws(LedgerError) -> State {
        let position = try self.position(of: .position(wanted))
        checkpointPosition = 0
        replayedEventCount = 0
        if position == current.position { return current }
        if let present, position == present.position { return present }
        var start = take(atOrBefore: position)
        if let kept = keptState(atOrBefore: position, after: start.position) {
            start = kept
            checkpointPosition = kept.position
            steps.removeAll()
        }
        let fold = PastFold(start, through: position, marks: marks(start.position, position))
        // The fold alone holds the tables: changing what two hold would copy them.
        start = State()
        try replay(fold, progress)
        steps += fold.taken
        if steps.count > Self.stepCount { steps.removeFirst(steps.count - Self.stepCount) }
        current = fold.state
        return current
    }

    /// Position of the newest event that a moment covers, 0 before the first. Cost: for a time a
    /// logarithm of point reads.
    public func position(of moment: Moment) throws(LedgerError) -> Position {
        switch moment {
        case .position(let position) where position >= head: return head
        default: break
        }
        do {
            return try log.read { snapshot in
                var reader = try snapshot.reader()
                switch moment {
                // One that an epoch left out means the end of the epoch before.
                case .position(let position):
                    return try reader.position(reachedAtOrBefore: position)
                case .time(let time): return try reader.position(atOrBefore: time, upTo: head)
                }
            }
        } catch let error as LogError { throw LedgerError(error) } catch {
            throw LedgerError(.directory, "\(error)")
        }
    }

    /// The nearest state in memory, no longer held here unless it is one of the steps.
    private func take(atOrBefore position: Position) -> State {
        steps.removeAll { $0.position > position }
        defer { current = State() }
        return current.position <= position ? current : steps.last ?? State()
    }

    /// A kept checkpoint that is worth loading. One that is not what was written is passed over.
    private func keptState(atOrBefore position: Position, after start: Position) -> State? {
        let worth = start.addingReportingOverflow(Self.savingMin).partialValue
        let isFirst = start == 0
        for kept in checkpoints.positions().reversed() where kept <= position {
            guard isFirst || kept > worth else { return nil }
            do throws(KeptCheckpointFault) { return try checkpoints.state(at: kept) } catch {
                if !faults.contains(error) { faults.append(error) }
            }
        }
        return nil
    }

    /// Where the states between are taken, ascending.
    private func marks(_ start: Position, _ position: Position) -> [Position] {
        guard isSteppedThrough else { return [] }
        return (0 ..< Self.stepCount).reversed().compactMap { step in
            let distance = Self.nearestStep << UInt64(step)
            guard position > start, distance < position - start else { return nil }
            let mark = position - distance
            return steps.contains { $0.position == mark } ? nil : mark
        }
    }

    private func replay(
        _ fold: PastFold, _ progress: ((Position, Position) -> Void)?
    ) throws(LedgerError) {
        let (first, last) = (fold.state.position + 1, fold.last)
        guard first <= last else { return }
        let countBefore = fold.state.eventCount
        defer { replayedEventCount = fold.state.eventCount - countBefore }
        do {
            if last - first < Self.readCountMax {
                try log.read { snapshot in
                    var reader = try snapshot.reader()
                    for position in first ... last {
                        // One that is missing shows in the next: it does not follow.
                        if let event = try reader.event(at: position) { try fold.fold(event) }
                    }
                }
            } else {
                _ = try LogScan(log, from: first, through: last).run([fold]) { position in
                    progress?(min(position, last), last)
                }
            }
            // A page of the tree that was damaged while it was open must not hide the rest.
            let end = try log.read { snapshot in
                var reader = try snapshot.reader()
                return try reader.position(reachedAtOrBefore: last)
            }
            guard fold.state.position == end else {
                throw LogError(
                    .corrupt(position: fold.state.position + 1),
                    "the log is damaged at position \(fold.state.position + 1): a fold to position "
                        + "\(last) ended before it; run holdfast verify, and restore a backup")
            }
        } catch let error as LogError { throw LedgerError(error) } catch {
            throw LedgerError(.directory, "\(error)")
        }
    }
}

/// Folds events into a state, up to a position and no further.
private final class PastFold: BatchFold {
    private(set) var state: State
    let last: Position
    private(set) var taken: [State] = []
    private var marks: ArraySlice<Position>
    private let block = EventBlock()

    init(_ state: State, through last: Position, marks: [Position]) {
        self.state = state
        self.last = last
        self.marks = marks[...]
    }

    func fold(_ batch: borrowing BatchView, before limit: Position) throws {
        if batch.lastPosition <= state.position { return }
        try batch.forEachBlock(block, before: min(limit, last + 1)) { events in
            state.touch(events, block)
            for event in events where event.position > state.position { try fold(event) }
        }
    }

    func finish() {}

    func fold(_ event: Event) throws {
        // By its address: otherwise the compiler copies the state for each look at it.
        let fault = withUnsafeMutablePointer(to: &state) { $0.pointee.fault(of: event) }
        if let fault { throw Self.fault(event.position, fault) }
        state.evolve(event)
        guard let mark = marks.first, state.position >= mark else { return }
        taken.append(state)
        marks.removeFirst()
    }

    static func fault(_ position: Position, _ what: String) -> LogError {
        LogError(
            .corrupt(position: position),
            "the log is damaged at position \(position): \(what); run holdfast verify")
    }
}
