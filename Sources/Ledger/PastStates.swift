package import EventLog
public import ReconnectionRules

/// The states of everything at past moments: the nearest state that is at hand at or before the
/// moment, and the events between.
///
/// At hand are the kept checkpoints, the state asked for before, and with memory for them states
/// in between: behind each state found stand others 64, 512, 4,096 … events before it, so that a
/// step back costs some dozen events, and a few hundred now and then. They share what is the same
/// in them; of more than there is memory for, those stay that are the nearest and the farthest
/// apart.
///
/// Cost of a state: at most the events between two kept checkpoints, some ten million a second, or
/// the whole log up to the moment where none are kept; and reading one checkpoint. Memory: one
/// state and what was granted, however long the log is.
public final class PastStates {
    /// Events that are read one by one; more of them are scanned, on all cores.
    private static let readCountMax: UInt64 = 32_768
    /// Events between the state asked for and the nearest taken before it; the others are farther
    /// by 8 each.
    private static let nearestStep: UInt64 = 64
    /// States between, with the smallest memory and the largest.
    private static let heldCounts = 4 ... 48

    private let log: EventLog
    private let checkpoints: KeptCheckpoints
    private let head: Position
    private let memoryByteCount: Int
    private let present: State?
    /// Ascending by position. Without memory for more it is the newest one found alone.
    private var held: [State] = []
    /// A kept checkpoint is loaded if it saves more events than this.
    package var savingMin: UInt64 = 65_536

    /// Kept checkpoints that were to be used and are not what was written.
    public private(set) var faults: [KeptCheckpointFault] = []
    /// Position of the kept checkpoint the newest state was found from, 0 if from none.
    public private(set) var checkpointPosition: Position = 0
    /// Events folded for the newest state.
    public private(set) var replayedEventCount: UInt64 = 0

    /// - Parameters:
    ///   - head: the last position that may be asked for: what is behind it is not durable yet.
    ///   - present: the state there, if it is known.
    ///   - memoryByteCount: as of `LedgerReader.pastStates(memoryByteCount:)`.
    package init(
        _ log: EventLog, _ directory: DataDirectory, head: Position, present: State? = nil,
        memoryByteCount: Int = 0
    ) {
        self.log = log
        self.head = head
        self.present = present
        self.memoryByteCount = memoryByteCount
        checkpoints = KeptCheckpoints(directory, log)
    }

    /// Positions of the states in memory, ascending.
    package var heldPositions: [Position] { held.map(\.position) }

    private var isSteppedThrough: Bool { memoryByteCount > 0 }

    /// The state that the events up to a position lead to; past the head, that at the head.
    ///
    /// Throws `log` where the log is damaged.
    public func state(at wanted: Position) throws(LedgerError) -> State {
        do { return try state(at: wanted) { _, _ in } } catch let error as LedgerError {
            throw error
        } catch { throw LedgerError(.directory, "\(error)") }
    }

    /// As `state(at:)`. `progress` hears now and then how far the fold is and how far it has to go,
    /// in positions, from any thread, one call at a time. It may throw to end it: then that is
    /// thrown, and what was folded until then is there for the next call.
    public func state(
        at wanted: Position, progress: (UInt64, UInt64) throws -> Void
    ) throws -> State {
        let position = try self.position(of: .position(wanted))
        checkpointPosition = 0
        replayedEventCount = 0
        if let present, position == present.position { return present }
        var start = held.last { $0.position <= position } ?? State()
        if start.position == position { return start }
        if let kept = keptState(atOrBefore: position, after: start.position) {
            start = kept
            checkpointPosition = kept.position
            if isSteppedThrough { hold([kept], near: position) }
        }
        // The fold alone has the tables: changing what two hold copies it piece by piece.
        if !isSteppedThrough { held = [] }
        return try withoutActuallyEscaping(progress) { progress in
            let fold = PastFold(
                start, through: position, marks: marks(start.position, position), progress)
            start = State()
            defer { hold(fold.taken + [fold.state], near: position) }
            try replay(fold)
            return fold.state
        }
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

    /// A kept checkpoint that is worth loading. One that is not what was written is passed over.
    private func keptState(atOrBefore position: Position, after start: Position) -> State? {
        let worth = start.addingReportingOverflow(savingMin).partialValue
        let isFirst = start == 0
        for kept in checkpoints.positions().reversed() where kept <= position {
            guard isFirst || kept > worth else { return nil }
            do throws(KeptCheckpointFault) { return try checkpoints.state(at: kept) } catch {
                if !faults.contains(error) { faults.append(error) }
            }
        }
        return nil
    }

    private func replay(_ fold: PastFold) throws {
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
                _ = try LogScan(log, from: first, through: last).run([fold])
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
        } catch let error as LogError { throw LedgerError(error) }
    }

