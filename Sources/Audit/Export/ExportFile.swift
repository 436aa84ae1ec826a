import EventLog
import JSON
public import Ledger
public import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The file an export is written to. While it is written it is called FILE.part, and what is called
/// FILE is whole: it ends with the newest event there was.
///
/// An export broken off goes on where FILE.part ends; one that was whole goes on at its end with
/// what happened since.
public final class ExportFile {
    public let path: String
    /// Position of the last event the file had when it was opened, 0 if none.
    public let lastPosition: Position
    /// Whether the file has its first line already.
    public let hasHeader: Bool
    private let descriptor: Int32
    private let partPath: String?
    /// What the file holds behind its last whole line: the beginning of what comes next, or the
    /// file is something else.
    private var fragment: ArraySlice<UInt8> = []

    /// A new export. Throws `directory` if FILE or FILE.part is there.
    public convenience init(creating path: String) throws(LedgerError) {
        let part = path + ".part"
        for (existing, advice) in [
            (path, "--resume goes on behind its last event; or name another file"),
            (part, "an export was broken off there: --resume goes on, or remove it"),
        ] where access(existing, F_OK) == 0 {
            throw LedgerError(.directory, "\(existing) exists: \(advice)")
        }
        try self.init(path, part: part, flags: O_CREAT | O_EXCL, resuming: nil)
    }

    /// Goes on with FILE.part, or else with FILE, or else begins. A last line that was cut off is
    /// completed.
    ///
    /// Throws `invalid` if the file is not an export of that ledger in that format. No byte of it
    /// is changed before what is written proves to be what it holds.
    public convenience init(
        resuming path: String, _ lines: EventLineWriter, of reader: LedgerReader
    ) throws(LedgerError) {
        let part = path + ".part"
        if access(part, F_OK) == 0 {
            try self.init(path, part: part, flags: 0, resuming: (lines, reader))
        } else if access(path, F_OK) == 0 {
            try self.init(path, part: nil, flags: 0, resuming: (lines, reader))
        } else {
            try self.init(creating: path)
        }
    }

    private init(
        _ path: String, part: String?, flags: Int32, resuming: (EventLineWriter, LedgerReader)?
    ) throws(LedgerError) {
        self.path = path
        partPath = part
        let file = part ?? path
        let opened = open(file, O_RDWR | O_CLOEXEC | flags, 0o600)
        guard opened >= 0 else { throw FileFailure.error("cannot write \(file)") }
        do throws(LedgerError) {
            guard flock(opened, LOCK_EX | LOCK_NB) == 0 else {
                throw LedgerError(
                    .directory, "another export is writing \(file); wait for it to end")
            }
            let end = try resuming.map { (lines, reader) throws(LedgerError) in
                try ExportEnd(of: file, opened, lines, reader)
            }
            if let end {
                guard lseek(opened, off_t(end.byteCount), SEEK_SET) >= 0 else {
                    throw FileFailure.error("cannot go on with \(file)")
                }
                fragment = end.fragment
            }
            (lastPosition, hasHeader) = (end?.position ?? 0, end?.byteCount ?? 0 > 0)
        } catch {
            close(opened)
            throw error
        }
        descriptor = opened
    }

    deinit { close(descriptor) }

    /// Appends. Throws `directory`, naming the file, if the disk is full for example: what is
    /// written so far stays for --resume.
    public func write(_ bytes: [UInt8]) throws(LedgerError) {
        let known = min(fragment.count, bytes.count)
        guard fragment.prefix(known).elementsEqual(bytes.prefix(known)) else {
            throw ExportEnd.foreign(partPath ?? path)
        }
        fragment = fragment.dropFirst(known)
        let isWritten = bytes.withUnsafeBytes { FileBytes.writeAll($0, to: descriptor) }
        guard isWritten else {
            throw FileFailure.error(
                "cannot write \(partPath ?? path)", advice: "--resume goes on from there")
        }
    }

    /// Makes it durable and gives it its name.
    public func finish() throws(LedgerError) {
        guard fragment.isEmpty else { throw ExportEnd.foreign(partPath ?? path) }
        guard fsync(descriptor) == 0 else {
            throw FileFailure.error("cannot write \(partPath ?? path)")
        }
        guard let partPath else { return }
        guard rename(partPath, path) == 0 else {
            throw FileFailure.error("cannot rename \(partPath) to \(path)")
        }
        try FileFailure.synchronise(directoryOf: path)
    }
}

/// Where an export that is there ends.
private struct ExportEnd {
    var position: Position = 0
    /// Bytes up to the end of the last whole line, and what comes after it.
    var byteCount = 0
    var fragment: ArraySlice<UInt8> = []

    /// Longest line: names of 256 bytes, each byte escaped as six, a few times.
    private static let lineByteCountMax = 1 << 16

    init(
        of path: String, _ descriptor: Int32, _ lines: EventLineWriter, _ reader: LedgerReader
    ) throws(LedgerError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw FileFailure.error("cannot look at \(path)")
        }
        let size = Int(status.st_size)
        let start = max(0, size - 2 * Self.lineByteCountMax)
        var tail = [UInt8](repeating: 0, count: size - start)
        let count = tail.withUnsafeMutableBytes {
            pread(descriptor, $0.baseAddress, $0.count, off_t(start))
        }
        guard count == tail.count else { throw FileFailure.error("cannot read \(path)") }
        guard let lineEnd = tail.lastIndex(of: 0x0A) else {
            // Nothing whole is there: it begins anew.
            guard size <= Self.lineByteCountMax else { throw Self.foreign(path) }
            fragment = tail[...]
            return
        }
        byteCount = start + lineEnd + 1
        fragment = tail[(lineEnd + 1)...]
        let lineStart = tail[..<lineEnd].lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
        let line = tail[lineStart ... lineEnd]
        if line.elementsEqual(lines.header), start + lineStart == 0 { return }
        guard let position = Self.position(line, lines.format),
            let event = try Self.event(at: position, reader),
            line.starts(with: lines.beginning(of: event))
        else { throw Self.foreign(path) }
        self.position = position
    }

    private static func event(
        at position: Position, _ reader: LedgerReader
    ) throws(LedgerError) -> Event? {
        do { return try reader.log.event(at: position) } catch { throw LedgerError(error) }
    }

    static func foreign(_ path: String) -> LedgerError {
        LedgerError(
            .invalid,
            "\(path) does not end like an export of this ledger in this format; export into "
                + "another file")
    }

    private static func position(
        _ line: ArraySlice<UInt8>, _ format: ExportFormat
    ) -> Position? {
        switch format {
        case .csv: return Position(String(decoding: line.prefix { $0 != 0x2C }, as: UTF8.self))
        case .jsonl, .cloudevents:
            guard let object = try? JSONValue.parse(line) else { return nil }
            let event = format == .jsonl ? object : object["data"]
            guard case .unsigned(let position) = event?["position"] else { return nil }
            return position
        }
    }
}

/// Files written with care: errors in one line, everything on disk before it is relied on.
enum FileFailure {
    /// What went wrong, by `errno`.
    static func error(_ what: String, advice: String? = nil) -> LedgerError {
        let reason = String(cString: strerror(errno))
        return LedgerError(
            .directory, "\(what): \(reason)" + (advice.map { "; \($0)" } ?? ""))
    }

    static func synchronise(directoryOf path: String) throws(LedgerError) {
        try synchronise(directory: FileBytes.parent(of: path))
    }

    static func synchronise(directory: String) throws(LedgerError) {
        guard FileBytes.synchronise(directory: directory) else {
            throw error("cannot write \(directory)")
        }
    }
}
