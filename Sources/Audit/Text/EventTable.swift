public import Ledger
public import ReconnectionRules

/// Events as a table: position, time, time since the event before, user, what happened.
///
/// The columns' widths are set before the first row, so that a table of any length can be printed
/// as it comes.
public struct EventTable: Sendable {
    private static let userColumnCountMax = 24
    private static let gapColumnCount = 11

    private let positionColumnCount: Int
    private let userColumnCount: Int
    private let timeColumnCount = 27

    /// For events up to position `last`, which concern `users`, the first some of them.
    public init(last: Position, users: some Sequence<String>) {
        positionColumnCount = max("position".utf8.count, "\(last)".utf8.count)
        let widest = users.map { DisplayText.width(of: $0) }.max() ?? 0
        userColumnCount = max(4, min(widest, Self.userColumnCountMax))
    }

    public var header: String {
        line("position", "time", "gap", "user", "what happened")
    }

    /// One event's row; `gap` is the time since the event before it. `paint` may colour what
    /// happened.
    public func row(
        _ named: NamedEvent, gap: Microseconds?,
        paint: (String, EventTone) -> String = { text, _ in text }
    ) -> String {
        let what = Self.harmless(EventSentence.text(named, withUser: false))
        return line(
            "\(named.event.position)", Timestamp.text(named.event.time),
            gap.map { "+" + DurationText.readable($0) } ?? "", named.user,
            paint(what, EventTone(named)))
    }

    private func line(
        _ position: String, _ time: String, _ gap: String, _ user: String, _ what: String
    ) -> String {
        DisplayText.padded(position, to: positionColumnCount, right: true) + "  "
            + DisplayText.padded(time, to: timeColumnCount) + "  "
            + DisplayText.padded(gap, to: Self.gapColumnCount, right: true) + "  "
            + DisplayText.padded(user, to: userColumnCount) + "  " + what
    }

    private static func harmless(_ text: String) -> String {
        text.allSatisfy(DisplayText.isHarmless)
            ? text : DisplayText.fitted(text, to: .max)
    }
}
