import Crypto
public import ReconnectionRules
import Synchronization

/// The keys of everybody a ledger knows, and the one file they are kept in: see `KeyTree`.
///
/// Reading and sealing may go on in several threads while one punctures. What a process read
/// before somebody was forgotten it still has in its memory.
public final class PersonalKeys: Sendable {
    struct Content: Sendable, Equatable {
        var tree: KeyTree
        /// Position of the newest userForgotten event whose key is gone; nothing before it is owed.
        var appliedPosition: Position
        /// Users 1 to this have their names in the log as they are: named in batches of version 1.
        var plainUserCount: UInt32
    }

    public let path: String
    /// The log's id, in bytes: part of what every sealed text is bound to.
    let ledgerId: [UInt8]
    private let content: Mutex<Content>
    /// Goes up when a key goes away: what was derived before is not used any more.
    private let generation = Atomic<Int>(0)

    init(path: String, ledgerId: [UInt8], _ content: Content) {
        self.path = path
        self.ledgerId = ledgerId
        self.content = Mutex(content)
    }

    // MARK: - From and to the file

    /// Reads the keys of the log of that id. Writes nothing.
    ///
    /// Throws `keys` if the file is missing, damaged or of another ledger.
    public convenience init(reading path: String, of log: EventLog) throws(LogError) {
        try self.init(
            path: path, ledgerId: log.idBytes,
            PersonalKeyFile.read(path, ledgerId: log.idBytes))
    }

    /// Reads the keys of the ledger of that id. Writes nothing. Throws `keys`.
    package convenience init(reading path: String, ofLedger id: [UInt8]) throws(LogError) {
        try self.init(path: path, ledgerId: id, PersonalKeyFile.read(path, ledgerId: id))
    }

    /// Opens the keys for the process that writes the ledger: what a crash left of a replaced file
    /// is destroyed first.
    package convenience init(owning path: String, of log: EventLog) throws(LogError) {
        try PersonalKeyFile.recover(path)
        try self.init(reading: path, of: log)
    }

    /// Draws a new root and makes it durable, for a ledger that has no sealed text yet.
    package convenience init(
        creating path: String, of log: EventLog, random: RandomSource, plainUserCount: Int
    ) throws(LogError) {
        try PersonalKeyFile.recover(path)
        let root = random.bytes(count: KeySeed.byteCount).withUnsafeBytes { KeySeed($0) }
        let content = Content(
            tree: KeyTree(root: root), appliedPosition: 0,
            plainUserCount: UInt32(plainUserCount))
        try PersonalKeyFile.create(path, log.idBytes, content)
        self.init(path: path, ledgerId: log.idBytes, content)
    }

    /// Reads the file again, if somebody was forgotten meanwhile. A file that cannot be read
    /// changes nothing.
    package func reload() {
        guard let found = try? PersonalKeyFile.read(path, ledgerId: ledgerId) else { return }
        content.withLock { content in
            if content != found { content = found }
        }
        generation.add(1, ordering: .releasing)
    }

    // MARK: - Forgetting

    /// Position of the newest userForgotten event whose key is gone.
    package var appliedPosition: Position { content.withLock { $0.appliedPosition } }

    /// Users 1 to this have their names in the log in plain text.
    package var plainUserCount: Int { content.withLock { Int($0.plainUserCount) } }

    /// Whether a user's key is gone.
    public func isForgotten(_ user: UserNumber) -> Bool {
        content.withLock { $0.tree.index(covering: KeyTree.leaf(of: user)) == nil }
    }

    /// Makes the keys of some users unreachable, durably: on return the file has none of them, and
    /// the file before it was overwritten. `position` is that of the newest userForgotten event.
    ///
    /// Throws `keys`; then the old file or the new one is there. Cost: the file is written once,
    /// overwritten once, and waited for four times.
    package func forget(
        _ users: [UserNumber], through position: Position, plainUserCount: Int? = nil
    ) throws(LogError) {
        var new = content.withLock { $0 }
        for user in users { _ = new.tree.puncture(KeyTree.leaf(of: user)) }
        new.appliedPosition = position
        if let plainUserCount { new.plainUserCount = UInt32(plainUserCount) }
        try PersonalKeyFile.replace(path, ledgerId, by: new)
        content.withLock { $0 = new }
        generation.add(1, ordering: .releasing)
    }

    /// Numbers above `count` whose keys are gone: of users that were forgotten in events that this
    /// log does not have. Ascending; empty unless the log is older than the keys.
    func lostNumbers(above count: Int) -> [ClosedRange<UInt64>] {
        content.withLock { $0.tree.gaps(from: UInt64(count)) }
            .map { $0.lowerBound + 1 ... $0.upperBound + 1 }
    }

    // MARK: - Deriving

    var currentGeneration: Int { generation.load(ordering: .acquiring) }

    /// A user's key; nil if the user was forgotten.
    func key(of user: UserNumber, _ path: inout KeyPath) -> KeySeed? {
        content.withLock {
            path.seed(KeyTree.leaf(of: user), KeyTree.depth, in: $0.tree)
        }
    }

    /// The seed of a node; nil if it is gone.
    func seed(_ first: UInt32, _ depth: UInt8, _ path: inout KeyPath) -> KeySeed? {
        content.withLock { path.seed(first, depth, in: $0.tree) }
    }

    /// The nodes that are left of a subtree of that depth.
    func nodes(below first: UInt32, depth: UInt8, _ path: inout KeyPath) -> [KeyTree.Node] {
        content.withLock { $0.tree.nodes(below: first, depth: depth, &path) }
    }
}
