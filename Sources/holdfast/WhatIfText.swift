import Audit
import JSON
import Ledger
import ReconnectionRules

/// What a what-if came to, as people and scripts read it.
enum WhatIfText {
    // MARK: - JSON

    /// An object for each combination; `withRecorded` puts the recorded settings before them.
    static func json(
        _ report: WhatIfReport, users: Bool, silent: Int, withRecorded: Bool
    ) -> String {
        let recorded = withRecorded ? [(report.recorded, true)] : []
        let objects = (recorded + report.outcomes.map { ($0, false) }).map { outcome, isRecorded in
            String(
                decoding: JSONObjectWriter.bytes(reservingCapacity: 1_024) { object in
                    write(outcome, in: report, users, silent, to: &object)
                    object.bool("isRecorded", isRecorded)
                }, as: UTF8.self)
        }
        return "[" + objects.joined(separator: ",") + "]"
    }

    private static func write(
        _ outcome: WhatIfOutcome, in report: WhatIfReport, _ users: Bool, _ silent: Int,
        to object: inout JSONObjectWriter
    ) {
        object.string("project", report.project)
        let settings = outcome.settings
        object.json("reconnectWindowSeconds", EventJSON.seconds(settings.reconnectWindow))
        object.unsigned("concurrencies", settings.concurrencyCount)
        object.json("lockTimeoutSeconds", EventJSON.seconds(settings.lockTimeout))
        object.json("cleanupTimeSeconds", EventJSON.seconds(settings.cleanupTime))
        object.strings("asRecorded", asRecorded(outcome.change))
        for (name, value) in outcome.statistics.rows { object.unsigned(name, value) }
        object.string("lastTime", Timestamp.text(outcome.statistics.lastTime))
        object.string("stateDigest", outcome.statistics.stateDigest)
        for (name, value) in outcome.rows { object.unsigned(name, value) }
        object.string("peakHeldTime", Timestamp.text(outcome.heldMaxTime))
        object.json("waitingHours", hours(outcome.waitingHours))
        object.json("heldHours", hours(outcome.heldHours))
        object.json("silentHours", hours(outcome.silentHours))
        let (resumed, recorded) = (
            Int64(outcome.statistics.counters.resumed),
            Int64(report.recorded.statistics.counters.resumed)
        )
        object.integer("resumedAgainstRecorded", resumed - recorded)
        if users {
            object.array("users", outcome.differences) { object, user in
                object.string("user", user.user)
                object.unsigned("returnsGained", user.returnsGained)
                object.unsigned("returnsLost", user.returnsLost)
                object.unsigned("grantsGained", user.grantsGained)
                object.unsigned("grantsLost", user.grantsLost)
            }
        }
        if silent > 0 {
            object.array("longestSilent", outcome.silentHoldings.prefix(silent)) {
                object, holding in
                object.string("user", holding.user)
                object.unsigned("concurrency", holding.concurrency)
                object.string("state", holding.state.name)
                object.string("since", Timestamp.text(holding.since))
                object.string("until", Timestamp.text(holding.until))
                object.bool("isOpen", holding.isOpen)
            }
        }
    }

    private static func asRecorded(_ change: ProjectChange) -> [String] {
        var names: [String] = []
        if change.reconnectWindow == nil { names.append("reconnectWindowSeconds") }
        if change.concurrencyCount == nil { names.append("concurrencies") }
        if change.lockTimeout == nil { names.append("lockTimeoutSeconds") }
        if change.cleanupTime == nil { names.append("cleanupTimeSeconds") }
        return names
    }

    private static func hours(_ hours: Double) -> [UInt8] {
        Array("\((hours * 1_000).rounded() / 1_000)".utf8)
    }

    // MARK: - Text

    private static let columns: [(title: String, width: Int)] = [
        ("window", 8), ("slots", 7), ("resumed", 9), ("repossessed", 13), ("refused", 9),
        ("taken over", 12), ("peak held", 11), ("waiting h", 11), ("held h", 11), ("gained", 8),
        ("lost", 6), ("assumed", 9), ("bounds", 8),
    ]

