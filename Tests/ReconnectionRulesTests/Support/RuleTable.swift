import ReconnectionRules

/// A table of rules as text: three columns parted by `|`, action, what it finds, and the events
/// that come of it, each on a line of its own.
///
///     apply a P | reserved there, idle | granted P/1 reserved until 130
///               |                      | moved Q/1 idle
struct RuleTable {
    struct Row: Sendable, CustomStringConvertible {
        var action: String
        var finds: String
        var comes: [String]
        var description: String { "\(action) | \(finds)" }
    }

    private(set) var rows: [Row] = []

    init(_ text: String) {
        for line in text.split(separator: "\n") where !line.allSatisfy({ $0 == "-" }) {
            let columns = line.split(separator: "|", omittingEmptySubsequences: false)
                .map { $0.split(separator: " ").joined(separator: " ") }
            precondition(columns.count == 3, "a row has three columns: '\(line)'")
            if columns[0].isEmpty {
                rows[rows.count - 1].comes.append(columns[2])
            } else {
                rows.append(Row(action: columns[0], finds: columns[1], comes: [columns[2]]))
            }
        }
    }
}

/// What an action of the rule table finds. The action itself comes at 100, in a ledger that has the
/// projects P and Q (#1 to #4) with one concurrency each and the users a and b (#5, #6); the lock
/// takes 30 s, the window 90 s. "idle" says that the project asked for has an idle concurrency,
/// "full" that it has none, "there" that what comes before it is in the other project.
///
/// A row names circumstances parted by commas; each adds lines to what went before, those of `a`
/// first, so that its events keep their positions: `a`'s apply is #7, its first session #8.
enum Circumstance {
    private static let byName: [String: String] = [
        "nothing held": "",
        "idle": "",
        "reserved": "at 80 apply a P",
        "reserved until 140": "at 80 set P lock 60 \n at 80 apply a P \n at 80 set P lock 30",
        "connected": "at 50 apply a P \n at 50 session a",
        "unattended": "at 50 apply a P \n at 50 session a unattended",
        "waiting": "at 50 apply a P \n at 50 session a \n at 60 disconnect a",
        "waiting until 110": "at 20 apply a P \n at 20 session a \n at 20 disconnect a",
        // Waiting until 150, then applied for at 70: still reserved until 150.
        "reapplied":
            "at 50 apply a P \n at 50 session a \n at 60 disconnect a \n at 70 apply a P",
        // #8 is the older session, #9 the current one.
        "taken over": "at 50 apply a P \n at 50 session a \n at 55 session a",
        // #8 is the refused apply.
        "refused before": "at 40 apply b P \n at 41 apply a P \n at 42 destroy b",
        "refused, then connected": """
            at 40 apply b P
            at 41 apply a P
            at 42 destroy b
            at 50 apply a P
            at 50 session a
            """,
        "destroyed before": "at 50 apply a P \n at 50 session a \n at 60 destroy a 8",
        "recovering": """
            at 40 set P cleanup 80
            at 50 apply a P
            at 50 session a
            at 60 destroy a
            """,
        "lock ends now": "at 70 apply a P",
        "lock ends 1 µs later": "at 70.000001 apply a P",
        "window ends now": "at 10 apply a P \n at 10 session a \n at 10 disconnect a",
        "window ends 1 µs later":
            "at 10 apply a P \n at 10 session a \n at 10.000001 disconnect a",
        "cleaning ends now": """
            at 40 set P cleanup 40
            at 50 apply a P
            at 50 session a
            at 60 destroy a
            """,
        "cleaning ends 1 µs later": """
            at 40 set P cleanup 40
            at 50 apply a P
            at 50 session a
            at 60.000001 destroy a
            """,
        "full": "at 90 apply b P",
        "cleanup": "at 90 set P cleanup 20 \n at 90 set Q cleanup 20",
        "names required": "at 90 set P names required",
        "lowered": "at 90 set P concurrencies 0",
    ]

    static func script(_ finds: String) throws -> String {
        var script = """
            given project P concurrencies 1 => #1-#2
            given project Q concurrencies 1 => #3-#4
            given users a b => #5-#6

            """
        for name in try names(finds) {
            let there = name.hasSuffix(" there")
            guard let lines = byName[there ? String(name.dropLast(6)) : name] else {
                throw ScriptFault("'\(name)' is no circumstance")
            }
            script += (there ? lines.replacing("a P", with: "a Q") : lines) + "\n"
        }
        return script
    }

    /// The circumstances named; a name may hold a comma itself.
    private static func names(_ finds: String) throws -> [String] {
        var parts = finds.split(separator: ",").map {
            $0.split(separator: " ").joined(separator: " ")
        }
        var names: [String] = []
        while !parts.isEmpty {
            if parts.count > 1, byName["\(parts[0]), \(parts[1])"] != nil {
                names.append("\(parts[0]), \(parts[1])")
                parts.removeFirst(2)
            } else {
                names.append(parts.removeFirst())
            }
        }
        return names
    }
}