    // MARK: - States between

    /// Where states are taken on the way to a position, ascending.
    private func marks(_ start: Position, _ position: Position) -> [Position] {
        guard isSteppedThrough else { return [] }
        var marks: [Position] = []
        var distance = Self.nearestStep
        while distance < position - start {
            marks.append(position - distance)
            distance *= 8
        }
        return marks.reversed()
    }

    private func hold(_ states: [State], near position: Position) {
        for state in states where state.position > 0 {
            let index = held.firstIndex { $0.position >= state.position } ?? held.endIndex
            guard index == held.endIndex || held[index].position != state.position else { continue }
            held.insert(state, at: index)
        }
        var countMax = 1
        if isSteppedThrough, let largest = held.last.map(Self.byteCount) {
            let fitting = memoryByteCount / max(1, largest)
            countMax = min(max(fitting, Self.heldCounts.lowerBound), Self.heldCounts.upperBound)
        }
        while held.count > countMax { held.remove(at: leastUseful(near: position)) }
    }

    /// The state whose neighbours are the closest, measured by how far away they are.
    private func leastUseful(near position: Position) -> Int {
        var (least, index) = (Double.infinity, 0)
        // The newest serves everything behind it.
        for candidate in held.indices.dropLast() where held[candidate].position != position {
            let before = candidate == 0 ? 0 : held[candidate - 1].position
            let middle = held[candidate].position
            let distance = middle > position ? middle - position : position - middle
            let use = Double(held[candidate + 1].position - before) / Double(distance + 1)
            if use < least { (least, index) = (use, candidate) }
        }
        return index
    }

    /// Bytes of a state that shares nothing.
    private static func byteCount(_ state: State) -> Int {
        let concurrencyCount = state.projects.reduce(0) { $0 + $1.concurrencies.count }
        return state.users.count * MemoryLayout<UserRecord>.stride
            + concurrencyCount * 3 * MemoryLayout<ConcurrencyRecord>.stride
    }
}

/// Folds events into a state, up to a position and no further, and takes copies on the way.
private final class PastFold: BatchFold {
    /// Events between two calls of `progress`: about a millisecond.
    private static let progressStep: UInt64 = 8_192

    private(set) var state: State
    let last: Position
    private(set) var taken: [State] = []
    private var marks: ArraySlice<Position>
    private let first: Position
    private var told: Position
    private let progress: (UInt64, UInt64) throws -> Void
    private let block = EventBlock()

    init(
        _ state: State, through last: Position, marks: [Position],
        _ progress: @escaping (UInt64, UInt64) throws -> Void
    ) {
        self.state = state
        self.last = last
        self.marks = marks[...]
        self.progress = progress
        first = state.position
        told = first
    }

    func fold(_ batch: borrowing BatchView, before limit: Position) throws {
        if batch.lastPosition <= state.position { return }
        try batch.forEachBlock(block, before: min(limit, last + 1)) { events in
            state.touch(events, block)
            for event in events where event.position > state.position { try fold(event) }
        }
        guard state.position - told >= Self.progressStep else { return }
        told = state.position
        try progress(told - first, last - first)
    }

    func finish() {}

    func fold(_ event: Event) throws {
        if let mark = marks.first, event.position > mark {
            taken.append(state)
            marks.removeFirst()
        }
        // By its address: otherwise the compiler copies the state for each look at it.
        let fault = withUnsafeMutablePointer(to: &state) { $0.pointee.fault(of: event) }
        if let fault { throw Self.fault(event.position, fault) }
        state.evolve(event)
    }

    private static func fault(_ position: Position, _ what: String) -> LogError {
        LogError(
            .corrupt(position: position),
            "the log is damaged at position \(position): \(what); run holdfast verify")
    }
}
