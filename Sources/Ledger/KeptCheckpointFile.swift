import EventLog
import ReconnectionRules

/// The form of a kept checkpoint: the state as numbers at the end of one batch, in a file that is a
/// function of the log and the position alone. Names are not in it: they are bound once and stand
/// with the current view.
///
/// ```
/// header     272 bytes: what it is, where it stands, how much follows
/// projects   44 bytes each: settings, newest event, how many concurrencies
/// users      30 bytes each, from the unused number 0 on; so the other two
/// jumps      29 bytes each
/// concurrencies of each project, 30 bytes each
/// SHA-256 over all before it
/// ```
///
/// Records have the form of the views (`ViewCodec`). docs/time-travel.md has every byte.
enum KeptCheckpointFile {
    static let magic: UInt64 = 0x5450_454B_444C_4F48  // "HOLDKEPT"
    /// Version of this form, raised whenever a byte of it means something else.
    static let version: UInt32 = 1
    static let headerByteCount = 160 + MemoryLayout<Counters>.size
    static let projectByteCount = 44
    static let digestByteCount = 32

    /// What the file says before the records.
    struct Header {
        var ledgerId: [UInt8]
        var head: LogHead
        var lastOfLedger: Position
        var skippedCount: UInt64
        var userCount: UInt64
        var jumpBlockCount: UInt64
        var freeJumpBlock: UInt64
        var projectCount: UInt64
        var counters: Counters

        /// Bytes of the file without the concurrencies; nil if no file is that long.
        var leastByteCount: UInt64? {
            var sum = UInt64(headerByteCount + digestByteCount)
            for (count, byteCount) in [
                (projectCount &- 1, projectByteCount), (userCount, ViewCodec.userByteCount),
                (jumpBlockCount, ViewCodec.jumpBlockByteCount),
            ] {
                let (product, isTooLarge) = count.multipliedReportingOverflow(
                    by: UInt64(byteCount))
                let (total, isOverflown) = sum.addingReportingOverflow(product)
                if isTooLarge || isOverflown { return nil }
                sum = total
            }
            return sum
        }
    }

