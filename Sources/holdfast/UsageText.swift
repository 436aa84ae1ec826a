import ArgumentParser

/// What is said of words that are no command, or no value.
enum UsageText {
    // MARK: - Commands

    /// The command that words name, and the first of them that names none.
    struct Named {
        /// Without the program's own name.
        var path: [String] = []
        var stray: String?
        /// Commands that could have stood there.
        var others: [String] = []
    }

    /// Follows the words of a command line, without the program, as far as they name commands.
    static func command(in words: some Sequence<String>) -> Named {
        var words = Array(words)[...]
        if words.first == "help" { words.removeFirst() }
        var named = Named()
        var command: any ParsableCommand.Type = Holdfast.self
        while let word = words.popFirst(), !word.hasPrefix("-") {
            let commands = command.configuration.subcommands
            if commands.isEmpty { return named }
            guard
                let next = commands.first(where: { candidate in
                    candidate._commandName == word || candidate.configuration.aliases.contains(word)
                })
            else {
                named.stray = word
                named.others = commands.map { $0._commandName }
                return named
            }
            named.path.append(next._commandName)
            command = next
        }
        return named
    }

    /// Where to read on.
    static func help(_ path: [String]) -> String {
        (["see holdfast help"] + path).joined(separator: " ")
    }

    /// What is wrong with a command there is not; nil where every command is one.
    static func fault(of named: Named) -> String? {
        guard let stray = named.stray else { return nil }
        let name = (named.path + [stray]).joined(separator: " ")
        let meant = nearest(to: stray, among: named.others)
        if meant.isEmpty { return "no command \(name); \(help(named.path))" }
        let names = meant.map { (named.path + [$0]).joined(separator: " ") }
        return "no command \(name); did you mean \(names.joined(separator: " or "))?"
    }

    /// The words that can have been meant: they begin like that, or take the fewest changes, and
    /// few.
    static func nearest(to word: String, among others: [String]) -> [String] {
        let word = word.lowercased()
        let longer = word.count < 2 ? [] : others.filter { $0.hasPrefix(word) }
        if !longer.isEmpty { return longer }
        let near = others.map { (name: $0, changes: changeCount(word, $0)) }
            .filter { $0.changes <= max(1, min(word.count, $0.name.count) / 3) }
        let least = near.map(\.changes).min()
        return near.filter { $0.changes == least }.map(\.name)
    }

    /// Letters to put in, take out, change or swap with their neighbour, to make one word of the
    /// other.
    private static func changeCount(_ first: String, _ second: String) -> Int {
        let (first, second) = (Array(first), Array(second))
        var rows = [Array(0 ... second.count)]
        for row in first.indices {
            var next = [row + 1]
            for column in second.indices {
                let isSame = first[row] == second[column]
                var least = min(
                    rows[row][column] + (isSame ? 0 : 1), rows[row][column + 1] + 1,
                    next[column] + 1)
                if row > 0, column > 0, first[row] == second[column - 1],
                    first[row - 1] == second[column]
                {
                    least = min(least, rows[row - 1][column - 1] + 1)
                }
                next.append(least)
            }
            rows.append(next)
        }
        return rows[first.count][second.count]
    }

    // MARK: - Values

    /// What a value of each name looks like, the names as the help shows them.
    static let forms: [String: String] = [
        "TIME|POSITION": "a position (1200), or a time with seconds and offset "
            + "(2026-11-23T21:05:00+01:00, 2026-11-23T20:05:00Z)",
        "DATE-TIME": "a time with seconds and offset (2026-11-23T21:05:00+01:00, "
            + "2026-11-23T20:05:00Z)",
        "TIME": "a length of time (90s, 1.5m, 2h, 500ms)",
        "TIME,...": "lengths of time (40s,90s,2m,1h)",
        "POSITION": "a position (1200)", "position": "a position (1200)",
        "N": "a whole number (60)", "N,...": "whole numbers (60,80,110)",
        "COUNT": "a whole number (500, 100k, 2m)", "number": "a whole number (3)",
        "ID": "a session's number (1204)",
        "D": "a number of days (30, 0.5)", "S": "a number of seconds (5, 0.5)",
        "R": "a number (1.5, 20)", "SHARE": "a share of 1 (0.25)",
        "R,P,E": "three numbers (60,25,15)",
        "HOST:PORT": "an address (127.0.0.1:8080)",
        "ROLES": "roles, by commas (call, operate, audit, administer)",
        "off|vendor|N/N": "off, vendor, or requests a second of session calls and of others "
            + "(100/20)",
    ]

    /// Goes on from what the argument parser says of a value, with the form it should have had:
    /// it names the option and what it takes, `'--at <TIME|POSITION>'`, and ends there.
    static func withForm(_ message: String) -> String {
        guard message.hasPrefix("The value '") || message.hasPrefix("Missing value for '"),
            message.hasSuffix(">'"), let start = message.lastIndex(of: "<")
        else { return message }
        let name = message[message.index(after: start)...].dropLast(2)
        // Other IDs are any text: of these only a missing one is wrong.
        if name == "ID", message.hasPrefix("Missing") { return message }
        return forms[String(name)].map { "\(message): it takes \($0)" } ?? message
    }
}
