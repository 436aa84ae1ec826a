import LMDB
import LogForge

/// LMDB's own files, changed in places: what a flipped bit, a torn write or an enemy leaves.
final class PageForm {
    private static let pageSizeBytes = 4096

    static let samples: [[UInt8]] = [
        [0], [1], [2], [0x80], [0x81], [0x82],
        // A meta page, a leaf, a branch: page, offset, how many bytes, the bytes.
        [0, 0, 40, 0, 2, 1, 0], [1, 3, 12, 0, 1, 9], [2, 5, 2, 0, 4, 1, 2, 3, 4], [0, 1, 16, 0, 0],
    ]

    /// One file of each kind: a table and a long value; a deep tree; lists of free pages.
    nonisolated(unsafe) private static let forms: [PageForm] = (0 ..< 3).map { kind in
        do { return try PageForm(kind) } catch { preconditionFailure("\(error)") }
    }

    private let directory: String
    private let file: ScratchFile
    private let content: [UInt8]
    private let changed: ScratchFile
    private let changedDirectory: String

    private init(_ kind: Int) throws {
        directory = Scratch.directory.directory("pages-\(kind)")
        changedDirectory = Scratch.directory.directory("changed-\(kind)")
        try Self.fill(directory, kind)
        file = ScratchFile("pages-\(kind)/data.mdb")
        changed = ScratchFile("changed-\(kind)/data.mdb")
        content = file.read()
    }

    private static func options(isReadOnly: Bool) -> Environment.Options {
        var options = Environment.Options()
        options.mapSizeBytes = 1 << 24
        options.durability = .noSync
        options.readerCountMax = 8
        options.isReadOnly = isReadOnly
        return options
    }

    private static func fill(_ directory: String, _ kind: Int) throws {
        let environment = try Environment(
            directory: directory, options: options(isReadOnly: false))
        for round in 0 ..< 1 + 2 * kind {
            var transaction = try WriteTransaction(environment)
            let table = try transaction.table(named: "batches", create: true)
            for key in 0 ..< UInt64([3, 40, 12][kind]) {
                let byteCount = key == 1 ? 9000 : [20, 700, 1500][kind] + round
                let value = [UInt8](repeating: UInt8(key), count: byteCount)
                try transaction.put(value.span.bytes, forKey: key, in: table)
            }
            if kind == 2, round > 0 {
                for key in 2 ..< UInt64(2 + 2 * round) {
                    _ = try transaction.delete(key, in: table)
                }
            }
            try transaction.commit()
        }
    }

    static func run(_ input: [UInt8]) throws -> Bool {
        let first = input.first ?? 0
        return try forms[Int(first & 3) % 3].run(
            Array(input.dropFirst()), changesAfterwards: first & 0x80 != 0)
    }

    private func run(_ changes: [UInt8], changesAfterwards: Bool) throws -> Bool {
        var reader = InputReader(changes)
        var edited = content
        var touched: [Range<Int>] = []
        while !reader.isAtEnd {
            let page = Int(reader.byte()) % (content.count / Self.pageSizeBytes)
            let offset = Int(reader.number(UInt16.self)) % Self.pageSizeBytes
            let start = page * Self.pageSizeBytes + offset
            let count = Int(reader.byte() % 9)
            if count == 0, start > 0 {
                edited.removeSubrange(min(start, edited.count)...)
                break
            }
            let bytes = reader.take(count)
            let end = min(start + bytes.count, edited.count)
            guard start < end else { continue }
            edited.replaceSubrange(start ..< end, with: bytes.prefix(end - start))
            touched.append(start ..< end)
        }
        let isCut = edited.count < content.count
        if isCut {
            file.hold(edited)
        } else {
            for range in touched { file.write(Array(edited[range]), at: range.lowerBound) }
        }
        defer {
            if isCut {
                file.hold(content)
            } else {
                for range in touched { file.write(Array(content[range]), at: range.lowerBound) }
            }
        }
        let report: PageReport
        do throws(PageFault) { report = try PageCheck.check(directory: directory) } catch {
            try require(isPrintable(error.reason), "a control character: \(error.reason)")
            return false
        }
        try walk(report)
        if changesAfterwards {
            changed.hold(edited)
            try change(report)
        }
        return true
    }

    /// LMDB reads every byte that there is.
    private func walk(_ report: PageReport) throws {
        let environment: Environment
        do throws(LMDBError) {
            environment = try Environment(
                directory: directory, options: Self.options(isReadOnly: true))
        } catch {
            try require(error.code != .corrupted, "LMDB cannot open what the check took: \(error)")
            return
        }
        let transaction = try ReadTransaction(environment)
        // LMDB's own names end at a zero: another table it cannot open.
        for (name, statistics) in report.tables where !name.utf8.contains(0) {
            guard let table = try transaction.table(named: name) else { continue }
            var cursor = try transaction.cursor(in: table)
            var (entryCount, sum) = (0, 0)
            var hasEntry = try cursor.first()
            while hasEntry {
                entryCount += 1
                cursor.key.withUnsafeBytes { sum += Int($0.last ?? 0) }
                cursor.value.withUnsafeBytes { for byte in $0 { sum &+= Int(byte) } }
                hasEntry = try cursor.next()
            }
            try require(
                entryCount == statistics.entryCount, "LMDB finds \(entryCount) entries in \(name), "
                    + "the check \(statistics.entryCount)")
            try require(sum >= 0, "")
        }
    }

    /// LMDB writes into it, and leaves a file that is sound.
    private func change(_ report: PageReport) throws {
        Files.remove("\(changedDirectory)/lock.mdb")
        do {
            let environment = try Environment(
                directory: changedDirectory, options: Self.options(isReadOnly: false))
            for round in 0 ..< 3 as Range<UInt64> {
                var transaction = try WriteTransaction(environment)
                for name in report.tables.keys.sorted() where !name.utf8.contains(0) {
                    let table = try transaction.table(named: name, create: false)
                    for key in stride(from: round, to: 45, by: 5) {
                        let value = [UInt8](repeating: 3, count: Int(key) * 60 + 1)
                        try transaction.put(value.span.bytes, forKey: key, in: table)
                        _ = try transaction.delete(key + 2, in: table)
                    }
                }
                try transaction.commit()
            }
        } catch {
            // Refused without a fault: a page size or a map that is not this machine's.
            return
        }
        do throws(PageFault) { _ = try PageCheck.check(directory: changedDirectory) } catch {
            throw Violation("what LMDB left of a sound file is not sound: \(error)")
        }
    }
}
