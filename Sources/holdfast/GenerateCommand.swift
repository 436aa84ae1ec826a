import ArgumentParser
import Audit
import JSON
import Ledger
import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

struct GenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract: "Make a reconnect workload, in the form of a trace.",
        discussion: """
            People come, lose their connection or leave, and come back as real connection logs \
            say they do: 36 % of resets within 90 s, and so on (docs/workloads.md). The same seed \
            gives the same bytes on every machine. Without --output the trace goes to standard \
            output, and what was generated to standard error.

            EXAMPLES
              holdfast generate --days 30 --output trace.csv
              holdfast generate --users 100k --starts 2m --arrivals poisson --seed 7 \\
                --output big.csv --json
              holdfast generate --days 7 --mass-disconnects 1 --mass-share 0.8 > storm.csv
            """)

    @Option(name: .long, help: ArgumentHelp("How many people.", valueName: "COUNT"))
    var users = EventCount(argument: "500")!
    @Option(name: .long, help: ArgumentHelp("How long it is (default 30).", valueName: "D"))
    var days: Double?
    @Option(name: .long, help: ArgumentHelp("End after so many starts.", valueName: "COUNT"))
    var starts: EventCount?
    @Option(name: .long, help: ArgumentHelp("The same seed, the same bytes.", valueName: "N"))
    var seed: UInt64 = 1
    @Option(
        name: .long,
        help: ArgumentHelp(
            "When it begins (default 2026-01-01T00:00:00Z).", valueName: "DATE-TIME"))
    var from: TimeOption?
    @Option(name: .long, help: "How people come: diurnal, by the hour of the day; poisson.")
    var arrivals = ArrivalsOption.diurnal
    @Option(
        name: .long,
        help: ArgumentHelp("Visits of a user in a day, quick returns left out.", valueName: "R"))
    var visitsPerDay = 1.0
    @Option(
        name: .long, help: ArgumentHelp("Half of all sessions are shorter.", valueName: "TIME"))
    var session = Duration(argument: "1h")!
    @Option(
        name: .long,
        help: ArgumentHelp(
            "How soon people are back: published, or a file of ending,seconds,percentage.",
            valueName: "published|FILE"),
        completion: .file())
    var returnTimes = "published"
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Resets, ping timeouts and exits, in proportion.", valueName: "R,P,E"))
    var endings: EndingWeights?
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Ping timeouts whose user is back before they show (default 0.1157).",
            valueName: "SHARE"))
    var ghosts: Double?
    @Option(
        name: .long,
        help: ArgumentHelp("Mass disconnects a day.", valueName: "R"))
    var massDisconnects = 0.05
    @Option(
        name: .long,
        help: ArgumentHelp("Share of all that each of them drops.", valueName: "SHARE"))
    var massShare = 0.5
    @Option(
        name: .shortAndLong, help: ArgumentHelp("The file to write.", valueName: "FILE"),
        completion: .file())
    var output: String?
    @OptionGroup var force: ForceFlag
    @OptionGroup var json: JSONFlag

    func validate() throws {
        guard users.count <= 100_000_000 else {
            throw ValidationError("--users takes 1 to 100000000")
        }
        if let days, !(days > 0 && days <= 36_525) {
            throw ValidationError("--days takes more than 0, up to 36525")
        }
        if let output, output.isEmpty { throw ValidationError("--output names no file") }
        if let fault = workload.fault { throw ValidationError(fault) }
    }

    private var workload: Workload {
        var workload = Workload()
        workload.userCount = Int(min(users.count, 1 << 40))
        workload.seed = seed
        if let from { workload.begin = from.time }
        if days != nil || starts == nil {
            workload.length = Microseconds((days ?? 30) * 86_400_000_000)
        }
        workload.startCount = starts?.count
        workload.arrivals = arrivals == .poisson ? .poisson : .diurnal
        workload.visitsPerDay = visitsPerDay
        workload.sessionMedian = session.microseconds
        if let endings {
            (workload.resetWeight, workload.pingTimeoutWeight, workload.exitWeight) =
                (endings.weights[0], endings.weights[1], endings.weights[2])
        }
        if let ghosts { workload.ghostShare = ghosts }
        workload.massDisconnectsPerDay = massDisconnects
        workload.massDisconnectShare = massShare
        return workload
    }

    func run() throws {
        var workload = workload
        if returnTimes != "published" {
            workload.returnTimes = try Self.returnTimes(inFile: returnTimes)
        }
        if let output { try OutputFile.check(output, force) }
        let progress = Progress("generate", unit: starts == nil ? "hours" : "starts")
        let size: UInt64 = starts == nil ? 3_600_000_000 : 1
        let descriptor = try output.map(OutputFile.create) ?? STDOUT_FILENO
        let summary = try WorkloadGenerator.generate(
            workload, progress: { progress.show($0 / size, of: $1 / size) },
            write: { try OutputFile.write($0, to: descriptor, output ?? "standard output") })
        progress.end()
        if output != nil { try OutputFile.close(descriptor, output ?? "") }
        let text = json.isOn ? Self.json(summary) : Self.text(summary)
        if output == nil { Terminal.note(text) } else { print(text) }
    }

    private static func returnTimes(inFile path: String) throws -> ReturnTimes {
        let bytes = try InputFile.read(path, byteCountMax: 1 << 20)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CheckFailed(message: "\(path) is not UTF-8")
        }
        do { return try ReturnTimes(parsing: text) } catch {
            throw CheckFailed(message: "\(path): \(error)")
        }
    }

    private static func json(_ summary: WorkloadSummary) -> String {
        let bytes = JSONObjectWriter.bytes { object in
            for (name, value) in summary.rows { object.unsigned(name, value) }
            object.string("firstTime", Timestamp.text(summary.firstTime))
            object.string("lastTime", Timestamp.text(summary.lastTime))
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func text(_ summary: WorkloadSummary) -> String {
        var lines = summary.rows.map {
            HistoryText.pad($0.name, 20) + HistoryText.pad("\($0.value)", 12, left: true)
        }
        lines.append(HistoryText.pad("firstTime", 22) + Timestamp.text(summary.firstTime))
        lines.append(HistoryText.pad("lastTime", 22) + Timestamp.text(summary.lastTime))
        return lines.joined(separator: "\n")
    }
}

enum ArrivalsOption: String, CaseIterable, ExpressibleByArgument {
    case poisson, diurnal
}

extension EventCount {
    var defaultValueDescription: String { "\(count)" }
}

/// Three weights, separated by commas.
struct EndingWeights: ExpressibleByArgument {
    var weights: [Double]

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
        weights = parts.compactMap { Double($0) }
        guard parts.count == 3, weights.count == 3 else { return nil }
    }
}
