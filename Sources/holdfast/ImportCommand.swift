import ArgumentParser
import Audit
import Ledger

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Play a trace into a ledger, or make one of an export.",
        discussion: """
            A trace is CSV with the header time,user,connection,action,reason in time order; \
            action is start, drop or close. The whole file is checked before anything is written. \
            It plays in its own time, in the project that --project and --concurrencies name. An \
            import broken off goes on where its last batch stood: type the same command again.

            An export is what holdfast export writes as jsonl. It makes the same ledger, events \
            and state, in a new or an empty directory. Every event has to be what the rules \
            decide; the first line that is not is refused, and nothing is left.

            EXAMPLES
              holdfast import trace.csv --data ./ledger --project cap-demo --concurrencies 60
              holdfast import events.jsonl --data ./copy
            """)

    @Argument(
        help: ArgumentHelp("The trace or the export.", valueName: "FILE"), completion: .file())
    var file: String
    @Option(
        name: .long,
        help: ArgumentHelp("The project to play a trace in.", valueName: "ID"))
    var project: String?
    @Option(name: .long, help: ArgumentHelp("That project's size.", valueName: "N"))
    var concurrencies: UInt32?
    @OptionGroup var settings: SettingsOptions
    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func validate() throws {
        if let fault = settings.change(concurrencies: concurrencies).fault {
            throw ValidationError(fault)
        }
    }

    func run() throws {
        _ = try data.directory.content()
        switch try ImportedForm.of(file) {
        case .export:
            let change = settings.change(concurrencies: concurrencies)
            guard project == nil, change == ProjectChange() else {
                throw ValidationError(
                    "\(file) is an export, which has its projects in it: leave --project and its "
                        + "settings out")
            }
            try importEvents()
        case .otherExport(let format):
            throw CheckFailed(
                message: "\(file) is an export as \(format.rawValue); only one as jsonl has "
                    + "everything in it and can be imported: holdfast export --format jsonl")
        case .trace:
            guard let project, let concurrencies else {
                throw ValidationError(
                    "a trace plays in a project: name it with --project ID --concurrencies N")
            }
            try importTrace(project, settings.change(concurrencies: concurrencies))
        }
        StatisticsText.print(LedgerStatistics(try LedgerReader(opening: data.path)), json.isOn)
    }

    private func importEvents() throws {
        let progress = Progress("import", unit: "bytes")
        defer { progress.end() }
        _ = try EventImporter(path: file).run(into: data.directory) { progress.show($0, of: $1) }
    }

    private func importTrace(_ project: String, _ change: ProjectChange) throws {
        var importer = try TraceImporter(
            trace: TraceReader(path: file), project: project, change: change)
        let progress = Progress("import", unit: "bytes")
        let report = try importer.run(into: data.directory) {
            progress.show(UInt64($0), of: UInt64($1))
        }
        progress.end()
        if report.resumedRowCount > 0, !json.isOn {
            Terminal.note(
                "\(report.resumedRowCount) of \(report.rowCount) rows were imported before")
        }
    }
}
