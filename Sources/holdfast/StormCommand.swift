public import ArgumentParser
import JSON
import Ledger
public import Storm

struct StormCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "storm",
        abstract: "Drive a reconnect storm at an embedded ledger and print what it took.",
        discussion: """
            A reconnect is three recorded actions of one user: disconnect, apply, createSession. \
            Every answer is durable. The users are made in the data directory if they are not \
            there; name one on the disk to be measured.

            EXAMPLES
              holdfast storm --data ./storm
              holdfast storm --data ./storm --mode single --callers 1000 --json
              holdfast storm --data ./storm --rate 100000 --batch 16
            """)

    @OptionGroup var data: DataOption
    @Option(name: .long, help: "batch or single.")
    var mode: ReconnectStorm.Mode = .batch
    @Option(name: .long, help: ArgumentHelp("How many users.", valueName: "N"))
    var users = 1_000_000
    @Option(name: .long, help: ArgumentHelp("How many callers at once.", valueName: "N"))
    var callers = 4
    @Option(name: .long, help: ArgumentHelp("Reconnects in a batch.", valueName: "N"))
    var batch = 4_096
    @Option(name: .long, help: ArgumentHelp("How long to measure.", valueName: "S"))
    var seconds = 5.0
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Reconnects offered a second; latency counts from when each was due.", valueName: "R"))
    var rate: Double?
    @Option(name: .long, help: ArgumentHelp("Seed of the users' order.", valueName: "N"))
    var seed: UInt64 = 1
    @OptionGroup var json: JSONFlag

    func validate() throws {
        guard (1 ... 16_000_000).contains(users) else {
            throw ValidationError("--users takes 1 to 16000000")
        }
        guard (1 ... 100_000).contains(callers), callers <= users else {
            throw ValidationError("--callers takes 1 to 100000, and at most as many as users")
        }
        guard (1 ... 100_000).contains(batch) else {
            throw ValidationError("--batch takes 1 to 100000")
        }
        guard seconds > 0, seconds <= 3_600 else {
            throw ValidationError("--seconds takes up to 3600")
        }
        if let rate, !(rate > 0) { throw ValidationError("--rate takes a number above 0") }
    }

    func run() async throws {
        var storm = ReconnectStorm()
        storm.mode = mode
        storm.users = users
        storm.callers = callers
        storm.batch = batch
        storm.seconds = seconds
        storm.rate = rate
        storm.seed = seed
        let progress = Progress("users", unit: "users")
        let figures = try await Storm.reconnects(storm, in: data.path) {
            progress.show(UInt64($0), of: UInt64($1))
        }
        progress.end()
        if json.isOn {
            let line = JSONObjectWriter.bytes { figures.write(to: &$0) }
            print(String(decoding: line, as: UTF8.self))
        } else {
            printTable(figures)
        }
    }

    private func printTable(_ figures: ReconnectFigures) {
        func whole(_ value: Double) -> String { "\(Int(value.rounded()))" }
        print(
            """
            reconnects/s  \(whole(figures.reconnectsPerSecond))
            events/s      \(whole(figures.eventsPerSecond))
            commits       \(figures.commits)
            events/commit \(figures.commits == 0 ? 0 : figures.events / figures.commits)
            p50           \(whole(figures.latency(50))) µs
            p99           \(whole(figures.latency(99))) µs
            max           \(whole(figures.latency(100))) µs
            """)
    }
}

extension ReconnectStorm.Mode: ExpressibleByArgument {}
