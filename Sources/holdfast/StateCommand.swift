import ArgumentParser
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

            --at shows what the user held at a time, or after the event at a position: exactly \
            what the events up to then lead to. Past the newest event, what holds there.

            EXAMPLES
              holdfast state --data ./ledger
              holdfast state u1 --json --data ./ledger
              holdfast state u1 --at 2026-11-23T10:15:30Z --data ./ledger
              holdfast state u1 --at 1200 --data ./ledger
            """)

    @Argument(help: "The UserId.") var user: String?
    @Option(
        name: .long,
        help: ArgumentHelp(
            "A past moment: an RFC 3339 time, or a position.", valueName: "TIME|POSITION"))
    var at: MomentOption?
    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func validate() throws {
        if at != nil, user == nil { throw ValidationError("--at shows one user: name a UserId") }
    }

    func run() throws {
        let reader = try LedgerReader(opening: data.path)
        if let user, let at {
            try show(user, at.moment, reader)
            return
        }
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

    private func show(_ user: String, _ moment: Moment, _ reader: LedgerReader) throws {
        let (position, time) = try reader.event(at: moment)
        guard let view = try reader.user(user, at: moment) else {
            throw CheckFailed(
                message: reader.user(user) == nil
                    ? "no user \(user) in \(data.path); names are compared byte by byte"
                    : "user \(user) was not known yet at position \(position)")
        }
        if json.isOn {
            let bytes = JSONObjectWriter.bytes { object in
                object.unsigned("position", position)
                object.string("time", Timestamp.text(time))
                UserText.write(view, to: &object)
            }
            print(String(decoding: bytes, as: UTF8.self))
        } else {
            print("position \(position), \(Timestamp.text(time))")
            print(UserText.text(view))
        }
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
