public import EventLog
import Ledger
import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A trace file: CSV with the header `time,user,connection,action,reason`, in time order, every
/// line ended. RFC 3339 times in UTC; `action` is start, drop or close; `reason` is free text.
///
/// The file is read in pieces and never held in memory. What is not a file, a pipe for one, is
/// first copied to a temporary file that nobody else sees.
public struct TraceReader: Sendable {
    public let path: String
    private let file: TraceFile
    /// SHA-256 of the whole file: names the trace in the log.
    public let digest: Digest32

    public static let header = "time,user,connection,action,reason"
    /// 9999-01-01: deadlines after the last row are RFC 3339 times too.
    fileprivate static let timeEnd: Microseconds = 253_370_764_800_000_000

    /// Reads the file once, for its digest. Throws `TraceError` if that fails.
    public init(path: String) throws(TraceError) {
        self.path = path
        file = try TraceFile(path)
        digest = try file.digest()
    }

    /// Calls `body` with every row in order, its number from 1, and the share of the file behind
    /// it.
    ///
    /// Throws `TraceError` at the first line that is malformed, out of order, cut off or longer
    /// than a mebibyte, or if the file changed meanwhile. Cost: one pass; a million rows take about
    /// a second.
    public func forEachRow(
        _ body: (_ row: TraceRow, _ number: Int, _ byteOffset: Int) throws -> Void
    ) throws {
        var rows = TraceRows(file)
        while let row = try rows.next() { try body(row, rows.number, rows.byteOffset) }
    }

    public var byteCount: Int { file.byteCount }

    /// The rows one after the other.
    var rows: TraceRows { TraceRows(file) }
}

/// Rows of a trace, taken one by one.
struct TraceRows {
    /// No line that is any good is longer.
    private static let lineByteCountMax = 1 << 20
    private static let chunkByteCount = 1 << 18

    private let file: TraceFile
    private var buffer: [UInt8] = []
    /// Where the next line begins in the buffer, and where the buffer begins in the file.
    private var start = 0
    private var bufferOffset = 0
    private var line = 1
    private var lastTime = Microseconds.min

    init(_ file: TraceFile) { self.file = file }

    /// Number of the row taken last, 0 before the first.
    var number: Int { max(0, line - 2) }
    /// Bytes of the file up to that row's end.
    var byteOffset: Int { bufferOffset + start }

    /// The next row, nil after the last. Throws `TraceError`.
    mutating func next() throws(TraceError) -> TraceRow? {
        if line == 1 { try takeHeader() }
        guard let range = try nextLine() else {
            if line < 3 { throw fault(0, "the trace has no rows") }
            return nil
        }
        let row = try row(range)
        if row.time < lastTime {
            throw fault(line, "the time is before the previous row's; sort the trace by time")
        }
        lastTime = row.time
        line += 1
        return row
    }

    private mutating func takeHeader() throws(TraceError) {
        guard file.byteCount > 0 else {
            throw fault(0, "the file is empty; a trace begins with its header")
        }
        guard let range = try nextLine(), buffer[range].elementsEqual(TraceReader.header.utf8)
        else { throw fault(1, "the header must be \(TraceReader.header)") }
        line = 2
    }

    /// Where the next line lies in the buffer, without its end; nil at the end of the file.
    private mutating func nextLine() throws(TraceError) -> Range<Int>? {
        var searched = start
        while true {
            if let end = buffer.firstIndex(of: 0x0A, from: searched) {
                let begin = start
                start = end + 1
                return begin ..< (end > begin && buffer[end - 1] == 0x0D ? end - 1 : end)
            }
            if buffer.count - start > Self.lineByteCountMax {
                throw fault(line, "the line is longer than \(Self.lineByteCountMax) bytes")
            }
            searched = buffer.count - start
            bufferOffset += start
            buffer.removeFirst(start)
            start = 0
            if try file.read(Self.chunkByteCount, at: bufferOffset + buffer.count, to: &buffer) {
                continue
            }
            if buffer.isEmpty { return nil }
            throw fault(line, "the last line is cut off: it has no line feed at its end")
        }
    }

    private func row(_ range: Range<Int>) throws(TraceError) -> TraceRow {
        if let row = buffer.withUnsafeBufferPointer({
            Self.usualRow(UnsafeBufferPointer(rebasing: $0[range]))
        }) { return row }
        return try Self.row(buffer[range], line, file.path)
    }

