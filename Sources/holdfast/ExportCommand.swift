import ArgumentParser
import Audit
import JSON
import Ledger
import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write the events out: JSON Lines, CSV or CloudEvents, oldest first.",
        discussion: """
            All events unless a filter is given. As jsonl nothing is lost: holdfast import makes \
            the same ledger of it. What a filter leaves is no whole ledger, and import says so.

            With --output the file is called FILE.part until it is whole. --resume goes on where \
            FILE.part, or else FILE, ends; repeat the filters with it.

            EXAMPLES
              holdfast export --data ./ledger > events.jsonl
              holdfast export --format csv --output events.csv --data ./ledger
              holdfast export --output events.jsonl --resume --data ./ledger
              holdfast export u1 --format cloudevents --since 2026-11-23T20:00:00Z \\
                --data ./ledger
            """)

    @Argument(help: "Only events of this UserId.") var user: String?
    @Option(name: .long, help: ArgumentHelp("The form of a line.", valueName: "FORMAT"))
    var format = FormatOption(.jsonl)
    @OptionGroup var filters: FilterOptions
    @Option(
        name: .customLong("from"),
        help: ArgumentHelp("Begin at this position.", valueName: "POSITION"))
    var first: Position?
    @Option(
        name: .shortAndLong, help: ArgumentHelp("Write to FILE.", valueName: "FILE"),
        completion: .file())
    var output: String?
    @Flag(name: .long, help: "Go on with an export that is there.") var resume = false
    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func validate() throws {
        if user != nil, filters.userNumber != nil {
            throw ValidationError("name a user, or --user-number N, not both")
        }
        if output?.isEmpty == true { throw ValidationError("--output names no file") }
        if resume, output == nil {
            throw ValidationError("--resume goes on with a file: name it with --output FILE")
        }
        if json.isOn, output == nil {
            throw ValidationError("--json reports on a file: name it with --output FILE")
        }
    }

    func run() throws {
        let reader = try LedgerReader(opening: data.path)
        try filters.check(user: user, reader, data.path)
        var exporter = EventExporter(reader, format.format)
        exporter.query.filter = filters.filter(user: user)
        if let first, first > 1 { exporter.query.after = first - 1 }
        let progress = Progress("export", unit: "positions")
        defer { progress.end() }
        guard let output else {
            _ = try exporter.run { progress.show($0, of: $1) } _: { try Self.print($0) }
            return
        }
        let file =
            resume
            ? try ExportFile(resuming: output, exporter.lines, of: reader)
            : try ExportFile(creating: output)
        if file.lastPosition > 0 {
            exporter.query.after = max(exporter.query.after ?? 0, file.lastPosition)
        }
        let report = try exporter.run(startsWithHeader: !file.hasHeader) {
            progress.show($0, of: $1)
        } _: { try file.write($0) }
        try file.finish()
        progress.end()
        show(report, resumedAfter: file.lastPosition, output)
    }

    private func show(
        _ report: EventExporter.Report, resumedAfter last: Position, _ path: String
    ) {
        if json.isOn {
            let bytes = JSONObjectWriter.bytes { object in
                object.string("file", path)
                object.unsigned("events", report.eventCount)
                object.unsigned("bytes", report.byteCount)
                object.unsigned("resumedAfter", last)
                object.unsigned("coveredPosition", report.coveredPosition)
            }
            Swift.print(String(decoding: bytes, as: UTF8.self))
        } else {
            let where_ = last > 0 ? " behind position \(last)" : ""
            Swift.print(
                "\(report.eventCount) events\(where_), up to position "
                    + "\(report.coveredPosition), in \(path)")
        }
    }

    private static func print(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw CheckFailed(
                    message: "cannot write to standard output: \(String(cString: strerror(errno)))")
            }
            rest = rest.dropFirst(count)
        }
    }
}

/// The name of a format.
struct FormatOption: ExpressibleByArgument {
    var format: ExportFormat

    init(_ format: ExportFormat) { self.format = format }

    init?(argument: String) {
        guard let format = ExportFormat(rawValue: argument) else { return nil }
        self.format = format
    }

    static var allValueStrings: [String] { ExportFormat.allCases.map(\.rawValue) }

    var defaultValueDescription: String { format.rawValue }
}
