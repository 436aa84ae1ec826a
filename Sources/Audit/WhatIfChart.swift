import Ledger
import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Draws what a what-if came to.
public enum WhatIfChart {
    /// What is gained against what it cost: returns that found their concurrency, by the
    /// concurrency-hours spent waiting, a line for each number of concurrencies, its points by
    /// reconnect window; the recorded settings as a ring. An SVG file that needs nothing else and
    /// is readable on light and dark ground.
    public static func svg(_ report: WhatIfReport) -> String {
        Drawing(report).svg()
    }
}

private struct Drawing {
    private static let (width, height) = (860.0, 480.0)
    private static let (left, right, top, bottom) = (84.0, 680.0, 64.0, 410.0)
    /// Of middling lightness: they stand out from white and from black.
    private static let colours = [
        "#3b82c4", "#d9772b", "#3a9a5b", "#c2508f", "#8a6fd1", "#9a8a1e", "#2a9d9d", "#b5524a",
    ]

    private struct Line {
        var name: String
        var points: [Point]
    }

    private struct Point {
        var label: String
        var hours: Double
        var returns: Double
        var title: String
    }

    private let report: WhatIfReport
    private let lines: [Line]
    private let recorded: Point
    private let hours: Scale
    private let returns: Scale
    private var parts: [String] = []

    init(_ report: WhatIfReport) {
        self.report = report
        lines = Self.lines(of: report)
        recorded = Self.point(of: report.recorded)
        let points = lines.flatMap(\.points) + [recorded]
        hours = Scale(points.map(\.hours), from: Self.left, to: Self.right, mayBeLogarithmic: true)
        returns = Scale(
            points.map(\.returns), from: Self.bottom, to: Self.top, mayBeLogarithmic: false)
    }

    private static func lines(of report: WhatIfReport) -> [Line] {
        var lines: [Line] = []
        for outcome in report.outcomes {
            var name = "\(outcome.settings.concurrencyCount) concurrencies"
            if outcome.change.lockTimeout != nil {
                name += ", lock \(time(outcome.settings.lockTimeout))"
            }
            if outcome.change.cleanupTime != nil {
                name += ", cleanup \(time(outcome.settings.cleanupTime))"
            }
            let index = lines.firstIndex { $0.name == name } ?? lines.count
            if index == lines.count { lines.append(Line(name: name, points: [])) }
            lines[index].points.append(point(of: outcome))
        }
        for index in lines.indices { lines[index].points.sort { $0.hours < $1.hours } }
        return lines
    }

    private static func point(of outcome: WhatIfOutcome) -> Point {
        let returns = outcome.statistics.counters.resumed
        let window = time(outcome.settings.reconnectWindow)
        return Point(
            label: window, hours: outcome.waitingHours, returns: Double(returns),
            title: "\(outcome.settings.concurrencyCount) concurrencies, window \(window): "
                + "\(returns) returns, \(number(outcome.waitingHours)) hours waiting")
    }

    // MARK: - Drawing

    mutating func drawn() {
        grid()
        for (index, line) in lines.enumerated() { draw(line, index) }
        let (x, y) = place(recorded)
        parts.append(
            "<circle cx=\"\(x)\" cy=\"\(y)\" r=\"9\" class=\"ring\">"
                + "<title>as recorded: \(recorded.title)</title></circle>")
        legend()
    }

    func svg() -> String {
        var copy = self
        copy.drawn()
        let head = """
            <svg xmlns="http://www.w3.org/2000/svg" width="\(Int(Self.width))" \
            height="\(Int(Self.height))" \
            viewBox="0 0 \(Int(Self.width)) \(Int(Self.height))" \
            font-family="sans-serif" font-size="12" role="img">
            <title>Returns against hours spent, project \
            \(Self.escaped(report.project))</title>
            <style>
            text { fill: #3a3a3a } .grid { stroke: #80808055 } .ring { fill: none; \
            stroke: #808080; stroke-width: 2 } .line { fill: none; stroke-width: 2 }
            @media (prefers-color-scheme: dark) { text { fill: #d6d6d6 } }
            </style>
            <text x="\(Int(Self.left))" y="28" font-size="17" font-weight="bold">Returns \
            against hours spent, project \(Self.escaped(report.project))</text>
            <text x="\(Int(Self.left))" y="47">Each point is a reconnect window; the ring is as \
            recorded. People might have acted differently.</text>
            """
        return head + "\n" + copy.parts.joined(separator: "\n") + "\n</svg>\n"
    }

    private mutating func grid() {
        for tick in hours.ticks {
            let x = Self.text(hours.place(tick))
            parts.append(
                "<line class=\"grid\" x1=\"\(x)\" y1=\"\(Self.text(Self.top))\" x2=\"\(x)\" "
                    + "y2=\"\(Self.text(Self.bottom))\"/>")
            text(Self.number(tick), x: hours.place(tick), y: Self.bottom + 18, anchor: "middle")
        }
        for tick in returns.ticks {
            let y = Self.text(returns.place(tick))
            parts.append(
                "<line class=\"grid\" x1=\"\(Self.text(Self.left))\" y1=\"\(y)\" "
                    + "x2=\"\(Self.text(Self.right))\" y2=\"\(y)\"/>")
            text(Self.number(tick), x: Self.left - 8, y: returns.place(tick) + 4, anchor: "end")
        }
        let scale = hours.isLogarithmic ? " (logarithmic)" : ""
        text(
            "concurrency-hours spent waiting\(scale)", x: (Self.left + Self.right) / 2,
            y: Self.bottom + 44, anchor: "middle")
        let middle = Self.text((Self.top + Self.bottom) / 2)
        parts.append(
            "<text x=\"22\" y=\"\(middle)\" text-anchor=\"middle\" "
                + "transform=\"rotate(-90 22 \(middle))\">returns to the same concurrency"
                + "</text>")
    }