    static func headerBytes(_ records: StateRecords, _ head: LogHead, _ id: String) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(magic)
        writer.write(version)
        writer.write(UInt32(headerByteCount))
        Array(id.utf8).withUnsafeBytes { writer.write($0) }
        writer.write(head.position)
        writer.write(head.time)
        head.hash.bytes.withUnsafeBytes { writer.write($0) }
        writer.write(records.lastOfLedger)
        writer.write(UInt64(records.users.count))
        writer.write(UInt64(records.jumps.blocks.count))
        writer.write(UInt64(records.jumps.free))
        writer.write(UInt64(records.projects.count))
        for byteCount in [
            ViewCodec.userByteCount, ViewCodec.jumpBlockByteCount,
            ViewCodec.concurrencyByteCount, projectByteCount,
        ] { writer.write(UInt32(byteCount)) }
        writer.write(records.skippedCount)
        ViewCodec.write(records.counters, to: &writer)
        return writer.bytes
    }

    /// Reads the header; says what is wrong with it otherwise.
    static func header(
        _ bytes: UnsafeRawBufferPointer
    ) throws(KeptCheckpointFault.Reason) -> Header {
        var reader = ByteReader(bytes)
        guard reader.read(UInt64.self) == magic else { throw .damaged }
        let found: UInt32 = reader.read()
        if found > version { throw .newerVersion(found) }
        guard found == version, reader.read(UInt32.self) == UInt32(headerByteCount) else {
            throw .damaged
        }
        let id = [UInt8](reader.read(byteCount: 32))
        let position: Position = reader.read()
        let time: Microseconds = reader.read()
        let hash = reader.read(byteCount: 32)
        guard hash.count == 32 else { throw .damaged }
        let head = LogHead(position: position, time: time, hash: Digest32(hash))
        let lastOfLedger: Position = reader.read()
        let counts = (0 ..< 4).map { _ in reader.read(UInt64.self) }
        let sizes = (0 ..< 4).map { _ in reader.read(UInt32.self) }
        let skippedCount: UInt64 = reader.read()
        let counters = ViewCodec.readCounters(&reader)
        let expected = [
            ViewCodec.userByteCount, ViewCodec.jumpBlockByteCount,
            ViewCodec.concurrencyByteCount, projectByteCount,
        ]
        guard reader.isAtEnd, !reader.isExhausted, sizes == expected.map({ UInt32($0) }),
            head.position > skippedCount, counts[0] > 0, counts[1] > 0, counts[3] > 0,
            counts[2] <= UInt64(UInt32.max)
        else { throw .damaged }
        return Header(
            ledgerId: id, head: head, lastOfLedger: lastOfLedger,
            skippedCount: skippedCount, userCount: counts[0], jumpBlockCount: counts[1],
            freeJumpBlock: counts[2], projectCount: counts[3],
            counters: counters)
    }

    // MARK: - Writing

    /// Writes the whole file through `output`, which hashes. Stops with false once `isCancelled`.
    static func write(
        _ records: StateRecords, at head: LogHead, ledgerId: String, to output: HashingOutput,
        isCancelled: () -> Bool = { false }
    ) -> Bool {
        headerBytes(records, head, ledgerId).withUnsafeBytes { output.write($0) }
        var projects = ByteWriter()
        for project in records.projects.dropFirst() { ViewCodec.write(project, to: &projects) }
        projects.bytes.withUnsafeBytes { output.write($0) }
        func table<Record>(
            _ table: RecordTable<Record>, _ byteCount: Int,
            _ encode: (Record, UnsafeMutableRawPointer) -> Void
        ) -> Bool {
            for chunk in 0 ..< table.chunkCount {
                if isCancelled() || output.hasFailed { return false }
                table.withChunk(chunk) { records in
                    output.write(byteCount: records.count * byteCount) { bytes in
                        for index in records.indices {
                            encode(records[index], bytes + index * byteCount)
                        }
                    }
                }
            }
            return true
        }
        guard
            table(records.users, ViewCodec.userByteCount, { ViewCodec.write($0, at: $1) }),
            table(
                records.jumps.blocks, ViewCodec.jumpBlockByteCount,
                { ViewCodec.write($0, at: $1) })
        else { return false }
        for project in records.projects.dropFirst() {
            guard
                table(
                    project.concurrencies, ViewCodec.concurrencyByteCount,
                    { ViewCodec.write($0, at: $1) })
            else { return false }
        }
        return output.finish()
    }

    // MARK: - Reading

    /// Reads everything behind the header, and checks it. `input` stands behind the header.
    static func records(
        _ header: Header, from input: HashingInput
    ) throws(KeptCheckpointFault.Reason) -> StateRecords {
        var records = StateRecords()
        records.position = header.head.position
        records.time = header.head.time
        records.lastOfLedger = header.lastOfLedger
        records.skippedCount = header.skippedCount
        records.counters = header.counters
        guard let least = header.leastByteCount, least <= input.fileByteCount else {
            throw .truncated
        }
        let numberCounts = try readProjects(header, input, into: &records)
        let concurrencies = numberCounts.reduce(UInt64(0)) { $0 + UInt64($1) + 1 }
        let (size, isTooLarge) = concurrencies.multipliedReportingOverflow(
            by: UInt64(ViewCodec.concurrencyByteCount))
        let (total, isOverflown) = size.addingReportingOverflow(least)
        guard !isTooLarge, !isOverflown, total <= input.fileByteCount else { throw .truncated }
        guard total == input.fileByteCount else { throw .damaged }
        try read(header.userCount, ViewCodec.userByteCount, input, into: &records.users) {
            ViewCodec.readUser(at: $0)
        }
        var blocks = RecordTable<JumpTable.Block>(blank: JumpTable.Block())
        try read(header.jumpBlockCount, ViewCodec.jumpBlockByteCount, input, into: &blocks) {
            ViewCodec.readJumpBlock(at: $0)
        }
        records.jumps = JumpTable(blocks: blocks, free: UInt32(header.freeJumpBlock))
        for (index, count) in numberCounts.enumerated() {
            try read(
                UInt64(count) + 1, ViewCodec.concurrencyByteCount, input,
                into: &records.projects[index + 1].concurrencies,
                isSound: ViewCodec.isConcurrency
            ) { ViewCodec.readConcurrency(at: $0) }
        }
        guard input.endsInItsDigest() else { throw .damaged }
        return records
    }

    private static func readProjects(
        _ header: Header, _ input: HashingInput, into records: inout StateRecords
    ) throws(KeptCheckpointFault.Reason) -> [UInt32] {
        let unused = ProjectRecord.none
        records.projects = [
            StateRecords.Project(
                settings: unused.settings, last: 0, concurrencies: unused.concurrencies)
        ]
        var numberCounts: [UInt32] = []
        for _ in 1 ..< max(1, header.projectCount) {
            guard let bytes = input.take(projectByteCount) else { throw .truncated }
            var reader = ByteReader(bytes)
            let (settings, last, numberCount) = ViewCodec.readProject(&reader)
            guard reader.isAtEnd, ViewCodec.isProject(bytes) else { throw .damaged }
            numberCounts.append(numberCount)
            records.projects.append(
                StateRecords.Project(
                    settings: settings, last: last,
                    concurrencies: RecordTable(blank: unused.concurrencies[0])))
        }
        return numberCounts
    }

    private static func read<Record>(
        _ count: UInt64, _ byteCount: Int, _ input: HashingInput,
        into table: inout RecordTable<Record>, isSound: (UnsafeRawPointer) -> Bool = { _ in true },
        _ decode: (UnsafeRawPointer) -> Record
    ) throws(KeptCheckpointFault.Reason) {
        var left = count
        var areSound = true
        while left > 0 {
            let chunkCount = Int(min(left, UInt64(RecordTable<Record>.recordsPerChunk)))
            guard let bytes = input.take(chunkCount * byteCount) else { throw .truncated }
            table.appendChunk(count: chunkCount) { chunk in
                for index in chunk.indices {
                    let record = bytes.baseAddress! + index * byteCount
                    areSound = areSound && isSound(record)
                    chunk[index] = decode(record)
                }
            }
            left -= UInt64(chunkCount)
        }
        if !areSound { throw .damaged }
    }
}
