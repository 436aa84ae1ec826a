import Ledger
public import ReconnectionRules

/// Times, lengths of time and callers as people say them.
public enum Words {
    /// A length of time to the precision that matters: microseconds below a millisecond,
    /// thousandths below two minutes, whole seconds below an hour, minutes below two days, hours
    /// above. Signs are dropped.
    ///
    /// `250 ms`, `12.4 s`, `3 min 20 s`, `5 h 12 min`, `12 d 3 h`.
    public static func duration(_ length: Microseconds) -> String {
        let length = length.magnitude
        switch length {
        case 0: return "0 s"
        case ..<1_000: return "\(length) µs"
        case ..<120_000_000: return seconds(length)
        case ..<3_600_000_000: return pair(rounded(length, 1_000_000), 60, "min", "s")
        case ..<172_800_000_000: return pair(rounded(length, 60_000_000), 60, "h", "min")
        default: return pair(rounded(length, 3_600_000_000), 24, "d", "h")
        }
    }

    /// A length of time with everything it has: `1 h 1 s`, `90 s`, `2 min 0.5 s`. For settings and
    /// limits, where the last second decides. Signs are dropped.
    public static func exactDuration(_ length: Microseconds) -> String {
        var rest = length.magnitude
        if rest == 0 { return "0 s" }
        if rest <= 120_000_000 { return fraction(rest) }
        var parts: [String] = []
        for (size, unit) in [
            (3_600_000_000 as UInt64, "h"), (60_000_000, "min"),
        ] where rest >= size {
            parts.append("\(rest / size) \(unit)")
            rest %= size
        }
        if rest > 0 { parts.append(fraction(rest)) }
        return parts.joined(separator: " ")
    }

    /// A moment as it can be typed after `--at`: RFC 3339 in UTC with no more digits than it needs.
    public static func time(_ moment: Microseconds) -> String {
        var text = Timestamp.text(moment)
        guard text.hasSuffix("Z") else { return text }
        text.removeLast()
        while text.hasSuffix("0") { text.removeLast() }
        // Only the digits after the point may go: a whole second keeps its own.
        if text.hasSuffix(".") { text.removeLast() }
        return text + "Z"
    }

    /// Who called, after "by".
    public static func caller(_ caller: Caller) -> String {
        switch caller {
        case .ledger: "the ledger itself"
        case .library: "the embedding process"
        case .commandLine: "the command line"
        case .trace: "the trace"
        case .anonymous: "a request without credentials"
        default:
            caller.credentialNumber.map { "credential \($0)" } ?? "caller \(caller.rawValue)"
        }
    }

    /// `1 event`, `2 events`, `3 concurrencies`, `12,771 batches`, or `12771 batches`.
    public static func count(
        _ number: some BinaryInteger, _ what: String, isGrouped: Bool = true
    ) -> String {
        if number == 1 { return "1 \(what)" }
        var plural = what.hasSuffix("y") ? what.dropLast() + "ies" : what + "s"
        if what.hasSuffix("ch") { plural = what + "es" }
        return "\(isGrouped ? grouped(number) : "\(number)") \(plural)"
    }

    /// `a`, `a and b`, `a, b and c`.
    public static func list(_ parts: [String]) -> String {
        guard let last = parts.last, parts.count > 1 else { return parts.first ?? "" }
        return parts.dropLast().joined(separator: ", ") + " and " + last
    }

    /// `12,771`.
    public static func grouped(_ number: some BinaryInteger) -> String {
        var digits = Array(String(number))
        var index = digits.count - 3
        while index > 0, digits[index - 1].isNumber {
            digits.insert(",", at: index)
            index -= 3
        }
        return String(digits)
    }

    // MARK: - Private

    private static func rounded(_ length: UInt64, _ unit: UInt64) -> UInt64 {
        (length + unit / 2) / unit
    }

    private static func seconds(_ length: UInt64) -> String {
        length < 1_000_000 ? milliseconds(length) : fraction(rounded(length, 1_000) * 1_000)
    }

    private static func milliseconds(_ length: UInt64) -> String {
        let whole = rounded(length, 1_000)
        return whole < 1_000 ? "\(whole) ms" : "1 s"
    }

    private static func fraction(_ length: UInt64) -> String {
        var digits = String(length % 1_000_000)
        digits = String(repeating: "0", count: 6 - digits.count) + digits
        while digits.hasSuffix("0") { digits.removeLast() }
        return "\(length / 1_000_000)" + (digits.isEmpty ? "" : "." + digits) + " s"
    }

    private static func pair(
        _ length: UInt64, _ size: UInt64, _ unit: String, _ smaller: String
    ) -> String {
        let (whole, rest) = length.quotientAndRemainder(dividingBy: size)
        return rest == 0 ? "\(whole) \(unit)" : "\(whole) \(unit) \(rest) \(smaller)"
    }
}