    private mutating func draw(_ line: Line, _ index: Int) {
        let colour = Self.colours[index % Self.colours.count]
        let places = line.points.map(place)
        if places.count > 1 {
            let points = places.map { "\($0.0),\($0.1)" }.joined(separator: " ")
            parts.append("<polyline class=\"line\" stroke=\"\(colour)\" points=\"\(points)\"/>")
        }
        for (point, place) in zip(line.points, places) {
            parts.append(
                "<circle cx=\"\(place.0)\" cy=\"\(place.1)\" r=\"4\" fill=\"\(colour)\">"
                    + "<title>\(Self.escaped(point.title))</title></circle>")
        }
        // The windows are the same on every line: named once, on the one that lies highest.
        guard isHighest(line) else { return }
        for point in line.points {
            text(
                point.label, x: hours.place(point.hours), y: returns.place(point.returns) - 10,
                anchor: "middle")
        }
    }

    private func isHighest(_ line: Line) -> Bool {
        func height(_ line: Line) -> Double { line.points.reduce(0) { max($0, $1.returns) } }
        let highest = lines.map(height).max() ?? 0
        return lines.first { height($0) == highest }?.name == line.name
    }

    private mutating func legend() {
        for (index, line) in lines.enumerated() {
            let y = Self.top + 14 + 20 * Double(index)
            let colour = Self.colours[index % Self.colours.count]
            parts.append(
                "<rect x=\"\(Self.text(Self.right + 14))\" y=\"\(Self.text(y - 9))\" width=\"10\" "
                    + "height=\"10\" fill=\"\(colour)\"/>")
            text(line.name, x: Self.right + 30, y: y, anchor: "start")
        }
    }

    private mutating func text(_ content: String, x: Double, y: Double, anchor: String) {
        parts.append(
            "<text x=\"\(Self.text(x))\" y=\"\(Self.text(y))\" text-anchor=\"\(anchor)\">"
                + "\(Self.escaped(content))</text>")
    }

    private func place(_ point: Point) -> (String, String) {
        (Self.text(hours.place(point.hours)), Self.text(returns.place(point.returns)))
    }

    // MARK: - Numbers and texts

    private static func text(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }

    /// `1,234`, `12`, `0.5`.
    private static func number(_ value: Double) -> String {
        if value > 0, value < 10, value != value.rounded() { return text(value) }
        var digits = Array(String(Int(value.rounded())))
        var index = digits.count - 3
        while index > 0 {
            digits.insert(",", at: index)
            index -= 3
        }
        return String(digits)
    }

    private static func time(_ time: Microseconds) -> String {
        for (size, unit) in [
            (3_600_000_000 as Microseconds, "h"), (60_000_000, "m"), (1_000_000, "s"),
        ] where time != 0 && time % size == 0 {
            return "\(time / size)\(unit)"
        }
        return "\(Double(time) / 1e6)s"
    }

    private static func escaped(_ text: String) -> String {
        text.reduce(into: "") { output, character in
            switch character {
            case "<": output += "&lt;"
            case ">": output += "&gt;"
            case "&": output += "&amp;"
            case "\"": output += "&quot;"
            default: output.append(character)
            }
        }
    }
}

/// Places values on an axis: linear, or logarithmic where the values are far apart.
private struct Scale {
    let isLogarithmic: Bool
    let ticks: [Double]
    private let (low, high): (Double, Double)
    private let (from, to): (Double, Double)

    init(_ values: [Double], from: Double, to: Double, mayBeLogarithmic: Bool) {
        let greatest = max(values.max() ?? 0, 1)
        let least = values.min() ?? 0
        isLogarithmic = mayBeLogarithmic && least > 0 && greatest / least > 20
        (self.from, self.to) = (from, to)
        if isLogarithmic {
            let marks = Self.marks(from: least / 1.4, to: greatest * 1.4)
            ticks = marks
            (low, high) = (min(marks.first ?? least, least / 1.2), greatest * 1.2)
        } else {
            let step = Self.step(greatest * 1.05)
            let count = Int((greatest * 1.05 / step).rounded(.up))
            ticks = (0 ... count).map { Double($0) * step }
            (low, high) = (0, Double(count) * step)
        }
    }

    func place(_ value: Double) -> Double {
        let share =
            isLogarithmic
            ? (log10(max(value, low)) - log10(low)) / (log10(high) - log10(low))
            : (value - low) / (high - low)
        return from + share * (to - from)
    }

    /// 1, 2 and 5 times powers of ten.
    private static func marks(from low: Double, to high: Double) -> [Double] {
        var marks: [Double] = []
        var power = pow(10, log10(low).rounded(.down))
        while power <= high {
            for factor in [1.0, 2, 5] where factor * power >= low && factor * power <= high {
                marks.append(factor * power)
            }
            power *= 10
        }
        return marks
    }

    /// About five steps, of a round length.
    private static func step(_ greatest: Double) -> Double {
        let power = pow(10, log10(greatest / 5).rounded(.down))
        for factor in [1.0, 2, 5] where factor * power * 5 >= greatest { return factor * power }
        return 10 * power
    }
}
