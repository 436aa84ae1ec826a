import EventLog
import Ledger
import ReconnectionRules

/// Compares kept checkpoints with the states that a verification comes to at their positions.
final class KeptCheckpointCheck {
    private let checkpoints: KeptCheckpoints
    /// Positions still to come, descending.
    private var awaited: [Position]
    private let positions: [Position]
    private var digests: [Position: Digest32] = [:]
    private let views: StoredFiles.Views

    init(_ directory: DataDirectory, _ log: EventLog, through head: Position) {
        checkpoints = KeptCheckpoints(directory, log)
        views = StoredFiles.views(directory, log)
        positions = checkpoints.positions().filter { $0 <= head }
        var awaited = positions
        if case .sound(let position, _) = views, position <= head { awaited.append(position) }
        self.awaited = awaited.sorted(by: >)
    }

    /// Looks at a state that the log leads to. Positions ascend. Cost: nothing where none is kept.
    func note(_ state: borrowing State) {
        while let next = awaited.last, next <= state.position {
            awaited.removeLast()
            guard next == state.position, digests[next] == nil else { continue }
            digests[next] = StateDigest.of(state)
        }
    }

    /// Throws `corrupt` if the views know of events behind the log's end.
    func requireWholeLog() throws(LogError) {
        guard case .ahead(let end, let newest) = views else { return }
        throw LogError(
            .corrupt(position: end + 1),
            "the log ends at position \(end), and a view of position \(newest) was stored: its "
                + "newest batches are gone; restore a backup, or, if an older log was put back on "
                + "purpose, remove the directory views beside it")
    }

    /// Why the next opening will not use the views, nil if it will or there are none.
    func viewsFault(comparingStates: Bool) -> String? {
        switch views {
        case .none, .ahead: return nil
        case .fault(let reason): return reason
        case .sound(let position, let digest):
            guard comparingStates, let expected = digests[position], expected != digest else {
                return nil
            }
            return "the checkpoint at position \(position) is another state than the events lead to"
        }
    }

    /// How many are sound, and what is wrong with the others. Without states to compare with only
    /// their bytes and their place in the log are checked. Cost: reads each; one state at a time.
    func report(comparingStates: Bool) -> (soundCount: Int, faults: [KeptCheckpointFault]) {
        var faults: [KeptCheckpointFault] = []
        for position in positions {
            do throws(KeptCheckpointFault) {
                let stored = try checkpoints.state(at: position)
                if comparingStates, digests[position] != StateDigest.of(stored) {
                    faults.append(
                        KeptCheckpointFault(
                            path: checkpoints.file(at: position), reason: .otherState))
                }
            } catch { faults.append(error) }
        }
        return (positions.count - faults.count, faults)
    }
}
