@testable import Audit
import Foundation
import Ledger
import LogForge
import ReconnectionRules
import Testing

/// Which traces are refused, with file, line and reason, before anything is written.
@Suite struct TraceReaderTests {
    private let scratch = ScratchDirectory()

    private func rows(_ content: [UInt8]) throws -> [TraceRow] {
        Files.write(content, to: scratch("trace.csv"))
        var rows: [TraceRow] = []
        try TraceReader(path: scratch("trace.csv")).forEachRow { row, _, _ in rows.append(row) }
        return rows
    }

    struct Malformed: Sendable, CustomTestStringConvertible {
        var name: String
        var content: [UInt8]
        var line: Int
        var reason: String
        var testDescription: String { name }

        /// A whole file.
        init(_ name: String, file: String, _ line: Int, _ reason: String) {
            self.init(name, bytes: Array(file.utf8), line, reason)
        }

        init(_ name: String, bytes: [UInt8], _ line: Int, _ reason: String) {
            self.name = name
            self.content = bytes
            self.line = line
            self.reason = reason
        }

        /// A row in line 3, between two good ones.
        init(_ name: String, _ row: String, _ reason: String) {
            self.init(name, row: Array(row.utf8), reason)
        }

        init(_ name: String, row: [UInt8], _ reason: String) {
            let before = "\(TraceReader.header)\n2020-01-01T00:00:00Z,ann,1,start,\n"
            let after = "\n2020-01-01T00:00:09Z,ann,1,drop,\n"
            self.init(name, bytes: Array(before.utf8) + row + Array(after.utf8), 3, reason)
        }
    }

    private static let header = "the header must be time,user,connection,action,reason"
    private static let columns = "columns where 5 are expected"
    private static let time = "the time is not RFC 3339 in UTC"
    private static let u256 = String(repeating: "u", count: 256)
    private static let now = "2020-01-01T00:00:05Z"

    static let malformed: [Malformed] = [
        Malformed("empty", file: "", 0, "the file is empty"),
        Malformed("a line feed", file: "\n", 1, header),
        Malformed("header only", file: "\(TraceReader.header)\n", 0, "the trace has no rows"),
        Malformed("a cut header", file: TraceReader.header, 1, "no line feed at its end"),
        Malformed("no header", file: "\(now),ann,1,start,\n", 1, header),
        Malformed("columns swapped", file: "user,time,connection,action,reason\n", 1, header),
        Malformed("upper case", file: "Time,User,Connection,Action,Reason\n", 1, header),
        Malformed("a column too many", file: "\(TraceReader.header),x\n", 1, header),
        Malformed("a blank in the header", file: "\(TraceReader.header) \n", 1, header),
        Malformed(
            "a byte order mark",
            bytes: [0xEF, 0xBB, 0xBF] + Array("\(TraceReader.header)\n\(now),a,1,start,\n".utf8), 1,
            header),
        Malformed(
            "UTF-16", bytes: Array("\(TraceReader.header)\n".utf16.flatMap { [UInt8($0), 0] }), 1,
            header),
        Malformed(
            "no last line feed", file: "\(TraceReader.header)\n\(now),a,1,start,\n\(now),a,1,drop,",
            3, "no line feed at its end"),
        Malformed("a blank line", "", "1 \(columns)"),
        Malformed("four columns", "\(now),ann,1,start", "4 \(columns)"),
        Malformed("six columns", "\(now),ann,1,start,,", "6 \(columns)"),
        Malformed("semicolons", "\(now);ann;1;start;", "1 \(columns)"),
        Malformed("a quote left open", "\(now),\"ann,1,start,", "a quote is not closed"),
        Malformed("a line feed in quotes", "\(now),ann,1,start,\"a\nb\"", "a quote is not closed"),
        Malformed("no time", ",ann,1,start,", time),
        Malformed("a time that is none", "yesterday,ann,1,start,", time),
        Malformed("a date alone", "2020-01-01,ann,1,start,", time),
        Malformed("a blank for the T", "2020-01-01 00:00:05Z,ann,1,start,", time),
        Malformed("seconds since 1970", "1577836805,ann,1,start,", time),
        Malformed("no zone", "2020-01-01T00:00:05,ann,1,start,", time),
        Malformed("another zone", "2020-01-01T00:00:05+01:00,ann,1,start,", time),
        Malformed("another zone by minutes", "2020-01-01T00:00:05-00:01,ann,1,start,", time),
        Malformed("a leap second", "2020-12-31T23:59:60Z,ann,1,start,", time),
        Malformed("no such day", "2021-02-29T00:00:00Z,ann,1,start,", time),
        Malformed("no such hour", "2020-01-01T24:00:00Z,ann,1,start,", time),
        Malformed("nanoseconds", "2020-01-01T00:00:05.1234567Z,ann,1,start,", time),
        Malformed("a point and nothing", "2020-01-01T00:00:05.Z,ann,1,start,", time),
        Malformed("a quoted blank", "\" \(now)\",ann,1,start,", time),
        Malformed("before 1970", "1969-12-31T23:59:59Z,ann,1,start,", "before 1970"),
        Malformed("unsorted", "2019-12-31T23:59:59Z,ann,1,start,", "sort the trace by time"),
        Malformed(
            "unsorted by a microsecond", "2019-12-31T23:59:59.999999Z,ann,1,start,",
            "before the previous row's"),
        Malformed("no action", "\(now),ann,1,,", "the action must be start, drop or close"),
        Malformed("an unknown action", "\(now),ann,1,stop,", "the action must be"),
        Malformed("an action in capitals", "\(now),ann,1,Start,", "the action must be"),
        Malformed("a blank behind the action", "\(now),ann,1,start ,", "the action must be"),
        Malformed("the year 9999", "9999-12-31T23:59:59Z,ann,1,start,", "the time is past 9998"),
        Malformed("no user", "\(now),,1,start,", "the user must not be empty"),
        Malformed("an empty quoted user", "\(now),\"\",1,start,", "the user must not be empty"),
        Malformed("a user of 257 bytes", "\(now),\(u256)u,1,start,", "the user has 257 bytes"),
        Malformed("no connection", "\(now),ann,,start,", "the connection must not be empty"),
        Malformed("a long connection", "\(now),a,\(u256)u,start,", "the connection has 257 bytes"),
        Malformed("NUL", "\(now),a\0b,1,start,", "the user must not contain control characters"),
        Malformed("a tab", "\(now),a\tb,1,start,", "must not contain control characters"),
        Malformed("DEL", "\(now),a\u{7F}b,1,start,", "must not contain control characters"),
        Malformed("a carriage return inside", "\(now),a\rb,1,start,", "control characters"),
        Malformed(
            "Latin 1", row: Array("\(now),a".utf8) + [0xE9] + Array(",1,start,".utf8),
            "the user is not UTF-8"),
        Malformed(
            "an overlong NUL", row: Array("\(now),a".utf8) + [0xC0, 0x80] + Array(",1,start,".utf8),
            "the user is not UTF-8"),
        Malformed(
            "a surrogate",
            row: Array("\(now),a,".utf8) + [0xED, 0xA0, 0x80] + Array(",start,".utf8),
            "the connection is not UTF-8"),
    ]

