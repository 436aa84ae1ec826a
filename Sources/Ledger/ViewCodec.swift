import EventLog
import ReconnectionRules

/// How the current view lies in the views environment: a block for each chunk of records, so that a
/// checkpoint writes what changed and no more. Records take 29 or 30 bytes: 256 of them and the
/// check word fit two pages. Every block ends in a check word over its bytes and its key.
enum ViewCodec {
    /// Version of this form. Another one in the file means: rebuild from the log. Forms before 3
    /// held users' names as they are.
    static let schemaVersion: UInt64 = 3
    static let namesPerBlock = NameBlocks.userCount
    static let userByteCount = 30
    static let concurrencyByteCount = 30
    static let jumpBlockByteCount = 29
    static let checkByteCount = 8

    /// Writes the check word behind the content of a block, and returns it.
    static func seal(_ block: UnsafeMutableRawBufferPointer, seed: UInt64) -> UInt64 {
        let contentByteCount = block.count - checkByteCount
        let check = CheckWord.of(
            UnsafeRawBufferPointer(rebasing: block[..<contentByteCount]), seed: seed)
        block.storeBytes(of: check.littleEndian, toByteOffset: contentByteCount, as: UInt64.self)
        return check
    }

    /// The check word of a block as it stands.
    static func checkWord(_ block: UnsafeRawBufferPointer) -> UInt64 {
        guard block.count >= checkByteCount else { return 0 }
        return UInt64(
            littleEndian: block.loadUnaligned(
                fromByteOffset: block.count - checkByteCount, as: UInt64.self))
    }

    /// The content of a block, nil if it is not what was written.
    static func opened(_ bytes: UnsafeRawBufferPointer, seed: UInt64) -> UnsafeRawBufferPointer? {
        guard bytes.count >= checkByteCount else { return nil }
        let content = UnsafeRawBufferPointer(rebasing: bytes.dropLast(checkByteCount))
        return checkWord(bytes) == CheckWord.of(content, seed: seed) ? content : nil
    }

    // MARK: - Records

    static func write(_ user: UserRecord, at pointer: UnsafeMutableRawPointer) {
        store(user.last, at: 0, pointer)
        store(user.jump, at: 8, pointer)
        store(user.concurrency, at: 16, pointer)
        store(user.eventCount, at: 20, pointer)
        store(user.jumpBlock, at: 24, pointer)
        store(user.project, at: 28, pointer)
    }

    static func readUser(at pointer: UnsafeRawPointer) -> UserRecord {
        var user = UserRecord()
        user.last = load(pointer, at: 0)
        user.jump = load(pointer, at: 8)
        user.concurrency = load(pointer, at: 16)
        user.eventCount = load(pointer, at: 20)
        user.jumpBlock = load(pointer, at: 24)
        user.project = load(pointer, at: 28)
        return user
    }

    static func write(_ record: ConcurrencyRecord, at pointer: UnsafeMutableRawPointer) {
        store(record.session, at: 0, pointer)
        store(record.moment, at: 8, pointer)
        store(record.last, at: 16, pointer)
        store(record.user, at: 24, pointer)
        store(record.state.rawValue, at: 28, pointer)
        store(UInt8(record.runsWithoutClient ? 1 : 0), at: 29, pointer)
    }

    static func readConcurrency(at pointer: UnsafeRawPointer) -> ConcurrencyRecord {
        var record = ConcurrencyRecord()
        record.session = load(pointer, at: 0)
        record.moment = load(pointer, at: 8)
        record.last = load(pointer, at: 16)
        record.user = load(pointer, at: 24)
        record.state = ConcurrencyState(rawValue: load(pointer, at: 28)) ?? .none
        record.runsWithoutClient = load(pointer, at: 29, as: UInt8.self) != 0
        return record
    }

    /// Whether a record of a concurrency is one that `write` writes: its numbered value is known,
    /// its flag is one. Of no other record there are bytes that mean nothing.
    @inline(__always)
    static func isConcurrency(at pointer: UnsafeRawPointer) -> Bool {
        let state: UInt8 = load(pointer, at: 28)
        let flag: UInt8 = load(pointer, at: 29)
        return state < UInt8(ConcurrencyState.allCases.count) && flag < 2
    }

