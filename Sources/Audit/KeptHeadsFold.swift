import EventLog
import Proofs
import ReconnectionRules

/// A head the log has to contain, and whose it is.
struct ExpectedHead {
    var head: TreeHead
    /// Who kept it, as it is said in an error.
    var name: String
}

/// Hashes the batches of a scan into their Merkle tree and compares its root wherever a kept head
/// says one.
final class KeptHeadsFold: BatchFold {
    private var hasher = TreeHasher()
    /// Smallest first.
    private var expected: [ExpectedHead]
    private var next = 0
    private var lastPosition: Position = 0
    /// Up to there the log is known to be the one that somebody kept a head of.
    private var keptPosition: Position = 0

    init(_ expected: [ExpectedHead]) {
        self.expected = expected.sorted { $0.head.size < $1.head.size }
    }

    func fold(_ batch: borrowing BatchView, before limit: Position) throws {
        guard next < expected.count else { return }
        if hasher.count == 0 { try compare(at: 1) }
        // A batch that is at fault is in no tree.
        guard batch.lastPosition < limit else { return }
        hasher.append(batch.hash.withBytes { .leaf(bytes: $0) })
        lastPosition = batch.lastPosition
        try compare(at: lastPosition)
    }

    private func compare(at position: Position) throws {
        while next < expected.count, expected[next].head.size == hasher.count {
            let kept = expected[next]
            guard kept.head.root == hasher.root else {
                throw LogError(
                    .corrupt(position: position),
                    "positions \(keptPosition + 1) to \(position): the log is not the one of "
                        + "\(kept.name), which covers \(kept.head.size) batches: something between "
                        + "was rewritten after that head was signed, with every hash of the chain")
            }
            keptPosition = position
            next += 1
        }
    }

    func finish() throws {
        if hasher.count == 0 { try compare(at: 0) }
        guard next < expected.count else { return }
        let kept = expected[next]
        let covered = kept.head.position.map { " up to position \($0)" } ?? ""
        throw LogError(
            .corrupt(position: lastPosition + 1),
            "position \(lastPosition + 1) is missing: \(kept.name) covers \(kept.head.size) "
                + "batches\(covered), the log has \(hasher.count): its tail was cut, or an old "
                + "copy restored")
    }
}
