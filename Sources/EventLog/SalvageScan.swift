import Crypto
import LMDB
package import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The sound batches of a log file, found by their own bytes: a batch says how long it is and ends
/// in its SHA-256, so nothing of LMDB is needed to find it and to know that it is whole. Meta pages
/// and trees may be damaged, missing, or of another file.
///
/// Memory: some 150 bytes a batch. The file is only read; what cannot be read counts as zeros.
package final class SalvageScan {
    /// A batch whose SHA-256 fits.
    package struct Found: Sendable {
        package var first: Position
        package var eventCount: UInt32
        package var byteCount: Int
        package var offset: Int
        package var hash: Digest32
        package var previousHash: Digest32
        /// Position before it, if it begins an epoch.
        var epochEnd: Position?

        package var last: Position { first + Position(eventCount) - 1 }
        /// The position that it names as the one before it.
        package var previousLast: Position { epochEnd ?? first - 1 }
    }

    /// The beginning of a batch that is not whole.
    package struct Broken: Sendable, Equatable {
        package var first: Position
        package var last: Position
        package var offset: Int
    }

    private static let windowByteCount = 8 << 20
    /// Longest batch looked for: far above what the engine writes.
    private static let batchByteCountMax = 1 << 32

    /// In the order of the file; one that is there twice is found twice.
    package private(set) var found: [Found] = []
    package private(set) var broken: [Broken] = []
    /// The meta entry, if it is whole.
    package private(set) var meta: [UInt8]?
    /// Bytes that the disk did not give.
    package private(set) var unreadableByteCount = 0
    package let byteCount: Int
    private let descriptor: Int32

    /// Opens a log's file to read. Throws `storage`.
    package init(directory: String) throws(LogError) {
        let path = directory + "/data.mdb"
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        var status = stat()
        guard descriptor >= 0 else {
            if errno == ENOENT { throw LogError(.missing, "no log at \(directory)") }
            throw LogError(LMDBError(.system(errno), during: "open"))
        }
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw LogError(.foreign, "\(path) is no file")
        }
        self.descriptor = descriptor
        byteCount = Int(status.st_size)
    }

    deinit { close(descriptor) }

    /// Looks through the file. `progress` hears how many bytes of how many are done. Cost: one read
    /// of the file and one SHA-256 of what is in it. Throws `newerFormat`.
    package func run(_ progress: ((Int, Int) -> Void)? = nil) throws(LogError) {
        var window = [UInt8](
            repeating: 0, count: Self.windowByteCount + LogFormat.headerByteCount)
        var start = 0
        while start < byteCount {
            let count = min(window.count, byteCount - start)
            read(into: &window, count: count, at: start)
            let end = min(start + Self.windowByteCount, byteCount)
            start = try look(through: window, count, at: start, upTo: end)
            progress?(min(start, byteCount), byteCount)
        }
    }

    /// The bytes of a batch that was found.
    package func bytes(of batch: Found) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: batch.byteCount)
        read(into: &bytes, count: batch.byteCount, at: batch.offset)
        return bytes
    }

    // MARK: - Private

    /// Returns where to go on.
    private func look(
        through window: [UInt8], _ count: Int, at start: Int, upTo end: Int
    ) throws(LogError) -> Int {
        var offset = start
        let last = min(end - start, count)
        while let place = Self.nextMark(in: window, from: offset - start, to: last) {
            offset = start + place
            if load(window, place, as: UInt32.self) == LogFormat.batchMagic {
                if let batch = try batch(window, count, at: place, in: start) {
                    found.append(batch)
                    offset += batch.byteCount + batch.byteCount & 1
                    continue
                }
            } else if meta == nil {
                meta = metaEntry(at: offset)
            }
            offset += 2
        }
        return max(offset, end)
    }

    /// Where the next batch or meta entry may begin: values stand at even offsets in every page.
    /// Cost: some gigabytes a second.
    private static func nextMark(in window: [UInt8], from start: Int, to end: Int) -> Int? {
        let holdMark: UInt32 = 0x444C_4F48  // "HOLD"
        return window.withUnsafeBytes { bytes in
            var offset = start
            while offset + 4 <= end {
                // Space taken ahead is zeros.
                let isZero =
                    offset + 8 <= end
                    && bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self) == 0
                if isZero {
                    offset += 8
                    continue
                }
                let word = UInt32(
                    littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
                if word == LogFormat.batchMagic || word == holdMark { return offset }
                offset += 2
            }
            return nil
        }
    }

    /// The batch that begins there, if its SHA-256 fits.
    private func batch(
        _ window: [UInt8], _ count: Int, at place: Int, in start: Int
    ) throws(LogError) -> Found? {
        let offset = start + place
        guard place + LogFormat.headerByteCount <= count else { return nil }
        func number<Value: FixedWidthInteger & BitwiseCopyable>(
            _ at: Int, as type: Value.Type
        ) -> Value { load(window, place + at, as: type) }
        let eventCount = number(16, as: UInt32.self)
        let originByteCount = Int(number(28, as: UInt32.self))
        let byteCount =
            LogFormat.headerByteCount + Int(eventCount) * LogFormat.recordByteCount
            + Int(number(24, as: UInt32.self)) + originByteCount + LogFormat.hashByteCount
        let first = number(8, as: Position.self)
        guard number(6, as: UInt16.self) == UInt16(LogFormat.headerByteCount),
            number(20, as: UInt32.self) == UInt32(LogFormat.recordByteCount), eventCount > 0,
            originByteCount == 0 || originByteCount == LogFormat.originByteCount,
            first > 0, first < 1 << 53
        else { return nil }
        let last = first + Position(eventCount) - 1
        guard byteCount <= Self.batchByteCountMax, offset + byteCount <= self.byteCount,
            let (hash, record) = hash(ofBatchAt: offset, byteCount)
        else {
            broken.append(Broken(first: first, last: last, offset: offset))
            return nil
        }
        let version = number(4, as: UInt16.self)
        guard version <= LogFormat.version else {
            throw LogError(
                .newerFormat(version: version),
                "the batch at position \(first) has format \(version), newer than "
                    + "\(LogFormat.version); use the Holdfast that wrote it, or a newer one")
        }
        let previousHash = Digest32(window[place + 64 ..< place + 96])
        let isEpoch = record[0] == Event.Kind.epochBegun.rawValue
        return Found(
            first: first, eventCount: eventCount, byteCount: byteCount, offset: offset, hash: hash,
            previousHash: previousHash,
            epochEnd: isEpoch
                ? load(record, EventCodec.previousOfUserOffset, as: Position.self) : nil)
    }

    /// The SHA-256 that the batch ends in and its first record, nil if another one is computed.
    private func hash(ofBatchAt offset: Int, _ byteCount: Int) -> (Digest32, [UInt8])? {
        var hasher = SHA256()
        var piece = [UInt8](repeating: 0, count: min(byteCount, 1 << 20))
        var record: [UInt8] = []
        var done = 0
        let end = byteCount - LogFormat.hashByteCount
        while done < end {
            let count = min(piece.count, end - done)
            read(into: &piece, count: count, at: offset + done)
            if done == 0 { record = Array(piece[96 ..< 96 + LogFormat.recordByteCount]) }
            hasher.update(data: piece[..<count])
            done += count
        }
        read(into: &piece, count: LogFormat.hashByteCount, at: offset + end)
        let stored = piece[..<LogFormat.hashByteCount]
        guard hasher.finalize().elementsEqual(stored) else { return nil }
        return (Digest32(stored), record)
    }

    private func metaEntry(at offset: Int) -> [UInt8]? {
        guard offset + LogFormat.metaByteCount <= byteCount else { return nil }
        var bytes = [UInt8](repeating: 0, count: LogFormat.metaByteCount)
        read(into: &bytes, count: bytes.count, at: offset)
        let content = bytes.dropLast(LogFormat.hashByteCount)
        guard bytes.starts(with: LogFormat.metaMagic),
            SHA256.hash(data: content).elementsEqual(bytes.suffix(LogFormat.hashByteCount))
        else { return nil }
        return bytes
    }

    /// Reads what there is; a sector that the disk does not give is zeros.
    private func read(into bytes: inout [UInt8], count: Int, at offset: Int) {
        var done = 0
        while done < count {
            let result = bytes.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress! + done, count - done, off_t(offset + done))
            }
            if result > 0 {
                done += result
            } else if result < 0, errno == EINTR {
                continue
            } else {
                let sector = 512 - (offset + done) % 512
                let skipped = result == 0 ? count - done : min(sector, count - done)
                for index in done ..< done + skipped { bytes[index] = 0 }
                if result < 0 { unreadableByteCount += skipped }
                done += skipped
            }
        }
    }

    private func load<Value: FixedWidthInteger & BitwiseCopyable>(
        _ bytes: [UInt8], _ offset: Int, as type: Value.Type
    ) -> Value {
        bytes.withUnsafeBytes {
            Value(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Value.self))
        }
    }
}

