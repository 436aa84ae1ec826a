import ArgumentParser
import Audit
import CloudAPI
import EventLog
import Ledger
import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

struct HistoryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "Every event of a user or of a concurrency, oldest first.",
        discussion: """
            EXAMPLES
              holdfast history u1 --data ./ledger
              holdfast history u1 --limit 20 --newest-first --json --data ./ledger
              holdfast history --project cap-demo --concurrency 7 --data ./ledger
            """)

    @Argument(help: "The UserId.") var user: String?
    @Option(name: .long, help: ArgumentHelp("A project, with --concurrency.", valueName: "ID"))
    var project: String?
    @Option(name: .long, help: ArgumentHelp("A concurrency of the project.", valueName: "N"))
    var concurrency: ConcurrencyNumber?
    @Option(name: .long, help: ArgumentHelp("Only the newest N events.", valueName: "N"))
    var limit: Int?
    @Option(
        name: .long, help: ArgumentHelp("Only events before this position.", valueName: "POSITION"))
    var before: Position?
    @Flag(name: .long, help: "Newest first.") var newestFirst = false
    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit takes a number from 1") }
        if (user == nil) == (concurrency == nil) || (concurrency != nil) != (project != nil) {
            throw ValidationError("name a user, or --project ID and --concurrency N")
        }
    }

    func run() throws {
        let reader = try LedgerReader(opening: data.path)
        var events = try select(reader)
        if !newestFirst { events.reverse() }
        var previous: Microseconds?
        for named in events {
            if json.isOn {
                print(EventJSON.line(named))
            } else {
                print(HistoryText.row(named, after: previous))
                previous = named.event.time
            }
        }
    }

    private func select(_ reader: LedgerReader) throws -> [NamedEvent] {
        let limit = limit ?? .max
        if let concurrency, let project {
            return try reader.history(
                ofConcurrency: concurrency, inProject: project, before: before, limit: limit)
        }
        let user = user ?? ""
        guard reader.user(user) != nil else {
            throw CheckFailed(
                message: "no user \(user) in \(data.path); names are compared byte by byte")
        }
        return try reader.history(ofUser: user, before: before, limit: limit)
    }
}

struct StateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "state",
        abstract: "What a user holds now, or all projects and holders.",
        discussion: """
            As of the newest event in the log. Deadlines that fall due later than that show when
            they do.

            EXAMPLES
              holdfast state --data ./ledger
              holdfast state u1 --json --data ./ledger
            """)

    @Argument(help: "The UserId.") var user: String?
    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func run() throws {
        let reader = try LedgerReader(opening: data.path)
        if let user {
            guard let view = reader.user(user) else {
                throw CheckFailed(
                    message: "no user \(user) in \(data.path); names are compared byte by byte")
            }
            print(json.isOn ? UserText.json(view) : UserText.text(view))
            return
        }
        if json.isOn {
            let bytes = JSONObjectWriter.bytes { object in
                object.unsigned("position", reader.head.position)
                object.string("time", Timestamp.text(reader.head.time))
                object.array("projects", reader.projects) { ProjectText.write($1, to: &$0) }
                object.array("holders", reader.holders) { UserText.write($1, to: &$0) }
            }
            print(String(decoding: bytes, as: UTF8.self))
            return
        }
        print("position \(reader.head.position), \(Timestamp.text(reader.head.time))")
        for project in reader.projects { print(ProjectText.text(project)) }
        for holder in reader.holders { print(UserText.text(holder)) }
    }
}

/// How a user is printed.
enum UserText {
    static func text(_ user: UserView) -> String {
        guard let project = user.project else {
            return "\(user.name) holds nothing (\(user.eventCount) events, last at "
                + "\(user.lastPosition))"
        }
        var text = "\(user.name) holds \(project)/\(user.concurrency), \(user.state.name)"
        if let deadline = user.deadline { text += " until \(Timestamp.text(deadline))" }
        if user.session != 0 { text += ", session \(user.session)" }
        return text
    }

    static func json(_ user: UserView) -> String {
        String(decoding: JSONObjectWriter.bytes { write(user, to: &$0) }, as: UTF8.self)
    }

