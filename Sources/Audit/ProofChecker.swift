import EventLog
import Ledger
public import Proofs
public import ReconnectionRules

/// What a proof turned out to show.
public struct ProofReport: Sendable, Equatable {
    /// The event that is proved to be in the log, and its batch; nil for a proof of consistency.
    public var event: Event?
    public var batchPositions: ClosedRange<Position>?
    public var leafIndex: UInt64?
    /// The older head that a proof of consistency begins with.
    public var old: TreeHead?
    public var head: TreeHead
    /// The smallest kept head that covers the event and that the proof ties to its own.
    public var kept: KeptHead?
    /// The earliest moment at which a witness signed such a head, in seconds since 1970.
    public var witness: Witness?
    /// Kept heads that the proof says nothing about: others are needed for them.
    public var unlinkedCount = 0

    public struct Witness: Sendable, Equatable {
        public var name: String
        public var unixTime: UInt64
    }

    /// Whether anybody but the log's owner vouches for what is proved.
    public var isVouched: Bool { kept != nil || witness != nil }
}

/// Checks proofs with nothing but the public key of the log's owner, and what others kept.
public struct ProofChecker {
    private let key: VerifierKey
    private let kept: [KeptHead]
    private let witnesses: [VerifierKey]

    /// - Parameters:
    ///   - key: the log's.
    ///   - kept: heads that somebody outside kept; each must carry the owner's signature.
    ///   - witnesses: keys of those whose signatures under a head count as well.
    /// - Throws: `signature` for a kept head that the owner did not sign, naming its line;
    ///   `malformed` for a key of the wrong kind.
    public init(
        key: VerifierKey, kept: [KeptHead] = [], witnesses: [VerifierKey] = []
    ) throws(ProofError) {
        guard key.algorithm == .ed25519 else {
            throw ProofError(.malformed, "\(key.name) is a witness's key; name the log's own")
        }
        for witness in witnesses where witness.algorithm != .cosignature {
            throw ProofError(.malformed, "\(witness.name) is not a witness's key (type 4)")
        }
        try Self.check(kept, key)
        self.key = key
        self.kept = kept
        self.witnesses = witnesses
    }

    /// Makes sure that the owner signed every head, and no two of one size that differ.
    static func check(_ kept: [KeptHead], _ key: VerifierKey) throws(ProofError) {
        var roots: [UInt64: KeptHead] = [:]
        for head in kept {
            do { try head.signed.check(key) } catch {
                throw ProofError(error.code, "line \(head.line): \(error.message)")
            }
            if let other = roots.updateValue(head, forKey: head.head.size),
                other.head.root != head.head.root
            {
                throw ProofError(
                    .fork, "lines \(other.line) and \(head.line): the owner signed two different "
                        + "logs of \(head.head.size) batches")
            }
        }
    }

    /// Checks a proof. Throws what is wrong with it.
    public func check(_ file: ProofFile) throws(ProofError) -> ProofReport {
        switch file {
        case .inclusion(let proof): try check(proof)
        case .consistency(let proof): try check(proof)
        }
    }

    // MARK: - Consistency

    private func check(_ proof: ConsistencyProof) throws(ProofError) -> ProofReport {
        try proof.head.check(key)
        try signed("the older head") { () throws(ProofError) in try proof.old.check(key) }
        let (old, head) = (proof.old.head, proof.head.head)
        guard old.size <= head.size else {
            throw ProofError(
                .path, "the older head has \(old.size) batches, the newer one \(head.size)")
        }
        guard
            TreeProof.isConsistent(
                oldSize: old.size, oldRoot: old.root, size: head.size, root: head.root,
                path: proof.path)
        else {
            throw ProofError(
                old.size == head.size ? .fork : .path,
                old.size == head.size
                    ? "the owner signed two different logs of \(old.size) batches"
                    : "the path does not lead from the older head's root to the newer one's: the "
                        + "log does not go on from the older head, or the proof was changed")
        }
        let link = ConsistencyLink(size: old.size, path: proof.path)
        var report = ProofReport(old: old, head: head)
        try vouch(&report, [link], proof.head, beyond: 0)
        try signed("the older head") { () throws(ProofError) in
            report.witness = Self.earlier(report.witness, witness(proof.old))
        }
        return report
    }

    private func signed(
        _ what: String, _ body: () throws(ProofError) -> Void
    ) throws(ProofError) {
        do throws(ProofError) { try body() } catch {
            throw ProofError(error.code, "\(what): \(error.message)")
        }
    }

    // MARK: - Inclusion

    private func check(_ proof: InclusionProof) throws(ProofError) -> ProofReport {
        try proof.head.check(key)
        let head = proof.head.head
        let content = try ProvedBatch(proof)
        guard proof.leafIndex < head.size else {
            throw ProofError(
                .path, "the proof is about batch \(proof.leafIndex), the head covers \(head.size)")
        }
        let leaf = content.hash.withBytes { TreeHash.leaf(bytes: $0) }
        let root = TreeProof.root(
            from: leaf, at: proof.leafIndex, size: head.size, path: proof.path)
        guard root == head.root else {
            throw ProofError(
                .path, "the path does not lead from the batch to the signed root: batch, index or "
                    + "path was changed, or the head is another log's")
        }
        try checkPrevious(proof, content)
        try checkPlace(proof, content)
        var report = ProofReport(
            event: content.event, batchPositions: content.positions, leafIndex: proof.leafIndex,
            head: head)
        try vouch(&report, proof.links, proof.head, beyond: proof.leafIndex)
        return report
    }