    @Test(arguments: malformed)
    func aMalformedTraceIsRefusedByLine(trace: Malformed) throws {
        let path = scratch("trace.csv")
        Files.write(trace.content, to: path)
        let error = #expect(throws: TraceError.self) {
            var importer = try TraceImporter(
                trace: TraceReader(path: path), project: "p",
                change: ProjectChange(concurrencyCount: 1))
            _ = try importer.run(into: DataDirectory(scratch("data")))
        }
        let text = error?.description ?? ""
        #expect(text.hasPrefix(trace.line > 0 ? "\(path):\(trace.line): " : "\(path): "), "\(text)")
        #expect(text.contains(trace.reason), "\(text)")
        #expect(!text.contains("\n"))
        #expect(!Files.exists(scratch("data")), "nothing is written")
    }

    /// The last row of many: nothing of those before it is imported.
    @Test func aFaultInTheLastRowLeavesTheLedgerAlone() throws {
        let directory = try Story(in: scratch("data")).directory
        let before = Files.all(below: directory.path)
        let path = scratch("trace.csv")
        let content = syntheticTrace(seed: 1, rowCount: 3_000) + "2099-01-01T00:00:00Z,a,1,stop,\n"
        Files.write(Array(content.utf8), to: path)
        let error = #expect(throws: TraceError.self) {
            _ = try TraceImporter(
                trace: TraceReader(path: path), project: "p",
                change: ProjectChange(concurrencyCount: 1))
        }
        #expect(error?.line == 3_002)
        #expect(Files.all(below: directory.path) == before)
    }

    @Test func nothingToRead() throws {
        for path in [scratch("nowhere.csv"), scratch.path] {
            let error = #expect(throws: TraceError.self) { _ = try TraceReader(path: path) }
            #expect(error?.description.hasPrefix("\(path): ") ?? false)
        }
    }

    @Test func aLineWithoutEndIsNotHeldInMemory() throws {
        let good = "\(TraceReader.header)\n2020-01-01T00:00:00Z,ann,1,start,"
        let reason = String(repeating: "r", count: 900_000)
        #expect(try rows(Array("\(good)\(reason)\n".utf8)).count == 1)
        let error = #expect(throws: TraceError.self) {
            try rows(Array("\(good)\(reason)\(reason)\n".utf8))
        }
        #expect(error?.line == 2 && error?.reason.contains("longer than 1048576 bytes") ?? false)
    }

    /// What is checked and what is played must be the same bytes.
    @Test(arguments: ["shorter", "longer", "other"])
    func aFileThatChangesIsRefused(how: String) throws {
        let path = scratch("trace.csv")
        let content = Array(syntheticTrace(seed: 6, rowCount: 200).utf8)
        Files.write(content, to: path)
        let reader = try TraceReader(path: path)
        try reader.forEachRow { _, _, _ in }
        let changed =
            switch how {
            case "shorter": Array(content.dropLast(60))
            case "longer": content + content.suffix(60)
            default: content.map { $0 == UInt8(ascii: "8") ? UInt8(ascii: "7") : $0 }
            }
        try Files.overwrite(path, with: changed)
        let error = #expect(throws: TraceError.self) { try reader.forEachRow { _, _, _ in } }
        #expect(error?.reason.contains("changed while it was read") ?? false)
    }

    /// Another file of that name is another file.
    @Test func aFileThatIsReplacedIsReadOn() throws {
        let path = scratch("trace.csv")
        let content = Array(syntheticTrace(seed: 6, rowCount: 200).utf8)
        Files.write(content, to: path)
        let reader = try TraceReader(path: path)
        Files.remove(path)
        var count = 0
        try reader.forEachRow { _, _, _ in count += 1 }
        #expect(count == 200 && reader.byteCount == content.count)
    }

    /// A pipe can be read once, a trace has to be read more often.
    @Test func aPipeIsTaken() async throws {
        let path = scratch("pipe")
        #expect(mkfifo(path, 0o600) == 0)
        let content = Array(syntheticTrace(seed: 7, rowCount: 5_000).utf8)
        let writer = Thread { Files.append(content, to: path) }
        writer.start()
        let reader = try TraceReader(path: path)
        Files.write(content, to: scratch("trace.csv"))
        #expect(try reader.digest == TraceReader(path: scratch("trace.csv")).digest)
        for _ in 0 ..< 2 {
            var count = 0
            try reader.forEachRow { _, _, _ in count += 1 }
            #expect(count == 5_000)
        }
    }

    // MARK: - What is taken

    @Test func goodRows() throws {
        let content = """
            time,user,connection,action,reason
            1970-01-01T00:00:00Z,ann,1,start,
            2020-01-01t00:00:05.25z,\(Self.u256),c/2,drop,ping timeout: 240 s
            2020-01-01T00:00:05.250000+00:00,Ärger ☂︎,x,close,"a, ""b"" "
            2020-01-01T00:00:05.25-00:00,"a,b",q\"\"\"\"q,start,

            """
        let rows = try rows(Array(content.utf8))
        let time: Microseconds = 1_577_836_805_250_000
        #expect(
            rows == [
                TraceRow(time: 0, user: "ann", connection: "1", action: .start),
                TraceRow(time: time, user: Self.u256, connection: "c/2", action: .drop),
                TraceRow(time: time, user: "Ärger ☂︎", connection: "x", action: .close),
                TraceRow(time: time, user: "a,b", connection: "q\"q", action: .start),
            ])
    }

    @Test func carriageReturnsAtLineEndsAreTaken() throws {
        let lines = syntheticTrace(seed: 4, rowCount: 50)
        let plain = try rows(Array(lines.utf8))
        let crlf = try rows(Array(lines.utf8).flatMap { $0 == 0x0A ? [0x0D, 0x0A] : [$0] })
        #expect(plain == crlf && plain.count == 50)
    }

    @Test func rowsAreNumberedAndTheShareBehindThemGrows() throws {
        Files.write(Array(syntheticTrace(seed: 5, rowCount: 30).utf8), to: scratch("trace.csv"))
        let reader = try TraceReader(path: scratch("trace.csv"))
        var numbers: [Int] = []
        var offsets: [Int] = []
        try reader.forEachRow { _, number, offset in
            numbers.append(number)
            offsets.append(offset)
        }
        #expect(numbers == Array(1 ... 30))
        #expect(offsets == offsets.sorted() && offsets.last == reader.byteCount)
    }
}

extension Files {
    /// Writes into the file that stands there, a moment later by its clock.
    fileprivate static func overwrite(_ path: String, with content: [UInt8]) throws {
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        try handle.truncate(atOffset: 0)
        try handle.write(contentsOf: content)
        try handle.close()
        var times = [timespec(tv_sec: 5, tv_nsec: 0), timespec(tv_sec: 5, tv_nsec: 0)]
        #expect(utimensat(AT_FDCWD, path, &times, 0) == 0)
    }

    fileprivate static func append(_ content: [UInt8], to path: String) {
        guard let file = fopen(path, "a") else { return }
        fwrite(content, 1, content.count, file)
        fclose(file)
    }
}
