import ArgumentParser
import Audit
import EventLog
import Ledger
import ReconnectionRules

struct HistoryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "The events of a user, a concurrency, a session, or all, oldest first.",
        discussion: """
            A user's history shows the outages too that moved a deadline which ran for that \
            user; with --json only if --outages is given, because they are no event of the user.

            --limit N shows the newest N, with --after the first N behind that position; a note \
            on standard error says how to go on.

            EXAMPLES
              holdfast history u1 --data ./ledger
              holdfast history u1 --limit 20 --newest-first --json --data ./ledger
              holdfast history --project cap-demo --concurrency 7 --data ./ledger
              holdfast history --session 1204 --data ./ledger
              holdfast history --kind repossessed --since 2026-11-23T20:00:00Z \\
                --until 2026-11-23T22:00:00Z --data ./ledger
              holdfast history --where 'user=u1 and not outcome=stale' --data ./ledger
            """)

    @Argument(help: "The UserId.") var user: String?
    @OptionGroup var filters: FilterOptions
    @Option(name: .long, help: ArgumentHelp("At most N events.", valueName: "N"))
    var limit: Int?
    @Option(
        name: .long, help: ArgumentHelp("Only events before this position.", valueName: "POSITION"))
    var before: Position?
    @Option(
        name: .long, help: ArgumentHelp("Only events behind this position.", valueName: "POSITION"))
    var after: Position?
    @Flag(name: .long, help: "Newest first.") var newestFirst = false
    @Flag(
        inversion: .prefixedNo,
        help: "Show outages that moved a deadline (default: in the table, not with --json).")
    var outages: Bool?
    @Option(name: .long, help: ArgumentHelp("Colour the table.", valueName: "WHEN"))
    var color = ColorOption.auto
    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit takes a number from 1") }
        if user != nil, filters.userNumber != nil {
            throw ValidationError("name a user, or --user-number N, not both")
        }
    }

    func run() throws {
        let reader = try LedgerReader(opening: data.path)
        try filters.check(user: user, reader, data.path)
        var query = EventQuery()
        query.filter = filters.filter(user: user)
        query.before = before
        query.after = after
        query.isNewestFirst = newestFirst
        query.showsOutages = outages ?? !json.isOn
        let progress = Progress("history", unit: "positions")
        defer { progress.end() }
        var isFirstShown = after != nil || newestFirst
        if let limit {
            query.limit = limit
            if !isFirstShown { isFirstShown = try narrow(&query, to: limit, reader, progress) }
        }
        let printer = HistoryPrinter(
            last: reader.head.position, isJSON: json.isOn, isNewestFirst: newestFirst,
            paint: Paint(color))
        let report = try query.run(on: reader) {
            progress.show($0, of: $1)
        } _: { named in
            progress.end()
            printer.take(named)
            return true
        }
        printer.finish()
        progress.end()
        if printer.firstPosition == nil, !json.isOn { Terminal.note("no event matches") }
        if let first = printer.firstPosition, limit != nil, !json.isOn {
            if report.isCutShort {
                Terminal.note(
                    newestFirst
                        ? "older events: --before \(report.lastPosition)"
                        : "more events: --after \(report.lastPosition)")
            } else if !isFirstShown {
                Terminal.note("older events: --before \(first)")
            }
        }
    }

    /// Leaves the newest `limit` of the events that a query finds oldest first. Returns whether
    /// these are all.
    private func narrow(
        _ query: inout EventQuery, to limit: Int, _ reader: LedgerReader, _ progress: Progress
    ) throws -> Bool {
        query.isNewestFirst = true
        let report = try query.run(on: reader) {
            progress.show($0, of: $1)
        } _: { _ in true }
        query.isNewestFirst = false
        query.limit = .max
        if report.matchCount > 0 { query.after = report.lastPosition - 1 }
        return !report.isCutShort
    }
}

/// Prints events as they come, as a table or as JSON.
final class HistoryPrinter {
    /// Rows that are looked at before the columns are set.
    private static let lookAheadCount = 64

    private let last: Position
    private let isJSON: Bool
    private let isNewestFirst: Bool
    private let paint: Paint
    private var table: EventTable?
    private var waiting: [NamedEvent] = []
    /// The row before, or newest first the row to come.
    private var neighbour: NamedEvent?
    private(set) var firstPosition: Position?

    init(last: Position, isJSON: Bool, isNewestFirst: Bool, paint: Paint) {
        (self.last, self.isJSON) = (last, isJSON)
        (self.isNewestFirst, self.paint) = (isNewestFirst, paint)
    }

    func take(_ named: NamedEvent) {
        if firstPosition == nil { firstPosition = named.event.position }
        if isJSON {
            print(EventJSON.line(named))
        } else if table == nil {
            waiting.append(named)
            if waiting.count == Self.lookAheadCount { begin() }
        } else {
            row(named)
        }
    }

    /// Shows what waits for others to set the columns by; before the first event, nothing.
    func flush() {
        if !isJSON, table == nil, !waiting.isEmpty { begin() }
    }

    func finish() {
        if isJSON { return }
        flush()
        if isNewestFirst, let neighbour { show(neighbour, gap: nil) }
    }

    private func begin() {
        let table = EventTable(last: last, users: waiting.map(\.userText))
        self.table = table
        print(paint.header(table.header))
        for named in waiting { row(named) }
        waiting = []
    }

    private func row(_ named: NamedEvent) {
        let gap = neighbour.map { ($0.event.time - named.event.time).magnitude }
            .map { Microseconds($0) }
        if isNewestFirst {
            // A row says how long after the event before it it happened: that one comes next.
            if let neighbour { show(neighbour, gap: gap) }
        } else {
            show(named, gap: gap)
        }
        neighbour = named
    }

    private func show(_ named: NamedEvent, gap: Microseconds?) {
        guard let table else { return }
        print(table.row(named, gap: gap, paint: paint.text))
    }
}

/// Colours text, or leaves it as it is.
struct Paint {
    let isOn: Bool

    /// Automatic: on a terminal that is not dumb, unless NO_COLOR is set to anything.
    init(_ option: ColorOption) {
        isOn =
            switch option {
            case .always: true
            case .never: false
            case .auto: Terminal.hasColor
            }
    }

    func header(_ text: String) -> String { isOn ? "\u{1B}[1m\(text)\u{1B}[0m" : text }

    func text(_ text: String, _ tone: EventTone) -> String {
        guard isOn, let code = Self.code(tone) else { return text }
        return "\u{1B}[\(code)m\(text)\u{1B}[0m"
    }

    static func code(_ tone: EventTone) -> String? {
        switch tone {
        case .held: "32"
        case .waiting: "33"
        case .lost: "31"
        case .quiet: "2"
        case .plain: nil
        }
    }
}
