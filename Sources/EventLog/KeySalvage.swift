import Crypto
import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What of a key file still opens names.
///
/// A file that is whole is taken as it is. Of one that is not, each node is tried on the names
/// below it: what opens one is sound, and so is one with nobody below it. In place of all others
/// come new ones without the users there are: they have a number and no name any more, and whoever
/// comes after them has a key.
package final class KeySalvage {
    package enum Outcome: String, Sendable {
        case none, whole, partial, lost
    }

    private let whole: PersonalKeys.Content?
    private let candidates: KeyTree?
    private let trial: PersonalKeys?
    private let ledgerId: [UInt8]
    private let opener: TextOpener?
    private var openedCounts: [Int: Int] = [:]
    private var failedCounts: [Int: Int] = [:]
    /// The highest number of a user seen, and of one with a plain name.
    private var userCount: UserNumber = 0
    private var plainUserCount: UserNumber = 0
    private var hasSealed = false

    /// The id in the header of a key file that is whole, nil if none is.
    package static func ledgerId(in path: String) -> [UInt8]? {
        guard let bytes = read(path), bytes.count >= 48 else { return nil }
        let id = Array(bytes[16 ..< 32])
        return (try? PersonalKeyFile.decode(bytes, path, ledgerId: id)) == nil ? nil : id
    }

    package init(_ path: String, ledgerId: [UInt8]) {
        self.ledgerId = ledgerId
        let bytes = Self.read(path)
        whole = bytes.flatMap { try? PersonalKeyFile.decode($0, path, ledgerId: ledgerId) }
        candidates = whole == nil ? bytes.flatMap { Self.nodes($0) } : nil
        trial = candidates.map {
            PersonalKeys(
                path: path, ledgerId: ledgerId,
                PersonalKeys.Content(tree: $0, appliedPosition: 0, plainUserCount: 0))
        }
        opener = trial.map { TextOpener($0) }
    }

    /// Takes a batch of the log that is kept, and tries the keys on its names.
    package func note(_ batch: borrowing BatchView) throws {
        hasSealed = hasSealed || batch.hasSealedTexts
        guard batch.hasTexts else { return }
        try batch.forEachEvent { event, text in
            guard event.kind == .userNamed, let text else { return }
            userCount = max(userCount, event.user)
            guard batch.hasSealedTexts else {
                plainUserCount = max(plainUserCount, event.user)
                return
            }
            guard let opener, let index = candidates?.index(covering: KeyTree.leaf(of: event.user))
            else { return }
            switch opener.name(text, event, isSealed: true) {
            case .text: openedCounts[index, default: 0] += 1
            case .damaged: failedCounts[index, default: 0] += 1
            default: break
            }
        }
    }

    /// Writes the keys that hold to a new file, if the log needs any.
    package func write(
        to path: String, random: RandomSource = .system
    ) throws(LogError) -> Outcome {
        guard whole != nil || hasSealed else { return .none }
        var outcome = Outcome.whole
        var nodes = whole?.tree.nodes ?? []
        if whole == nil {
            nodes = trustedNodes
            outcome = nodes.isEmpty ? .lost : .partial
        }
        // Whoever comes next needs a key, also where the old log had forgotten that number.
        nodes += Self.cover(from: UInt64(userCount), leaving: nodes, random)
        nodes.sort { $0.first < $1.first }
        guard let tree = KeyTree(nodes: nodes) else {
            throw LogError(.keys, "the keys of \(path) contradict each other")
        }
        // Whoever the log says was forgotten is looked for again at the next opening.
        try PersonalKeyFile.create(
            path, ledgerId,
            PersonalKeys.Content(
                tree: tree, appliedPosition: whole?.appliedPosition ?? 0,
                plainUserCount: whole?.plainUserCount ?? plainUserCount))
        return outcome
    }

    /// Nodes of a damaged file that opened names, or have nobody below them.
    private var trustedNodes: [KeyTree.Node] {
        guard let candidates else { return [] }
        let isAnyGood = openedCounts.values.contains { $0 > 0 }
        return candidates.nodes.enumerated().compactMap { index, node in
            let opened = openedCounts[index] ?? 0
            guard isAnyGood, (failedCounts[index] ?? 0) <= opened else { return nil }
            return node
        }
    }

    /// New nodes over the leaves from one on that no node has.
    private static func cover(
        from first: UInt64, leaving nodes: [KeyTree.Node], _ random: RandomSource
    ) -> [KeyTree.Node] {
        var made: [KeyTree.Node] = []
        var next = first
        func fill(upTo end: UInt64) {
            while next < end {
                var width = next == 0 ? UInt64(1) << 32 : next & (~next + 1)
                while width > end - next { width /= 2 }
                made.append(
                    KeyTree.Node(
                        first: UInt32(next), depth: UInt8(32 - width.trailingZeroBitCount),
                        seed: seed(random)))
                next += width
            }
        }
        for node in nodes where UInt64(node.last) >= next {
            fill(upTo: UInt64(node.first))
            next = UInt64(node.last) + 1
        }
        fill(upTo: 1 << 32)
        return made
    }

    /// The nodes of a file, whatever its header and its sum say.
    private static func nodes(_ bytes: [UInt8]) -> KeyTree? {
        var nodes: [KeyTree.Node] = []
        var next: UInt64 = 0
        for offset in stride(from: 48, through: bytes.count - 40, by: 40)
        where offset + 40 <= bytes.count - 32 || offset == 48 {
            let first = UInt32(bytes[offset]) | UInt32(bytes[offset + 1]) << 8
                | UInt32(bytes[offset + 2]) << 16 | UInt32(bytes[offset + 3]) << 24
            let seed = bytes[offset + 8 ..< offset + 40].withUnsafeBytes { KeySeed($0) }
            let node = KeyTree.Node(first: first, depth: bytes[offset + 4], seed: seed)
            guard node.depth <= KeyTree.depth, UInt64(first) >= next,
                first & KeyTree.leafMask(node.depth) == 0
            else { continue }
            nodes.append(node)
            next = UInt64(node.last) + 1
        }
        return nodes.isEmpty ? nil : KeyTree(nodes: nodes)
    }

    private static func seed(_ random: RandomSource) -> KeySeed {
        random.bytes(count: KeySeed.byteCount).withUnsafeBytes { KeySeed($0) }
    }

    private static func read(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return FileBytes.readAll(from: descriptor)
    }
}
