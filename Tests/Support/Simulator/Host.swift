import EventLog
import Ledger
import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// How a simulated ledger is opened again.
struct OpeningPlan {
    enum Checkpoint { case newest, older, none, damaged }

    var checkpoint: Checkpoint
    /// Of the batches that were appended and not yet waited for, how many are still there.
    var keptCount: Int
    var compensates: Bool
}

/// What the next append comes to.
enum AppendFault {
    case none
    /// It fails and left nothing.
    case lost
    /// It fails and the batch is there all the same.
    case kept
}

/// Where a simulated ledger has its log and its checkpoints. Appending makes durable what was
/// appended before; the newest batch is durable after `synchronise`.
protocol Host: AnyObject {
    /// The ledger that runs. There is one between `recover` and `drop`.
    var core: LedgerCore { get }

    func append(_ batch: BatchBuilder, _ fault: AppendFault) throws
    func synchronise(fails: Bool) throws
    /// Writes a checkpoint. Everything decided is durable, and the log ends with `head`.
    func saveCheckpoint(at head: LogHead)
    /// Ends the process, as it were.
    func drop()
    /// Brings back what is durable. Returns what the log ends with.
    func recover(_ plan: OpeningPlan, _ clock: LedgerClock) throws -> LogHead
    /// Records the restart, and returns the ledger's time from now on.
    func resume(
        _ clock: LedgerClock, lastSign: Microseconds?, compensates: Bool
    ) throws -> DrivenClock
    /// The batch that begins at a position, read back from the log.
    func read(at first: Position, _ body: (borrowing BatchView) throws -> Void) throws
    /// A view folded from the log alone, without any checkpoint.
    func replayed() throws -> RecoveredView
}

/// A log in memory, behind the same codec: what is appended is copied, what is read was encoded.
final class MemoryHost: Host {
    private struct Place {
        var first: Position
        var offset: Int
        var byteCount: Int
    }

    /// As the views environment holds it: the records, and names.
    private struct Checkpoint {
        var records: StateRecords
        var users: NameDirectory
        var projects: NameDirectory
        var head: LogHead

        /// What is derived from the records is derived at an opening.
        func view(_ keys: PersonalKeys) -> RecoveredView {
            var view = RecoveredView(keys: keys)
            view.state = State(records)
            view.users = users
            view.projects = projects
            view.head = head
            return view
        }
    }

    @exclusivity(unchecked)
    private var running: LedgerCore?
    /// Every core wants a log to append to; this one stays empty.
    private let scratch: EventLog
    private let keyPath: String
    private var options = LedgerOptions()
    @exclusivity(unchecked)
    private var bytes: UnsafeMutableRawBufferPointer = .allocate(byteCount: 1 << 16, alignment: 64)
    @exclusivity(unchecked)
    private var usedByteCount = 0
    @exclusivity(unchecked)
    private var places: [Place] = []
    @exclusivity(unchecked)
    private var durableCount = 0
    private var checkpoints: [Checkpoint] = []
    let canary: Canary?

    /// `keyPath`: where the keys are kept, and nothing is yet.
    init(scratch: EventLog, keyPath: String, options: LedgerOptions, canary: Canary?) {
        self.scratch = scratch
        self.keyPath = keyPath
        self.options = options
        self.canary = canary
    }

    deinit { bytes.deallocate() }

    var core: LedgerCore { running! }

    func append(_ batch: BatchBuilder, _ fault: AppendFault) throws {
        if fault == .lost { throw HostFailure.failed }
        durableCount = places.count
        let content = batch.sealedBytes
        if usedByteCount + content.count > bytes.count { grow(by: content.count) }
        UnsafeMutableRawBufferPointer(rebasing: bytes[usedByteCount...]).copyMemory(from: content)
        places.append(
            Place(first: batch.firstPosition, offset: usedByteCount, byteCount: content.count))
        usedByteCount += content.count
        if fault == .kept { throw HostFailure.failed }
    }

    private func grow(by byteCount: Int) {
        let larger = UnsafeMutableRawBufferPointer.allocate(
            byteCount: 2 * bytes.count + byteCount, alignment: 64)
        larger.copyMemory(from: UnsafeRawBufferPointer(bytes))
        bytes.deallocate()
        bytes = larger
    }

    func synchronise(fails: Bool) throws {
        if fails { throw HostFailure.failed }
        durableCount = places.count
    }

    func saveCheckpoint(at head: LogHead) {
        checkpoints.append(
            Checkpoint(
                records: canary == .checkpointForgetsIdleness
                    ? withoutIdleness : core.state.records, users: core.users,
                projects: core.projects, head: head))
        if checkpoints.count > 3 { checkpoints.removeFirst() }
    }

