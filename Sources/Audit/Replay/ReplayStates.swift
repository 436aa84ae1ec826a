import EventLog
public import Ledger
public import ReconnectionRules

/// Where replay takes the state at a position from.
public protocol ReplayStates: AnyObject {
    /// The state that the events up to a position lead to.
    ///
    /// `progress` hears how many events of how many are folded, now and then, and may throw to end
    /// it: what was folded until then is kept for the next call.
    func state(
        at position: Position, progress: ((UInt64, UInt64) throws -> Void)?
    ) throws -> State
}

/// States folded from the log, some of them kept in memory: a step back starts from the nearest one
/// before it. Where none is near, a checkpoint that the ledger kept is the start.
///
/// Behind each fold stand states 64, 512, 4,096 … events before its goal, so that stepping back
/// costs some dozen events each, and a few hundred now and then. Copies share what neither changed;
/// how many are kept follows from the size of a whole one. Cost of a state with none near: the
/// events since the last kept checkpoint, checked on all cores.
public final class FoldedStates: ReplayStates {
    /// Events between a goal and the nearest state before it; the others are farther by 8 each.
    private static let nearestStep: UInt64 = 64
    /// More events than these are checked on all cores ahead of the fold.
    private static let quickEventCount: UInt64 = 20_000

    private let log: EventLog
    private let checkpoints: KeptCheckpoints
    private let memoryByteCount: Int
    /// A kept checkpoint is loaded if it saves more events than this.
    var savingMin: UInt64 = 65_536
    /// Ascending by position; the empty state is not among them.
    private var kept: [State] = []

    /// `present` is the state at the head, if it is known.
    public init(_ reader: LedgerReader, memoryByteCount: Int = 512 << 20) {
        log = reader.log
        checkpoints = KeptCheckpoints(reader.directory, reader.log)
        self.memoryByteCount = memoryByteCount
        if reader.state.position > 0 { kept = [reader.state] }
    }

    /// Positions of the states in memory, ascending.
    var keptPositions: [Position] { kept.map(\.position) }

    public func state(
        at position: Position, progress: ((UInt64, UInt64) throws -> Void)? = nil
    ) throws -> State {
        var start = kept.last { $0.position <= position } ?? State()
        if start.position == position { return start }
        if position - start.position > savingMin,
            let loaded = checkpoint(atOrBefore: position, after: start.position + savingMin)
        {
            start = loaded
            keep([start], near: position)
        }
        let fold = StateFold(start, through: position, marks: marks(start.position, position))
        fold.progress = progress
        defer { keep(fold.taken + (fold.state.position > 0 ? [fold.state] : []), near: position) }
        if position - start.position <= Self.quickEventCount {
            try log.forEachBatch(from: start.position + 1) { batch in
                try fold.fold(batch, before: .max)
                return batch.lastPosition < position
            }
        } else {
            _ = try LogScan(log, from: start.position + 1, through: position).run([fold])
        }
        return fold.state
    }

    /// The newest kept checkpoint between two positions. One that is not what was written is passed
    /// over; `rebuild` makes it anew.
    private func checkpoint(atOrBefore position: Position, after least: Position) -> State? {
        for kept in checkpoints.positions().reversed() where kept <= position && kept > least {
            if let state = try? checkpoints.state(at: kept) { return state }
        }
        return nil
    }

    /// Where states are taken on the way to a position.
    private func marks(_ start: Position, _ position: Position) -> [Position] {
        var marks: [Position] = []
        var distance = Self.nearestStep
        while distance < position - start {
            marks.append(position - distance)
            distance *= 8
        }
        return marks.reversed()
    }

    private func keep(_ states: [State], near position: Position) {
        for state in states where !kept.contains(where: { $0.position == state.position }) {
            kept.insert(state, at: kept.partitionIndex { $0.position > state.position })
        }
        let largest = kept.last.map(Self.byteCount) ?? 1
        let countMax = max(4, min(48, memoryByteCount / max(1, largest)))
        while kept.count > countMax { kept.remove(at: leastUseful(near: position)) }
    }

    /// The state whose neighbours are the closest, measured by how far away they are.
    private func leastUseful(near position: Position) -> Int {
        var (least, index) = (Double.infinity, 0)
        for candidate in kept.indices where kept[candidate].position != position {
            let before = candidate == 0 ? 0 : kept[candidate - 1].position
            let after = candidate + 1 < kept.count ? kept[candidate + 1].position : nil
            // The newest serves everything behind it.
            guard let after else { continue }
            let middle = kept[candidate].position
            let distance = middle > position ? middle - position : position - middle
            let use = Double(after - before) / Double(distance + 1)
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

/// Folds events into a state up to a position, and takes copies on the way.
final class StateFold: BatchFold {
    private(set) var state: State
    private(set) var taken: [State] = []
    var progress: ((UInt64, UInt64) throws -> Void)?
    private let first: Position
    private let last: Position
    private var marks: ArraySlice<Position>
    private let block = EventBlock()

    init(_ state: State, through last: Position, marks: [Position]) {
        self.state = state
        self.last = last
        self.marks = marks[...]
        first = state.position
    }

    func fold(_ batch: borrowing BatchView, before limit: Position) throws {
        guard batch.lastPosition > state.position else { return }
        _ = try batch.checkRecords()
        let limit = min(limit, last == .max ? .max : last + 1)
        try batch.forEachBlock(block, before: limit) { events in
            state.touch(events, block)
            for event in events where event.position > state.position { try fold(event) }
        }
        try progress?(state.position - first, last - first)
    }

    func finish() {}

    private func fold(_ event: Event) throws {
        if let mark = marks.first, event.position > mark {
            taken.append(state)
            marks.removeFirst()
        }
        // By its address: otherwise the compiler copies the state for each look at it.
        let fault = withUnsafeMutablePointer(to: &state) { $0.pointee.fault(of: event) }
        if let fault {
            throw LogError(
                .corrupt(position: event.position),
                "the log is damaged at position \(event.position): \(fault); run holdfast verify")
        }
        state.evolve(event)
    }
}

extension Array {
    /// The first index whose element fits, where all after one that fits do.
    func partitionIndex(where fits: (Element) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if fits(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
