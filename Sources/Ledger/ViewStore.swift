import EventLog
import LMDB
import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The views environment: the newest checkpoint of the current view, with the position and the
/// chain hash it stands at. Derived: may be deleted at any time, and is whenever anything in it is
/// odd.
final class ViewStore: Sendable {
    /// One block on its way to disk.
    struct Block: Sendable {
        var table: Table
        var key: UInt64
        var bytes: [UInt8]
    }

    enum Table: String, Sendable, CaseIterable {
        case head, users, jumpStacks, projects, concurrencies, userNames, projectNames
    }

    private let environment: Environment
    private static let headKey: UInt64 = 0

    /// Opens the environment, creating it unless it is only to be read.
    ///
    /// Throws if it cannot be used as it is; the caller deletes it and tries once more.
    init(directory: DataDirectory, isReadOnly: Bool) throws {
        if !isReadOnly { try directory.createSubdirectory(directory.views) }
        var options = Environment.Options()
        options.isReadOnly = isReadOnly
        // LMDB trusts its pages: damage must be found before it trips over it.
        if access(directory.views + "/data.mdb", F_OK) == 0 {
            _ = try PageCheck.check(directory: directory.views)
        }
        environment = try Environment(directory: directory.views, options: options)
        if !isReadOnly {
            var transaction = try WriteTransaction(environment)
            for table in Table.allCases {
                _ = try transaction.table(named: table.rawValue, create: true)
            }
            try transaction.commit()
        }
    }

    /// Removes the files of a store nobody has open.
    static func remove(_ directory: DataDirectory) {
        for name in ["data.mdb", "lock.mdb"] { unlink(directory.views + "/" + name) }
        rmdir(directory.views)
    }

    /// Writes blocks in one durable transaction, so that a checkpoint is there whole or not at all.
    /// Runs on the calling thread from begin to end.
    func write(_ blocks: [Block], replacingAll: Bool) throws {
        var transaction = try WriteTransaction(environment)
        for table in Table.allCases {
            let handle = try transaction.table(named: table.rawValue, create: true)
            if replacingAll { try transaction.clear(handle) }
            for block in blocks where block.table == table {
                try transaction.put(block.bytes.span.bytes, forKey: block.key, in: handle)
            }
        }
        try transaction.commit()
    }

    // MARK: - Writing the view down

    /// The blocks that a checkpoint must write: those that changed, or all.
    static func blocks(
        of view: RecoveredView, dirty: DirtyBlocks, savedUserNames: Int, savedProjectNames: Int
    ) -> [Block] {
        var blocks: [Block] = []
        let state = view.state
        let userBlocks = (state.users.count + ViewCodec.usersPerBlock - 1) / ViewCodec.usersPerBlock
        for block in 0 ..< UInt32(userBlocks)
        where dirty.isEverything || dirty.users.contains(block) {
            blocks.append(userBlock(block, state))
        }
        let stacks =
            dirty.isEverything ? Array(state.jumpStacks.keys) : Array(dirty.jumpStacks)
        for user in stacks {
            guard let stack = state.jumpStacks[user] else { continue }
            var writer = ByteWriter()
            ViewCodec.write(stack, to: &writer)
            blocks.append(block(.jumpStacks, UInt64(user), writer))
        }
        for number in 1 ..< max(1, state.projects.count) {
            if dirty.isEverything || dirty.projects.contains(ProjectNumber(number)) {
                var writer = ByteWriter()
                ViewCodec.write(state.projects[number], to: &writer)
                blocks.append(block(.projects, UInt64(number), writer))
            }
            blocks += concurrencyBlocks(of: number, state, dirty)
        }
        blocks += nameBlocks(.userNames, view.users, from: savedUserNames)
        blocks += nameBlocks(.projectNames, view.projects, from: savedProjectNames)
        blocks.append(headBlock(view))
        return blocks
    }

    private static func block(_ table: Table, _ key: UInt64, _ writer: ByteWriter) -> Block {
        Block(table: table, key: key, bytes: ViewCodec.sealed(writer, key: seed(table, key)))
    }

    /// Part of each check word, so that a block in another one's place is found.
    private static func seed(_ table: Table, _ key: UInt64) -> UInt64 {
        key &* 16 &+ UInt64(Table.allCases.firstIndex(of: table) ?? 0)
    }

