import ArgumentParser
import Audit
import EventLog
import JSON
import Ledger
import ReconnectionRules

struct DiffCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "What changed for whom between two moments.",
        discussion: """
            Users who gained a concurrency, lost one, or hold it in another way, with the event \
            that did it; projects whose settings or counts differ; and the counts of the ledger. \
            A moment is a time, or a position: after the event there.

            --json prints an object a line: first both moments, then gained, lost and changed \
            users, then projects, and last the counts of the whole ledger, unless one user or \
            project is named.

            EXAMPLES
              holdfast diff 2026-11-23T09:00:00Z 2026-11-23T10:00:00Z --data ./ledger
              holdfast diff 1200 1300 --project cap-demo --json --data ./ledger
              holdfast diff 1200 1300 --user u1 --data ./ledger
            """)

    @Argument(help: ArgumentHelp("The earlier moment.", valueName: "TIME|POSITION"))
    var from: MomentOption
    @Argument(help: ArgumentHelp("The later moment.", valueName: "TIME|POSITION"))
    var to: MomentOption
    @Option(
        name: .long,
        help: ArgumentHelp("Only this project and who holds of it.", valueName: "ID"))
    var project: String?
    @Option(name: .long, help: ArgumentHelp("Only this user.", valueName: "U"))
    var user: String?
    @Option(
        name: .long,
        help: ArgumentHelp("The user by its number instead of its name.", valueName: "N"))
    var userNumber: UserNumber?
    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func validate() throws {
        if user != nil, userNumber != nil {
            throw ValidationError("name the user or give its number, not both")
        }
        if user != nil || userNumber != nil, project != nil {
            throw ValidationError("name a user or a project, not both")
        }
        switch (from.moment, to.moment) {
        case (.position(let first), .position(let second)) where first > second: break
        case (.time(let first), .time(let second)) where first > second: break
        default: return
        }
        throw ValidationError("the first moment is later than the second: swap them")
    }

    func run() throws {
        let reader = try LedgerReader(opening: data.path)
        if let number = try WantedUser.number(user, userNumber, reader) {
            return try showOne(number, reader)
        }
        let progress = Progress("diff", unit: "events")
        let difference = try LedgerDifference(
            reader, from: from.moment, to: to.moment, project: project
        ) { progress.show($0, of: $1) }
        progress.end()
        let text = DifferenceText(isJSON: json.isOn)
        text.moments(
            (difference.before.position, difference.before.time),
            (difference.after.position, difference.after.time), difference.eventCount)
        for (kind, numbers) in [
            (UserDifference.Kind.gained, difference.gained), (.lost, difference.lost),
            (.changed, difference.changed),
        ] {
            text.heading(kind, numbers.count)
            try difference.forEachUser(kind) { text.user($0) }
        }
        text.projects(difference.projects)
        if project == nil { text.counters(difference.counters) }
    }

    private func showOne(_ number: UserNumber, _ reader: LedgerReader) throws {
        let difference = try LedgerDifference.ofUser(
            number, reader, from: from.moment, to: to.moment)
        let (first, second) = (
            try reader.event(at: from.moment), try reader.event(at: to.moment)
        )
        let text = DifferenceText(isJSON: json.isOn)
        text.moments(
            first, second,
            try reader.eventCount(after: first.position, through: second.position))
        guard let difference else {
            if !json.isOn { print("nothing changed for this user") }
            return
        }
        text.heading(difference.kind, 1)
        text.user(difference)
    }
}

/// How differences are printed.
struct DifferenceText {
    let isJSON: Bool

    func moments(
        _ first: (position: Position, time: Microseconds),
        _ second: (position: Position, time: Microseconds), _ eventCount: UInt64
    ) {
        if isJSON {
            return line("moments") { object in
                for (name, moment) in [("from", first), ("to", second)] {
                    object.object(name) { object in
                        MomentText.write(moment.position, moment.time, to: &object)
                    }
                }
                object.unsigned("events", eventCount)
            }
        }
        print("from \(MomentText.text(first.position, first.time))")
        let length =
            first.position == 0
            ? "" : ", \(DurationText.readable(second.time - first.time))"
        print(
            "to   \(MomentText.text(second.position, second.time)): "
                + Words.count(eventCount, "event", isGrouped: false) + length)
    }

