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
    enum Table: String, Sendable, CaseIterable {
        case head, users, jumps, projects, concurrencies, userNames, projectNames
    }

    let environment: Environment
    static let headKey: UInt64 = 0

    /// Opens the environment, creating it unless it is only to be read.
    ///
    /// Throws if it cannot be used as it is; the caller deletes it and tries once more.
    init(directory: DataDirectory, isReadOnly: Bool) throws {
        if !isReadOnly { try directory.createSubdirectory(directory.views) }
        var options = Environment.Options()
        options.isReadOnly = isReadOnly
        // A checkpoint only saves time, so it waits for no disk: see docs/decisions/0012.
        options.durability = .noSync
        // Address space is finite: a process has room for some hundred logs of 1 TiB, and a view of
        // a thousand million users is below this.
        options.mapSizeBytes = 1 << 37
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

    /// Whether what is stored has an older form than this code writes: such a file has users' names
    /// as they are, also in pages that are free, and has to go.
    var isOutdated: Bool {
        guard let transaction = try? ReadTransaction(environment),
            let head = try? transaction.table(named: Table.head.rawValue),
            let block = try? transaction.get(Self.headKey, in: head)
        else { return false }
        return block.withUnsafeBytes { bytes in
            guard bytes.count >= 8 else { return true }
            let version = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
            return version < ViewCodec.schemaVersion
        }
    }

    /// Removes the files of a store nobody has open.
    static func remove(_ directory: DataDirectory) {
        for name in ["data.mdb", "lock.mdb"] { unlink(directory.views + "/" + name) }
        rmdir(directory.views)
    }

    // MARK: - Writing the view down

    /// Writes what changed in one transaction. After a crash of the process it is there whole or
    /// not at all; after a power cut it may be neither, which the sum of all blocks shows. Runs on
    /// the calling thread from begin to end.
    ///
    /// Users' names are sealed here, under the keys there are now: whoever was forgotten since the
    /// snapshot was taken is left out.
    func write(_ snapshot: ViewSnapshot, at head: LogHead, _ keys: PersonalKeys) throws {
        var writing = try Writing(environment)
        if snapshot.isEverything { try writing.clearAll() }
        let (records, changes) = (snapshot.records, snapshot.changes)
        let isEverything = snapshot.isEverything
        try writing.put(
            records.users, .users, isEverything ? nil : changes.users,
            byteCount: ViewCodec.userByteCount
        ) { ViewCodec.write($0, at: $1) }
        try writing.put(
            records.jumps.blocks, .jumps, isEverything ? nil : changes.jumps,
            byteCount: ViewCodec.jumpBlockByteCount
        ) { ViewCodec.write($0, at: $1) }
        for number in records.projects.indices.dropFirst() {
            var writer = ByteWriter()
            ViewCodec.write(records.projects[number], to: &writer)
            try writing.put(writer, .projects, UInt64(number))
            try writing.put(
                records.projects[number].concurrencies, .concurrencies,
                isEverything ? nil : changes.concurrencies[number],
                base: UInt64(number) << 32, byteCount: ViewCodec.concurrencyByteCount
            ) { ViewCodec.write($0, at: $1) }
        }
        let blocks = NameBlocks(keys)
        for (key, bytes) in snapshot.userNames {
            try writing.put(blocks.seal(key, bytes), .userNames, key)
        }
        for (key, bytes) in snapshot.projectNames { try writing.put(bytes, .projectNames, key) }
        try writing.put(Self.headBlock(snapshot, head, writing.sum), .head, Self.headKey)
        try writing.commit()
    }

    /// Waits until the newest checkpoint is on disk.
    func synchronise() throws { try environment.sync() }

    /// One transaction that writes blocks.
    private struct Writing: ~Copyable {
        private var transaction: WriteTransaction
        /// Sum of the check words of all blocks but the head: blocks of two checkpoints, each sound
        /// by itself, do not add up.
        private(set) var sum: UInt64 = 0

        init(_ environment: Environment) throws {
            var transaction = try WriteTransaction(environment)
            let table = try transaction.table(named: Table.head.rawValue, create: true)
            var stored: UInt64 = 0
            if let block = try transaction.get(headKey, in: table) {
                stored = block.withUnsafeBytes { bytes in
                    ViewCodec.opened(bytes, seed: seed(.head, headKey)).map { storedSum($0) } ?? 0
                }
            }
            sum = stored
            self.transaction = transaction
        }

        consuming func commit() throws { try transaction.commit() }

        mutating func clearAll() throws {
            for table in Table.allCases {
                let handle = try transaction.table(named: table.rawValue, create: true)
                try transaction.clear(handle)
            }
            sum = 0
        }

        /// Makes room for a block in place of the one that stands there, and seals what `body`
        /// writes.
        private mutating func put(
            byteCount: Int, _ table: Table, _ key: UInt64,
            _ body: (UnsafeMutableRawBufferPointer) -> Void
        ) throws {
            let handle = try transaction.table(named: table.rawValue, create: true)
            var replaced: UInt64 = 0
            if let old = try transaction.get(key, in: handle) {
                replaced = old.withUnsafeBytes { ViewCodec.checkWord($0) }
            }
            var check: UInt64 = 0
            try transaction.reserve(
                byteCount: byteCount + ViewCodec.checkByteCount, forKey: key, in: handle
            ) { block in
                body(block)
                check = ViewCodec.seal(block, seed: seed(table, key))
            }
            if table != .head { sum = sum &- replaced &+ check }
        }

        mutating func put(_ writer: ByteWriter, _ table: Table, _ key: UInt64) throws {
            try put(writer.bytes, table, key)
        }

        mutating func put(_ content: [UInt8], _ table: Table, _ key: UInt64) throws {
            try put(byteCount: content.count, table, key) { block in
                content.withUnsafeBytes { block.copyMemory(from: $0) }
            }
        }

        /// The chunks of a table that changed; all of them if `changes` is nil.
        mutating func put<Record>(
            _ records: RecordTable<Record>, _ table: Table, _ changes: [UInt64]?,
            base: UInt64 = 0, byteCount: Int,
            _ encode: (Record, UnsafeMutableRawPointer) -> Void
        ) throws {
            for chunk in 0..<records.chunkCount {
                if let changes, changes[chunk >> 6] & 1 << UInt64(chunk & 63) == 0 { continue }
                let key = base | UInt64(chunk)
                let inUse = records.withChunk(chunk) { $0.count }
                try put(byteCount: inUse * byteCount, table, key) { block in
                    records.withChunk(chunk) { records in
                        for index in records.indices {
                            encode(records[index], block.baseAddress! + index * byteCount)
                        }
                    }
                }
            }
        }
    }

    /// Part of each check word, so that a block in another one's place is found.
    static func seed(_ table: Table, _ key: UInt64) -> UInt64 {
        key &* 16 &+ UInt64(Table.allCases.firstIndex(of: table) ?? 0)
    }

    /// The sum that a head block names: its last word.
    private static func storedSum(_ content: UnsafeRawBufferPointer) -> UInt64 {
        guard content.count >= 8 else { return 0 }
        return UInt64(
            littleEndian: content.loadUnaligned(
                fromByteOffset: content.count - 8, as: UInt64.self))
    }

    private static func headBlock(
        _ snapshot: ViewSnapshot, _ head: LogHead, _ sum: UInt64
    ) -> ByteWriter {
        var writer = ByteWriter()
        let records = snapshot.records
        writer.write(ViewCodec.schemaVersion)
        writer.write(head.position)
        writer.write(head.time)
        head.hash.bytes.withUnsafeBytes { writer.write($0) }
        writer.write(records.lastOfLedger)
        writer.write(records.skippedCount)
        writer.write(UInt64(records.users.count))
        writer.write(UInt64(records.projects.count))
        writer.write(UInt64(snapshot.userNameCount))
        writer.write(UInt64(snapshot.projectNameCount))
        writer.write(UInt64(records.jumps.blocks.count))
        writer.write(UInt64(records.jumps.free))
        ViewCodec.write(records.counters, to: &writer)
        writer.write(sum)
        return writer
    }

    // MARK: - Reading it back

    /// What stands in the store.
    enum Stored {
        case none
        /// A part of it is not what was written, or not in a form this code reads.
        case unreadable
        /// It is not of this log.
        case rejected(String)
        /// The view, and the users whose names could not be opened though they were not forgotten.
        case view(RecoveredView, lockedNumbers: [UserNumber])
    }

    /// The checkpoint, if there is a whole one. `fault` says of where it stands why it is not of
    /// this log, nil if it is.
    func load(_ keys: PersonalKeys?, _ fault: (LogHead) -> String?) -> Stored {
        do {
            let transaction = try ReadTransaction(environment)
            guard let head = try transaction.table(named: Table.head.rawValue),
                try transaction.entryCount(in: head) > 0
            else { return .none }
            return try Self.view(in: transaction, keys, fault) ?? .unreadable
        } catch { return .unreadable }
    }

    /// Nil if any part is not what was written.
    private static func view(
        in transaction: borrowing ReadTransaction, _ keys: PersonalKeys?,
        _ fault: (LogHead) -> String?
    ) throws -> Stored? {
        var head: Head?
        var sum: UInt64 = 0
        try Self.forEachBlock(.head, transaction, &sum) { key, content in
            guard key == Self.headKey else { return false }
            var reader = ByteReader(content)
            head = Self.readHead(&reader)
            return head != nil
        }
        guard let head else { return nil }
        if let fault = fault(head.head) { return .rejected(fault) }
        sum = 0
        var view = RecoveredView(keys: keys)
        var locked: [UserNumber] = []
        view.head = head.head
        var records = head.records
        var isWhole = try Self.readRecords(
            .users, transaction, &sum, ViewCodec.userByteCount, into: &records.users
        ) { ViewCodec.readUser(at: $0) }
        var blocks = RecordTable<JumpTable.Block>(blank: JumpTable.Block())
        isWhole =
            try isWhole
            && Self.readRecords(
                .jumps, transaction, &sum, ViewCodec.jumpBlockByteCount, into: &blocks
            ) { ViewCodec.readJumpBlock(at: $0) }
        isWhole = try isWhole && Self.readProjects(transaction, &sum, into: &records)
        isWhole = try isWhole && Self.readNames(.projectNames, transaction, &sum, &view.projects)
        isWhole =
            try isWhole
            && Self.readUserNames(
                transaction, &sum, keys, count: head.userNameCount, &view.users, &locked)
        guard isWhole, sum == head.sum, records.users.count == head.userCount,
            records.projects.count == head.projectCount,
            view.users.count == head.userNameCount,
            view.projects.count == head.projectNameCount, blocks.count == head.jumpBlockCount
        else { return nil }
        records.jumps = JumpTable(blocks: blocks, free: head.freeJumpBlock)
        // Nothing of it differs from what is stored.
        view.state = State(records)
        _ = view.state.takeChanges()
        return .view(view, lockedNumbers: locked)
    }

    private static func readProjects(
        _ transaction: borrowing ReadTransaction, _ sum: inout UInt64,
        into records: inout StateRecords
    ) throws -> Bool {
        let unused = ProjectRecord.none
        records.projects = [
            StateRecords.Project(
                settings: unused.settings, last: 0, concurrencies: unused.concurrencies)
        ]
        var numberCounts: [UInt32] = [0]
        let isWhole = try Self.forEachBlock(.projects, transaction, &sum) { key, content in
            guard key == UInt64(records.projects.count) else { return false }
            var reader = ByteReader(content)
            let (settings, last, numberCount) = ViewCodec.readProject(&reader)
            numberCounts.append(numberCount)
            records.projects.append(
                StateRecords.Project(
                    settings: settings, last: last,
                    concurrencies: RecordTable(blank: ProjectRecord.none.concurrencies[0])))
            return reader.isAtEnd && !reader.isExhausted
        }
        guard isWhole else { return false }
        for number in records.projects.indices.dropFirst() {
            let isWhole = try Self.readRecords(
                .concurrencies, transaction, &sum, ViewCodec.concurrencyByteCount,
                base: UInt64(number) << 32, into: &records.projects[number].concurrencies
            ) { ViewCodec.readConcurrency(at: $0) }
            guard isWhole,
                records.projects[number].concurrencies.count == Int(numberCounts[number]) + 1
            else { return false }
        }
        return true
    }

    /// What the head block says: where the view stands, and how much of each there has to be.
    private struct Head {
        var head: LogHead
        var records: StateRecords
        var userCount: Int
        var projectCount: Int
        var userNameCount: Int
        var projectNameCount: Int
        var jumpBlockCount: Int
        var freeJumpBlock: UInt32
        var sum: UInt64
    }

    private static func readHead(_ reader: inout ByteReader) -> Head? {
        guard reader.read(UInt64.self) == ViewCodec.schemaVersion else { return nil }
        var records = StateRecords()
        records.position = reader.read()
        records.time = reader.read()
        let hashBytes = reader.read(byteCount: 32)
        guard hashBytes.count == 32 else { return nil }
        records.lastOfLedger = reader.read()
        records.skippedCount = reader.read()
        let counts = (0..<6).map { _ in Int(truncatingIfNeeded: reader.read(UInt64.self)) }
        records.counters = ViewCodec.readCounters(&reader)
        let sum: UInt64 = reader.read()
        guard reader.isAtEnd, !reader.isExhausted else { return nil }
        return Head(
            head: LogHead(
                position: records.position, time: records.time, hash: Digest32(hashBytes)),
            records: records, userCount: counts[0], projectCount: counts[1],
            userNameCount: counts[2], projectNameCount: counts[3], jumpBlockCount: counts[4],
            freeJumpBlock: UInt32(truncatingIfNeeded: counts[5]), sum: sum)
    }

    /// The blocks of a table whose keys begin at `base`, up to the first partial one or a gap.
    /// False if one is damaged.
    private static func readRecords<Record>(
        _ name: Table, _ transaction: borrowing ReadTransaction, _ sum: inout UInt64,
        _ byteCount: Int,
        base: UInt64 = 0, into records: inout RecordTable<Record>,
        _ decode: (UnsafeRawPointer) -> Record
    ) throws -> Bool {
        try forEachBlock(name, transaction, &sum, from: base) { key, content in
            if base > 0, key >> 32 != base >> 32 { return nil }
            let count = content.count / byteCount
            guard key == base | UInt64(records.chunkCount), count > 0,
                count * byteCount == content.count, count <= RecordTable<Record>.recordsPerChunk,
                records.count % RecordTable<Record>.recordsPerChunk == 0
            else { return false }
            records.appendChunk(count: count) { chunk in
                for index in chunk.indices {
                    chunk[index] = decode(content.baseAddress! + index * byteCount)
                }
            }
            return true
        }
    }

    private static func readNames(
        _ table: Table, _ transaction: borrowing ReadTransaction, _ sum: inout UInt64,
        _ names: inout NameDirectory
    ) throws -> Bool {
        var next: UInt64 = 0
        return try forEachBlock(table, transaction, &sum) { key, content in
            guard key == next else { return false }
            next += 1
            var reader = ByteReader(content)
            while !reader.isAtEnd, !reader.isExhausted {
                let length = Int(reader.read(UInt16.self))
                let name = reader.read(byteCount: length)
                guard !reader.isExhausted, NameBytes.canBeRecorded(name) else { return false }
                names.append(name)
            }
            return !reader.isExhausted
        }
    }

    /// Users' names, block by block. One that cannot be opened any more leaves its numbers in
    /// `locked`; without keys all are.
    private static func readUserNames(
        _ transaction: borrowing ReadTransaction, _ sum: inout UInt64, _ keys: PersonalKeys?,
        count: Int, _ names: inout NameDirectory, _ locked: inout [UserNumber]
    ) throws -> Bool {
        let blocks = keys.map { NameBlocks($0) }
        func appendLocked(_ names: inout NameDirectory, _ locked: inout [UserNumber]) {
            let number = UserNumber(names.count + 1)
            // Of those stored together only the one whose key is gone was forgotten.
            let isForgotten = keys?.isForgotten(number) ?? false
            names.append(isForgotten ? .forgotten : .locked)
            if !isForgotten { locked.append(number) }
        }
        return try forEachBlock(.userNames, transaction, &sum) { key, content in
            // The uppermost bits of a key are in no check word.
            guard key < 1 << 24 else { return false }
            let first = Int(key) * ViewCodec.namesPerBlock
            guard first == names.count, first < count else { return false }
            let end = min(first + ViewCodec.namesPerBlock, count)
            guard let blocks else {
                while names.count < end { appendLocked(&names, &locked) }
                return true
            }
            guard let plain = blocks.open(key, content) else { return false }
            return plain.withUnsafeBytes { plain in
                var reader = ByteReader(plain)
                while !reader.isAtEnd {
                    let byteCount = reader.read(UInt16.self)
                    if byteCount == NameBlocks.lockedMark {
                        appendLocked(&names, &locked)
                        continue
                    }
                    let name = reader.read(byteCount: Int(byteCount))
                    guard !reader.isExhausted, name.count <= 256 else { return false }
                    if name.isEmpty { names.append(.forgotten) } else { names.append(name) }
                }
                return names.count == end
            }
        }
    }

    /// Hands every block of a table, in key order, to `body`, which says whether it is sound, or
    /// nil to stop. False if one is damaged or the table is missing.
    @discardableResult
    private static func forEachBlock(
        _ name: Table, _ transaction: borrowing ReadTransaction, _ sum: inout UInt64,
        from first: UInt64 = 0,
        _ body: (UInt64, UnsafeRawBufferPointer) -> Bool?
    ) throws -> Bool {
        guard let table = try transaction.table(named: name.rawValue) else { return false }
        var cursor = try transaction.cursor(in: table)
        var hasEntry = try first == 0 ? cursor.first() : cursor.seek(toOrAfter: first)
        while hasEntry {
            guard let key = cursor.keyUInt64 else { return false }
            let isSound = cursor.value.withUnsafeBytes { bytes -> Bool? in
                guard let content = ViewCodec.opened(bytes, seed: seed(name, key)) else {
                    return false
                }
                let isSound = body(key, content)
                if isSound == true { sum &+= ViewCodec.checkWord(bytes) }
                return isSound
            }
            guard let isSound else { return true }
            if !isSound { return false }
            hasEntry = try cursor.next()
        }
        return true
    }
}
