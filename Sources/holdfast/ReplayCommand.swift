import ArgumentParser
import Audit
import EventLog
import Ledger
import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

struct ReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Step through the events, forward and back, with the state beside them.",
        discussion: """
            On a terminal it opens a view that keys move: ? shows them, q leaves. With --from, \
            --to, --until or --json, and where there is no terminal, it prints each event with \
            the state after it.

            --until stops behind the first event it is true of, and exits with 1 if none comes.

            EXAMPLES
              holdfast replay --data ./ledger
              holdfast replay --user u1 --at 2026-11-23T21:00:00Z --data ./ledger
              holdfast replay --from 1200 --until 'user=u1 and kind=repossessed' \\
                --json --data ./ledger
            """)

    @Option(
        name: .long, help: ArgumentHelp("Begin at this moment.", valueName: "TIME|POSITION"))
    var at: MomentOption?
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Look at this user beside every event; print only its events.", valueName: "U"))
    var user: String?
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Look at this project beside every event; print only its events.", valueName: "ID"))
    var project: String?
    @Option(
        name: .long, help: ArgumentHelp("Print from this moment on.", valueName: "TIME|POSITION"))
    var from: MomentOption?
    @Option(
        name: .long,
        help: ArgumentHelp("Print up to and with this moment.", valueName: "TIME|POSITION"))
    var to: MomentOption?
    @Option(
        name: .long,
        help: ArgumentHelp("Print until an event that this is true of.", valueName: "CONDITION"),
        transform: { try ConditionOption.parse($0) })
    var until: EventCondition?
    @Option(name: .long, help: ArgumentHelp("Colour what is printed.", valueName: "WHEN"))
    var color = ColorOption.auto
    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    private var isPrinted: Bool { from != nil || to != nil || until != nil || json.isOn }

    func validate() throws {
        if at != nil, isPrinted {
            throw ValidationError("--at begins the view; to print, use --from and --to")
        }
    }

    func run() throws {
        let reader = try LedgerReader(opening: data.path)
        try FilterOptions.check(user: user, project: project, reader, data.path)
        if isPrinted || isatty(STDIN_FILENO) != 1 || isatty(STDOUT_FILENO) != 1 {
            try printEvents(reader)
            return
        }
        let progress = Progress("replay", unit: "events")
        let session = try ReplaySession(
            reader, at: at?.moment, user: user, project: project)
        progress.end()
        try ReplayTerminal(session).run()
    }

    private func printEvents(_ reader: LedgerReader) throws {
        var stream = ReplayStream()
        stream.filter.user = user
        stream.filter.project = project
        stream.filter.since = from?.moment
        stream.filter.until = to?.moment
        if let at {
            let position = try reader.event(at: at.moment).position
            stream.filter.since = .position(position)
            stream.filter.until = .position(position)
        }
        stream.stop = until
        stream.user = user
        let progress = Progress("replay", unit: "events")
        defer { progress.end() }
        let table = EventTable(last: reader.head.position, users: [user ?? "sixteen columns."])
        let paint = Paint(color)
        var previous: Microseconds?
        if !json.isOn { print(paint.header(table.header)) }
        let isMet = try stream.run(on: reader) {
            progress.show($0, of: $1)
        } _: { moment in
            progress.end()
            if json.isOn {
                print(ReplayJSON.line(moment))
                return true
            }
            let time = moment.named.event.time
            print(table.row(moment.named, gap: previous.map { time - $0 }, paint: paint.text))
            for line in ReplayText.lines(moment) {
                print(String(repeating: " ", count: 12) + line)
            }
            previous = time
            return true
        }
        if let until, !isMet {
            fflush(nil)
            throw CheckFailed(message: "no event that was replayed has \(until)")
        }
    }
}
