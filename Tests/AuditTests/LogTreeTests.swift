import Audit
import EventLog
import Ledger
import LogForge
import Proofs
import ReconnectionRules
import Testing

/// The Merkle tree over a log's batches, with the file that saves going over all of them and
/// without it.
@Suite struct LogTreeTests {
    /// A log of some 2,600 batches of one event each: more than two blocks of the tree's file.
    private final class LongLog: Sendable {
        private let scratch = ScratchDirectory()
        let directory: DataDirectory
        /// Each batch's hash, by the form in docs/log-format.md.
        let leaves: [TreeHash]
        let batches: [ForgedBatch]

        init(seed: UInt64) throws {
            let story = try Story(in: scratch("data"), seed: seed, stepCount: 2_000)
            directory = story.directory
            var batches: [ForgedBatch] = []
            try LogForge.rewrite(in: directory.log) { stored in
                stored = stored.flatMap(\.singles)
                stored.sealAll()
                batches = stored
            }
            Files.remove(directory.views)
            self.batches = batches
            leaves = batches.map { TreeHash.leaf($0.hash) }
        }

        /// A copy of the one that all tests begin with.
        static func copy() throws -> LongLog { try LongLog(copyOf: first.get()) }

        private static let first = Result { try LongLog(seed: 1) }

        private init(copyOf other: LongLog) throws {
            directory = DataDirectory(scratch("data"))
            leaves = other.leaves
            batches = other.batches
            Files.copy(other.directory.path, to: directory.path)
        }

        func root(ofFirst count: Int) -> TreeHash {
            var hasher = TreeHasher()
            for leaf in leaves.prefix(count) { hasher.append(leaf) }
            return hasher.root
        }

        /// Leaves of the log cut down to its first batches.
        func cut(to count: Int) throws {
            let kept = Array(batches.prefix(count))
            try LogForge.rewrite(in: directory.log) { $0 = kept }
        }
    }

    private static let edges = [1, 2, 511, 1_023, 1_024, 1_025, 1_536, 2_047, 2_048, 2_049, 2_600]

    @Test func theLongLogIsLongAndSound() throws {
        let log = try LongLog.copy()
        #expect(log.batches.count > 2_600)
        let report = try Verifier.verify(log.directory)
        #expect(report.batchCount == UInt64(log.batches.count))
    }

