import JSON
import Ledger
import ReconnectionRules

/// An explanation as people read it, and as programs do.
public enum ExplanationText {
    /// A title, the answer in short if there is one, and a paragraph for each statement, its
    /// positions in brackets, broken at `width` columns. Characters that turn the direction of text
    /// are shown as `�`.
    public static func lines(_ explanation: Explanation, width: Int = 80) -> [String] {
        var lines: [String] = []
        if explanation.isKnown {
            lines = [DisplayText.fitted(title(explanation), to: .max), ""]
        }
        for statement in explanation.statements {
            lines += wrap(DisplayText.fitted(text(statement), to: .max), width)
            if statement.kind == .answer { lines.append("") }
        }
        return lines
    }

    /// Of whom and when. A time past the newest event is as good as that event's.
    private static func title(_ explanation: Explanation) -> String {
        var time = explanation.time
        if case .time(let asked) = explanation.moment, !explanation.isNewest { time = asked }
        return "\(explanation.user) as of \(Words.time(time)), position "
            + "\(explanation.position)"
    }

    /// A statement with the positions behind it.
    public static func text(_ statement: Explanation.Statement) -> String {
        guard !statement.positions.isEmpty else { return statement.text }
        return "\(statement.text) [\(statement.positions.map(String.init).joined(separator: ", "))]"
    }

    /// Breaks between words; what follows the first line is indented.
    private static func wrap(_ text: String, _ width: Int) -> [String] {
        let indent = "  "
        var lines: [String] = []
        var line = ""
        for word in words(text) {
            if !line.isEmpty, DisplayText.width(of: line + word) >= width {
                lines.append(line)
                line = indent + word
            } else {
                line += line.isEmpty ? word : " " + word
            }
        }
        lines.append(line)
        return lines
    }

    /// The words of a text; a number stays with its unit, and a few positions stay together.
    private static func words(_ text: String) -> [String] {
        let units: Set<Substring> = ["s", "min", "h", "d", "ms", "µs", "×"]
        var words: [String] = []
        for word in text.split(separator: " ", omittingEmptySubsequences: false) {
            let unit = word.prefix { $0.isLetter || $0 == "×" }
            let rest = word.dropFirst(unit.count)
            let isUnit =
                units.contains(unit) && rest.allSatisfy(\.isPunctuation)
                && words.last?.last?.isNumber ?? false
            let isPosition =
                words.last.map { $0.first == "[" && $0.last == "," && $0.count < 24 } ?? false
            if isUnit || isPosition {
                words[words.count - 1] += " " + word
            } else {
                words.append(String(word))
            }
        }
        return words
    }

    /// One object: `user`, `isKnown`, `at` (what was asked for, null for now), `position` and
    /// `time` of the newest event covered, `statements` (each `kind`, `text`, `positions`), and
    /// `losses` to deadlines (each `position`, `time`, `reason`, `since`, `allowedSeconds`,
    /// `outageSeconds`, `returnPosition`, `missedBySeconds`, `sufficientSeconds`; null where there
    /// is none).
    public static func json(_ explanation: Explanation) -> String {
        let bytes = JSONObjectWriter.bytes(reservingCapacity: 4_096) { object in
            object.string("user", explanation.user)
            object.bool("isKnown", explanation.isKnown)
            switch explanation.moment {
            case nil: object.null("at")
            case .position(let position): object.unsigned("at", position)
            case .time(let time): object.string("at", Timestamp.text(time))
            }
            object.unsigned("position", explanation.position)
            object.string("time", Timestamp.text(explanation.time))
            object.array("statements", explanation.statements) { object, statement in
                object.string("kind", statement.kind.rawValue)
                object.string("text", statement.text)
                let list = statement.positions.map(String.init).joined(separator: ",")
                object.json("positions", Array("[\(list)]".utf8))
            }
            object.array("losses", explanation.losses) { write($1, to: &$0) }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func write(_ loss: Explanation.Loss, to object: inout JSONObjectWriter) {
        func seconds(_ key: String, _ time: Microseconds?) {
            if let time { object.json(key, EventJSON.seconds(time)) } else { object.null(key) }
        }
        func position(_ key: String, _ position: Position) {
            if position == 0 { object.null(key) } else { object.unsigned(key, position) }
        }
        object.unsigned("position", loss.position)
        object.string("time", Timestamp.text(loss.time))
        object.string("reason", loss.reason.name)
        position("since", loss.since)
        seconds("allowedSeconds", loss.allowed)
        seconds("outageSeconds", loss.outage)
        position("returnPosition", loss.returnPosition)
        seconds("missedBySeconds", loss.missedBy)
        seconds("sufficientSeconds", loss.sufficient)
    }
}
