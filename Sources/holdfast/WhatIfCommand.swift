import ArgumentParser
import Audit
import JSON
import Ledger
import ReconnectionRules

struct WhatIfCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "whatif",
        abstract: "Decide the recorded actions again under other settings, and compare.",
        discussion: """
            Every combination of the values given is run; a setting that is not given stays as \
            recorded, with its recorded changes. The recorded settings are run too, to compare \
            with: a row of the table, and with --with-recorded the first object of --json. It \
            cannot know that people would have acted differently; what it does know, and what is \
            a bound, docs/what-if.md says.

            EXAMPLES
              holdfast whatif --reconnect-window 40s,90s,120s,1h --data ./ledger
              holdfast whatif --reconnect-window 90s,1h --concurrencies 60,80,110 \\
                --svg curve.svg --data ./ledger
              holdfast whatif --concurrencies 80 --users --json --data ./ledger
            """)

    @Option(
        name: .long,
        help: ArgumentHelp("The project; needed if there are several.", valueName: "ID"))
    var project: String?
    @Option(
        name: .long,
        help: ArgumentHelp("How long a vanished client's slot waits.", valueName: "TIME,..."))
    var reconnectWindow: DurationList?
    @Option(name: .long, help: ArgumentHelp("The project's size.", valueName: "N,..."))
    var concurrencies: NumberList?
    @Option(
        name: .long, help: ArgumentHelp("Time between apply and session.", valueName: "TIME,..."))
    var lockTimeout: DurationList?
    @Option(name: .long, help: ArgumentHelp("Cleaning after a session.", valueName: "TIME,..."))
    var cleanup: DurationList?
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Change the settings then, and count from then on.", valueName: "DATE-TIME"))
    var since: TimeOption?
    @Option(name: .long, help: ArgumentHelp("Stop then.", valueName: "DATE-TIME"))
    var until: TimeOption?
    @Flag(name: .long, help: "List who gained and who lost.")
    var users = false
    @Option(
        name: .long,
        help: ArgumentHelp(
            "How many to list of those who held a slot for days without a sign of life.",
            valueName: "N"))
    var silent = 0
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Draw returns against waiting hours into a file.", valueName: "FILE"),
        completion: .file())
    var svg: String?
    @OptionGroup var force: ForceFlag
    @Option(name: .long, help: ArgumentHelp("Cores to use (default all).", valueName: "N"))
    var threads: Int?
    @OptionGroup var data: DataOption
    @Flag(name: .customLong("json"), help: "Print JSON, an array of objects on a line.")
    var isJSON = false
    @Flag(name: .long, help: "Begin the array with the recorded settings.")
    var withRecorded = false

    func validate() throws {
        if let threads, !(1 ... 1_024).contains(threads) {
            throw ValidationError("--threads takes 1 to 1024")
        }
        guard (0 ... 100).contains(silent) else { throw ValidationError("--silent takes 0 to 100") }
        if let since, let until, since.time > until.time {
            throw ValidationError("--since is later than --until")
        }
        if changes.count > 10_000 { throw ValidationError("more than 10000 combinations") }
        for change in changes { if let fault = change.fault { throw ValidationError(fault) } }
        if let svg, svg.isEmpty { throw ValidationError("--svg names no file") }
        if withRecorded, !isJSON {
            throw ValidationError("--with-recorded goes with --json: the table shows them anyway")
        }
    }

    private var changes: [ProjectChange] {
        WhatIf.combinations(
            reconnectWindows: reconnectWindow?.values ?? [],
            concurrencyCounts: concurrencies?.values ?? [],
            lockTimeouts: lockTimeout?.values ?? [], cleanupTimes: cleanup?.values ?? [])
    }

    func run() throws {
        var question = WhatIf()
        question.project = project
        question.changes = changes
        question.since = since?.time
        question.until = until?.time
        question.threads = threads
        let reader = try LedgerReader(opening: data.path)
        if let svg { try OutputFile.check(svg, force) }
        let progress = Progress("whatif", unit: "events")
        let report = try question.run(on: reader) { progress.show($0, of: $1) }
        progress.end()
        if let svg { try OutputFile.write(Array(WhatIfChart.svg(report).utf8), to: svg) }
        if isJSON {
            print(
                WhatIfText.json(
                    report, users: users, silent: silent, withRecorded: withRecorded))
        } else {
            print(WhatIfText.text(report, users: users, silent: silent))
        }
    }
}

/// Lengths of time, separated by commas.
struct DurationList: ExpressibleByArgument {
    var values: [Microseconds] = []

    init?(argument: String) {
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            guard let value = Duration(argument: String(part))?.microseconds else { return nil }
            if !values.contains(value) { values.append(value) }
        }
    }
}

/// Whole numbers, separated by commas.
struct NumberList: ExpressibleByArgument {
    var values: [UInt32] = []

    init?(argument: String) {
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            guard let value = UInt32(part) else { return nil }
            if !values.contains(value) { values.append(value) }
        }
    }
}

/// A time as people write it: RFC 3339, at any offset from UTC.
struct TimeOption: ExpressibleByArgument {
    var time: Microseconds

    init?(argument: String) {
        guard let time = Timestamp.parseLocal(argument.utf8) else { return nil }
        self.time = time
    }
}
