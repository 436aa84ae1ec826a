import Crypto
import JSON
import LogForge
import ReconnectionRules

@testable import Audit
@testable import EventLog
@testable import Proofs

extension FuzzTarget {
    static let proofTargets = [note, keptHeads, verifierKey, proofFile, proofCheck, treeProof]

    private static let noteWords = [
        "\u{2014} ", "\n\n", "received 2026-11-23T10:15:30Z\n", "position ", "time ", "chain ",
        "ledger.example/log",
    ]

    static let note = FuzzTarget(
        name: "note", subject: "signed notes and tree heads",
        promise: "A note, and the head in it, is written back byte by byte: there is one form.",
        byteCountMax: 1024, words: noteWords,
        seeds: { [SampleProofs.head.bytes, SampleProofs.plainNote] },
        run: { input in
            let note: SignedNote
            do throws(ProofError) { note = try SignedNote(input) } catch {
                try require(isPrintable(error.message), "a control character")
                return false
            }
            try require(note.bytes == input, "the note is written otherwise")
            guard let head = try? SignedHead(input) else { return true }
            try require(head.head.text.utf8.elementsEqual(note.text.utf8), "another head's text")
            try require(try TreeHead(head.head.text) == head.head, "the head is read otherwise")
            _ = (head.head.position, head.head.time, head.head.chain)
            return true
        })

    static let keptHeads = FuzzTarget(
        name: "kept-heads", subject: "files of heads that somebody kept",
        promise: "Heads are found again, one by one, where the list says they begin.",
        byteCountMax: 1500, words: noteWords,
        seeds: {
            let head = SampleProofs.head.bytes
            let received = Array("received 2026-11-23T10:15:30Z\n".utf8)
            return [head, head + [0x0A] + received + head, received + head + head]
        },
        run: { input in
            let kept: [KeptHead]
            do throws(ProofError) { kept = try KeptHead.list(input) } catch {
                try require(isPrintable(error.message), "a control character")
                return false
            }
            var written: [UInt8] = []
            let lines = input.split(separator: 0x0A, omittingEmptySubsequences: false)
            for head in kept {
                let first = head.signed.bytes.prefix { $0 != 0x0A }
                try require(lines[head.line - 1] == first, "no head begins in line \(head.line)")
                if let received = head.received { written += Array("received \(received)\n".utf8) }
                written += head.signed.bytes + [0x0A]
            }
            let again = try KeptHead.list(written)
            try require(
                again.map(\.signed) == kept.map(\.signed)
                    && again.map(\.received) == kept.map(\.received), "the list is read otherwise")
            return !kept.isEmpty
        })

    static let verifierKey = FuzzTarget(
        name: "verifier-key", subject: "public keys as text",
        promise: "A key is written back byte by byte: there is one form.",
        byteCountMax: 256,
        seeds: { [Array("\(SampleProofs.signer.key)".utf8)] },
        run: { input in
            let key: VerifierKey
            do throws(ProofError) { key = try VerifierKey(text(input)) } catch {
                try require(isPrintable(error.message), "a control character: \(error.message)")
                return false
            }
            try require(key.description.utf8.elementsEqual(text(input).utf8), "another: \(key)")
            return true
        })

    private static let proofWords = [
        "\"form\":\"holdfast/inclusion/1\"", "\"form\":\"holdfast/consistency/1\"",
        "\"position\":", "\"record\":\"", "\"batch\":\"", "\"leafIndex\":", "\"path\":[",
        "\"previousPath\":[", "\"links\":[{\"size\":1,\"path\":[]}]", "\"head\":\"",
        "\"oldHead\":\"",
    ]

    static let proofFile = FuzzTarget(
        name: "proof-file", subject: "proofs as they are handed around",
        promise: "A proof is written and read back the same.",
        byteCountMax: 4096, words: proofWords,
        seeds: { [SampleProofs.inclusion.bytes, SampleProofs.consistency.bytes] },
        run: { input in
            let proof: ProofFile
            do throws(ProofError) { proof = try ProofFile(input) } catch {
                try require(isPrintable(error.message), "a control character: \(error.message)")
                return false
            }
            try require(try ProofFile(proof.bytes) == proof, "the proof is read otherwise")
            return true
        })

