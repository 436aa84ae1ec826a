import ArgumentParser
import Audit
import Ledger

struct StatsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats", abstract: "Counts over the whole log, and the state's digest.",
        discussion: "EXAMPLE\n  holdfast stats --json --data ./ledger")

    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func run() throws {
        let reader = try LedgerReader(opening: data.path, needsNames: false)
        StatisticsText.print(LedgerStatistics(reader), json.isOn)
    }
}
