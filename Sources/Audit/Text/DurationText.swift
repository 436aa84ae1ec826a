public import ReconnectionRules

/// Lengths of time for people.
public enum DurationText {
    /// `90s`, `1.5s`, `2h`: exact, and as an option takes it.
    public static func exact(_ time: Microseconds) -> String {
        for (size, unit) in [
            (3_600_000_000 as Microseconds, "h"), (60_000_000, "m"), (1_000_000, "s"),
        ] where time != 0 && time % size == 0 {
            return "\(time / size)\(unit)"
        }
        if time == 0 { return "0s" }
        if time % 1_000 == 0, time.magnitude < 1_000_000 { return "\(time / 1_000)ms" }
        var fraction = String(time.magnitude % 1_000_000)
        fraction = String(repeating: "0", count: 6 - fraction.count) + fraction
        while fraction.hasSuffix("0") { fraction.removeLast() }
        return (time < 0 ? "-" : "") + "\(time.magnitude / 1_000_000).\(fraction)s"
    }

    /// `2d 4h`, `3h 07m`, `1m 30s`, `12.3s`, `52ms`, `250us`: two places of what matters, cut, at
    /// most 11 columns within 10,000 years.
    public static func readable(_ time: Microseconds) -> String {
        let sign = time < 0 ? "-" : ""
        let microseconds = time.magnitude
        let seconds = microseconds / 1_000_000
        func two(_ value: UInt64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        switch microseconds {
        case 0: return "0s"
        case ..<1_000: return sign + "\(microseconds)us"
        case ..<1_000_000: return sign + "\(microseconds / 1_000)ms"
        case ..<60_000_000:
            let tenth = microseconds / 100_000 % 10
            return sign + "\(seconds)" + (tenth == 0 ? "s" : ".\(tenth)s")
        case ..<3_600_000_000: return sign + "\(seconds / 60)m \(two(seconds % 60))s"
        case ..<86_400_000_000: return sign + "\(seconds / 3_600)h \(two(seconds / 60 % 60))m"
        default: return sign + "\(seconds / 86_400)d \(two(seconds / 3_600 % 24))h"
        }
    }
}