    @Test func rootsAndPathsAreThoseOfThePlainTree() throws {
        let log = try LongLog.copy()
        let count = log.leaves.count
        // The first has to go over the log, the second finds the file.
        for _ in 0 ..< 2 {
            let tree = try LogTree(of: log.directory)
            #expect(tree.size == UInt64(count) && tree.root == log.root(ofFirst: count))
            for size in Self.edges {
                let root = try tree.root(ofFirst: UInt64(size))
                #expect(root == log.root(ofFirst: size))
                let path = try tree.consistencyPath(from: UInt64(size))
                #expect(
                    TreeProof.isConsistent(
                        oldSize: UInt64(size), oldRoot: root, size: tree.size, root: tree.root,
                        path: path))
                let index = UInt64(size - 1)
                #expect(try tree.leafIndex(ofPosition: Position(size)) == index)
                #expect(
                    TreeProof.root(
                        from: log.leaves[size - 1], at: index, size: tree.size,
                        path: try tree.inclusionPath(of: index)) == tree.root)
            }
            #expect(try tree.leafIndex(ofPosition: 0) == nil)
            #expect(try tree.leafIndex(ofPosition: Position(count) + 1) == nil)
            #expect(Files.read(log.directory.tree).count == 32 + 2 * 80)
        }
    }

    @Test func theFileIsOnlyAHelp() throws {
        let log = try LongLog.copy()
        let root = log.root(ofFirst: log.leaves.count)
        _ = try LogTree(of: log.directory)
        let sound = Files.read(log.directory.tree)
        var generator = SeededGenerator(seed: SeededGenerator.announced(505, for: "damaged trees"))
        var files = [[], Array(sound.prefix(31)), Array(sound.prefix(100)), sound + [1, 2, 3]]
        for _ in 0 ..< 12 {
            var damaged = sound
            damaged[generator.below(sound.count)] ^= UInt8(1 + generator.below(255))
            files.append(damaged)
        }
        // The file of a log that began in the same way and went on in another.
        let other = try LongLog(seed: 2)
        _ = try LogTree(of: other.directory)
        files.append(Files.read(other.directory.tree))
        for file in files {
            Files.write(file, to: log.directory.tree)
            let tree = try LogTree(of: log.directory)
            #expect(tree.root == root && tree.size == UInt64(log.leaves.count))
            #expect(try tree.leafIndex(ofPosition: 1_500) == 1_499)
            #expect(Files.read(log.directory.tree).prefix(sound.count).elementsEqual(sound))
        }
    }

    @Test func aFileThatCannotBeWrittenIsDoneWithout() throws {
        let log = try LongLog.copy()
        Files.makeDirectory(log.directory.tree)
        #expect(try LogTree(of: log.directory).root == log.root(ofFirst: log.leaves.count))
    }

    @Test func theTreeGrowsWithTheLog() throws {
        let log = try LongLog.copy()
        for count in [0, 1, 1_000, 1_024, 1_030, 2_048, 2_500, log.batches.count] {
            try log.cut(to: count)
            let tree = try LogTree(of: log.directory)
            #expect(tree.size == UInt64(count) && tree.root == log.root(ofFirst: count))
            let blocks = count / 1_024
            let size = Files.exists(log.directory.tree) ? Files.read(log.directory.tree).count : 0
            #expect(size == (blocks == 0 ? 0 : 32 + 80 * blocks))
        }
        // And shrinks: an old copy was put in the log's place, and the file left.
        try log.cut(to: 1_500)
        #expect(try LogTree(of: log.directory).root == log.root(ofFirst: 1_500))
    }

    @Test func itGoesNoFurtherThanItIsTold() throws {
        let log = try LongLog.copy()
        try reading(log.directory.path) { reader in
            let tree = try LogTree(reader.log, log.directory)
            for position in [7, 900, 1_024, 2_100] as [Position] {
                try tree.extend(through: position)
                #expect(tree.head.position == position && tree.size == position)
                #expect(tree.root == log.root(ofFirst: Int(position)))
            }
        }
    }

    @Test func aRewrittenLogIsNotSignedWithTheOldFile() throws {
        let log = try LongLog.copy()
        _ = try LogTree(of: log.directory)
        var batches = log.batches
        batches[1_500].set(UInt32(99), at: 96 + 8)  // the caller
        batches.sealAll()
        let rewritten = batches
        try LogForge.rewrite(in: log.directory.log) { $0 = rewritten }
        var hasher = TreeHasher()
        for batch in rewritten { hasher.append(.leaf(batch.hash)) }
        #expect(try LogTree(of: log.directory).root == hasher.root)
        #expect(hasher.root != log.root(ofFirst: log.leaves.count))
    }

    @Test func aBrokenChainIsInNoTree() throws {
        let log = try LongLog.copy()
        var batches = log.batches
        batches[1_200].previousHash = [UInt8](repeating: 7, count: 32)
        batches[1_200].sealHash()
        let broken = batches
        try LogForge.rewrite(in: log.directory.log) { $0 = broken }
        let error = #expect(throws: LedgerError.self) { try LogTree(of: log.directory) }
        #expect(error?.code == .log(.corrupt(position: 1_201)))
    }

    @Test func proofsOfALongLogHold() throws {
        let log = try LongLog.copy()
        let signer = try #require(try LedgerHeads.signer(of: log.directory))
        let prover = try Prover(LogTree(of: log.directory), signer: signer)
        let checker = try ProofChecker(key: signer.key)
        for position in Self.edges {
            let proof = try prover.inclusion(of: Position(position))
            let report = try checker.check(.inclusion(proof))
            #expect(report.leafIndex == UInt64(position - 1))
            #expect(report.event?.position == Position(position))
        }
    }
}