    /// The batch names the hash of the one before it: that one has to be the leaf before.
    private func checkPrevious(
        _ proof: InclusionProof, _ content: ProvedBatch
    ) throws(ProofError) {
        if proof.leafIndex == 0 {
            guard content.previousHash == .zero, proof.previousPath.isEmpty else {
                throw ProofError(.content, "the log's first batch names one before it")
            }
            return
        }
        let leaf = content.previousHash.withBytes { TreeHash.leaf(bytes: $0) }
        let root = TreeProof.root(
            from: leaf, at: proof.leafIndex - 1, size: proof.head.head.size,
            path: proof.previousPath)
        guard root == proof.head.head.root else {
            throw ProofError(
                .path, "the batch does not continue the one before it in the signed tree")
        }
    }

    /// Positions, the leaf's place and what the head says of itself have to fit each other.
    private func checkPlace(
        _ proof: InclusionProof, _ content: ProvedBatch
    ) throws(ProofError) {
        let head = proof.head.head
        let after = head.size - 1 - proof.leafIndex
        // Every batch has an event.
        var fits = content.positions.lowerBound > proof.leafIndex
        if let position = head.position {
            let last = content.positions.upperBound
            fits = fits && last <= position && after <= position - last
            if after == 0 { fits = fits && last == position }
        }
        if after == 0, let chain = head.chain { fits = fits && chain == "\(content.hash)" }
        guard fits else {
            throw ProofError(
                .content, "positions \(content.positions.lowerBound) to "
                    + "\(content.positions.upperBound) cannot be batch \(proof.leafIndex) of "
                    + "\(head.size)")
        }
    }

    // MARK: - Who else vouches

    /// Ties what was kept to the proof's head, and finds the oldest that covers leaf `index`.
    private func vouch(
        _ report: inout ProofReport, _ links: [ConsistencyLink], _ signed: SignedHead,
        beyond index: UInt64
    ) throws(ProofError) {
        report.witness = witness(signed)
        for kept in kept {
            guard try isLinked(kept, links, signed.head) else {
                report.unlinkedCount += 1
                continue
            }
            guard kept.head.size > index else { continue }
            if report.kept.map({ kept.head.size < $0.head.size }) ?? true { report.kept = kept }
            report.witness = Self.earlier(report.witness, witness(kept.signed))
        }
    }

    /// Whether the proof ties a kept head to its own. Throws `fork` if it shows that it cannot be.
    private func isLinked(
        _ kept: KeptHead, _ links: [ConsistencyLink], _ head: TreeHead
    ) throws(ProofError) -> Bool {
        if kept.head.size == head.size {
            guard kept.head.root == head.root else {
                throw ProofError(
                    .fork, "line \(kept.line): the owner signed another log of \(head.size) "
                        + "batches than the one this proof is about: the log was rewritten")
            }
            return true
        }
        guard let link = links.first(where: { $0.size == kept.head.size }) else { return false }
        guard
            TreeProof.isConsistent(
                oldSize: kept.head.size, oldRoot: kept.head.root, size: head.size,
                root: head.root, path: link.path)
        else {
            throw ProofError(
                .fork, "line \(kept.line): the proof's log does not go on from the kept head of "
                    + "\(kept.head.size) batches: the log was rewritten, or the proof was changed")
        }
        return true
    }

    private func witness(_ signed: SignedHead) -> ProofReport.Witness? {
        var earliest: ProofReport.Witness?
        for key in witnesses {
            guard case .valid(let time?) = signed.note.verdict(of: key) else { continue }
            earliest = Self.earlier(
                earliest, ProofReport.Witness(name: key.name, unixTime: time))
        }
        return earliest
    }

    private static func earlier(
        _ first: ProofReport.Witness?, _ second: ProofReport.Witness?
    ) -> ProofReport.Witness? {
        guard let first, let second else { return first ?? second }
        return second.unixTime < first.unixTime ? second : first
    }
}

/// What the bytes of a proof's batch say.
private struct ProvedBatch {
    var event: Event
    var positions: ClosedRange<Position>
    var hash: Digest32
    var previousHash: Digest32

    /// Throws `content` for bytes that are no batch, or not the one with the event.
    init(_ proof: InclusionProof) throws(ProofError) {
        do {
            self = try BatchView.reading(proof.batch) { batch in
                guard (batch.firstPosition ... batch.lastPosition).contains(proof.position) else {
                    throw ProofError(
                        .content, "position \(proof.position) is not in the proof's batch, which "
                            + "holds \(batch.firstPosition) to \(batch.lastPosition)")
                }
                guard batch.record(at: proof.position) == proof.record else {
                    throw ProofError(
                        .content, "the proof's record is not the one at position "
                            + "\(proof.position) of its batch")
                }
                return ProvedBatch(
                    event: try batch.event(at: proof.position),
                    positions: batch.firstPosition ... batch.lastPosition, hash: batch.hash,
                    previousHash: batch.previousHash)
            }
        } catch let error as ProofError {
            throw error
        } catch let error as LogError {
            if case .newerFormat = error.code {
                throw ProofError(.newerFormat, error.message)
            }
            throw ProofError(.content, "the proof's batch was changed: \(Self.cause(error))")
        } catch { throw ProofError(.content, "\(error)") }
    }

    private init(
        event: Event, positions: ClosedRange<Position>, hash: Digest32, previousHash: Digest32
    ) {
        self.event = event
        self.positions = positions
        self.hash = hash
        self.previousHash = previousHash
    }

    /// A log's error without what one would do about a log.
    private static func cause(_ error: LogError) -> String {
        let words = error.message.split(separator: "; run").first.map(String.init)
        let text = words ?? error.message
        let begin = "the log is damaged at position "
        return text.hasPrefix(begin) ? "at position " + text.dropFirst(begin.count) : text
    }
}
