import Audit
import Crypto
import EventLog
import Ledger
import LogForge
import Proofs
import ReconnectionRules
import Testing

/// For each way to change a log: the first check that finds it, and that none before it does. The
/// checks in the order of what they take: the further down, the more somebody had to know and to
/// hold to get past those above.
@Suite struct TamperingTests {
    enum Check: Int, CaseIterable, Sendable {
        /// The file's pages are whole.
        case pages
        /// An event has its check word.
        case event
        /// A batch has its SHA-256 and the hash of the one before it.
        case chain
        /// Back-pointers, jumps, numbers, names bound once.
        case pointers
        /// Every outcome is what the rules decide.
        case rules
        /// The log contains the newest head it published itself.
        case ownHead
        /// The log contains a head that somebody outside kept.
        case keptHead
    }

    /// Who holds what: a ledger, its key, and a head that an auditor got in the middle of its life.
    struct Scene {
        let story: Story
        let signer: NoteSigner
        let kept: KeptHead
        let batches: [ForgedBatch]
        let meta: [UInt8]

        var directory: DataDirectory { story.directory }

        /// Signs what the log is now as the owner would, and stores it as published.
        func signAgain() throws { try publish(head(by: signer)) }

        func head(by signer: NoteSigner) throws -> SignedHead {
            try LedgerHeads.sign(LogTree(of: directory), by: signer)
        }

        func publish(_ head: SignedHead) { Files.write(head.bytes, to: directory.headNote) }

        func rewrite(_ change: (inout [ForgedBatch]) throws -> Void) throws {
            try LogForge.rewrite(in: directory.log, change)
        }

        /// Changes an event's field and makes every hash fit again.
        func forge(
            _ position: Position, _ offset: Int, _ value: some FixedWidthInteger
        ) throws {
            try rewrite { batches in
                let index = batches.index(holding: position)
                batches[index].set(value, at: batches[index].record(of: position) + offset)
                batches[index].sealTimes()
                batches.sealAll()
            }
        }
    }

    private static func scene(in scratch: ScratchDirectory) throws -> Scene {
        let story = try Story(in: scratch("data"))
        let directory = story.directory
        let batches = try LogForge.batches(in: directory.log)
        let signer = try #require(try LedgerHeads.signer(of: directory))
        // The auditor's head covers three quarters, the published one everything.
        let early = Array(batches.prefix(3 * batches.count / 4))
        try LogForge.rewrite(in: directory.log) { $0 = early }
        let kept = KeptHead(try LedgerHeads.sign(LogTree(of: directory), by: signer))
        try LogForge.rewrite(in: directory.log) { $0 = batches }
        let scene = Scene(
            story: story, signer: signer, kept: kept, batches: batches,
            meta: try LogForge.meta(in: directory.log))
        try scene.signAgain()
        return scene
    }

    // MARK: - The edits

    struct Edit: Sendable, CustomTestStringConvertible {
        var name: String
        /// Nil if nothing finds it.
        var found: Check?
        var apply: @Sendable (Scene, ScratchDirectory) throws -> Void
        var testDescription: String { name }

        init(
            _ name: String, _ found: Check?,
            _ apply: @escaping @Sendable (Scene, ScratchDirectory) throws -> Void
        ) {
            self.name = name
            self.found = found
            self.apply = apply
        }
    }

