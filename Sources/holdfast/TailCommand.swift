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

struct TailCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tail", abstract: "The newest events, and with -f those to come.",
        discussion: """
            With -f it follows a log that a server writes, until interrupted; start again with \
            --after and the last position you handled.

            EXAMPLES
              holdfast tail --data ./ledger
              holdfast tail -f --after 1200 --json --data ./ledger
            """)

    @Flag(name: [.customShort("f"), .long], help: "Wait for more.") var follow = false
    @Option(name: .customShort("n"), help: ArgumentHelp("How many to begin with.", valueName: "N"))
    var count: UInt64 = 10
    @Option(
        name: .long,
        help: ArgumentHelp("Begin behind this position instead.", valueName: "POSITION"))
    var after: Position?
    @Option(name: .long, help: ArgumentHelp("Colour the table.", valueName: "WHEN"))
    var color = ColorOption.auto
    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func run() throws {
        let reader = try LedgerReader(opening: data.path)
        let start = try after ?? reader.position(beforeNewest: count)
        let follower = LogFollower(reader, after: start)
        let printer = HistoryPrinter(
            last: reader.head.position, isJSON: json.isOn, isNewestFirst: false,
            paint: Paint(color))
        while true {
            try follower.poll { printer.take($0) }
            printer.flush()
            guard Terminal.isPrintedComplete else {
                throw CheckFailed(message: "cannot write to standard output")
            }
            if !follow { return }
            while !follower.hasNews { usleep(20_000) }
        }
    }
}
