import ArgumentParser
import Audit
import EventLog
import JSON
import Ledger

struct BackupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Copy a ledger while its server runs, and verify the copy.",
        discussion: """
            DEST is new or empty, best on another disk. It holds the events up to a durable one, \
            the keys that open the names in them, and what lets clients call a restored server: \
            keep it as safe as the ledger. The key that signs heads is left out.

            Reading commands take --data DEST for the ledger as it was. Until the backup is whole \
            DEST holds a file UNFINISHED.

            EXAMPLES
              holdfast backup /backups/monday --data ./ledger
              holdfast backup /backups/monday --without-credentials --json --data ./ledger
            """)

    @Argument(help: ArgumentHelp("The new directory.", valueName: "DEST"), completion: .directory)
    var destination: String
    @Flag(name: .long, help: "Include head.key, which signs heads.") var withSigningKey = false
    @Flag(name: .long, help: "Leave out credentials.json and server-session.key.")
    var withoutCredentials = false
    @Option(name: .long, help: ArgumentHelp("Verify on N cores (default: all).", valueName: "N"))
    var threads: Int?
    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func validate() throws {
        if destination.isEmpty { throw ValidationError("DEST names no directory") }
        if let threads, threads < 1 { throw ValidationError("--threads takes a number from 1") }
    }

    func run() throws {
        var options = Backup.Options()
        options.includesSigningKey = withSigningKey
        options.includesCredentials = !withoutCredentials
        options.threads = threads
        let progress = PhaseProgress()
        defer { progress.end() }
        let report = try Backup.create(of: data.directory, in: destination, options: options) {
            progress.show($0.rawValue, $1, of: $2)
        }
        progress.end()
        show(report)
    }

    private func show(_ report: Backup.Report) {
        let manifest = report.manifest
        if json.isOn {
            let bytes = JSONObjectWriter.bytes { object in
                object.string("backup", destination)
                manifest.write(into: &object)
                object.unsigned("logBytes", UInt64(report.logByteCount))
                object.json("copySeconds", Seconds.json(report.copySeconds))
                object.json("verifySeconds", Seconds.json(report.verifySeconds))
            }
            print(String(decoding: bytes, as: UTF8.self))
            return
        }
        let files = ["log"] + manifest.files.map(\.name)
        print(
            "\(manifest.eventCount) events up to position \(manifest.head.position), "
                + "\(Timestamp.text(manifest.head.time)); head \(manifest.head.hash)")
        print(
            "\(destination) holds \(files.joined(separator: ", ")); copied in "
                + "\(Seconds.text(report.copySeconds)) s, verified in "
                + "\(Seconds.text(report.verifySeconds)) s")
    }
}

struct RestoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Make a ledger of a backup, and begin a new epoch in it.",
        discussion: """
            Overwrites nothing: --data names a new or an empty directory. The backup is verified \
            before, and stays as it is.

            What happened after the backup is lost. Session ids go on far above any that may have \
            been handed out since, so that render hosts refuse whoever holds an older one. The \
            time since the backup counts as an outage: deadlines that ran move back by it.

            EXAMPLE
              holdfast restore /backups/monday --data ./ledger-restored
            """)

    @Argument(help: ArgumentHelp("The backup.", valueName: "BACKUP"), completion: .directory)
    var backup: String
    @Flag(
        name: .customLong("no-outage-compensation"),
        help: "Let deadlines run on through the time since the backup.")
    var withoutCompensation = false
    @Option(name: .long, help: ArgumentHelp("Verify on N cores (default: all).", valueName: "N"))
    var threads: Int?
    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func validate() throws {
        if backup.isEmpty { throw ValidationError("BACKUP names no directory") }
        if let threads, threads < 1 { throw ValidationError("--threads takes a number from 1") }
    }

    func run() throws {
        var options = Backup.RestoreOptions()
        options.compensatesOutages = !withoutCompensation
        options.threads = threads
        let progress = PhaseProgress()
        defer { progress.end() }
        let report: Backup.RestoreReport
        do {
            report = try Backup.restore(backup, into: data.directory, options: options) {
                progress.show($0.rawValue, $1, of: $2)
            }
        } catch let error as LogError {
            progress.end()
            throw CheckFailed(message: "\(backup) is damaged: \(error.message)")
        }
        progress.end()
        show(report)
    }

    private func show(_ report: Backup.RestoreReport) {
        let manifest = report.manifest
        if json.isOn {
            let bytes = JSONObjectWriter.bytes { object in
                object.string("ledgerId", manifest.ledgerId)
                object.unsigned("events", manifest.eventCount)
                object.unsigned("restoredPosition", manifest.head.position)
                object.string("restoredTime", Timestamp.text(manifest.head.time))
                object.unsigned("epochPosition", report.epochPosition)
                object.string("epochTime", Timestamp.text(report.epochTime))
                object.json("outageSeconds", EventJSON.seconds(report.outage))
                object.json("seconds", Seconds.json(report.seconds))
            }
            print(String(decoding: bytes, as: UTF8.self))
            return
        }
        print(
            "\(manifest.eventCount) events up to position \(manifest.head.position), "
                + "\(Timestamp.text(manifest.head.time)), are in \(data.path)")
        print(
            "a new epoch begins at position \(report.epochPosition): higher than any session id "
                + "before, those of what is lost included")
        print(
            "deadlines that ran moved back by \(DurationText.readable(report.outage)); what "
                + "happened after the backup is not in it, and cannot be known from it")
    }
}
