import ArgumentParser
import Ledger
import ReconnectionRules

struct HistoryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "Every event of a user or of a concurrency, oldest first.",
        discussion: """
            EXAMPLES
              holdfast history u1 --data ./ledger
              holdfast history u1 --limit 20 --newest-first --json --data ./ledger
              holdfast history --project cap-demo --concurrency 7 --data ./ledger
            """)

    @Argument(help: "The UserId.") var user: String?
    @Option(name: .long, help: ArgumentHelp("A project, with --concurrency.", valueName: "ID"))
    var project: String?
    @Option(name: .long, help: ArgumentHelp("A concurrency of the project.", valueName: "N"))
    var concurrency: ConcurrencyNumber?
    @Option(name: .long, help: ArgumentHelp("Only the newest N events.", valueName: "N"))
    var limit: Int?
    @Option(
        name: .long, help: ArgumentHelp("Only events before this position.", valueName: "POSITION"))
    var before: Position?
    @Flag(name: .long, help: "Newest first.") var newestFirst = false
    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit takes a number from 1") }
        if (user == nil) == (concurrency == nil) || (concurrency != nil) != (project != nil) {
            throw ValidationError("name a user, or --project ID and --concurrency N")
        }
    }

    func run() throws {
        let reader = try LedgerReader(opening: data.path)
        var events = try select(reader)
        if !newestFirst { events.reverse() }
        var previous: Microseconds?
        for named in events {
            if json.isOn {
                print(EventJSON.line(named))
            } else {
                print(HistoryText.row(named, after: previous))
                previous = named.event.time
            }
        }
    }

    private func select(_ reader: LedgerReader) throws -> [NamedEvent] {
        let limit = limit ?? .max
        if let concurrency, let project {
            return try reader.history(
                ofConcurrency: concurrency, inProject: project, before: before, limit: limit)
        }
        let user = user ?? ""
        guard reader.user(user) != nil else {
            throw CheckFailed(
                message: "no user \(user) in \(data.path); names are compared byte by byte")
        }
        return try reader.history(ofUser: user, before: before, limit: limit)
    }
}
