import Audit
import Crypto
import EventLog
import Ledger
import LogForge
import Proofs
import ReconnectionRules
import Testing

/// Proofs made from a ledger, checked without it: here, and by an implementation that shares
/// nothing with this one.
@Suite struct ProofTests {
    private let scratch = ScratchDirectory()

    private func signer(_ directory: DataDirectory) throws -> NoteSigner {
        try #require(try LedgerHeads.signer(of: directory))
    }

    private func head(_ directory: DataDirectory) throws -> SignedHead {
        let tree = try LogTree(of: directory)
        return try LedgerHeads.sign(tree, by: try #require(try LedgerHeads.signer(of: tree)))
    }

    /// What checking throws, nil if the proof holds.
    private func fault(
        _ proof: ProofFile, _ key: VerifierKey, kept: [KeptHead] = []
    ) -> ProofError? {
        do {
            _ = try ProofChecker(key: key, kept: kept).check(proof)
            return nil
        } catch { return error }
    }

    @Test func aHeadSaysWhatTheLogEndsWith() throws {
        let story = try Story(in: scratch("data"))
        let signed = try head(story.directory)
        let batches = try LogForge.batches(in: story.directory.log)
        var hasher = TreeHasher()
        for batch in batches { hasher.append(.leaf(batch.hash)) }
        #expect(signed.head.size == UInt64(batches.count) && signed.head.root == hasher.root)
        #expect(signed.head.position == UInt64(story.events.count))
        #expect(signed.head.time == Timestamp.text(try #require(story.events.last).time))
        let end = try reading(story.directory.path) { $0.head }
        #expect(signed.head.chain == end.hash.description)
        let id = try reading(story.directory.path) { $0.log.ledgerId }
        #expect(signed.head.origin == "holdfast/" + id)
    }

    @Test func anEmptyLedgerHasAHeadToo() throws {
        let directory = DataDirectory(scratch("data"))
        _ = try WritableLedger(opening: directory, options: Ledger.Options())
        let signed = try head(directory)
        #expect(signed.head.size == 0 && signed.head.root == .emptyRoot)
        #expect(signed.head.position == 0 && signed.head.time == nil)
        let signer = try signer(directory)
        let prover = try Prover(LogTree(of: directory), signer: signer)
        let error = #expect(throws: LedgerError.self) { try prover.inclusion(of: 1) }
        #expect(error?.message.contains("no event at position 1") == true)
    }

    @Test func everyEventOfAStoryIsProved() throws {
        let story = try Story(in: scratch("data"))
        let signer = try signer(story.directory)
        let prover = try Prover(LogTree(of: story.directory), signer: signer)
        let checker = try ProofChecker(key: signer.key)
        for event in story.events {
            let file = ProofFile.inclusion(try prover.inclusion(of: event.position))
            let report = try checker.check(ProofFile(file.bytes))
            #expect(report.event == event)
            #expect(report.batchPositions?.contains(event.position) == true)
            #expect(!report.isVouched && report.head == prover.head.head)
        }
    }

    @Test func aLogIsProvedToHaveGrownFromEveryHead() throws {
        let story = try Story(in: scratch("data"))
        let batches = try LogForge.batches(in: story.directory.log)
        let signer = try signer(story.directory)
        var heads: [SignedHead] = []
        for count in [0, 1, 2, 5, 16, batches.count - 1, batches.count] {
            try LogForge.rewrite(in: story.directory.log) { $0 = Array(batches.prefix(count)) }
            heads.append(try head(story.directory))
        }
        let prover = try Prover(LogTree(of: story.directory), signer: signer)
        for old in heads {
            let file = ProofFile.consistency(try prover.consistency(from: old))
            let report = try ProofChecker(key: signer.key).check(ProofFile(file.bytes))
            #expect(report.old == old.head && report.event == nil)
        }
    }

    /// Each member of a proof changed: what is wrong is named.
    @Test func everyChangeOfAProofIsNamed() throws {
        let story = try Story(in: scratch("data"))
        let signer = try signer(story.directory)
        let prover = try Prover(LogTree(of: story.directory), signer: signer)
        let position = Position(story.events.count / 2)
        let sound = try prover.inclusion(of: position)
        #expect(fault(.inclusion(sound), signer.key) == nil)
        let stranger = TreeHash.leaf([1])
        let forger = try NoteSigner(name: signer.key.name, privateKey: .init())
        let changes: [(String, ProofError.Code, (inout InclusionProof) throws -> Void)] = [
            ("another position", .content, { $0.position += 1 }),
            ("a position elsewhere", .content, { $0.position = 1 }),
            ("the record", .content, { $0.record[40] ^= 1 }),
            ("a byte of the batch", .content, { $0.batch[100] ^= 1 }),
            ("the batch's length", .content, { $0.batch.removeLast() }),
            ("no batch", .content, { $0.batch = [] }),
            ("the batch's hash", .content, { $0.batch[$0.batch.count - 1] ^= 1 }),
            ("the leaf's index", .path, { $0.leafIndex += 1 }),
            ("an index past the tree", .path, { $0.leafIndex = $0.head.head.size }),
            ("the path", .path, { $0.path[0] = stranger }),
            ("a shorter path", .path, { $0.path.removeLast() }),
            ("a longer path", .path, { $0.path.append(stranger) }),
            ("the path before", .path, { $0.previousPath[1] = stranger }),
            ("no path before", .path, { $0.previousPath = [] }),
            (
                "a head by another key", .signature,
                { $0.head = try SignedHead($0.head.head, signedBy: forger) }
            ),
            (
                "positions that do not fit the tree", .content,
                { proof in
                    var head = proof.head.head
                    head.extensions[0] = "position \(position)"
                    proof.head = try SignedHead(head, signedBy: signer)
                }
            ),
        ]
        for (name, code, change) in changes {
            var proof = sound
            try change(&proof)
            let error = fault(.inclusion(proof), signer.key)
            #expect(error?.code == code, "\(name): \(error?.message ?? "holds")")
        }
    }

    /// A batch with every hash of its own right is still not the one in the tree.
    @Test func aForgedBatchIsNotInTheTree() throws {
        let story = try Story(in: scratch("data"))
        let signer = try signer(story.directory)
        let prover = try Prover(LogTree(of: story.directory), signer: signer)
        let position = story.first { $0.outcome == .noIdle }.position
        var proof = try prover.inclusion(of: position)
        var batch = ForgedBatch(key: 0, bytes: proof.batch)
        batch.bytes[batch.record(of: position) + 1] = 2  // granted
        batch.sealRecords()
        batch.sealHash()
        proof.batch = batch.bytes
        let record = batch.record(of: position)
        proof.record = Array(batch.bytes[record ..< record + 80])
        #expect(fault(.inclusion(proof), signer.key)?.code == .path)
    }

    // MARK: - Who else vouches

    @Test func theOldestKeptHeadThatCoversAnEventIsNamed() throws {
        let story = try Story(in: scratch("data"))
        let batches = try LogForge.batches(in: story.directory.log)
        let signer = try signer(story.directory)
        var file: [UInt8] = []
        let sizes = [3, 9, 14, 20]
        for (index, size) in sizes.enumerated() {
            try LogForge.rewrite(in: story.directory.log) { $0 = Array(batches.prefix(size)) }
            file += Array("received 2026-11-2\(index)T00:00:00Z\n".utf8)
            file += try head(story.directory).bytes
        }
        try LogForge.rewrite(in: story.directory.log) { $0 = batches }
        let kept = try KeptHead.list(file)
        let prover = try Prover(LogTree(of: story.directory), signer: signer)
        let checker = try ProofChecker(key: signer.key, kept: kept)
        for (position, expected) in [
            (1 as Position, 0), (batches[2].lastPosition, 0), (batches[3].firstPosition, 1),
            (batches[13].lastPosition, 2), (batches[14].firstPosition, 3),
        ] {
            let proof = try prover.inclusion(of: position, kept: kept)
            let report = try checker.check(.inclusion(proof))
            #expect(report.kept?.received == "2026-11-2\(expected)T00:00:00Z", "\(position)")
            // Only the oldest and the newest are tied to the proof.
            #expect(report.unlinkedCount == (expected == 3 ? 3 : 2))
        }
        let late = try prover.inclusion(of: batches[20].firstPosition, kept: kept)
        let report = try checker.check(.inclusion(late))
        #expect(report.kept == nil && !report.isVouched)
        // Without the heads the proof is not tied to anything.
        let loose = try checker.check(.inclusion(prover.inclusion(of: 1)))
        #expect(loose.kept == nil && loose.unlinkedCount == 4)
    }

    @Test func aWitnessSaysSinceWhen() throws {
        let story = try Story(in: scratch("data"))
        let signer = try signer(story.directory)
        let witness = Curve25519.Signing.PrivateKey()
        let key = try VerifierKey(
            name: "witness.example", algorithm: .cosignature,
            publicKey: Array(witness.publicKey.rawRepresentation))
        let first = try head(story.directory)
        func cosigned(_ time: UInt64) throws -> SignedHead {
            let message = "cosignature/v1\ntime \(time)\n\(first.note.text)"
            let signature = Array(try witness.signature(for: Array(message.utf8)))
            let stamp = withUnsafeBytes(of: time.bigEndian) { Array($0) }
            let note = try SignedNote(
                text: first.note.text,
                signatures: first.note.signatures
                    + [NoteSignature(name: key.name, keyId: key.id, bytes: stamp + signature)])
            return try SignedHead(note.bytes)
        }
        let kept = [
            KeptHead(try cosigned(1_800_000_500)), KeptHead(try cosigned(1_800_000_400)),
        ]
        let prover = try Prover(LogTree(of: story.directory), signer: signer)
        let proof = ProofFile.inclusion(try prover.inclusion(of: 5, kept: kept))
        let report = try ProofChecker(key: signer.key, kept: kept, witnesses: [key]).check(proof)
        #expect(report.witness?.unixTime == 1_800_000_400 && report.witness?.name == key.name)
        let without = try ProofChecker(key: signer.key, kept: kept).check(proof)
        #expect(without.witness == nil && without.kept != nil)
        #expect(throws: ProofError.self) { try ProofChecker(key: key) }
        #expect(throws: ProofError.self) {
            try ProofChecker(key: signer.key, witnesses: [signer.key])
        }
    }

