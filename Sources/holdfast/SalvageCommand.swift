import ArgumentParser
import Audit
import EventLog
import Ledger

struct SalvageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "salvage",
        abstract: "Make a ledger of what still verifies in a damaged one.",
        discussion: """
            For a log that verify finds damaged and no backup replaces. DIR is only read, and \
            must not be served meanwhile. NEW is a new or an empty directory.

            NEW holds the log from its first event to the first one that is lost, byte for byte, \
            and a new epoch behind it: session ids go on far above any that were handed out. \
            Sound batches behind the gap are in NEW/salvaged.jsonl, an event a line; what was \
            kept, what was lost and why is in NEW/salvage.json. Credentials and the keys that \
            open names come along as far as they are sound; heads are signed with a new key.

            Exits with 0 if everything known of was kept, with 1 if something was lost.

            EXAMPLE
              holdfast salvage --data ./ledger --to ./ledger-salvaged
            """)

    @Option(
        name: .customLong("to"), help: ArgumentHelp("The new directory.", valueName: "NEW"),
        completion: .directory)
    var target: String
    @Flag(
        name: .customLong("no-outage-compensation"),
        help: "Let deadlines run on through the time since.")
    var withoutCompensation = false
    @Option(name: .long, help: ArgumentHelp("Verify on N cores (default: all).", valueName: "N"))
    var threads: Int?
    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func validate() throws {
        if target.isEmpty { throw ValidationError("--to names no directory") }
        if let threads, threads < 1 { throw ValidationError("--threads takes a number from 1") }
    }

    func run() throws {
        var options = Salvage.Options()
        options.compensatesOutages = !withoutCompensation
        options.threads = threads
        // A directory without a log is told as everywhere else.
        try data.directory.requireLedger()
        let progress = PhaseProgress()
        defer { progress.end() }
        let new = DataDirectory(target)
        let report = try Salvage.run(data.directory, into: new, options: options) {
            progress.show("salvage: \($0.rawValue)", unit: $0.unit, $1, of: $2)
        }
        progress.end()
        show(report)
        guard report.isComplete else {
            throw CheckFailed(message: "not everything could be kept: see \(target)/salvage.json")
        }
    }

    private func show(_ report: SalvageReport) {
        if json.isOn {
            print(String(decoding: report.json.dropLast(), as: UTF8.self))
            return
        }
        if report.batchCount > 0 {
            print(
                "kept: \(report.eventCount) events in \(report.batchCount) batches, up to position "
                    + "\(report.head.position), \(Timestamp.text(report.head.time)); head "
                    + "\(report.head.hash)")
            print("a new epoch begins at position \(report.epochPosition)")
        } else {
            print("no log: the first batch is lost")
        }
        for range in report.exported {
            print(
                "in salvaged.jsonl: positions \(range.first) to \(range.last), "
                    + "\(range.eventCount) events")
        }
        for range in report.lost {
            print("lost: positions \(range.first) to \(range.last): \(range.reason)")
        }
        if report.isLedgerIdLost {
            print("whose log it was is lost: it has a new id, and no sealed name can be read")
        }
        switch report.keyOutcome {
        case "partial":
            print(
                "personal.keys is damaged: \(report.unopenedNameCount) names cannot be read any "
                    + "more")
        case "lost": print("personal.keys is lost, and with it every sealed name")
        default: break
        }
    }
}
