import ArgumentParser
import Audit
import JSON
import Ledger

struct RebuildCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rebuild",
        abstract: "Drop the views, fold them again from the events, and compare.",
        discussion: """
            On a directory that a server owns the views are compared and left in place. States \
            of the past (the kept checkpoints) are made where they are missing, or are not what \
            the events lead to.

            EXAMPLE
              holdfast rebuild --data ./ledger
            """)

    @OptionGroup var data: DataOption
    @OptionGroup var spacing: CheckpointSpacingOption
    @OptionGroup var json: JSONFlag

    func run() throws {
        let progress = Progress("rebuild", unit: "events")
        let report = try Rebuilder.rebuild(data.directory, keeping: spacing.spacing) {
            progress.show($0, of: $1)
        }
        progress.end()
        if json.isOn {
            let bytes = JSONObjectWriter.bytes { object in
                object.unsigned("events", report.eventCount)
                object.string("stateDigest", report.stateDigest)
                object.string("viewDigest", report.viewDigest)
                object.bool("isSame", report.isSame)
                object.bool("isReplaced", report.isReplaced)
                object.unsigned("madeCheckpoints", UInt64(report.madeCheckpointCount))
                object.strings("checkpointFaults", report.checkpointFaults.map(\.description))
                object.json("seconds", Seconds.json(report.foldSeconds))
                object.unsigned("eventsPerSecond", UInt64(report.eventsPerSecond))
                object.json("checkCoreSeconds", Seconds.json(report.checkCoreSeconds))
                object.json("foldCoreSeconds", Seconds.json(report.foldCoreSeconds))
                object.json("totalSeconds", Seconds.json(report.seconds))
            }
            print(String(decoding: bytes, as: UTF8.self))
        } else {
            print(
                "rebuilt from \(report.eventCount) events, state \(report.stateDigest): "
                    + (report.isSame
                        ? "the same as the view that stood there" : "the view differed")
                    + (report.isReplaced
                        ? "" : "; a running process owns the views, left in place"))
            if report.eventCount > 0 {
                print(
                    "\(Seconds.text(report.foldSeconds)) s, "
                        + "\(Progress.short(report.eventsPerSecond)) events/s; with comparing and "
                        + "storing \(Seconds.text(report.seconds)) s")
            }
        }
        if report.madeCheckpointCount > 0, !json.isOn {
            print("\(report.madeCheckpointCount) kept checkpoints were made")
        }
        for fault in report.checkpointFaults { Terminal.error("warning: \(fault)") }
        if !report.isSame {
            throw CheckFailed(
                message: report.isReplaced
                    ? "the stored view differed from the events and was replaced"
                    : "the stored view differs from the events; stop the owner and rebuild again")
        }
    }
}
