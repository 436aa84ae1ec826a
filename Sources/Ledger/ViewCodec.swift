import EventLog
import ReconnectionRules

/// How the current view lies in the views environment: blocks of records, so that a checkpoint
/// writes what changed and no more. Every block ends in a check word over its bytes and its key.
enum ViewCodec {
    /// Version of this form. Another one in the file means: rebuild from the log.
    static let schemaVersion: UInt64 = 1
    static let usersPerBlock = 256
    static let concurrenciesPerBlock = 128
    static let namesPerBlock = 256

    static func sealed(_ writer: ByteWriter, key: UInt64) -> [UInt8] {
        var writer = writer
        let check = writer.bytes.withUnsafeBytes { CheckWord.of($0, seed: key) }
        writer.write(check)
        return writer.bytes
    }

    /// The content of a block, nil if it is not what was written.
    static func opened(_ bytes: UnsafeRawBufferPointer, key: UInt64) -> UnsafeRawBufferPointer? {
        guard bytes.count >= 8 else { return nil }
        let content = UnsafeRawBufferPointer(rebasing: bytes.dropLast(8))
        let stored = UInt64(
            littleEndian: bytes.loadUnaligned(fromByteOffset: content.count, as: UInt64.self))
        return stored == CheckWord.of(content, seed: key) ? content : nil
    }

    // MARK: - Users

    static func write(_ user: UserRecord, to writer: inout ByteWriter) {
        writer.write(UInt32(user.project))
        writer.write(user.concurrency)
        writer.write(UInt64(user.eventCount))
        writer.write(user.last)
        writer.write(user.jump)
    }

    static func readUser(_ reader: inout ByteReader) -> UserRecord {
        var user = UserRecord()
        user.project = ProjectNumber(truncatingIfNeeded: reader.read(UInt32.self))
        user.concurrency = reader.read()
        user.eventCount = UInt32(truncatingIfNeeded: reader.read(UInt64.self))
        user.last = reader.read()
        user.jump = reader.read()
        return user
    }

    // MARK: - Concurrencies

    static func write(_ record: ConcurrencyRecord, to writer: inout ByteWriter) {
        writer.write(UInt16(record.state.rawValue))
        writer.write(UInt16(record.runsWithoutClient ? 1 : 0))
        writer.write(record.user)
        writer.write(record.session)
        writer.write(record.moment)
        writer.write(record.last)
    }

    static func readConcurrency(_ reader: inout ByteReader) -> ConcurrencyRecord {
        var record = ConcurrencyRecord()
        let state = UInt8(truncatingIfNeeded: reader.read(UInt16.self))
        record.state = ConcurrencyState(rawValue: state) ?? .none
        record.runsWithoutClient = reader.read(UInt16.self) != 0
        record.user = reader.read()
        record.session = reader.read()
        record.moment = reader.read()
        record.last = reader.read()
        return record
    }

    // MARK: - Projects

    static func write(_ project: ProjectRecord, to writer: inout ByteWriter) {
        writer.write(project.settings.concurrencyCount)
        writer.write(project.settings.reconnectWindow)
        writer.write(project.settings.lockTimeout)
        writer.write(project.settings.cleanupTime)
        writer.write(UInt32(project.settings.requiresSessionName ? 1 : 0))
        writer.write(project.last)
        writer.write(project.numberCount)
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

    // MARK: - The rest

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

    static func write(_ stack: JumpStack, to writer: inout ByteWriter) {
        for tree in stack.trees {
            writer.write(tree.root)
            writer.write(tree.nodeCount)
        }
    }

    static func readJumpStack(_ reader: inout ByteReader) -> JumpStack {
        var trees: [JumpStack.Tree] = []
        while !reader.isAtEnd, !reader.isExhausted {
            trees.append(JumpStack.Tree(root: reader.read(), nodeCount: reader.read()))
        }
        return JumpStack(trees: trees)
    }
}