    static let edits: [Edit] = [
        Edit("nothing", nil) { _, _ in },
        Edit("a page of the file is torn", .pages) { scene, _ in
            let path = scene.directory.log + "/data.mdb"
            var file = Files.read(path)
            // The number every page carries first, of all pages but the meta pages.
            for page in stride(from: 2 * 4096, to: file.count, by: 4096) { file[page] ^= 0x55 }
            Files.write(file, to: path)
        },
        Edit("a field is changed", .event) { scene, _ in
            let event = scene.story.first { $0.outcome == .noIdle }
            try scene.rewrite { batches in
                let index = batches.index(holding: event.position)
                batches[index].bytes[batches[index].record(of: event.position) + 1] = 2
            }
        },
        Edit("a field and its check word are changed", .chain) { scene, _ in
            let event = scene.story.first { $0.outcome == .noIdle }
            try scene.rewrite { batches in
                let index = batches.index(holding: event.position)
                batches[index].bytes[batches[index].record(of: event.position) + 1] = 2
                batches[index].sealRecords()
            }
        },
        Edit("a batch is changed and hashed again", .chain) { scene, _ in
            let event = scene.story.first { $0.outcome == .noIdle }
            try scene.rewrite { batches in
                let index = batches.index(holding: event.position)
                batches[index].bytes[batches[index].record(of: event.position) + 1] = 2
                batches[index].sealRecords()
                batches[index].sealHash()
            }
        },
        Edit("a batch in the middle is taken out", .event) { scene, _ in
            try scene.rewrite { $0.remove(at: $0.count / 2) }
        },
        Edit("two batches are swapped", .event) { scene, _ in
            try scene.rewrite { batches in
                let middle = batches.count / 2
                let bytes = batches[middle].bytes
                batches[middle].bytes = batches[middle + 1].bytes
                batches[middle + 1].bytes = bytes
            }
        },
        Edit("a back-pointer is cut, the chain recomputed", .pointers) { scene, _ in
            let event = scene.story.first { $0.outcome == .waiting }
            try scene.forge(event.position, 56, 0 as UInt64)
        },
        Edit("an event is given to another user, the chain recomputed", .pointers) { scene, _ in
            let event = scene.story.first { $0.outcome == .granted && $0.user > 2 }
            try scene.forge(event.position, 12, 1 as UInt32)
        },
        Edit("two events are swapped, the chain recomputed", .pointers) { scene, _ in
            try scene.rewrite { batches in
                let index = try swappable(batches)
                let offset = ForgedBatch.headerByteCount
                let first = Array(batches[index].bytes[offset ..< offset + 80])
                let second = Array(batches[index].bytes[offset + 80 ..< offset + 160])
                batches[index].bytes.replaceSubrange(offset ..< offset + 160, with: second + first)
                // Each keeps the time of its place.
                for place in 0 ..< 2 {
                    let time = (place == 0 ? first : second)[24 ..< 32]
                    let at = offset + 80 * place + 24
                    batches[index].bytes.replaceSubrange(at ..< at + 8, with: time)
                }
                batches.sealAll()
            }
        },
        Edit("an outcome is changed, the chain recomputed", .rules) { scene, _ in
            let event = scene.story.first { $0.outcome == .windowExpired }
            try scene.forge(event.position, 1, Event.Outcome.operator_.rawValue)
        },
        Edit("a deadline is moved, the chain recomputed", .rules) { scene, _ in
            let event = scene.story.first { $0.outcome == .waiting }
            try scene.forge(event.position, 32, event.deadline + 1_000_000)
        },
        Edit("an event is dropped, everything after it renumbered", .pointers) { scene, _ in
            let event = scene.story.first { $0.outcome == .windowExpired }
            try scene.rewrite { $0.drop(event.position) }
        },
        Edit("a refusal is dropped and its user's chain mended", .pointers) { scene, _ in
            try dropUnnoticed(scene)
        },
        Edit("who asked is changed: the rules do not care", .ownHead) { scene, _ in
            let event = scene.story.first { $0.outcome == .granted }
            try scene.forge(event.position, 8, Caller.commandLine.rawValue)
        },
        Edit("the wall clock of a batch is changed", .ownHead) { scene, _ in
            try scene.rewrite { batches in
                batches[5].set(123_456_789 as Int64, at: 48)
                batches.sealAll()
            }
        },
        Edit("a user is renamed", .pointers) { scene, _ in try rename(scene) },
        // The view that was left behind stands at an event that is gone.
        Edit("the tail is cut", .pointers) { scene, _ in
            try scene.rewrite { $0.removeLast() }
        },
        Edit("the tail is cut, and the views are taken away", .ownHead) { scene, _ in
            try scene.rewrite { $0.removeLast() }
            Files.remove(scene.directory.views + "/data.mdb")
        },
        Edit("log and views are replaced by an old copy", .ownHead) { scene, _ in
            let old = Array(scene.batches.prefix(scene.batches.count - 6))
            try scene.rewrite { $0 = old }
            Files.remove(scene.directory.views + "/data.mdb")
        },
        Edit("the whole log is cut together with the published head", .keptHead) { scene, _ in
            let old = Array(scene.batches.prefix(scene.batches.count / 2))
            try scene.rewrite { $0 = old }
            Files.remove(scene.directory.views + "/data.mdb")
            try scene.signAgain()
        },
        Edit("the published head is taken away with the change", .keptHead) { scene, _ in
            let event = scene.story.first { $0.outcome == .granted }
            try scene.forge(event.position, 8, Caller.commandLine.rawValue)
            Files.remove(scene.directory.headNote)
        },
        Edit("the change is signed with the owner's key", .keptHead) { scene, _ in
            let event = scene.story.first { $0.outcome == .granted }
            try scene.forge(event.position, 8, Caller.commandLine.rawValue)
            try scene.signAgain()
        },
        Edit("another history by the rules, its names locked, is signed again", .keptHead) {
            scene, scratch in
            let other = try Story(in: scratch("other"), seed: 77)
            let batches = try LogForge.batches(in: other.directory.log)
            try scene.rewrite { $0 = batches }
            // Sealed names belong to their ledger: with its keys they would not open.
            Files.remove(scene.directory.personalKeys)
            try scene.signAgain()
        },
        Edit("the change is signed with a stolen name and a new key", .ownHead) { scene, _ in
            let event = scene.story.first { $0.outcome == .granted }
            try scene.forge(event.position, 8, Caller.commandLine.rawValue)
            let forger = try NoteSigner(name: scene.signer.key.name, privateKey: .init())
            try scene.publish(scene.head(by: forger))
        },
        Edit("what no head covers yet is changed and signed", nil) { scene, _ in
            // Nobody kept a head of the last quarter: the owner alone vouches for it.
            let covered = try #require(scene.kept.head.position)
            let event = scene.story.first { $0.outcome == .granted && $0.position > covered }
            try scene.forge(event.position, 8, Caller.commandLine.rawValue)
            try scene.signAgain()
        },
    ]

