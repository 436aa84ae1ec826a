import Ledger
import ReconnectionRules

/// How a piece of the screen looks.
public struct ReplayStyle: Sendable, Equatable {
    public var tone = EventTone.plain
    public var isBold = false
    public var isInverse = false
    public var isDim = false

    public init(
        tone: EventTone = .plain, isBold: Bool = false, isInverse: Bool = false,
        isDim: Bool = false
    ) {
        (self.tone, self.isBold) = (tone, isBold)
        (self.isInverse, self.isDim) = (isInverse, isDim)
    }

    public static let plain = ReplayStyle()
    public static let dim = ReplayStyle(isDim: true)
    public static let heading = ReplayStyle(isBold: true)
    public static let title = ReplayStyle(isInverse: true)
    public static let error = ReplayStyle(tone: .lost, isBold: true)
}

/// A piece of a line of the screen. It names its column, so that a character which the terminal
/// measures in its own way moves nothing but its own piece.
public struct ReplaySegment: Sendable, Equatable {
    /// From 0.
    public var column: Int
    public var text: String
    public var style: ReplayStyle
}

/// How large a terminal is, in characters.
public struct ReplaySize: Sendable, Equatable {
    public var columns: Int
    public var rows: Int

    public init(columns: Int, rows: Int) { (self.columns, self.rows) = (columns, rows) }

    /// What the view needs; a smaller terminal is told so.
    public static let least = ReplaySize(columns: 60, rows: 16)

    var isEnough: Bool { columns >= Self.least.columns && rows >= Self.least.rows }

    /// Rows between the title and the rule above the event's sentence.
    var bodyRows: Int { max(1, rows - 5) }

    /// Columns of the pane at the right.
    var paneColumns: Int {
        columns >= 120 ? 46 : columns >= 100 ? 36 : isNarrow ? 26 : 30
    }

    /// What happened needs the room that seconds and most of a name would take.
    var isNarrow: Bool { columns < 72 }

    /// Dates stand in the list beside each time; where they do not, a line for each day does.
    var hasDates: Bool { columns >= 120 }

    var listColumns: Int { columns - paneColumns - 3 }
}

/// What the screen shows, laid out by `ReplayLayout`.
struct ReplayFrame {
    enum Bottom: Equatable {
        case hints
        case message(String, isError: Bool)
        case prompt(String, String)
    }

    var directory: String
    var head: Position
    var moment: ReplayMoment
    /// Time since the event before, nil for the first.
    var gap: Microseconds?
    /// Events around the selected one, in order.
    var events: [NamedEvent]
    var selected: Int
    /// User whose rows stand out, 0 for nobody.
    var user: UserNumber
    var bottom: Bottom
    var showsHelp: Bool
}

/// Lays a frame out: lines of pieces, one line for each row of the terminal.
enum ReplayLayout {
    static let hints =
        " up/down step  g go to  u/U user  c/C concurrency  / run until  ? help  q quit"

    static let help = [
        ("down j space", "the next event"),
        ("up k", "the event before"),
        ("PgDn f, PgUp b", "a page on, a page back"),
        ("Home <, End >", "the first event, the last"),
        ("g", "go to a position, or to a time such as 2026-11-23T10:15:30Z"),
        ("u U", "the next event of this user, the one before"),
        ("c C", "the next event of this concurrency, the one before"),
        ("/", "run until a condition, as user=u1 and kind=repossessed"),
        ("\\", "run back until a condition"),
        ("n N", "the condition again, on or back"),
        ("x", "keep looking at this user beside every event, or stop it"),
        ("?", "this page"),
        ("q", "quit"),
    ]

    static func lines(_ frame: ReplayFrame, _ size: ReplaySize) -> [[ReplaySegment]] {
        guard size.isEnough else { return tooSmall(size) }
        var lines = [title(frame, size)]
        lines += frame.showsHelp ? helpBody(size) : body(frame, size)
        lines.append([
            ReplaySegment(
                column: 0, text: String(repeating: "─", count: size.columns), style: .dim)
        ])
        let sentence = DisplayText.wrapped(
            EventSentence.text(frame.moment.named), to: size.columns - 2)
        let style = ReplayStyle(tone: EventTone(frame.moment.named))
        for row in 0 ..< 2 {
            var text = row < sentence.count ? sentence[row] : ""
            if row == 1, sentence.count > 2 {
                text = DisplayText.fitted(
                    sentence[1...].joined(separator: " "), to: size.columns - 2)
            }
            lines.append([ReplaySegment(column: 1, text: text, style: style)])
        }
        lines.append(bottom(frame, size))
        return lines
    }

    private static func tooSmall(_ size: ReplaySize) -> [[ReplaySegment]] {
        let least = ReplaySize.least
        let text =
            "holdfast replay needs \(least.columns) columns and \(least.rows) rows; this terminal "
            + "has \(size.columns) and \(size.rows). Make it larger, or press q."
        let words = DisplayText.wrapped(text, to: max(1, size.columns))
        return (0 ..< max(0, size.rows)).map { row in
            row < words.count ? [ReplaySegment(column: 0, text: words[row], style: .plain)] : []
        }
    }

    private static func title(_ frame: ReplayFrame, _ size: ReplaySize) -> [ReplaySegment] {
        let position = frame.moment.named.event.position
        let share = frame.head == 0 ? 100 : Int(100 * Double(position) / Double(frame.head))
        let right = " event \(position) of \(frame.head), \(share) % "
        let left = DisplayText.padded(
            " holdfast replay  \(frame.directory)", to: size.columns - right.utf8.count)
        return [
            ReplaySegment(column: 0, text: left, style: .title),
            ReplaySegment(column: size.columns - right.utf8.count, text: right, style: .title),
        ]
    }