    private var withoutIdleness: StateRecords {
        var records = core.state.records
        for project in records.projects.indices {
            for number in records.projects[project].concurrencies.indices
            where records.projects[project].concurrencies[number].state == .idle {
                records.projects[project].concurrencies[number].moment = 0
            }
        }
        return records
    }

    func drop() { running = nil }

    func recover(_ plan: OpeningPlan, _ clock: LedgerClock) throws -> LogHead {
        var keptCount = min(places.count, durableCount + plan.keptCount)
        if canary == .losesAcknowledgedBatch, durableCount > 1 { keptCount = durableCount - 1 }
        if keptCount < places.count {
            usedByteCount = places[keptCount].offset
            places.removeSubrange(keptCount...)
        }
        durableCount = places.count
        let keys =
            access(keyPath, F_OK) == 0
            ? try PersonalKeys(owning: keyPath, of: scratch)
            : try PersonalKeys(
                creating: keyPath, of: scratch, random: options.random, plainUserCount: 0)
        let view: RecoveredView
        switch plan.checkpoint {
        case .newest: view = try replay(onto: checkpoints.last, keys)
        case .older: view = try replay(onto: checkpoints.first, keys)
        case .none, .damaged:
            checkpoints.removeAll()
            view = try replay(onto: nil, keys)
        }
        if canary != .keepsTheKeys { try forgetMissing(keys, view) }
        running = LedgerCore(driven: view, log: scratch, keys: keys, options: options)
        return view.head
    }

    /// A crash came between the event and the end of the key.
    private func forgetMissing(_ keys: PersonalKeys, _ view: RecoveredView) throws {
        let missing = (1..<UInt32(view.users.count + 1)).filter {
            view.users.isForgotten($0) && !keys.isForgotten($0)
        }
        if !missing.isEmpty { try keys.forget(missing, through: view.state.lastOfLedger) }
    }

    func replayed() throws -> RecoveredView {
        try replay(onto: nil, core.drivenKeys, checksHashes: true)
    }

    private func replay(
        onto checkpoint: Checkpoint?, _ keys: PersonalKeys, checksHashes: Bool = false
    ) throws -> RecoveredView {
        let start = checkpoint?.view(keys) ?? RecoveredView(keys: keys)
        let position = start.head.position
        var index = places.partitioningIndex { $0.first > position }
        if canary == .replaySkipsABatch, checkpoint != nil, index + 1 < places.count {
            return try skipping(start, from: index)
        }
        var hash = start.head.hash
        let fold = ViewFold(start)
        while index < places.count {
            try reading(places[index]) { batch in
                guard batch.previousHash == hash else { throw HostFailure.brokenChain }
                if checksHashes { try batch.verifyHash() }
                _ = try batch.checkRecords()
                try fold.fold(batch, before: .max)
                hash = batch.hash
            }
            index += 1
        }
        return fold.view
    }

    /// The planted bug: what a checkpoint says of its position is taken for one batch more.
    private func skipping(_ start: RecoveredView, from index: Int) throws -> RecoveredView {
        var view = start
        var honest = start
        for place in places[index...] { try reading(place) { try honest.fold($0) } }
        var records = view.state.records
        records.position = honest.state.position
        records.time = honest.state.time
        view.state = State(records)
        view.head = honest.head
        view.users = honest.users
        view.projects = honest.projects
        return view
    }

    private func reading(
        _ place: Place, _ body: (borrowing BatchView) throws -> Void
    ) throws {
        try BatchView.reading(
            UnsafeRawBufferPointer(
                rebasing: bytes[place.offset..<place.offset + place.byteCount]),
            at: place.first, body)
    }

    func resume(
        _ clock: LedgerClock, lastSign: Microseconds?, compensates: Bool
    ) throws -> DrivenClock {
        let running = DrivenClock(clock, lastEventTime: core.head.time)
        guard core.head.position > 0 else { return running }
        let now = running.now
        var outage = WritableLedger.outage(
            at: now, since: max(lastSign ?? .min, core.head.time), compensates: compensates)
        if canary == .forgetsTheOutage { outage = 0 }
        core.open(at: now, outage: outage, by: .ledger)
        let builder = core.takeGathered { BatchBuilder(after: $0) }
        let head = builder.seal(
            after: core.head, wallOffset: running.wallOffset(at: now), origin: nil)
        try append(builder, .none)
        try synchronise(fails: false)
        core.driven(to: head)
        return running
    }

    func read(at first: Position, _ body: (borrowing BatchView) throws -> Void) throws {
        let index = places.partitioningIndex { $0.first >= first }
        guard index < places.count, places[index].first == first else {
            throw HostFailure.missing(first)
        }
        try reading(places[index], body)
    }
}

enum HostFailure: Error {
    case failed
    case brokenChain
    case missing(Position)
}

extension Array {
    /// The first index whose element satisfies what all elements behind it satisfy too.
    func partitioningIndex(_ isBehind: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if isBehind(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