    /// A batch that begins with two actions of one kind by different users.
    private static func swappable(_ batches: [ForgedBatch]) throws -> Int {
        try #require(
            batches.indices.first { index in
                let (batch, offset) = (batches[index], ForgedBatch.headerByteCount)
                guard batch.eventCount > 2, batch.textByteCount == 0 else { return false }
                let users: [UInt32] = [0, 80].map { batch.number(at: offset + $0 + 12) }
                return users[0] != users[1] && !users.contains(0)
                    && batch.bytes[offset] != 3 && batch.bytes[offset + 80] != 3
            })
    }

    /// The last event of a user that changed nothing and that nothing refers to: gone without a
    /// trace, by somebody who knows the whole form.
    private static func dropUnnoticed(_ scene: Scene) throws {
        let events = scene.story.events
        let event = try #require(
            events.last { event -> Bool in
                [.noIdle, .stale, .nothingHeld, .lockTimeout].contains(event.outcome)
                    && event.concurrency == 0
                    && !events.contains {
                        $0.position > event.position
                            && ($0.user == event.user || $0.inputSession == event.position)
                    }
            })
        try scene.rewrite { $0.drop(event.position) }
    }

    /// All users' names are equally long but for the last one's.
    private static func rename(_ scene: Scene) throws {
        try scene.rewrite { batches in
            let index = try #require(
                batches.firstIndex { batch in
                    batch.textByteCount > 10 && batch.firstPosition > 4
                })
            let name = batches[index].textOffset + 6
            batches[index].bytes[name] = UInt8(ascii: "U")
            batches.sealAll()
        }
    }

    // MARK: - The checks

    /// Whether a check finds anything wrong, those before it aside.
    private func finds(_ check: Check, _ scene: Scene) -> Bool {
        let directory = scene.directory
        do {
            switch check {
            case .pages: _ = try EventLog.checkPages(directory: directory.log)
            case .event:
                let log = try EventLog(toVerify: directory.log)
                let last = try log.uncheckedEnd().position
                for position in 1 ... max(1, last) { _ = try log.event(at: position) }
            case .chain:
                let log = try EventLog(toVerify: directory.log)
                try log.forEachBatch { batch in
                    try batch.forEachEvent { _, _ in }
                    return true
                }
            case .pointers, .rules:
                // Without the published head, which the verifier looks at in any case.
                let note = Files.exists(directory.headNote) ? Files.read(directory.headNote) : nil
                Files.remove(directory.headNote)
                defer { if let note { Files.write(note, to: directory.headNote) } }
                _ = try check == .pointers
                    ? Verifier.verifyChain(directory) : Verifier.verify(directory)
            case .ownHead: _ = try Verifier.verify(directory)
            case .keptHead:
                _ = try Verifier.verify(directory, kept: [scene.kept], key: scene.signer.key)
            }
            return false
        } catch { return true }
    }

    @Test(arguments: edits)
    func theFirstCheckThatFindsItIs(edit: Edit) throws {
        let scratch = ScratchDirectory()
        let scene = try Self.scene(in: scratch)
        try edit.apply(scene, scratch)
        for check in Check.allCases {
            let isFound = finds(check, scene)
            #expect(isFound == (check == edit.found), "\(check)")
            if isFound { break }
        }
    }

    /// What the auditor sees who has no ledger, only the key, the head he kept, and a new proof.
    @Test func aProofFromARewrittenLogFailsAgainstAKeptHead() throws {
        let scratch = ScratchDirectory()
        let scene = try Self.scene(in: scratch)
        let event = scene.story.first { $0.outcome == .granted }
        try scene.forge(event.position, 8, Caller.commandLine.rawValue)
        // The owner signs the rewritten log, and a proof from it holds by itself.
        let tree = try LogTree(of: scene.directory)
        let prover = try Prover(tree, signer: scene.signer)
        var proof = try prover.inclusion(of: event.position)
        let alone = try ProofChecker(key: scene.signer.key).check(.inclusion(proof))
        #expect(alone.event?.caller == Caller.commandLine.rawValue && !alone.isVouched)
        let checker = try ProofChecker(key: scene.signer.key, kept: [scene.kept])
        // It cannot be tied to the kept head: left out it shows, put in it does not hold.
        #expect(try checker.check(.inclusion(proof)).unlinkedCount == 1)
        let size = scene.kept.head.size
        proof.links = [ConsistencyLink(size: size, path: try tree.consistencyPath(from: size))]
        let error = #expect(throws: ProofError.self) { try checker.check(.inclusion(proof)) }
        #expect(error?.code == .fork)
        #expect(throws: ProofError.self) {
            try prover.inclusion(of: event.position, kept: [scene.kept])
        }
    }

    /// The "linear fake": two batches for one place in one signed tree, each with a path of its
    /// own. The second does not continue the leaf before it, and says so.
    @Test func aBatchThatTheChainDoesNotLeadToIsNoPartOfTheLog() throws {
        let scratch = ScratchDirectory()
        let scene = try Self.scene(in: scratch)
        let place = scene.batches.count / 2
        var fake = scene.batches[place]
        fake.set(987_654_321 as Int64, at: 48)
        fake.sealHash()
        // The owner puts the fake in at the end, where no position fits, and signs that.
        let hashes = scene.batches.map(\.hash) + [fake.hash]
        let index = UInt64(hashes.count - 1)
        let ranges =
            TreeRange.inclusion(of: index, in: index + 1)
            + TreeRange.inclusion(of: index - 1, in: index + 1)
        var hasher = TreeHasher(keeping: ranges)
        for hash in hashes { hasher.append(.leaf(hash)) }
        let paths = try ranges.map { try #require(hasher.hash(of: $0)) }
        let count = TreeRange.inclusion(of: index, in: index + 1).count
        let head = TreeHead(
            origin: scene.signer.key.name, size: index + 1, root: hasher.root, extensions: [])
        let position = fake.firstPosition
        let record = fake.record(of: position)
        let proof = InclusionProof(
            position: position, record: Array(fake.bytes[record ..< record + 80]),
            batch: fake.bytes, leafIndex: index, path: Array(paths[..<count]),
            previousPath: Array(paths[count...]), links: [],
            head: try SignedHead(head, signedBy: scene.signer))
        let error = #expect(throws: ProofError.self) {
            try ProofChecker(key: scene.signer.key).check(.inclusion(proof))
        }
        #expect(error?.message.contains("does not continue the one before it") == true)
    }

    // MARK: - What is named

    @Test func aFaultNamesThePositionAndTheKind() throws {
        let scratch = ScratchDirectory()
        let scene = try Self.scene(in: scratch)
        let event = scene.story.first { $0.outcome == .windowExpired }
        try scene.forge(event.position, 64, 0 as UInt64)
        let error = try #require(verifyError(scene.directory))
        #expect(damagedPosition(error) == event.position)
        let place = "osition \(event.position) (repossessed windowExpired):"
        #expect(error.message.contains(place), "\(error.message)")
        let found = try #require(
            Verifier.event(atFault: event.position, in: scene.directory))
        #expect(found.kind == .repossessed && found.outcome == .windowExpired)
    }

    @Test func aRewrittenStretchIsNamedByTheHeadsAroundIt() throws {
        let scratch = ScratchDirectory()
        let scene = try Self.scene(in: scratch)
        var heads: [KeptHead] = []
        for (index, count) in [10, 20, 30].enumerated() {
            try scene.rewrite { $0 = Array(scene.batches.prefix(count)) }
            heads.append(KeptHead(try scene.head(by: scene.signer), line: 10 * index + 1))
        }
        try scene.rewrite { $0 = scene.batches }
        #expect(
            try Verifier.verify(scene.directory, kept: heads, key: scene.signer.key).keptHeadCount
                == 3)
        try scene.forge(scene.batches[15].firstPosition, 8, Caller.commandLine.rawValue)
        try scene.signAgain()
        do {
            _ = try Verifier.verifyChain(scene.directory, kept: heads)
            Issue.record("passes")
        } catch let error as LogError {
            let (low, high) = (scene.batches[9].lastPosition + 1, scene.batches[19].lastPosition)
            #expect(error.message.hasPrefix("positions \(low) to \(high):"), "\(error.message)")
            #expect(error.message.contains("line 11"))
        }
    }

    @Test func aHeadByAnotherKeyIsNoHeadOfThisLog() throws {
        let scratch = ScratchDirectory()
        let scene = try Self.scene(in: scratch)
        let forger = try NoteSigner(name: scene.signer.key.name, privateKey: .init())
        let foreign = KeptHead(try scene.head(by: forger), line: 7)
        for key in [scene.signer.key, nil] {
            let error = #expect(throws: ProofError.self) {
                try Verifier.verify(scene.directory, kept: [foreign], key: key)
            }
            #expect(error?.message.hasPrefix("line 7:") == true)
        }
        // Who has no key compares roots alone.
        Files.remove(scene.directory.headKey)
        #expect(try Verifier.verify(scene.directory, kept: [foreign]).keptHeadCount == 1)
    }
}
