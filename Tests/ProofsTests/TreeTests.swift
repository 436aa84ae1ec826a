import LogForge
import Proofs
import Testing

/// Merkle trees against published roots, and every proof of every small tree with every change.
@Suite struct TreeTests {
    /// Bytes from hexadecimal.
    static func bytes(_ text: String) -> [UInt8] {
        let digits = text.compactMap(\.hexDigitValue)
        return stride(from: 0, to: digits.count, by: 2).map {
            UInt8(digits[$0] << 4 | digits[$0 + 1])
        }
    }

    static func hash(_ text: String) throws -> TreeHash { try #require(TreeHash(bytes(text))) }

    /// Leaves and roots that implementations of RFC 6962 are tested with.
    static let leaves = [
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ].map { TreeHash.leaf(bytes($0)) }
    static let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]

    private func tree(_ leaves: some Collection<TreeHash>) -> TreeHash {
        var hasher = TreeHasher()
        for leaf in leaves { hasher.append(leaf) }
        return hasher.root
    }

    private func hashes(_ ranges: [TreeRange], of leaves: [TreeHash]) throws -> [TreeHash] {
        var hasher = TreeHasher(keeping: ranges)
        for leaf in leaves { hasher.append(leaf) }
        return try ranges.map { try #require(hasher.hash(of: $0)) }
    }

    @Test(arguments: 0 ... 8)
    func theRootsAreThePublishedOnes(size: Int) throws {
        #expect(tree(Self.leaves.prefix(size)) == (try Self.hash(Self.roots[size])))
    }

    /// RFC 6962, 2.1.3 names the nodes of the tree of seven leaves by letters.
    @Test func thePathsAreThoseOfTheStandardsExample() throws {
        let leaves = Array(Self.leaves.prefix(7))
        let (a, b, c, d, e, f, j) = (
            leaves[0], leaves[1], leaves[2], leaves[3], leaves[4], leaves[5], leaves[6]
        )
        let (g, h, i) = (TreeHash.node(a, b), TreeHash.node(c, d), TreeHash.node(e, f))
        let (k, l) = (TreeHash.node(g, h), TreeHash.node(i, j))
        func path(_ index: UInt64) throws -> [TreeHash] {
            try hashes(TreeRange.inclusion(of: index, in: 7), of: leaves)
        }
        #expect(try path(0) == [b, h, l])
        #expect(try path(3) == [c, g, l])
        #expect(try path(4) == [f, j, k])
        #expect(try path(6) == [i, k])
        func proof(_ old: UInt64) throws -> [TreeHash] {
            try hashes(TreeRange.consistency(from: old, to: 7), of: leaves)
        }
        #expect(try proof(3) == [c, d, g, l])
        #expect(try proof(4) == [l])
        #expect(try proof(6) == [i, j, k])
    }

    private static let many = (0 ..< 66).map { TreeHash.leaf([UInt8($0), 7]) }

    /// Every way a path of hashes can be a little wrong.
    private func spoiled(_ path: [TreeHash]) -> [[TreeHash]] {
        let stranger = TreeHash.leaf([9, 9])
        var all: [[TreeHash]] = [path + [stranger], [stranger] + path]
        for index in path.indices {
            var (changed, shorter) = (path, path)
            changed[index] = stranger
            shorter.remove(at: index)
            all += [changed, shorter]
            if index > 0, path[index] != path[index - 1] {
                var swapped = path
                swapped.swapAt(index, index - 1)
                all.append(swapped)
            }
        }
        return all
    }

    @Test func everyLeafOfEveryTreeIsProvedAndNothingElse() throws {
        for size in 1 ... 65 as ClosedRange<UInt64> {
            let leaves = Array(Self.many.prefix(Int(size)))
            let root = tree(leaves)
            for index in 0 ..< size {
                let path = try hashes(TreeRange.inclusion(of: index, in: size), of: leaves)
                let leaf = leaves[Int(index)]
                func leads(_ leaf: TreeHash, _ index: UInt64, _ size: UInt64, _ path: [TreeHash])
                    -> Bool
                {
                    TreeProof.root(from: leaf, at: index, size: size, path: path) == root
                }
                #expect(leads(leaf, index, size, path))
                #expect(!leads(Self.many[Int(size)], index, size, path))
                for wrong in spoiled(path) { #expect(!leads(leaf, index, size, wrong)) }
                for other in 0 ..< size + 2 where other != index {
                    #expect(!leads(leaf, other, size, path), "\(index) as \(other) of \(size)")
                }
            }
            #expect(TreeProof.root(from: leaves[0], at: size, size: size, path: []) == nil)
        }
        #expect(TreeProof.root(from: Self.many[0], at: 0, size: 0, path: []) == nil)
    }

    @Test func everyTreeIsProvedToGrowIntoEveryLargerOneAndIntoNoOther() throws {
        let roots = (0 ... 65).map { tree(Self.many.prefix($0)) }
        for size in 0 ... 65 as ClosedRange<UInt64> {
            let leaves = Array(Self.many.prefix(Int(size)))
            for old in 0 ... size {
                let path = try hashes(TreeRange.consistency(from: old, to: size), of: leaves)
                func holds(
                    _ old: UInt64, _ oldRoot: TreeHash, _ root: TreeHash, _ path: [TreeHash]
                ) -> Bool {
                    TreeProof.isConsistent(
                        oldSize: old, oldRoot: oldRoot, size: size, root: root, path: path)
                }
                let (oldRoot, root) = (roots[Int(old)], roots[Int(size)])
                #expect(holds(old, oldRoot, root, path), "\(old) to \(size)")
                let stranger = TreeHash.leaf([8, 8])
                #expect(!holds(old, stranger, root, path), "\(old) to \(size)")
                // Every log goes on from the empty one.
                if old > 0 { #expect(!holds(old, oldRoot, stranger, path)) }
                for wrong in spoiled(path) { #expect(!holds(old, oldRoot, root, wrong)) }
                for other in 0 ... size where other != old {
                    #expect(!holds(other, oldRoot, root, path), "\(old) as \(other) of \(size)")
                }
            }
            #expect(
                !TreeProof.isConsistent(
                    oldSize: size + 1, oldRoot: roots[0], size: size, root: roots[Int(size)],
                    path: []))
        }
    }

    @Test func wholeNodesDoForTheirLeaves() throws {
        let leaves = (0 ..< 37).map { TreeHash.leaf([UInt8($0)]) }
        let ranges =
            TreeRange.inclusion(of: 17, in: 37) + TreeRange.consistency(from: 21, to: 37)
            + [TreeRange(0, 19), TreeRange(0, 0)]
        let expected = try hashes(ranges, of: leaves)
        var hasher = TreeHasher(keeping: ranges)
        var index = 0
        // Nodes of eight, but for the ones that a range begins or ends in.
        while index < leaves.count {
            let isOpened = [16, 32].contains(index) || index + 8 > leaves.count
            if isOpened {
                hasher.append(leaves[index])
                index += 1
                while index % 8 != 0, index < leaves.count {
                    hasher.append(leaves[index])
                    index += 1
                }
            } else {
                hasher.append(tree(leaves[index ..< index + 8]), height: 3)
                index += 8
            }
        }
        #expect(hasher.root == tree(leaves))
        #expect(try ranges.map { try #require(hasher.hash(of: $0)) } == expected)
        #expect(hasher.count == 37)
    }

    @Test func hashesAreReadBackAsTheyAreWritten() throws {
        let hash = Self.leaves[3]
        #expect(TreeHash(base64: hash.description) == hash)
        #expect(TreeHash(hash.bytes) == hash)
        for text in ["", "AAAA", hash.description.dropLast() + "", hash.description + "="] {
            #expect(TreeHash(base64: text) == nil, "\(text)")
        }
        #expect(TreeHash([1, 2, 3]) == nil)
    }
}