    @Test func twoHeadsOfOneSizeThatDifferConvictTheOwner() throws {
        let story = try Story(in: scratch("data"))
        let signer = try signer(story.directory)
        let first = try head(story.directory)
        var other = first.head
        other.root = .leaf([1])
        let second = try SignedHead(other, signedBy: signer)
        let error = #expect(throws: ProofError.self) {
            try ProofChecker(key: signer.key, kept: [KeptHead(first), KeptHead(second, line: 8)])
        }
        #expect(error?.code == .fork)
        let prover = try Prover(LogTree(of: story.directory), signer: signer)
        let proof = ProofFile.inclusion(try prover.inclusion(of: 1))
        #expect(fault(proof, signer.key, kept: [KeptHead(second)])?.code == .fork)
        let grown = ProofFile.consistency(
            ConsistencyProof(old: second, path: [], head: prover.head))
        #expect(fault(grown, signer.key)?.code == .fork)
        #expect(throws: ProofError.self) { try prover.consistency(from: second) }
        let stranger = try NoteSigner(name: "log.example", privateKey: .init())
        let foreign = try SignedHead(
            TreeHead(origin: "log.example", size: 1, root: .leaf([2])), signedBy: stranger)
        let refused = #expect(throws: ProofError.self) { try prover.consistency(from: foreign) }
        #expect(refused?.code == .signature)
        #expect(throws: ProofError.self) { try prover.inclusion(of: 1, kept: [KeptHead(second)]) }
    }

    // MARK: - The second implementation

    @Test func anotherImplementationAgrees() throws {
        let story = try Story(in: scratch("data"))
        let batches = try LogForge.batches(in: story.directory.log)
        let signer = try signer(story.directory)
        try LogForge.rewrite(in: story.directory.log) { $0 = Array(batches.prefix(11)) }
        let old = try head(story.directory)
        try LogForge.rewrite(in: story.directory.log) { $0 = batches }
        Files.write(old.bytes, to: scratch("kept"))
        let prover = try Prover(LogTree(of: story.directory), signer: signer)
        let kept = [KeptHead(old)]
        var proofs: [(ProofFile, Bool)] = [(.consistency(try prover.consistency(from: old)), true)]
        for position in [1, 2, 40, Position(story.events.count)] {
            let sound = try prover.inclusion(of: position, kept: kept)
            var forged = sound
            forged.record[20] ^= 1
            proofs += [(.inclusion(sound), true), (.inclusion(forged), false)]
            forged = sound
            forged.links[0].path[0] = .leaf([3])
            proofs.append((.inclusion(forged), false))
        }
        for (proof, holds) in proofs {
            Files.write(proof.bytes, to: scratch("proof"))
            let ending = try SecondImplementation.run([
                "check", scratch("proof"), "--key", signer.key.description, "--kept",
                scratch("kept"),
            ])
            #expect((ending.status == 0) == holds, "\(ending.output) \(ending.errors)")
            #expect((fault(proof, signer.key, kept: kept) == nil) == holds)
            guard holds, case .inclusion(let inclusion) = proof else { continue }
            let record = inclusion.record.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
            #expect(ending.output.contains("\"record\": \"\(record.joined())\""))
            let isCovered = inclusion.leafIndex < 11
            #expect(ending.output.contains("\"kept\": \(isCovered ? "11" : "null")"))
        }
    }
}
