import ArgumentParser
import Audit
import JSON
import Ledger
import Proofs
import ReconnectionRules

struct CheckProofCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check-proof",
        abstract: "Check a proof offline, with nothing but the public key.",
        discussion: """
            Says what the proof shows, and exits with 1 and names what is wrong if it does not \
            hold. Needs no ledger.

            The owner of the key can sign a rewritten log. --kept names a file of heads that \
            somebody else kept: then it also says since when the event cannot have been changed. \
            A line "received TIME" before a head says when its keeper got it; --witness adds \
            the key of somebody who signs heads with the time (C2SP tlog-cosignature).

            EXAMPLES
              holdfast check-proof proof.json --key "$KEY"
              holdfast check-proof proof.json --key "$KEY" --kept heads --json
            """)

    @Argument(help: "The proof, or - for standard input.", completion: .file()) var file: String
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The log's public key, as holdfast head --public-key prints it.", valueName: "KEY"))
    var key: String
    @Option(
        name: .long, help: ArgumentHelp("Heads that somebody kept.", valueName: "FILE"),
        completion: .file())
    var kept: String?
    @Option(
        name: .long,
        help: ArgumentHelp("A witness's key; may be given several times.", valueName: "KEY"))
    var witness: [String] = []
    @OptionGroup var json: JSONFlag

    func run() throws {
        do {
            let heads = try kept.map { try HeadsFile.read($0) } ?? []
            let bytes = try InputFile.read(file, byteCountMax: ProofFile.byteCountMax)
            let checker: ProofChecker
            do throws(ProofError) {
                checker = try ProofChecker(
                    key: VerifierKey(key), kept: heads,
                    witnesses: witness.map { text throws(ProofError) in try VerifierKey(text) })
            } catch {
                let place = error.message.hasPrefix("line") ? "\(kept ?? ""), " : ""
                throw ProofError(error.code, place + error.message)
            }
            show(try checker.check(ProofFile(bytes)))
        } catch let error as ProofError {
            if json.isOn {
                let bytes = JSONObjectWriter.bytes { object in
                    object.bool("isValid", false)
                    object.string("fault", error.message)
                }
                print(String(decoding: bytes, as: UTF8.self))
            }
            throw CheckFailed(message: error.message)
        }
    }

    // MARK: - Text

    private func show(_ report: ProofReport) {
        if json.isOn { return print(String(decoding: object(report), as: UTF8.self)) }
        if let event = report.event, let positions = report.batchPositions {
            print(
                "holds: position \(event.position) at \(Timestamp.text(event.time)): "
                    + HistoryText.sentence(ProofText.named(event)))
            print(
                "it is in batch \(report.leafIndex ?? 0) (positions \(positions.lowerBound) to "
                    + "\(positions.upperBound)) under the \(HeadText.text(report.head))")
        } else if let old = report.old {
            print(
                "holds: the log of the \(HeadText.text(report.head)) begins with all "
                    + "\(old.size) batches of the older head")
        }
        for line in vouching(report) { print(line) }
    }

    /// Who besides the owner says so, and since when.
    private func vouching(_ report: ProofReport) -> [String] {
        var lines: [String] = []
        if let kept = report.kept {
            let since = kept.received.map { "received \($0)" } ?? "no time of receipt"
            lines.append(
                "kept by others: the head of \(kept.head.size) batches in line \(kept.line) of "
                    + "\(self.kept ?? "") (\(since))")
        }
        if let witness = report.witness {
            lines.append("vouched for by \(witness.name) since \(ProofText.time(witness))")
        }
        if !report.isVouched {
            lines.append(
                "signed by the log's owner alone: whoever has the key could have signed another "
                    + "log; a head that somebody kept would tell (--kept)")
        }
        if report.unlinkedCount > 0 {
            lines.append(
                "\(report.unlinkedCount) kept heads are not tied to this proof; ask for one made "
                    + "with holdfast prove --from")
        }
        return lines
    }

    // MARK: - JSON

    private func object(_ report: ProofReport) -> [UInt8] {
        JSONObjectWriter.bytes(reservingCapacity: 1024) { object in
            object.bool("isValid", true)
            object.string("proves", report.event == nil ? "consistency" : "inclusion")
            if let event = report.event, let positions = report.batchPositions {
                object.json("event", Array(EventJSON.line(ProofText.nameless(event)).utf8))
                object.unsigned("userNumber", event.user)
                object.unsigned("projectNumber", event.project)
                object.unsigned("leafIndex", report.leafIndex ?? 0)
                object.unsigned("batchFirst", positions.lowerBound)
                object.unsigned("batchLast", positions.upperBound)
            }
            if let old = report.old { object.object("oldHead") { HeadText.write(old, to: &$0) } }
            object.object("head") { HeadText.write(report.head, to: &$0) }
            object.bool("isVouched", report.isVouched)
            if let kept = report.kept {
                object.object("kept") { object in
                    object.unsigned("line", UInt64(kept.line))
                    object.unsigned("size", kept.head.size)
                    if let received = kept.received {
                        object.string("received", received)
                    } else {
                        object.null("received")
                    }
                }
            } else {
                object.null("kept")
            }
            if let witness = report.witness {
                object.object("witness") { object in
                    object.string("name", witness.name)
                    object.string("since", ProofText.time(witness))
                }
            } else {
                object.null("witness")
            }
            object.unsigned("unlinkedHeads", UInt64(report.unlinkedCount))
        }
    }
}

/// How what a proof shows is printed.
enum ProofText {
    /// An event with numbers where the names would be.
    static func named(_ event: Event) -> NamedEvent {
        func project(_ number: ProjectNumber) -> String { number == 0 ? "" : "project #\(number)" }
        return NamedEvent(
            event: event, user: event.user == 0 ? "" : "user #\(event.user)",
            project: project(event.project), inputProject: project(event.inputProject))
    }

    static func nameless(_ event: Event) -> NamedEvent {
        NamedEvent(event: event, user: "", project: "", inputProject: "")
    }

    static func time(_ witness: ProofReport.Witness) -> String {
        Timestamp.text(Microseconds(clamping: min(witness.unixTime, 253_402_300_799)) * 1_000_000)
    }
}