    private static func userBlock(_ number: UInt32, _ state: State) -> Block {
        var writer = ByteWriter()
        let first = Int(number) * ViewCodec.usersPerBlock
        for index in first ..< min(first + ViewCodec.usersPerBlock, state.users.count) {
            ViewCodec.write(state.users[index], to: &writer)
        }
        return block(.users, UInt64(number), writer)
    }

    private static func concurrencyBlocks(
        of project: Int, _ state: State, _ dirty: DirtyBlocks
    ) -> [Block] {
        let count = state.projects[project].concurrencies.count
        var blocks: [Block] = []
        for first in stride(from: 0, to: count, by: ViewCodec.concurrenciesPerBlock) {
            let key = DirtyBlocks.key(ProjectNumber(project), ConcurrencyNumber(first))
            guard dirty.isEverything || dirty.concurrencies.contains(key) else { continue }
            var writer = ByteWriter()
            for index in first ..< min(first + ViewCodec.concurrenciesPerBlock, count) {
                ViewCodec.write(state.projects[project].concurrencies[index], to: &writer)
            }
            blocks.append(block(.concurrencies, key, writer))
        }
        return blocks
    }

    private static func nameBlocks(
        _ table: Table, _ names: NameDirectory, from saved: Int
    ) -> [Block] {
        var blocks: [Block] = []
        var first = saved / ViewCodec.namesPerBlock * ViewCodec.namesPerBlock
        while first < names.count {
            var writer = ByteWriter()
            for number in first ..< min(first + ViewCodec.namesPerBlock, names.count) {
                names.withNameBytes(of: UInt32(number + 1)) { name in
                    writer.write(UInt16(name.count))
                    writer.write(name)
                }
            }
            blocks.append(block(table, UInt64(first / ViewCodec.namesPerBlock), writer))
            first += ViewCodec.namesPerBlock
        }
        return blocks
    }

    private static func headBlock(_ view: RecoveredView) -> Block {
        var writer = ByteWriter()
        writer.write(ViewCodec.schemaVersion)
        writer.write(view.head.position)
        writer.write(view.head.time)
        view.head.hash.bytes.withUnsafeBytes { writer.write($0) }
        writer.write(view.state.lastOfLedger)
        writer.write(UInt64(view.state.users.count))
        writer.write(UInt64(view.state.projects.count))
        writer.write(UInt64(view.users.count))
        writer.write(UInt64(view.projects.count))
        writer.write(UInt64(view.state.jumpStacks.count))
        ViewCodec.write(view.state.counters, to: &writer)
        return block(.head, headKey, writer)
    }

    // MARK: - Reading it back

    /// What stands in the store.
    enum Stored {
        case none
        /// A part of it is not what was written, or not in a form this code reads.
        case unreadable
        case view(RecoveredView)
    }

    /// The checkpoint, if there is a whole one.
    func load() -> Stored {
        do {
            let transaction = try ReadTransaction(environment)
            guard let head = try transaction.table(named: Table.head.rawValue),
                try transaction.entryCount(in: head) > 0
            else { return .none }
            return try Self.view(in: transaction).map { .view($0) } ?? .unreadable
        } catch { return .unreadable }
    }

