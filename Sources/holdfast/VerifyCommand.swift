import ArgumentParser
import Audit
import EventLog
import JSON
import Ledger

struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Check pages, hashes, chain, back-pointers, and that the rules decide the same.",
        discussion: """
            Names the first bad position and exits with 1 if anything is wrong.

            --without-rules leaves out the slowest part: that the recorded actions, decided \
            again, come to what is recorded.

            EXAMPLES
              holdfast verify --data ./ledger
              holdfast verify --without-rules --json --data ./ledger
            """)

    @Flag(name: .long, help: "Check the chain and the pointers, decide nothing again.")
    var withoutRules = false
    @Option(name: .long, help: ArgumentHelp("Use N cores (default: all).", valueName: "N"))
    var threads: Int?

    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func validate() throws {
        if let threads, threads < 1 { throw ValidationError("--threads takes a number from 1") }
    }

    func run() throws {
        let progress = Progress("verify", unit: "events")
        defer { progress.end() }
        do {
            let verify = withoutRules ? Verifier.verifyChain : Verifier.verify
            let report = try verify(data.directory, threads) { progress.show($0, of: $1) }
            progress.end()
            show(report)
            for fault in report.checkpointFaults { Terminal.error("warning: \(fault)") }
        } catch let error as LogError {
            progress.end()
            guard case .corrupt(let position) = error.code else { throw error }
            if json.isOn {
                let bytes = JSONObjectWriter.bytes { object in
                    object.bool("isSound", false)
                    object.unsigned("badPosition", position)
                    object.string("fault", error.message)
                }
                print(String(decoding: bytes, as: UTF8.self))
            }
            throw CheckFailed(message: error.message)
        }
    }

    private func show(_ report: VerifyReport) {
        let times = report.times
        let perSecond = VerifyTimes.rate(report.eventCount, times.wall)
        if json.isOn {
            let bytes = JSONObjectWriter.bytes { object in
                object.bool("isSound", true)
                object.unsigned("events", report.eventCount)
                object.unsigned("batches", report.batchCount)
                object.string("head", report.head.hash.description)
                if report.hasRules {
                    object.string("stateDigest", report.stateDigest.description)
                } else {
                    object.null("stateDigest")
                }
                object.unsigned("checkpoints", UInt64(report.keptCheckpointCount))
                object.strings("checkpointFaults", report.checkpointFaults.map(\.description))
                object.json("seconds", Seconds.json(times.wall))
                object.unsigned("eventsPerSecond", UInt64(perSecond))
                object.json("pageSeconds", Seconds.json(times.pages))
                for (name, seconds) in parts(times) {
                    object.json("\(name)CoreSeconds", Seconds.json(seconds))
                    object.unsigned(
                        "\(name)EventsPerCoreSecond",
                        UInt64(VerifyTimes.rate(report.eventCount, seconds)))
                }
            }
            print(String(decoding: bytes, as: UTF8.self))
        } else {
            print(
                "sound: \(report.eventCount) events in \(report.batchCount) batches, "
                    + "\(report.pageCount) pages; head \(report.head.hash)")
            guard report.eventCount > 0 else { return }
            let rates = parts(times).map { name, seconds in
                "\(name) \(Progress.short(VerifyTimes.rate(report.eventCount, seconds)))/s a core"
            }
            print(
                "\(Seconds.text(times.wall)) s, \(Progress.short(perSecond)) events/s; "
                    + rates.joined(separator: ", ")
                    + (report.hasRules ? "" : "; the rules were left out"))
        }
    }

    private func parts(_ times: VerifyTimes) -> [(name: String, seconds: Double)] {
        [("chain", times.chain), ("pointers", times.pointers)]
            + (times.rules.map { [("rules", $0)] } ?? [])
    }
}