    static func text(_ report: WhatIfReport, users: Bool, silent: Int) -> String {
        var lines = ["project \(report.project)", ""]
        lines.append(columns.map { HistoryText.pad($0.title, $0.width, left: true) }.joined())
        lines.append(row(report.recorded) + "  recorded")
        let extras = extraSettings(report)
        for outcome in report.outcomes {
            let extra = extras.map { " \($0.name) \($0.value(outcome.settings))" }.joined()
            lines.append(row(outcome) + (extra.isEmpty ? "" : " " + extra))
        }
        lines.append("")
        lines += legend + (users ? usersLegend : [])
        lines += details(report.recorded, name: "as recorded", users: false, silent: silent)
        for outcome in report.outcomes where users || silent > 0 {
            let name =
                "window \(Duration.text(outcome.settings.reconnectWindow)), "
                + "\(outcome.settings.concurrencyCount) concurrencies"
            lines += details(outcome, name: name, users: users, silent: silent)
        }
        lines.append("")
        lines.append("What this cannot know:")
        for caveat in WhatIf.caveats { lines += wrapped("- " + caveat) }
        return lines.joined(separator: "\n")
    }

    private static let legend = [
        "waiting h, held h  concurrency-hours spent waiting for somebody, and held in all",
        "gained, lost       users with an attempt that ended better or worse than recorded",
        "assumed            sessions of applies that were refused in the record; bounds are",
        "                   those whose end no report names",
    ]

    private static let usersLegend = [
        "returns +1 -2      attempts of a user that got its own concurrency here and not in the",
        "                   record, and the other way round; resumed and taken over count these",
        "grants +1 -2       attempts that got another concurrency here and none in the record, and",
        "                   the other way round",
    ]

    private static func row(_ outcome: WhatIfOutcome) -> String {
        let counters = outcome.statistics.counters
        let cells = [
            Duration.text(outcome.settings.reconnectWindow),
            "\(outcome.settings.concurrencyCount)", "\(counters.resumed)",
            "\(counters.repossessed)", "\(counters.rejectedNoIdle)", "\(counters.takenOver)",
            "\(outcome.heldMax)", tenths(outcome.waitingHours), tenths(outcome.heldHours),
            "\(outcome.usersGained)", "\(outcome.usersLost)", "\(outcome.assumedSessionCount)",
            "\(outcome.boundCount)",
        ]
        return zip(cells, columns).map { HistoryText.pad($0, $1.width, left: true) }.joined()
    }

    /// Lock timeout and cleanup, where they are asked for.
    private static func extraSettings(
        _ report: WhatIfReport
    ) -> [(name: String, value: (ProjectSettings) -> String)] {
        var extras: [(name: String, value: (ProjectSettings) -> String)] = []
        if report.outcomes.contains(where: { $0.change.lockTimeout != nil }) {
            extras.append(("lock", { Duration.text($0.lockTimeout) }))
        }
        if report.outcomes.contains(where: { $0.change.cleanupTime != nil }) {
            extras.append(("cleanup", { Duration.text($0.cleanupTime) }))
        }
        return extras
    }

    private static func details(
        _ outcome: WhatIfOutcome, name: String, users: Bool, silent: Int
    ) -> [String] {
        var lines: [String] = []
        if outcome.heldMax > 0 {
            lines.append("first at its peak \(Timestamp.text(outcome.heldMaxTime))")
        }
        lines.append("repossessed: " + reasons(outcome.repossessions))
        if outcome.silentCount > 0 {
            lines.append(
                "held for a day and more without a sign of life: "
                    + "\(Words.count(outcome.silentCount, "time", isGrouped: false)), "
                    + "\(tenths(outcome.silentHours)) h")
            for holding in outcome.silentHoldings.prefix(silent) {
                lines.append(
                    "  \(holding.user) \(holding.state.name) on \(holding.concurrency), "
                        + "\(Timestamp.text(holding.since)) to \(Timestamp.text(holding.until))"
                        + (holding.isOpen ? ", still held" : ""))
            }
        }
        if users { lines += outcome.differences.map(difference) }
        return ["", name] + lines.map { "  " + $0 }
    }

    private static func reasons(_ counts: WhatIfOutcome.Repossessions) -> String {
        Words.count(counts.windowExpired, "window", isGrouped: false) + " expired, "
            + Words.count(counts.lockExpired, "lock", isGrouped: false) + " expired, "
            + "\(counts.moved) moved, \(counts.byOperator) by an operator"
    }

    private static func difference(_ user: WhatIfOutcome.UserDifference) -> String {
        "\(user.user): returns +\(user.returnsGained) -\(user.returnsLost), "
            + "grants +\(user.grantsGained) -\(user.grantsLost)"
    }

    private static func tenths(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }

    /// Breaks a paragraph at 78 columns; what follows its first line is indented by two.
    private static func wrapped(_ text: String) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ") {
            if line.count + 1 + word.count > 78, !line.isEmpty {
                lines.append(line)
                line = " "
            }
            line += (line.isEmpty ? "" : " ") + word
        }
        return lines + [line]
    }
}
