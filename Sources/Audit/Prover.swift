import EventLog
import Ledger
public import Proofs
public import ReconnectionRules

/// Makes proofs from a ledger's log and its key: for whoever holds neither.
public struct Prover {
    private let tree: LogTree
    /// What every proof of this prover leads to.
    public let head: SignedHead

    /// Signs what a tree ends with.
    public init(_ tree: LogTree, signer: NoteSigner) throws(ProofError) {
        self.tree = tree
        head = try LedgerHeads.sign(tree, by: signer)
    }

    /// Proves that an event is in the log.
    ///
    /// With heads that somebody kept, the proof also ties the oldest and the newest of them that
    /// the log goes on from to its own head: then it shows since when the event cannot have been
    /// changed. Throws `invalid` for a position that is not there, `fork` if the log does not
    /// contain one of the heads.
    public func inclusion(
        of position: Position, kept: [KeptHead] = []
    ) throws -> InclusionProof {
        guard let index = try tree.leafIndex(ofPosition: position) else {
            throw LedgerError(
                .invalid, "no event at position \(position); the log ends at "
                    + "\(tree.head.position)")
        }
        let covering = kept.filter { $0.head.size > index }
        let wanted = covering.min { $0.head.size < $1.head.size }
        let newest = kept.max { $0.head.size < $1.head.size }
        var links: [ConsistencyLink] = []
        for size in Set([wanted, newest].compactMap { $0?.head.size }).sorted()
        where size < tree.size {
            links.append(ConsistencyLink(size: size, path: try tree.consistencyPath(from: size)))
        }
        for kept in [wanted, newest] {
            if let kept { try contain(kept.head, "the head in line \(kept.line)") }
        }
        var proof = InclusionProof(
            position: position, record: [], batch: [], leafIndex: index,
            path: try tree.inclusionPath(of: index),
            previousPath: index > 0 ? try tree.inclusionPath(of: index - 1) : [], links: links,
            head: head)
        try tree.log.read { snapshot in
            try snapshot.withBatch(holding: position) { batch in
                try batch.verifyHash()
                proof.record = batch.record(at: position)
                proof.batch = batch.withBytes { Array($0) }
            }
        }
        return proof
    }

    /// Proves that the log went on from an older head. Throws `fork` if it did not.
    public func consistency(from old: SignedHead) throws -> ConsistencyProof {
        try contain(old.head, "the head")
        return ConsistencyProof(
            old: old, path: try tree.consistencyPath(from: old.head.size), head: head)
    }

    /// Makes sure that the tree begins with the tree of a head.
    private func contain(_ kept: TreeHead, _ name: String) throws {
        guard kept.origin == head.head.origin else {
            throw ProofError(
                .signature, "\(name) is of the log \(kept.origin), not of \(head.head.origin)")
        }
        guard kept.size <= tree.size else {
            throw ProofError(
                .fork, "\(name) covers \(kept.size) batches, the log has \(tree.size): its tail "
                    + "was cut, or an old copy restored")
        }
        guard try tree.root(ofFirst: kept.size) == kept.root else {
            throw ProofError(
                .fork, "the log's first \(kept.size) batches have another root than \(name) "
                    + "says: the log was rewritten; holdfast verify --kept tells more")
        }
    }
}
