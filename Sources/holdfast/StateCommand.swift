import ArgumentParser
import Audit
import EventLog
import JSON
import Ledger
import ReconnectionRules

struct StateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "state",
        abstract: "What a user holds now or held at a moment, or all projects and holders.",
        discussion: """
            As of the newest event in the log. Deadlines that fall due later than that show \
            when they do.

            --at shows what was held at a time, or after the event at a position: exactly what \
            the events up to then lead to. Past the newest event, what holds there. For one user \
            that takes some point reads; for everything the nearest kept checkpoint is read and \
            the events after it are folded.

            EXAMPLES
              holdfast state --data ./ledger
              holdfast state u1 --json --data ./ledger
              holdfast state u1 --at 2026-11-23T10:15:30Z --data ./ledger
              holdfast state --at 1200 --project cap-demo --data ./ledger
            """)

    @Argument(help: "The UserId.") var user: String?
    @Option(
        name: .long,
        help: ArgumentHelp("The user by its number instead of its name.", valueName: "N"))
    var userNumber: UserNumber?
    @Option(
        name: .long,
        help: ArgumentHelp(
            "A past moment: an RFC 3339 time, or a position.", valueName: "TIME|POSITION"))
    var at: MomentOption?
    @Option(name: .long, help: ArgumentHelp("Only this project and its holders.", valueName: "ID"))
    var project: String?
    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func validate() throws {
        if user != nil, userNumber != nil {
            throw ValidationError("name the user or give its number, not both")
        }
        if user != nil || userNumber != nil, project != nil {
            throw ValidationError("--project goes with all holders, not with one user")
        }
    }

    func run() throws {
        let reader = try LedgerReader(opening: data.path)
        let number = try WantedUser.number(user, userNumber, reader)
        guard let number else { return try showAll(reader) }
        guard let at else {
            guard let view = reader.user(number: number) else { return }
            return print(json.isOn ? UserText.json(view) : UserText.text(view))
        }
        try show(number, at.moment, reader)
    }

    private func showAll(_ reader: LedgerReader) throws {
        let progress = Progress("state", unit: "events")
        let view = try at.map {
            try reader.state(at: $0.moment) { progress.show($0, of: $1) }
        }
        progress.end()
        let past = view ?? reader.present
        var only: ProjectView?
        if let project {
            only = past.project(project)
            if only == nil {
                throw CheckFailed(
                    message: reader.project(project) == nil
                        ? "no project \(project) in \(data.path)"
                        : "project \(project) was not there yet at position \(past.position)")
            }
        }
        let projects = only.map { [$0] } ?? past.projects
        if json.isOn { return showJSON(past, projects, only?.number) }
        print(MomentText.text(past.position, past.time))
        for project in projects { print(ProjectText.text(project)) }
        past.forEachHolder(inProject: only?.number) { print(UserText.text($0)) }
    }

    /// One object on one line, written as it is read: there may be millions of holders.
    private func showJSON(_ past: PastView, _ projects: [ProjectView], _ only: ProjectNumber?) {
        let head = JSONObjectWriter.bytes { object in
            MomentText.write(past.position, past.time, to: &object)
            object.array("projects", projects) { ProjectText.write($1, to: &$0) }
        }
        print(String(decoding: head.dropLast(), as: UTF8.self) + ",\"holders\":[", terminator: "")
        var separator = ""
        past.forEachHolder(inProject: only) { holder in
            print(separator + UserText.json(holder), terminator: "")
            separator = ","
        }
        print("]}")
    }

    private func show(_ number: UserNumber, _ moment: Moment, _ reader: LedgerReader) throws {
        let (position, time) = try reader.event(at: moment)
        guard let view = try reader.user(number: number, at: moment) else {
            let name = user ?? "number \(number)"
            throw CheckFailed(message: "user \(name) was not known yet at position \(position)")
        }
        if json.isOn {
            let bytes = JSONObjectWriter.bytes { object in
                MomentText.write(position, time, to: &object)
                UserText.write(view, to: &object)
            }
            print(String(decoding: bytes, as: UTF8.self))
        } else {
            print(MomentText.text(position, time))
            print(UserText.text(view))
        }
    }
}

/// How a moment of the past is printed.
enum MomentText {
    static func text(_ position: Position, _ time: Microseconds) -> String {
        // No time is known of what nothing happened before.
        position == 0
            ? "position 0, before the first event"
            : "position \(position), \(Timestamp.text(time))"
    }

    static func write(
        _ position: Position, _ time: Microseconds, to object: inout JSONObjectWriter
    ) {
        object.unsigned("position", position)
        if position == 0 {
            object.null("time")
        } else {
            object.string("time", Timestamp.text(time))
        }
    }
}

/// A user as people name it: by name, or by the number that stays when a name goes.
enum WantedUser {
    /// Says that there is no such user, and which name was perhaps meant.
    static func unknown(_ name: String, _ reader: LedgerReader, _ path: String) -> CheckFailed {
        let similar = reader.similarUser(to: name).map { ", and there is one called \"\($0)\"" }
        return CheckFailed(
            message: "no user \(name) in \(path); names are compared byte by byte"
                + (similar ?? ""))
    }

    /// The number meant, nil if none is. Throws for a user the ledger never saw.
    static func number(
        _ name: String?, _ number: UserNumber?, _ reader: LedgerReader
    ) throws -> UserNumber? {
        if let name {
            guard let view = reader.user(name) else {
                throw unknown(name, reader, reader.directory.path)
            }
            return view.number
        }
        guard let number else { return nil }
        guard reader.user(number: number) != nil else {
            throw CheckFailed(
                message: "no user of number \(number) in \(reader.directory.path); it has users "
                    + "1 to \(reader.state.userCount)")
        }
        return number
    }
}

/// A moment as people write it: a position, or a time.
struct MomentOption: ExpressibleByArgument {
    var moment: Moment

    init?(argument: String) {
        if let position = Position(argument) {
            moment = .position(position)
        } else if let time = Timestamp.parseLocal(argument.utf8) {
            moment = .time(time)
        } else {
            return nil
        }
    }
}