    /// First two bytes: a change to a good proof that its maker could have made, or none.
    static let proofCheck = FuzzTarget(
        name: "proof-check", subject: "what a checker makes of proofs that were changed",
        promise: "Nothing that was changed is taken for proved, but what the proof does not need.",
        byteCountMax: 4096, words: proofWords,
        seeds: { [[0, 0], [1, 9], [2, 70], [3, 3], [4, 200, 17], [5, 5, 9], [6, 1], [7, 2]] },
        run: { try SampleProofs.check($0) })

    /// First two bytes: sizes of an old and a new tree; then what is changed.
    static let treeProof = FuzzTarget(
        name: "tree-proof", subject: "Merkle proofs against the tree they are of",
        promise: "A tree's own proofs hold; a changed hash, place or size does not.",
        byteCountMax: 64,
        seeds: { [[7, 3, 2, 0, 0], [64, 33, 31, 1, 5], [1, 1, 0, 0, 0], [200, 100, 50, 3, 4]] },
        run: { input in
            var reader = InputReader(input)
            let size = UInt64(reader.byte() % 70) + 1
            let old = UInt64(reader.byte()) % (size + 1)
            let index = UInt64(reader.byte()) % size
            let change = reader.byte()
            let leaves = SampleProofs.leaves.prefix(Int(size))
            let ranges = TreeRange.inclusion(of: index, in: size)
            let oldRanges = TreeRange.consistency(from: old, to: size)
            var hasher = TreeHasher(keeping: ranges + oldRanges + [TreeRange(0, old)])
            for leaf in leaves { hasher.append(leaf) }
            var path = ranges.compactMap { hasher.hash(of: $0) }
            var oldPath = oldRanges.compactMap { hasher.hash(of: $0) }
            let oldRoot = hasher.hash(of: TreeRange(0, old)) ?? .emptyRoot
            let leaf = leaves[Int(index)]
            try require(
                TreeProof.root(from: leaf, at: index, size: size, path: path) == hasher.root,
                "the proof of leaf \(index) of \(size) does not hold")
            try require(
                TreeProof.isConsistent(
                    oldSize: old, oldRoot: oldRoot, size: size, root: hasher.root, path: oldPath),
                "the proof from \(old) to \(size) does not hold")
            let other = reader.number(UInt64.self)
            switch change % 4 {
            case 0: path.append(leaf)
            case 1 where !path.isEmpty: path[Int(other % UInt64(path.count))] = .leaf([99, 1])
            case 2 where !path.isEmpty: path.removeLast()
            default:
                _ = TreeProof.root(from: leaf, at: other, size: other &+ 1, path: path)
                path = []
                if size == 1 { return true }
            }
            try require(
                TreeProof.root(from: leaf, at: index, size: size, path: path) != hasher.root,
                "a changed path leads to the root")
            if old > 0, old < size, !oldPath.isEmpty {
                oldPath[Int(other % UInt64(oldPath.count))] = .leaf([99, 2])
                try require(
                    !TreeProof.isConsistent(
                        oldSize: old, oldRoot: oldRoot, size: size, root: hasher.root,
                        path: oldPath), "a changed path proves that the tree went on")
            }
            _ = TreeProof.isConsistent(
                oldSize: other, oldRoot: oldRoot, size: ~other >> 1, root: hasher.root,
                path: oldPath)
            return true
        })
}

/// A small signed log, and proofs about it.
enum SampleProofs {
    static let signer: NoteSigner = {
        do {
            let key = try Curve25519.Signing.PrivateKey(
                rawRepresentation: (0 ..< 32).map { 200 ^ UInt8($0) })
            return try NoteSigner(name: "ledger.example/log", privateKey: key)
        } catch { preconditionFailure("\(error)") }
    }()

    static let leaves: [TreeHash] = (0 ..< 70).map { TreeHash.leaf([UInt8($0)]) }

    /// Three batches of two events.
    private static let batches: [[UInt8]] = {
        var batches: [[UInt8]] = []
        var head = LogHead.empty
        for number in 0 ..< 3 as Range<UInt64> {
            let builder = BatchBuilder(after: 2 * number)
            for position in 2 * number + 1 ... 2 * number + 2 {
                var event = Event(
                    position: position, time: Int64(position), kind: .opened, outcome: .done)
                event.previousOfConcurrency = position - 1
                builder.append(event)
            }
            head = builder.seal(after: head, wallOffset: nil, origin: nil)
            batches.append(Array(builder.sealedBytes))
        }
        return batches
    }()

