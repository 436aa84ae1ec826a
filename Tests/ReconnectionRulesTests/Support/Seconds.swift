import ReconnectionRules

/// Ledger time as stories write it: seconds, exact to the microsecond ("10", "99.999999").
enum Seconds {
    static func parse(_ text: some StringProtocol) throws -> Microseconds {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, let whole = Microseconds(parts[0]), whole >= 0 else {
            throw ScriptFault("'\(text)' is no time")
        }
        guard parts.count == 2 else { return .seconds(whole) }
        let digits = String(parts[1])
        guard digits.count <= 6, let fraction = Microseconds(digits), fraction >= 0 else {
            throw ScriptFault("'\(text)' is no time")
        }
        let padding = String(repeating: "0", count: 6 - digits.count)
        return .seconds(whole) + (Microseconds(digits + padding) ?? 0)
    }

    static func text(_ moment: Microseconds) -> String {
        guard moment >= 0 else { return "-" + text(-moment) }
        let whole = "\(moment / 1_000_000)"
        let fraction = moment % 1_000_000
        guard fraction != 0 else { return whole }
        var digits = String(String(1_000_000 + fraction).dropFirst())
        while digits.last == "0" { digits.removeLast() }
        return whole + "." + digits
    }
}

/// A script that says nothing the rules could be asked.
struct ScriptFault: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
