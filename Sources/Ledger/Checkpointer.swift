import Dispatch
import EventLog
import ReconnectionRules
import Synchronization

/// Writes checkpoints of the view in the background, from what changed. Owned by the thread that
/// owns the core; only the finished blocks go to the other thread.
final class Checkpointer {
    private let store: ViewStore
    private let eventCountBetween: Int
    private let queue = DispatchQueue(label: "holdfast.checkpoint")
    private let shared = SharedFlags()
    private var dirty: DirtyBlocks
    private var eventsSince: Int
    private var savedUserNames = 0
    private var savedProjectNames = 0

    private final class SharedFlags: Sendable {
        let isWriting = Atomic<Bool>(false)
        let hasFailed = Atomic<Bool>(false)
    }

    /// - Parameters:
    ///   - saved: the checkpoint that stands in the store, nil if none does, or an older one.
    ///   - eventsSince: how many events the recovery had to replay: they count towards the next.
    init(
        store: ViewStore, eventCountBetween: Int, saved: RecoveredView?, eventsSince: UInt64
    ) {
        self.store = store
        self.eventCountBetween = eventCountBetween
        self.eventsSince = Int(eventsSince)
        dirty = DirtyBlocks(isEverything: saved == nil)
        savedUserNames = saved?.users.count ?? 0
        savedProjectNames = saved?.projects.count ?? 0
    }

    /// What goes to disk must be there before the store can be opened again.
    deinit { queue.sync {} }

    func touch(_ event: Event) {
        dirty.touch(event)
        eventsSince += 1
    }

    /// Starts a checkpoint if enough events went by and none is being written.
    func writeIfDue(_ view: @autoclosure () -> RecoveredView) {
        guard eventsSince >= eventCountBetween,
            !shared.isWriting.load(ordering: .acquiring)
        else { return }
        start(view())
    }

    /// Writes a checkpoint if anything changed, and waits until it is on disk.
    func writeAndWait(_ view: @autoclosure () -> RecoveredView) {
        queue.sync {}
        if eventsSince > 0 || dirty.isEverything { start(view()) }
        queue.sync {}
    }

    private func start(_ view: RecoveredView) {
        if shared.hasFailed.exchange(false, ordering: .acquiringAndReleasing) {
            dirty = DirtyBlocks(isEverything: true)
        }
        let replacesAll = dirty.isEverything
        let blocks = ViewStore.blocks(
            of: view, dirty: dirty, savedUserNames: replacesAll ? 0 : savedUserNames,
            savedProjectNames: replacesAll ? 0 : savedProjectNames)
        dirty = DirtyBlocks(isEverything: false)
        eventsSince = 0
        savedUserNames = view.users.count
        savedProjectNames = view.projects.count
        shared.isWriting.store(true, ordering: .releasing)
        queue.async { [store, shared] in
            do { try store.write(blocks, replacingAll: replacesAll) } catch {
                // A checkpoint only saves time: the log is whole without it. The next one writes
                // everything again.
                shared.hasFailed.store(true, ordering: .releasing)
            }
            shared.isWriting.store(false, ordering: .releasing)
        }
    }
}