/// What hangs together among the batches of a scan.
package struct SalvageChains {
    /// Batches in a row, each naming the hash of the one before.
    package struct Run: Sendable {
        package var batches: [SalvageScan.Found]

        package var first: Position { batches[0].first }
        package var last: Position { batches[batches.count - 1].last }
        /// The position that must be there before the run.
        package var previousLast: Position { batches[0].previousLast }
        package var eventCount: UInt64 { batches.reduce(0) { $0 + UInt64($1.eventCount) } }
    }

    /// From the first event on, without a gap.
    package private(set) var prefix: [SalvageScan.Found] = []
    /// What is sound behind it, by position, none over another.
    package private(set) var later: [Run] = []

    /// Puts batches into order. Of two that claim the same positions the one wins that a later
    /// batch names, or else the one with more behind it: a commit that a power cut took back leaves
    /// bytes behind, and nothing names them. Cost: a sort.
    package init(_ found: [SalvageScan.Found]) {
        var unique: [Digest32: SalvageScan.Found] = [:]
        for batch in found where unique[batch.hash] == nil { unique[batch.hash] = batch }
        let batches = unique.values.sorted {
            ($0.first, $0.offset) < ($1.first, $1.offset)
        }
        // From the newest on, so that how much follows on a batch is known.
        var runLength: [Digest32: Int] = [:]
        var next: [Digest32: SalvageScan.Found] = [:]
        for batch in batches.reversed() {
            let length = (runLength[batch.hash] ?? 0) + 1
            guard length > runLength[batch.previousHash] ?? 0 else { continue }
            runLength[batch.previousHash] = length
            next[batch.previousHash] = batch
        }
        var reached: Position = 0
        var hash = Digest32.zero
        while let batch = next[hash], batch.previousLast == reached, batch.first > reached {
            prefix.append(batch)
            (reached, hash) = (batch.last, batch.hash)
        }
        dropContradicted(batches)
        reached = prefix.last?.last ?? 0
        // What is left begins a run where nothing that is there is named as its predecessor.
        var starts: [SalvageScan.Found] = []
        for batch in batches where batch.first > reached {
            let before = unique[batch.previousHash]
            if before == nil || before!.last != batch.previousLast { starts.append(batch) }
        }
        let runs = starts.map { start in
            var run = [start]
            while let batch = next[run[run.count - 1].hash],
                batch.previousLast == run[run.count - 1].last
            { run.append(batch) }
            return Run(batches: run)
        }
        // Longer runs first; none over another's positions.
        var taken: [Run] = []
        for run in runs.sorted(by: { ($0.batches.count, $1.first) > ($1.batches.count, $0.first) })
        where taken.allSatisfy({ $0.last < run.first || run.last < $0.first }) {
            taken.append(run)
        }
        later = taken.sorted { $0.first < $1.first }
    }

    /// A last batch of the prefix that the batch right behind it does not name never was the log's.
    private mutating func dropContradicted(_ batches: [SalvageScan.Found]) {
        while let last = prefix.last {
            let behind = batches.filter { $0.previousLast == last.last }
            guard !behind.isEmpty, behind.allSatisfy({ $0.previousHash != last.hash }) else {
                return
            }
            prefix.removeLast()
        }
    }

    /// Cuts the prefix: `position` and what comes after it does not hold.
    package mutating func cut(before position: Position) {
        prefix.removeAll { $0.last >= position }
    }
}