    private static func leaf(_ index: Int) -> TreeHash { .leaf(batches[index].suffix(32)) }

    private static func signed(_ count: Int, _ extensions: [String] = []) -> SignedHead {
        var hasher = TreeHasher()
        for index in 0 ..< count { hasher.append(leaf(index)) }
        do {
            return try SignedHead(
                TreeHead(
                    origin: signer.key.name, size: UInt64(count), root: hasher.root,
                    extensions: extensions), signedBy: signer)
        } catch { preconditionFailure("\(error)") }
    }

    static let head = signed(3, ["position 6", "time 1970-01-01T00:00:00.000006Z"])
    private static let oldHead = signed(1)

    static let plainNote = Array("a text\n\n\u{2014} name AAAAAAA=\n".utf8)

    private static func path(_ ranges: [TreeRange]) -> [TreeHash] {
        var hasher = TreeHasher(keeping: ranges)
        for index in 0 ..< 3 { hasher.append(leaf(index)) }
        return ranges.compactMap { hasher.hash(of: $0) }
    }

    private static let link = path(TreeRange.consistency(from: 1, to: 3))

    private static let included = InclusionProof(
        position: 3, record: Array(batches[1][96 ..< 176]), batch: batches[1], leafIndex: 1,
        path: path(TreeRange.inclusion(of: 1, in: 3)),
        previousPath: path(TreeRange.inclusion(of: 0, in: 3)),
        links: [ConsistencyLink(size: 1, path: link)], head: head)

    static let inclusion = ProofFile.inclusion(included)
    static let consistency = ProofFile.consistency(
        ConsistencyProof(old: oldHead, path: link, head: head))

    nonisolated(unsafe) private static let checker: ProofChecker = {
        do {
            return try ProofChecker(key: signer.key, kept: [KeptHead(oldHead)])
        } catch { preconditionFailure("\(error)") }
    }()

    /// Changes a good proof and has it checked.
    static func check(_ input: [UInt8]) throws -> Bool {
        var reader = InputReader(input)
        let form = reader.byte()
        let place = Int(reader.byte())
        let mask = reader.byte()
        var proof = included
        func flip(_ bytes: inout [UInt8], _ index: Int) {
            bytes[index % bytes.count] ^= mask == 0 ? 1 : mask
        }
        func flip(_ path: inout [TreeHash]) {
            guard !path.isEmpty else { return }
            var bytes = path[place % path.count].bytes
            flip(&bytes, Int(reader.byte()))
            path[place % path.count] = TreeHash(loadingFrom: bytes)
        }
        switch form % 9 {
        case 0: break
        case 1: proof.position &+= UInt64(place)
        case 2: flip(&proof.record, place)
        case 3: proof.leafIndex ^= UInt64(place)
        case 4: flip(&proof.batch, place | Int(mask & 3) << 8)
        case 5: flip(&proof.path)
        case 6: flip(&proof.previousPath)
        case 7: flip(&proof.links[0].path)
        default:
            var bytes = proof.head.bytes
            flip(&bytes, place)
            guard let head = try? SignedHead(bytes) else { return false }
            proof.head = head
        }
        if reader.byte() & 1 == 1 {
            var batch = ForgedBatch(key: 3, bytes: proof.batch)
            batch.sealHash()
            proof.batch = batch.bytes
        }
        let isWhole = proof == included
        let report: ProofReport
        do throws(ProofError) { report = try checker.check(.inclusion(proof)) } catch {
            try require(!isWhole, "a good proof is refused: \(error)")
            try require(isPrintable(error.message), "a control character: \(error.message)")
            return false
        }
        // A head of the same text may carry other lines of strangers.
        try require(
            isWhole || (proof.head.head == included.head.head && form % 9 == 8),
            "a changed proof is taken")
        try require(report.event?.position == included.position, "another event is proved")
        return true
    }
}

extension TreeHash {
    fileprivate init(loadingFrom bytes: [UInt8]) {
        self = bytes.withUnsafeBytes { TreeHash(loadingFrom: $0) }
    }
}
