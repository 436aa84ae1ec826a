import ArgumentParser
import JSON
import Ledger
import Storm

struct StormCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "storm",
        abstract: "Drive a reconnect storm at an embedded ledger and print what it took.",
        discussion: """
            A reconnect is three recorded actions of one user: disconnect, apply, createSession. \
            Every answer is durable. The users (user000000000000 and on, in project storm) are \
            made in the data directory if they are not there. Name one of its own, on the disk to \
            be measured, and delete it afterwards: an event takes 84 bytes, five seconds about a \
            gigabyte. A directory that holds other projects is refused.

            MODES
              batch      callers hand in --batch reconnects at a time; latency is a batch's
              single     callers hand in one action at a time and wait for its answer
              deadlines  --users windows end evenly over a second, then all at once, while others
                         apply (about 90 s; a new directory)
              memory     resident bytes a user, known and waiting (a new directory)
              open       how long opening the directory takes as it stands
              read       states of users at past moments, cold and warm

            EXAMPLES
              holdfast storm --data ./storm
              holdfast storm --data ./storm --mode single --callers 1000 --json
              holdfast storm --data ./storm --rate 100000 --batch 16
            """)

    enum Mode: String, CaseIterable, ExpressibleByArgument {
        case batch, single, deadlines, memory, open, read
    }

    @OptionGroup var data: DataOption
    @Option(
        name: .long,
        help: """
            batch, single; deadlines that end together; memory of a user; time to open; read past \
            states.
            """)
    var mode: Mode = .batch
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
            "Instead of a time: until the log holds that many, as in 100m.",
            valueName: "COUNT"))
    var events: EventCount?
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Reconnects offered a second; latency counts from when each was due.", valueName: "R"))
    var rate: Double?
    @OptionGroup var checkpoints: CheckpointSpacingOption
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
            throw ValidationError("--seconds takes more than 0, up to 3600")
        }
        if let rate, !(rate > 0) { throw ValidationError("--rate takes a number above 0") }
    }

    func run() async throws {
        let progress = Progress("storm", unit: events == nil ? "users" : "steps")
        let tell: (Int, Int) -> Void = { progress.show(UInt64($0), of: UInt64($1)) }
        switch mode {
        case .batch, .single:
            let figures = try await Storm.reconnects(storm, in: data.path, progress: tell)
            progress.end()
            show(figures.write) { Self.text(figures) }
        case .deadlines:
            var storm = DeadlineStorm()
            storm.windows = users
            storm.seed = seed
            if let rate { storm.probesPerSecond = rate }
            let figures = try await storm.run(in: data.path, progress: tell)
            progress.end()
            show(figures.write, text: nil)
        case .memory:
            var storm = MemoryStorm()
            storm.users = users
            let figures = try await storm.run(in: data.path, progress: tell)
            progress.end()
            show(figures.write, text: nil)
        case .open:
            show(try await OpeningStorm().run(in: data.path).write, text: nil)
        case .read:
            var storm = ReadStorm()
            storm.users = users
            storm.seed = seed
            show(try storm.run(in: data.path).write, text: nil)
        }
    }

    private var storm: ReconnectStorm {
        var storm = ReconnectStorm()
        storm.mode = mode == .single ? .single : .batch
        storm.users = users
        storm.callers = callers
        storm.batch = batch
        storm.seconds = events == nil ? seconds : 86_400
        storm.eventCount = events?.count
        storm.rate = rate
        storm.seed = seed
        storm.keptCheckpoints = checkpoints.spacing
        return storm
    }

    private func show(_ fields: (inout JSONObjectWriter) -> Void, text: (() -> String)?) {
        if let text, !json.isOn { return print(text()) }
        print(String(decoding: JSONObjectWriter.bytes(fields), as: UTF8.self))
    }

    private static func text(_ figures: ReconnectFigures) -> String {
        func whole(_ value: Double) -> String { "\(Int(value.rounded()))" }
        if figures.reconnects == 0 { return "nothing to do: the log holds that many events" }
        return """
            reconnects/s  \(whole(figures.reconnectsPerSecond))
            events/s      \(whole(figures.eventsPerSecond))
            commits       \(figures.commits)
            events/commit \(figures.commits == 0 ? 0 : figures.events / figures.commits)
            latency of a \(figures.isBatch ? "batch" : "command")
            p50           \(whole(figures.latency(50))) µs
            p99           \(whole(figures.latency(99))) µs
            max           \(whole(figures.latency(100))) µs
            """
    }
}

/// A number of events as people write it: 1000000, 100k, 100m, 1g.
struct EventCount: ExpressibleByArgument {
    var count: UInt64

    init?(argument: String) {
        let units: [(Character, UInt64)] = [("k", 1_000), ("m", 1_000_000), ("g", 1_000_000_000)]
        let unit = units.first { argument.last == $0.0 }
        let digits = unit == nil ? argument[...] : argument.dropLast()
        guard let number = UInt64(digits) else { return nil }
        let (product, isTooLarge) = number.multipliedReportingOverflow(by: unit?.1 ?? 1)
        guard !isTooLarge, product > 0 else { return nil }
        count = product
    }
}