    /// A row without quotes, in ASCII, with nothing wrong; nil for any other.
    static func usualRow(_ line: UnsafeBufferPointer<UInt8>) -> TraceRow? {
        var commas: (Int, Int, Int, Int) = (0, 0, 0, 0)
        var count = 0
        for index in line.indices {
            let byte = line[index]
            if byte == UInt8(ascii: ",") {
                switch count {
                case 0: commas.0 = index
                case 1: commas.1 = index
                case 2: commas.2 = index
                case 3: commas.3 = index
                default: return nil
                }
                count += 1
            } else if byte < 0x20 || byte > 0x7E || byte == UInt8(ascii: "\"") {
                return nil
            }
        }
        guard count == 4, let time = Timestamp.parse(line[..<commas.0]), time >= 0,
            time < TraceReader.timeEnd,
            (2 ... 257).contains(commas.1 - commas.0), (2 ... 257).contains(commas.2 - commas.1)
        else { return nil }
        let action: TraceRow.Action
        switch line[commas.2 + 1 ..< commas.3] {
        case let text where text.elementsEqual("start".utf8): action = .start
        case let text where text.elementsEqual("drop".utf8): action = .drop
        case let text where text.elementsEqual("close".utf8): action = .close
        default: return nil
        }
        return TraceRow(
            time: time, user: String(decoding: line[commas.0 + 1 ..< commas.1], as: UTF8.self),
            connection: String(decoding: line[commas.1 + 1 ..< commas.2], as: UTF8.self),
            action: action)
    }

    // MARK: - One line

    /// A row in whatever form CSV allows; `path` is for the error.
    static func row(
        _ line: ArraySlice<UInt8>, _ number: Int, _ path: String
    ) throws(TraceError) -> TraceRow {
        func fault(_ number: Int, _ reason: String) -> TraceError {
            TraceError(path: path, line: number, reason: reason)
        }
        guard let fields = Self.fields(line) else { throw fault(number, "a quote is not closed") }
        guard fields.count == 5 else {
            throw fault(
                number, "\(fields.count) columns where 5 are expected (\(TraceReader.header))")
        }
        guard let time = Timestamp.parse(fields[0]) else {
            throw fault(number, "the time is not RFC 3339 in UTC, like 2026-11-23T10:15:30Z")
        }
        guard time < TraceReader.timeEnd else {
            throw fault(number, "the time is past 9998, where deadlines still have four digits")
        }
        guard time >= 0 else {
            throw fault(number, "the time is before 1970, where ledger time begins")
        }
        let action: TraceRow.Action
        switch String(decoding: fields[3], as: UTF8.self) {
        case "start": action = .start
        case "drop": action = .drop
        case "close": action = .close
        default: throw fault(number, "the action must be start, drop or close")
        }
        func text(_ bytes: [UInt8], _ column: String) throws(TraceError) -> String {
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw fault(number, "the \(column) is not UTF-8")
            }
            if let wrong = LedgerName.fault(text, what: "the \(column)") {
                throw fault(number, wrong.message)
            }
            return text
        }
        let user = try text(fields[1], "user")
        let connection = try text(fields[2], "connection")
        return TraceRow(time: time, user: user, connection: connection, action: action)
    }

    /// Splits at commas outside double quotes (RFC 4180). Nil if a quote is not closed.
    private static func fields(_ line: ArraySlice<UInt8>) -> [[UInt8]]? {
        var fields: [[UInt8]] = []
        var field: [UInt8] = []
        var isQuoted = false
        var index = line.startIndex
        while index < line.endIndex {
            let byte = line[index]
            if byte == UInt8(ascii: "\"") {
                let next = line.index(after: index)
                if isQuoted, next < line.endIndex, line[next] == byte {
                    field.append(byte)
                    index = next
                } else {
                    isQuoted.toggle()
                }
            } else if byte == UInt8(ascii: ","), !isQuoted {
                fields.append(field)
                field.removeAll(keepingCapacity: true)
            } else {
                field.append(byte)
            }
            index = line.index(after: index)
        }
        fields.append(field)
        return isQuoted ? nil : fields
    }

    private func fault(_ line: Int, _ reason: String) -> TraceError {
        TraceError(path: file.path, line: line, reason: reason)
    }
}

extension [UInt8] {
    fileprivate func firstIndex(of byte: UInt8, from start: Int) -> Int? {
        withUnsafeBytes { bytes in
            guard start < bytes.count, let base = bytes.baseAddress,
                let found = memchr(base + start, Int32(byte), bytes.count - start)
            else { return nil }
            return UnsafeRawPointer(found) - base
        }
    }
}
