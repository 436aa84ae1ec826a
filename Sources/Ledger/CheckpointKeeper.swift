import Dispatch
package import EventLog
package import ReconnectionRules
import Synchronization

/// Keeps checkpoints for looks into the past, in the background. Owned by the thread that owns the
/// core; only snapshots go to the other thread.
final class CheckpointKeeper {
    private let checkpoints: KeptCheckpoints
    private let spacing: CheckpointSpacing
    private let queue = DispatchQueue(label: "holdfast.kept-checkpoint")
    private let shared = SharedFlags()
    /// Position of the newest one that stands or is being written.
    private var position: Position

    private final class SharedFlags: Sendable {
        let isWriting = Atomic<Bool>(false)
        let isEnding = Atomic<Bool>(false)
    }

    init(_ checkpoints: KeptCheckpoints, _ spacing: CheckpointSpacing) {
        self.checkpoints = checkpoints
        self.spacing = spacing
        checkpoints.removeLeftovers()
        position = checkpoints.newestPosition()
    }

    /// What is half written is dropped: nobody waits for a checkpoint at the end.
    deinit {
        shared.isEnding.store(true, ordering: .releasing)
        queue.sync {}
    }

    /// Waits for the one under way.
    func wait() { queue.sync {} }

    /// Takes a snapshot if enough events went by and none is being written. Returns what starts the
    /// writing, to be called with the head that the snapshot stands at once that is durable.
    ///
    /// Cost: a reference a chunk of records.
    func begin(_ state: borrowing State) -> (@Sendable (LogHead) -> Void)? {
        let passedCount = Int(state.position - min(position, state.position))
        guard spacing.isDue(passedCount, state), !shared.isWriting.load(ordering: .acquiring)
        else { return nil }
        position = state.position
        let records = state.records
        shared.isWriting.store(true, ordering: .releasing)
        return { [checkpoints, shared, queue] head in
            queue.async {
                _ = checkpoints.write(records, at: head) {
                    shared.isEnding.load(ordering: .acquiring)
                }
                shared.isWriting.store(false, ordering: .releasing)
            }
        }
    }
}

/// Makes the kept checkpoints of a log that is being folded: those that are missing where they
/// would have been kept, and those that are not what the events lead to.
package final class KeptCheckpointMaker {
    private let checkpoints: KeptCheckpoints
    private let spacing: CheckpointSpacing
    private var standing: [Position]
    private var position: Position = 0
    /// Kept checkpoints written.
    package private(set) var madeCount = 0
    /// What stood there and was replaced or removed.
    package private(set) var faults: [KeptCheckpointFault] = []

    package init(_ directory: DataDirectory, _ log: EventLog, _ spacing: CheckpointSpacing) {
        checkpoints = KeptCheckpoints(directory, log)
        self.spacing = spacing
        standing = []
        for position in checkpoints.positions() {
            guard let fault = checkpoints.quickFault(at: position) else {
                standing.append(position)
                continue
            }
            faults.append(fault)
            // A newer program can read what it wrote.
            if case .newerVersion = fault.reason { continue }
            checkpoints.remove(position)
        }
        standing.reverse()
    }

    /// Looks at a view that stands at the end of a batch. Cost: nothing where none is due.
    func consider(_ state: borrowing State, _ head: LogHead) {
        if standing.last == state.position {
            standing.removeLast()
            position = state.position
            guard let fault = fault(of: state) else { return }
            faults.append(fault)
            checkpoints.remove(position)
        } else {
            let passedCount = Int(state.position - min(position, state.position))
            // One that stands close ahead serves as well.
            guard spacing.isDue(passedCount, state) else { return }
            position = state.position
        }
        if checkpoints.write(state.records, at: head) { madeCount += 1 }
    }

    private func fault(of state: borrowing State) -> KeptCheckpointFault? {
        do throws(KeptCheckpointFault) {
            let stored = try checkpoints.state(at: state.position)
            if StateDigest.of(stored) == StateDigest.of(state) { return nil }
            return KeptCheckpointFault(
                path: checkpoints.file(at: state.position), reason: .otherState)
        } catch { return error }
    }
}

/// Folds the batches of a scan into a view and keeps checkpoints on the way.
package final class KeepingFold: BatchFold {
    private let views: ViewFold
    private let maker: KeptCheckpointMaker?

    package var view: RecoveredView { views.view }

    package init(_ maker: KeptCheckpointMaker?, from view: RecoveredView = RecoveredView()) {
        self.maker = maker
        views = ViewFold(view)
    }

    package func fold(_ batch: borrowing BatchView, before limit: Position) throws {
        try views.fold(batch, before: limit)
        if batch.lastPosition < limit { maker?.consider(views.view.state, views.view.head) }
    }

    package func prepare(_ names: OpenedNames) { views.prepare(names) }

    package func finish() {}
}