    func heading(_ kind: UserDifference.Kind, _ count: Int) {
        if !isJSON { print("\(kind.rawValue) \(count)") }
    }

    func user(_ difference: UserDifference) {
        if isJSON {
            return line(difference.kind.rawValue) { object in
                let user = difference.after
                let name = user.name
                if name.isEmpty { object.null("user") } else { object.string("user", name) }
                object.unsigned("userNumber", user.number)
                write(difference.before, "before", &object)
                write(difference.after, "after", &object)
                guard let cause = difference.cause else { return object.null("event") }
                object.object("event") { object in
                    object.unsigned("position", cause.event.position)
                    object.string("time", Timestamp.text(cause.event.time))
                    object.string("kind", cause.event.kind.name)
                    object.string("outcome", cause.event.outcome.name)
                }
            }
        }
        let cause =
            difference.cause.map {
                "\($0.event.kind.name) \($0.event.outcome.name) at \($0.event.position), "
                    + Timestamp.text($0.event.time)
            } ?? "an outage moved the deadline"
        let who = difference.after.text
        switch difference.kind {
        case .gained: print("  \(who): \(holding(difference.after)); \(cause)")
        case .lost: print("  \(who): \(holding(difference.before)); \(cause)")
        case .changed:
            print("  \(who): \(holding(difference.before))")
            print("    -> \(holding(difference.after)); \(cause)")
        }
    }

    func projects(_ projects: [ProjectDifference]) {
        if isJSON {
            for project in projects {
                line("project") { object in
                    object.string("project", project.after.name)
                    if let before = project.before {
                        object.object("before") { ProjectText.write(before, to: &$0) }
                    } else {
                        object.null("before")
                    }
                    object.object("after") { ProjectText.write(project.after, to: &$0) }
                }
            }
            return
        }
        print("projects \(projects.count)")
        for project in projects {
            print("  " + (project.before.map(ProjectText.text) ?? "none"))
            print("    -> \(ProjectText.text(project.after))")
        }
    }

    func counters(_ counters: [CounterDifference]) {
        if isJSON {
            return line("counters") { object in
                object.object("before") { object in
                    for counter in counters { object.unsigned(counter.name, counter.before) }
                }
                object.object("after") { object in
                    for counter in counters { object.unsigned(counter.name, counter.after) }
                }
            }
        }
        print("counters")
        for counter in counters where counter.before != counter.after {
            let isMore = counter.after > counter.before
            let amount = isMore ? counter.after - counter.before : counter.before - counter.after
            print(
                "  " + HistoryText.pad(counter.name, 20)
                    + HistoryText.pad("\(counter.before) -> \(counter.after)", 24)
                    + (isMore ? "+" : "-") + "\(amount)")
        }
    }

    private func holding(_ user: UserView?) -> String {
        guard let user, let project = user.project else { return "nothing" }
        var text = "\(project)/\(user.concurrency) \(user.state.name)"
        if let deadline = user.deadline { text += " until \(Timestamp.text(deadline))" }
        if user.session != 0 { text += ", session \(user.session)" }
        return text
    }

    private func write(_ user: UserView?, _ name: String, _ object: inout JSONObjectWriter) {
        guard let user else { return object.null(name) }
        object.object(name) { UserText.write(user, to: &$0) }
    }

    /// One object, which says first what it is.
    private func line(_ what: String, _ members: (inout JSONObjectWriter) -> Void) {
        let bytes = JSONObjectWriter.bytes { object in
            object.string("difference", what)
            members(&object)
        }
        print(String(decoding: bytes, as: UTF8.self))
    }
}
