import ArgumentParser
import Audit
import Ledger

struct StatsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats",
        abstract: "Counts over the whole log, the state's digest, and what it takes on disk.",
        discussion: """
            Growth is over the last day, the last week and the whole life, in ledger time that \
            ends with the newest event; a ledger younger than a day has its whole life counted. \
            A kept checkpoint that is not used is named on standard error.

            EXAMPLE
              holdfast stats --json --data ./ledger
            """)

    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func run() throws {
        let reader = try LedgerReader(opening: data.path, needsNames: false)
        let storage = try StorageStatistics(reader)
        StatisticsText.print(LedgerStatistics(reader), json.isOn, storage)
        for fault in storage.checkpointFaults { Terminal.error("warning: \(fault)") }
        data.warnOfHalfImport()
    }
}
