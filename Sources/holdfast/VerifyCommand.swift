import ArgumentParser
import Audit
import EventLog
import JSON

struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Check pages, hashes, chain, back-pointers, and that the rules decide the same.",
        discussion: """
            Names the first bad position and exits with 1 if anything is wrong.

            EXAMPLE
              holdfast verify --data ./ledger
            """)

    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func run() throws {
        let progress = Progress("verify", unit: "events")
        defer { progress.end() }
        do {
            let report = try Verifier.verify(data.directory) { progress.show($0, of: $1) }
            progress.end()
            show(report)
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
        if json.isOn {
            let bytes = JSONObjectWriter.bytes { object in
                object.bool("isSound", true)
                object.unsigned("events", report.eventCount)
                object.unsigned("batches", report.batchCount)
                object.string("head", report.head.hash.description)
                object.string("stateDigest", report.stateDigest.description)
            }
            print(String(decoding: bytes, as: UTF8.self))
        } else {
            print(
                "sound: \(report.eventCount) events in \(report.batchCount) batches, "
                    + "\(report.pageCount) pages; head \(report.head.hash)")
        }
    }
}