extension EventLog {
    /// Makes a log of batches that continue each other, in a directory that exists and holds none:
    /// byte for byte what they were. On return it is on disk.
    ///
    /// `meta` is the old log's meta entry; nil makes one for the ledger of that id. Throws
    /// `storage`. Cost: one read and one write.
    package static func write(
        _ batches: [SalvageScan.Found], of scan: SalvageScan, meta: [UInt8]?,
        ledgerId: [UInt8], to directory: String, progress: ((Int, Int) -> Void)? = nil
    ) throws(LogError) {
        var options = Environment.Options()
        options.durability = .noSync
        do throws(LMDBError) {
            let target = try Environment(directory: directory, options: options)
            var transaction = try WriteTransaction(target)
            let metaTable = try transaction.table(named: LogFormat.metaTableName, create: true)
            let table = try transaction.table(named: LogFormat.batchTableName, create: true)
            let value = meta ?? Self.metaEntry(ledgerId)
            let key = LogFormat.metaKey
            try transaction.put(value.span.bytes, forKey: key.span.bytes, in: metaTable)
            try transaction.commit()
            var index = 0
            while index < batches.count {
                var transaction = try WriteTransaction(target)
                var byteCount = 0
                while index < batches.count, byteCount < 16 << 20 {
                    let bytes = scan.bytes(of: batches[index])
                    try transaction.put(
                        bytes.span.bytes, forKey: batches[index].first, in: table, mode: .append)
                    byteCount += bytes.count
                    index += 1
                }
                try transaction.commit()
                progress?(index, batches.count)
            }
            try target.sync()
        } catch { throw LogError(error) }
        guard FileBytes.synchronise(directory: directory) else {
            throw LogError(LMDBError(.system(errno), during: "sync"))
        }
    }

    private static func metaEntry(_ ledgerId: [UInt8]) -> [UInt8] {
        var value = LogFormat.metaMagic
        value += withUnsafeBytes(of: LogFormat.version.littleEndian) { Array($0) }
        value += [UInt8](repeating: 0, count: 6) + ledgerId + [UInt8](repeating: 0, count: 8)
        return value + Array(SHA256.hash(data: value))
    }

    /// The ledger's id in a meta entry that is whole: 16 bytes.
    package static func ledgerId(inMeta meta: [UInt8]) -> [UInt8] { Array(meta[16 ..< 32]) }
}