    /// Nil if any part is not what was written.
    private static func view(
        in transaction: borrowing ReadTransaction
    ) throws -> RecoveredView? {
        var head: Head?
        try Self.forEachBlock(.head, transaction) { _, reader in head = Self.readHead(&reader) }
        guard let head else { return nil }
        var view = head.view
        var users: [UserRecord] = []
        users.reserveCapacity(head.userCount)
        var isWhole = try Self.forEachBlock(.users, transaction) { _, reader in
            while !reader.isAtEnd, !reader.isExhausted {
                users.append(ViewCodec.readUser(&reader))
            }
        }
        var jumpStacks: [UserNumber: JumpStack] = [:]
        isWhole = try isWhole && Self.forEachBlock(.jumpStacks, transaction) { key, reader in
            jumpStacks[UserNumber(truncatingIfNeeded: key)] = ViewCodec.readJumpStack(&reader)
        }
        typealias Project = (
            settings: ProjectSettings, last: Position, concurrencies: [ConcurrencyRecord]
        )
        var projects: [Project] = [(ProjectSettings(), 0, [])]
        var numberCounts: [UInt32] = [0]
        isWhole = try isWhole && Self.forEachBlock(.projects, transaction) { _, reader in
            let (settings, last, numberCount) = ViewCodec.readProject(&reader)
            projects.append((settings, last, []))
            numberCounts.append(numberCount)
        }
        isWhole = try isWhole && Self.forEachBlock(.concurrencies, transaction) { key, reader in
            let project = Int(key >> 32)
            guard project < projects.count else { return }
            while !reader.isAtEnd, !reader.isExhausted {
                projects[project].concurrencies.append(ViewCodec.readConcurrency(&reader))
            }
        }
        isWhole = try isWhole && Self.readNames(.userNames, transaction, into: &view.users)
        isWhole = try isWhole && Self.readNames(.projectNames, transaction, into: &view.projects)
        guard isWhole, users.count == head.userCount, projects.count == head.projectCount,
            view.users.count == head.userNameCount,
            view.projects.count == head.projectNameCount,
            jumpStacks.count == head.jumpStackCount,
            zip(projects, numberCounts).dropFirst().allSatisfy({
                $0.concurrencies.count == Int($1) + 1
            })
        else { return nil }
        view.state = State(
            users: users, projects: projects, jumpStacks: jumpStacks,
            counters: view.state.counters, position: view.head.position, time: view.head.time,
            lastOfLedger: view.state.lastOfLedger)
        return view
    }

    /// What the head block says: where the view stands, and how much of each there has to be.
    private struct Head {
        var view: RecoveredView
        var userCount: Int
        var projectCount: Int
        var userNameCount: Int
        var projectNameCount: Int
        var jumpStackCount: Int
    }

    private static func readHead(_ reader: inout ByteReader) -> Head? {
        guard reader.read(UInt64.self) == ViewCodec.schemaVersion else { return nil }
        let position: Position = reader.read()
        let time: Microseconds = reader.read()
        let hashBytes = reader.read(byteCount: 32)
        guard hashBytes.count == 32 else { return nil }
        let lastOfLedger: Position = reader.read()
        let counts = (0 ..< 5).map { _ in Int(truncatingIfNeeded: reader.read(UInt64.self)) }
        let counters = ViewCodec.readCounters(&reader)
        guard reader.isAtEnd, !reader.isExhausted else { return nil }
        var view = RecoveredView()
        view.head = LogHead(position: position, time: time, hash: Digest32(hashBytes))
        view.state = State(
            users: [UserRecord()], projects: [], jumpStacks: [:], counters: counters,
            position: position, time: time, lastOfLedger: lastOfLedger)
        return Head(
            view: view, userCount: counts[0], projectCount: counts[1], userNameCount: counts[2],
            projectNameCount: counts[3], jumpStackCount: counts[4])
    }

    private static func readNames(
        _ table: Table, _ transaction: borrowing ReadTransaction, into names: inout NameDirectory
    ) throws -> Bool {
        var isSound = true
        let isWhole = try forEachBlock(table, transaction) { _, reader in
            while !reader.isAtEnd, !reader.isExhausted {
                let length = Int(reader.read(UInt16.self))
                let name = reader.read(byteCount: length)
                if reader.isExhausted { isSound = false } else { names.append(name) }
            }
        }
        return isWhole && isSound
    }

    /// Hands every block of a table, in key order, to `body`. False if one is damaged or missing.
    @discardableResult
    private static func forEachBlock(
        _ name: Table, _ transaction: borrowing ReadTransaction,
        _ body: (UInt64, inout ByteReader) -> Void
    ) throws -> Bool {
        guard let table = try transaction.table(named: name.rawValue) else { return false }
        var cursor = try transaction.cursor(in: table)
        while try cursor.next() {
            guard let key = cursor.keyUInt64 else { return false }
            let isSound = cursor.value.withUnsafeBytes { bytes in
                guard let content = ViewCodec.opened(bytes, key: seed(name, key)) else {
                    return false
                }
                var reader = ByteReader(content)
                body(key, &reader)
                return !reader.isExhausted
            }
            if !isSound { return false }
        }
        return true
    }
}
