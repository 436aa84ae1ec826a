import ArgumentParser
import Audit
import Ledger

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Play a trace into a ledger, in the trace's own time, and print the counts.",
        discussion: """
            A trace is CSV with the header time,user,connection,action,reason in time order; \
            action is start, drop or close. The whole file is checked before anything is written. \
            An import broken off goes on where its last batch stood: type the same command again.

            EXAMPLE
              holdfast import trace.csv --data ./ledger --project cap-demo --concurrencies 60
            """)

    @Argument(help: ArgumentHelp("The trace.", valueName: "TRACE.csv"), completion: .file())
    var trace: String
    @Option(name: .long, help: ArgumentHelp("The project to play it in.", valueName: "ID"))
    var project: String
    @Option(name: .long, help: ArgumentHelp("The project's size.", valueName: "N"))
    var concurrencies: UInt32
    @OptionGroup var settings: SettingsOptions
    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func validate() throws {
        if let fault = settings.change(concurrencies: concurrencies).fault {
            throw ValidationError(fault)
        }
    }

    func run() throws {
        let change = settings.change(concurrencies: concurrencies)
        _ = try data.directory.content()
        var importer = try TraceImporter(
            trace: TraceReader(path: trace), project: project, change: change)
        let progress = Progress("import", unit: "bytes")
        let report = try importer.run(into: data.directory) {
            progress.show(UInt64($0), of: UInt64($1))
        }
        progress.end()
        if report.resumedRowCount > 0, !json.isOn {
            Terminal.note(
                "\(report.resumedRowCount) of \(report.rowCount) rows were imported before")
        }
        StatisticsText.print(LedgerStatistics(try LedgerReader(opening: data.path)), json.isOn)
    }
}
