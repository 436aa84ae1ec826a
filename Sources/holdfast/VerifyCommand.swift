import ArgumentParser
import Audit
import EventLog
import JSON
import Ledger
import Proofs
import ReconnectionRules

struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Check pages, hashes, chain, back-pointers, and that the rules decide the same.",
        discussion: """
            Names the first bad position and exits with 1 if anything is wrong.

            A log can be rewritten so that all of it fits. --kept holds it to heads that \
            somebody outside kept (see holdfast head and serve --publish-heads): it has to \
            contain every one of them. --key makes sure that they are the owner's.

            --without-rules leaves out the slowest part: that the recorded actions, decided \
            again, come to what is recorded.

            EXAMPLES
              holdfast verify --data ./ledger
              holdfast verify --kept heads --key "$KEY" --data ./ledger
              holdfast verify --without-rules --json --data ./ledger
            """)

    @Flag(name: .long, help: "Check the chain and the pointers, decide nothing again.")
    var withoutRules = false
    @Option(name: .long, help: ArgumentHelp("Use N cores (default: all).", valueName: "N"))
    var threads: Int?
    @Option(
        name: .long, help: ArgumentHelp("Heads that somebody kept.", valueName: "FILE"),
        completion: .file())
    var kept: String?
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The owner's public key (default: that of DIR/head.key, if it can be read).",
            valueName: "KEY"))
    var key: String?

    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func validate() throws {
        if let threads, threads < 1 { throw ValidationError("--threads takes a number from 1") }
        if key != nil, kept == nil { throw ValidationError("--key goes with --kept FILE") }
    }

    func run() throws {
        let progress = Progress("verify", unit: "events")
        defer { progress.end() }
        do {
            let verify = withoutRules ? Verifier.verifyChain : Verifier.verify
            let heads = try kept.map { try HeadsFile.read($0) } ?? []
            let report = try verify(
                data.directory, heads, try key.map { try VerifierKey($0) }, threads
            ) { progress.show($0, of: $1) }
            progress.end()
            show(report)
            for fault in report.checkpointFaults { Terminal.error("warning: \(fault)") }
            data.warnOfHalfImport()
            if let fault = report.viewsFault {
                Terminal.error(
                    "warning: \(fault); the next opening folds the view from the log again")
            }
            if report.hasDamagedSignOfLife {
                Terminal.error(
                    "warning: the newest sign of life is damaged; the next outage is counted from "
                        + "an earlier one")
            }
            if let fault = report.keyFaults.first {
                for other in report.keyFaults.dropFirst() { Terminal.error(other) }
                throw CheckFailed(message: fault)
            }
        } catch let error as LogError {
            progress.end()
            guard case .corrupt(let position) = error.code else { throw error }
            if json.isOn {
                let bytes = JSONObjectWriter.bytes { object in
                    object.bool("isSound", false)
                    object.unsigned("badPosition", position)
                    if let event = Verifier.event(atFault: position, in: data.directory) {
                        object.string("kind", event.kind.name)
                        object.string("outcome", event.outcome.name)
                    } else {
                        object.null("kind")
                        object.null("outcome")
                    }
                    object.string("fault", error.message)
                }
                print(String(decoding: bytes, as: UTF8.self))
            }
            throw CheckFailed(message: error.message)
        } catch let error as ProofError {
            progress.end()
            let place = error.message.hasPrefix("line") ? "\(kept ?? ""), " : ""
            throw CheckFailed(message: place + error.message)
        }
    }

    private func show(_ report: VerifyReport) {
        if json.isOn {
            showObject(report)
        } else {
            showText(report)
        }
    }

    private func showObject(_ report: VerifyReport) {
        let times = report.times
        let perSecond = VerifyTimes.rate(report.eventCount, times.wall)
        let bytes = JSONObjectWriter.bytes { object in
            object.bool("isSound", true)
            object.unsigned("events", report.eventCount)
            object.unsigned("batches", report.batchCount)
            object.string("head", report.head.hash.description)
            object.unsigned("users", UInt64(report.userCount))
            object.unsigned("forgotten", UInt64(report.forgottenCount))
            object.unsigned("unopenedNames", UInt64(report.unopenedNameCount))
            if report.hasRules {
                object.string("stateDigest", report.stateDigest.description)
            } else {
                object.null("stateDigest")
            }
            object.unsigned("keptHeads", UInt64(report.keptHeadCount))
            if let hasOwnHead = report.hasOwnHead {
                object.bool("hasOwnHead", hasOwnHead)
            } else {
                object.null("hasOwnHead")
            }
            object.unsigned("checkpoints", UInt64(report.keptCheckpointCount))
            object.strings("checkpointFaults", report.checkpointFaults.map(\.description))
            if let fault = report.viewsFault {
                object.string("viewsFault", fault)
            } else {
                object.null("viewsFault")
            }
            object.bool("hasDamagedSignOfLife", report.hasDamagedSignOfLife)
            object.strings("keyFaults", report.keyFaults)
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
    }

    private func showText(_ report: VerifyReport) {
        let times = report.times
        let perSecond = VerifyTimes.rate(report.eventCount, times.wall)
        print(
            "sound: " + Words.count(report.eventCount, "event", isGrouped: false) + " in "
                + Words.count(report.batchCount, "batch", isGrouped: false) + ", "
                + "\(report.pageCount) pages; head \(report.head.hash)")
        if let kept {
            print(
                (report.keptHeadCount == 1
                    ? "contains the head" : "contains all \(report.keptHeadCount) heads")
                    + " of \(kept)"
                    + (report.hasOwnHead == nil ? "" : ", and the newest it published"))
        } else if report.hasOwnHead != nil {
            print("contains the newest head it published; --kept checks what others kept")
        }
        guard report.eventCount > 0 else { return }
        if report.unopenedNameCount > report.forgottenCount {
            print(
                "\(report.unopenedNameCount) of \(report.userCount) names were not opened, "
                    + "\(report.forgottenCount) of them forgotten; whether another is bound "
                    + "twice is not known")
        }
        let rates = parts(times).map { name, seconds in
            "\(name) \(Progress.short(VerifyTimes.rate(report.eventCount, seconds)))/s a core"
        }
        print(
            "\(Seconds.text(times.wall)) s, \(Progress.short(perSecond)) events/s; "
                + rates.joined(separator: ", ")
                + (report.hasRules ? "" : "; the rules were left out"))
    }

    private func parts(_ times: VerifyTimes) -> [(name: String, seconds: Double)] {
        [("chain", times.chain), ("pointers", times.pointers)]
            + (times.rules.map { [("rules", $0)] } ?? [])
            + (times.tree.map { [("tree", $0)] } ?? [])
    }
}