    static func write(_ block: JumpTable.Block, at pointer: UnsafeMutableRawPointer) {
        store(block.first, at: 0, pointer)
        store(block.second, at: 8, pointer)
        store(block.third, at: 16, pointer)
        store(block.below, at: 24, pointer)
        store(UInt8(truncatingIfNeeded: block.rootCount), at: 28, pointer)
    }

    static func readJumpBlock(at pointer: UnsafeRawPointer) -> JumpTable.Block {
        var block = JumpTable.Block()
        block.first = load(pointer, at: 0)
        block.second = load(pointer, at: 8)
        block.third = load(pointer, at: 16)
        block.below = load(pointer, at: 24)
        block.rootCount = UInt32(load(pointer, at: 28, as: UInt8.self))
        return block
    }

    @inline(__always)
    private static func store<Value: FixedWidthInteger & BitwiseCopyable>(
        _ value: Value, at offset: Int, _ pointer: UnsafeMutableRawPointer
    ) {
        pointer.storeBytes(of: value.littleEndian, toByteOffset: offset, as: Value.self)
    }

    @inline(__always)
    private static func load<Value: FixedWidthInteger & BitwiseCopyable>(
        _ pointer: UnsafeRawPointer, at offset: Int, as type: Value.Type = Value.self
    ) -> Value {
        Value(littleEndian: pointer.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }

    // MARK: - Projects

    static func write(_ project: StateRecords.Project, to writer: inout ByteWriter) {
        writer.write(project.settings.concurrencyCount)
        writer.write(project.settings.reconnectWindow)
        writer.write(project.settings.lockTimeout)
        writer.write(project.settings.cleanupTime)
        writer.write(UInt32(project.settings.requiresSessionName ? 1 : 0))
        writer.write(project.last)
        writer.write(UInt32(project.concurrencies.count - 1))
    }

    static func readProject(
        _ reader: inout ByteReader
    ) -> (settings: ProjectSettings, last: Position, numberCount: UInt32) {
        var settings = ProjectSettings()
        settings.concurrencyCount = reader.read()
        settings.reconnectWindow = reader.read()
        settings.lockTimeout = reader.read()
        settings.cleanupTime = reader.read()
        settings.requiresSessionName = reader.read(UInt32.self) != 0
        return (settings, reader.read(), reader.read())
    }

    /// Whether a record of a project is one that `write` writes: so for its flag.
    static func isProject(_ bytes: UnsafeRawBufferPointer) -> Bool {
        load(bytes.baseAddress!, at: 28, as: UInt32.self) < 2
    }

    // MARK: - The rest

    /// Names from number `saved` + 1 on, the block that this one lies in from its beginning, and
    /// the blocks that changed before it. As `NameBlocks` takes them: length and bytes of each
    /// name, length 0 for a number without one.
    static func nameBlocks(
        _ names: NameDirectory, from saved: Int, changed: Set<UInt64> = []
    ) -> [(key: UInt64, bytes: [UInt8])] {
        let first = UInt64(saved / namesPerBlock)
        let end = UInt64((names.count + namesPerBlock - 1) / namesPerBlock)
        var keys = changed.filter { $0 < first }.sorted()
        if first < end { keys += first..<end }
        return keys.map { ($0, nameBlock(names, $0)) }
    }

    private static func nameBlock(_ names: NameDirectory, _ key: UInt64) -> [UInt8] {
        var writer = ByteWriter()
        let first = Int(key) * namesPerBlock
        for number in first..<min(first + namesPerBlock, names.count) {
            names.withNameBytes(of: UInt32(number + 1)) { name in
                let isName = !NameDirectory.isMark(name)
                writer.write(UInt16(isName ? name.count : 0))
                if isName { writer.write(name) }
            }
        }
        return writer.bytes
    }

    static func write(_ counters: Counters, to writer: inout ByteWriter) {
        withUnsafeBytes(of: counters) { writer.write($0) }
    }

    static func readCounters(_ reader: inout ByteReader) -> Counters {
        var counters = Counters()
        let bytes = reader.read(byteCount: MemoryLayout<Counters>.size)
        if bytes.count == MemoryLayout<Counters>.size {
            withUnsafeMutableBytes(of: &counters) { $0.copyMemory(from: bytes) }
        }
        return counters
    }
}
