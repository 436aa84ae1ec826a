import Dispatch
import EventLog
import ReconnectionRules
import Synchronization

/// Writes checkpoints of the view in the background, from what changed. Owned by the thread that
/// owns the core; only snapshots go to the other thread.
final class Checkpointer {
    private let store: ViewStore
    private let keys: PersonalKeys
    private let eventCountBetween: Int
    private let queue = DispatchQueue(label: "holdfast.checkpoint")
    private let shared = SharedFlags()
    /// Everything has to be written: no checkpoint stands, or an older one.
    private var isEverythingDue: Bool
    /// Position of the newest checkpoint begun.
    private var position: Position
    private var savedUserNames: Int
    private var savedProjectNames: Int

    private final class SharedFlags: Sendable {
        let isWriting = Atomic<Bool>(false)
        let hasFailed = Atomic<Bool>(false)
    }

    /// - Parameter saved: which checkpoint the view was recovered from. What was replayed on top of
    ///   it is known to differ: the records say which chunks were written to since.
    init(
        store: ViewStore, keys: PersonalKeys, eventCountBetween: Int, saved: RecoveryReport
    ) {
        self.store = store
        self.keys = keys
        self.eventCountBetween = eventCountBetween
        isEverythingDue = saved.checkpointPosition == 0
        position = saved.checkpointPosition
        savedUserNames = saved.savedUserNames
        savedProjectNames = saved.savedProjectNames
    }

    /// What goes to disk must be there before the store can be opened again.
    deinit { queue.sync {} }

    /// Waits for the checkpoint under way.
    func wait() { queue.sync {} }

    /// Waits until what was written is on disk too.
    func synchronise() { queue.sync { [store] in try? store.synchronise() } }

    /// Takes a snapshot if enough events went by and none is being written, or if it is forced and
    /// anything changed. Returns what starts the writing, to be called with the head that the
    /// snapshot stands at once that is durable.
    ///
    /// Cost: a reference a chunk of records, and the bytes of the names that are new.
    func begin(
        _ state: inout State, _ users: inout NameDirectory, _ projects: NameDirectory,
        isForced: Bool
    ) -> (@Sendable (LogHead) -> Void)? {
        guard isDue(state, isForced), !shared.isWriting.load(ordering: .acquiring) else {
            return nil
        }
        if shared.hasFailed.exchange(false, ordering: .acquiringAndReleasing) {
            isEverythingDue = true
        }
        let replacesAll = isEverythingDue
        var snapshot = ViewSnapshot()
        snapshot.changes = state.takeChanges()
        snapshot.records = state.records
        snapshot.isEverything = replacesAll
        snapshot.userNames = ViewCodec.nameBlocks(
            users, from: replacesAll ? 0 : savedUserNames, changed: users.takeChangedBlocks())
        snapshot.projectNames = ViewCodec.nameBlocks(
            projects, from: replacesAll ? 0 : savedProjectNames)
        snapshot.userNameCount = users.count
        snapshot.projectNameCount = projects.count
        isEverythingDue = false
        position = state.position
        savedUserNames = users.count
        savedProjectNames = projects.count
        shared.isWriting.store(true, ordering: .releasing)
        return { [store, keys, shared, queue, snapshot] head in
            queue.async {
                do { try store.write(snapshot, at: head, keys) } catch {
                    // A checkpoint only saves time: the log is whole without it. The next one
                    // writes everything again.
                    shared.hasFailed.store(true, ordering: .releasing)
                }
                shared.isWriting.store(false, ordering: .releasing)
            }
        }
    }

    /// A view of millions of records is not written every 262,144 events: that would take more of
    /// the disk than the events do. Twice its records keeps a recovery below half a second.
    private func isDue(_ state: State, _ isForced: Bool) -> Bool {
        let eventCount = Int(state.position - position)
        if isForced { return eventCount > 0 || isEverythingDue }
        guard eventCount >= eventCountBetween else { return false }
        let recordCount = state.projects.reduce(state.userCount) { $0 + Int($1.numberCount) }
        return eventCount >= 2 * recordCount
    }
}

/// A view as it goes to the store: all records, and which of them changed.
struct ViewSnapshot: Sendable {
    var records = StateRecords()
    var changes = StateRecords.Changes()
    /// The store is emptied first, and everything written.
    var isEverything = true
    /// Blocks of names by block number.
    var userNames: [(key: UInt64, bytes: [UInt8])] = []
    var projectNames: [(key: UInt64, bytes: [UInt8])] = []
    var userNameCount = 0
    var projectNameCount = 0
}
