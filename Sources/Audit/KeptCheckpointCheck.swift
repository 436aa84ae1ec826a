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

    init(_ directory: DataDirectory, _ log: EventLog, through head: Position) {
        checkpoints = KeptCheckpoints(directory, log)
        positions = checkpoints.positions().filter { $0 <= head }
        awaited = positions.reversed()
    }

    /// Looks at a state that the log leads to. Positions ascend. Cost: nothing where none is kept.
    func note(_ state: borrowing State) {
        while let next = awaited.last, next <= state.position {
            awaited.removeLast()
            if next == state.position { digests[next] = StateDigest.of(state) }
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