    private static func bottom(_ frame: ReplayFrame, _ size: ReplaySize) -> [ReplaySegment] {
        switch frame.bottom {
        case .hints:
            let text = DisplayText.fitted(hints, to: size.columns)
            return [ReplaySegment(column: 0, text: text, style: .dim)]
        case .message(let text, let isError):
            let shown = DisplayText.fitted(" " + text, to: size.columns)
            return [ReplaySegment(column: 0, text: shown, style: isError ? .error : .plain)]
        case .prompt(let label, let input):
            let lead = " \(label): "
            // The end of what is typed stays in sight.
            var shown = Substring(input)
            let room = size.columns - lead.utf8.count - 1
            while DisplayText.width(of: String(shown)) > room { shown.removeFirst() }
            let text = DisplayText.fitted(String(shown), to: room)
            let column = lead.utf8.count
            return [
                ReplaySegment(column: 0, text: lead, style: .heading),
                ReplaySegment(column: column, text: text, style: .plain),
                ReplaySegment(
                    column: column + DisplayText.width(of: text), text: " ", style: .title),
            ]
        }
    }

    private static func helpBody(_ size: ReplaySize) -> [[ReplaySegment]] {
        (0 ..< size.bodyRows).map { row in
            guard row > 0, row <= help.count else { return [] }
            let (keys, what) = help[row - 1]
            return [
                ReplaySegment(column: 2, text: keys, style: .heading),
                ReplaySegment(
                    column: 19, text: DisplayText.fitted(what, to: size.columns - 20),
                    style: .plain),
            ]
        }
    }

    // MARK: - List and pane

    private static func body(_ frame: ReplayFrame, _ size: ReplaySize) -> [[ReplaySegment]] {
        let pane = ReplayPane.lines(frame, size)
        let list = visible(listed(frame, size), frame.selected, size.bodyRows)
        return (0 ..< size.bodyRows).map { row in
            var line: [ReplaySegment] = []
            if row < list.count {
                switch list[row] {
                case .event(let index): line += listRow(frame, index, size)
                case .day(let day): line += dayRow(day, size)
                }
            }
            line.append(ReplaySegment(column: size.listColumns + 1, text: "│", style: .dim))
            if row < pane.count {
                let column = size.listColumns + 3
                line.append(
                    ReplaySegment(
                        column: column,
                        text: DisplayText.fitted(pane[row].text, to: size.columns - column),
                        style: pane[row].style))
            }
            return line
        }
    }

    /// A row of the list.
    private enum Listed: Equatable {
        /// An event, by its index.
        case event(Int)
        /// The day of the events that follow.
        case day(String)
    }

    /// The events with a row before each day that begins among them.
    private static func listed(_ frame: ReplayFrame, _ size: ReplaySize) -> [Listed] {
        if size.hasDates { return frame.events.indices.map { .event($0) } }
        var list: [Listed] = []
        var last = ""
        for index in frame.events.indices {
            let day = String(Timestamp.text(frame.events[index].event.time).prefix { $0 != "T" })
            if day != last { list.append(.day(day)) }
            last = day
            list.append(.event(index))
        }
        return list
    }

    /// The selected event stands in the middle; at the log's ends the list stays filled.
    private static func visible(
        _ list: [Listed], _ selected: Int, _ rows: Int
    ) -> [Listed] {
        let index = list.firstIndex(of: .event(selected)) ?? 0
        let first = max(0, min(index - rows / 2, list.count - rows))
        return Array(list[first...].prefix(rows))
    }

    private static func dayRow(_ day: String, _ size: ReplaySize) -> [ReplaySegment] {
        let text = DisplayText.fitted(" \(day)", to: size.listColumns)
        return [ReplaySegment(column: 0, text: text, style: .dim)]
    }

    /// What an outcome takes to be read in most rows, `drop waiting /12`.
    private static let whatColumnCount = 16

    private static func listRow(
        _ frame: ReplayFrame, _ index: Int, _ size: ReplaySize
    ) -> [ReplaySegment] {
        let named = frame.events[index]
        let event = named.event
        let isWide = size.hasDates
        let digits = "\(frame.head)".utf8.count
        let time = Timestamp.text(event.time)
        let clock = time.dropFirst(11).prefix(size.isNarrow ? 5 : 8)
        let date = isWide ? String(time.dropLast()) : String(clock)
        let isSelected = index == frame.selected
        var style = ReplayStyle(tone: EventTone(named))
        style.isBold = frame.user != 0 && event.user == frame.user
        style.isInverse = isSelected
        var plain = style
        plain.tone = .plain
        let positionText = DisplayText.padded("\(event.position)", to: digits, right: true)
        let lead = (isSelected ? ">" : " ") + positionText + " " + date + " "
        let leadColumns = 1 + digits + 1 + date.utf8.count + 1
        let left = size.listColumns - leadColumns - 1
        let userColumns = isWide ? 16 : max(4, min(8, left - whatColumnCount))
        let whatColumn = leadColumns + userColumns + 1
        let what = DisplayText.padded(
            EventSentence.short(named, withProject: isWide), to: size.listColumns - whatColumn)
        return [
            ReplaySegment(column: 0, text: lead, style: plain),
            ReplaySegment(
                column: leadColumns,
                text: DisplayText.padded(named.userText, to: userColumns) + " ", style: plain),
            ReplaySegment(column: whatColumn, text: what, style: style),
        ]
    }
}