    static func write(_ user: UserView, to object: inout JSONObjectWriter) {
        object.string("user", user.name)
        if let project = user.project {
            object.string("project", project)
            object.unsigned("concurrency", user.concurrency)
            object.string("state", user.state.name)
        } else {
            object.null("project")
            object.null("concurrency")
            object.string("state", "none")
        }
        if let deadline = user.deadline {
            object.string("deadline", Timestamp.text(deadline))
        } else {
            object.null("deadline")
        }
        if user.session != 0 { object.unsigned("session", user.session) } else { object.null("session") }
        object.unsigned("events", user.eventCount)
        object.unsigned("lastPosition", user.lastPosition)
    }
}

struct StatsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats", abstract: "Counts over the whole log, and the state's digest.",
        discussion: "EXAMPLE\n  holdfast stats --json --data ./ledger")

    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func run() throws {
        StatisticsText.print(LedgerStatistics(try LedgerReader(opening: data.path)), json.isOn)
    }
}

/// How counts are printed.
enum StatisticsText {
    static func print(_ statistics: LedgerStatistics, _ isJSON: Bool) {
        if isJSON {
            let bytes = JSONObjectWriter.bytes { object in
                for (name, value) in statistics.rows { object.unsigned(name, value) }
                object.string("lastTime", Timestamp.text(statistics.lastTime))
                object.string("stateDigest", statistics.stateDigest)
            }
            Swift.print(String(decoding: bytes, as: UTF8.self))
            return
        }
        for (name, value) in statistics.rows {
            Swift.print(HistoryText.pad(name, 20) + HistoryText.pad("\(value)", 12, left: true))
        }
        Swift.print(HistoryText.pad("lastTime", 20) + "  " + Timestamp.text(statistics.lastTime))
        Swift.print(HistoryText.pad("stateDigest", 20) + "  " + statistics.stateDigest)
    }
}

struct TailCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tail", abstract: "The newest events, and with -f those to come.",
        discussion: """
            With -f it follows a log that a server writes, until interrupted; start again with --after
            and the last position you handled.

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
    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func run() throws {
        let reader = try LedgerReader(opening: data.path)
        let head = reader.head.position
        let follower = LogFollower(reader, after: after ?? (head > count ? head - count : 0))
        var previous: Microseconds?
        while true {
            try follower.poll { named in
                if json.isOn {
                    print(EventJSON.line(named))
                } else {
                    print(HistoryText.row(named, after: previous))
                    previous = named.event.time
                }
            }
            fflush(nil)
            if !follow { return }
            while !follower.hasNews { usleep(20_000) }
        }
    }
}

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

struct RebuildCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rebuild",
        abstract: "Drop the views, fold them again from the events, and compare.",
        discussion: """
            On a directory that a server owns the views are compared and left in place.

            EXAMPLE
              holdfast rebuild --data ./ledger
            """)

    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func run() throws {
        let progress = Progress("rebuild", unit: "events")
        let report = try Rebuilder.rebuild(data.directory) { progress.show($0, of: $1) }
        progress.end()
        if json.isOn {
            let bytes = JSONObjectWriter.bytes { object in
                object.unsigned("events", report.eventCount)
                object.string("stateDigest", report.stateDigest)
                object.string("viewDigest", report.viewDigest)
                object.bool("isSame", report.isSame)
                object.bool("isReplaced", report.isReplaced)
            }
            print(String(decoding: bytes, as: UTF8.self))
        } else {
            print(
                "rebuilt from \(report.eventCount) events, state \(report.stateDigest): "
                    + (report.isSame ? "the same as the view that stood there" : "the view differed")
                    + (report.isReplaced ? "" : "; a running process owns the views, left in place"))
        }
        if !report.isSame {
            throw CheckFailed(
                message: report.isReplaced
                    ? "the stored view differed from the events and was replaced"
                    : "the stored view differs from the events; stop the owner and rebuild again")
        }
    }
}

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Print versions.")

    @OptionGroup var json: JSONFlag

    func run() {
        if json.isOn {
            let bytes = JSONObjectWriter.bytes { object in
                object.string("holdfast", HoldfastVersion.text)
                object.unsigned("logFormat", LogFormat.version)
            }
            print(String(decoding: bytes, as: UTF8.self))
        } else {
            print("holdfast \(HoldfastVersion.text), log format \(LogFormat.version)")
        }
    }
}
