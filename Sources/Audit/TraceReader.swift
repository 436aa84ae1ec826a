import Crypto
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
public struct TraceReader {
    public let path: String
    private let bytes: [UInt8]
    /// SHA-256 of the whole file: names the trace in the log.
    public let digest: Digest32

    public static let header = "time,user,connection,action,reason"

    /// Reads the file. Throws `TraceError` if that fails.
    public init(path: String) throws(TraceError) {
        self.path = path
        bytes = try Self.contents(path)
        digest = Digest32(SHA256.hash(data: bytes))
    }

    /// Calls `body` with every row in order, its number from 1, and the share of the file behind
    /// it.
    ///
    /// Throws `TraceError` at the first line that is malformed, out of order or cut off. Cost: one
    /// pass; a million rows take about a second.
    public func forEachRow(
        _ body: (_ row: TraceRow, _ number: Int, _ byteOffset: Int) throws -> Void
    ) throws {
        var line = 1
        var offset = 0
        var lastTime = Microseconds.min
        guard !bytes.isEmpty else {
            throw fault(0, "the file is empty; a trace begins with its header")
        }
        while offset < bytes.count {
            guard let end = bytes[offset...].firstIndex(of: 0x0A) else {
                throw fault(line, "the last line is cut off: it has no line feed at its end")
            }
            var content = bytes[offset ..< end]
            if content.last == 0x0D { content = content.dropLast() }
            if line == 1 {
                guard content.elementsEqual(Self.header.utf8) else {
                    throw fault(1, "the header must be \(Self.header)")
                }
            } else {
                let row = try row(content, line)
                if row.time < lastTime {
                    throw fault(
                        line, "the time is before the previous row's; sort the trace by time")
                }
                lastTime = row.time
                try body(row, line - 1, end + 1)
            }
            offset = end + 1
            line += 1
        }
        if line < 3 { throw fault(0, "the trace has no rows") }
    }

    public var byteCount: Int { bytes.count }

    // MARK: - One line

    private func row(_ line: ArraySlice<UInt8>, _ number: Int) throws(TraceError) -> TraceRow {
        guard let fields = Self.fields(line) else { throw fault(number, "a quote is not closed") }
        guard fields.count == 5 else {
            throw fault(number, "\(fields.count) columns where 5 are expected (\(Self.header))")
        }
        guard let time = Timestamp.parse(fields[0]) else {
            throw fault(number, "the time is not RFC 3339 in UTC, like 2026-11-23T10:15:30Z")
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
        let user = try text(fields[1], "user", number)
        let connection = try text(fields[2], "connection", number)
        return TraceRow(time: time, user: user, connection: connection, action: action)
    }

    private func text(
        _ bytes: [UInt8], _ column: String, _ line: Int
    ) throws(TraceError) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw fault(line, "the \(column) is not UTF-8")
        }
        if let fault = LedgerName.fault(text, what: "the \(column)") {
            throw self.fault(line, fault.message)
        }
        return text
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
        TraceError(path: path, line: line, reason: reason)
    }

    private static func contents(_ path: String) throws(TraceError) -> [UInt8] {
        func failure(_ what: String) -> TraceError {
            TraceError(path: path, line: 0, reason: "\(what): \(String(cString: strerror(errno)))")
        }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("cannot open the trace") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure("cannot look at the trace") }
        guard status.st_mode & S_IFMT != S_IFDIR else {
            throw TraceError(path: path, line: 0, reason: "is a directory; name a CSV file")
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Int(status.st_size) + 1)
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count == 0 { return bytes }
            guard count > 0 else {
                if errno == EINTR { continue }
                throw failure("cannot read the trace")
            }
            bytes.append(contentsOf: chunk[..<count])
        }
    }
}
