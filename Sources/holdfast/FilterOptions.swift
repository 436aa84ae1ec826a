import ArgumentParser
import Audit
import EventLog
import Ledger
import ReconnectionRules

/// Which events are wanted.
struct FilterOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp("A user by number instead of by name.", valueName: "N"))
    var userNumber: UserNumber?
    @Option(
        name: .long,
        help: ArgumentHelp("Events about this project, or asking for it.", valueName: "ID"))
    var project: String?
    @Option(
        name: .long, help: ArgumentHelp("Events of this concurrency of it.", valueName: "N"))
    var concurrency: ConcurrencyNumber?
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Events of this session, and its user's reports that name it.", valueName: "ID"))
    var session: SessionId?
    @Option(
        name: .long,
        help: ArgumentHelp("From this moment on.", valueName: "TIME|POSITION"))
    var since: MomentOption?
    @Option(
        name: .long,
        help: ArgumentHelp("Up to and with this moment.", valueName: "TIME|POSITION"))
    var until: MomentOption?
    @Option(
        name: .long,
        help: ArgumentHelp("Only this kind; may be given again.", valueName: "KIND"))
    var kind: [KindOption] = []
    @Option(
        name: .long,
        help: ArgumentHelp("Only this outcome; may be given again.", valueName: "OUTCOME"))
    var outcome: [OutcomeOption] = []
    @Option(
        name: .customLong("where"),
        help: ArgumentHelp(
            "Only what this is true of: user=u1 and not outcome=stale.", valueName: "CONDITION"),
        transform: { try ConditionOption.parse($0) })
    var condition: EventCondition?

    func validate() throws {
        if concurrency != nil, project == nil {
            throw ValidationError(
                "name a user, or --project ID and --concurrency N: numbers are a project's own")
        }
    }

    func filter(user: String?) -> EventFilter {
        var filter = EventFilter()
        filter.user = user
        filter.userNumber = userNumber
        filter.project = project
        filter.concurrency = concurrency
        filter.session = session
        filter.since = since?.moment
        filter.until = until?.moment
        filter.kinds = Set(kind.map(\.kind))
        filter.outcomes = Set(outcome.map(\.outcome))
        filter.condition = condition
        return filter
    }

    /// Refuses what names nobody and nothing in the ledger, so that a slip of the pen is no empty
    /// answer.
    func check(user: String?, _ reader: LedgerReader, _ path: String) throws {
        try Self.check(user: user, project: project, reader, path)
        if let userNumber, userNumber == 0 || Int(userNumber) >= reader.state.users.count {
            throw CheckFailed(
                message: "no user of number \(userNumber) in \(path); users have the numbers 1 to "
                    + "\(reader.state.userCount)")
        }
        if let concurrency, let project {
            let number = reader.project(project)?.number ?? 0
            let count = reader.state.projects[Int(number)].numberCount
            if concurrency == 0 || concurrency > count {
                throw CheckFailed(
                    message: "project \(project) has concurrencies 1 to \(count), not "
                        + "\(concurrency)")
            }
        }
        if let session {
            let event = try reader.log.event(at: session)
            guard let event, event.user != 0, event.position <= reader.head.position else {
                throw CheckFailed(
                    message: "no session \(session) in \(path): no event of a user is at that "
                        + "position")
            }
        }
    }

    static func check(
        user: String?, project: String?, _ reader: LedgerReader, _ path: String
    ) throws {
        if let user, reader.user(user) == nil {
            throw WantedUser.unknown(user, reader, path)
        }
        if let project, reader.project(project) == nil {
            throw CheckFailed(message: "no project \(project) in \(path)")
        }
    }
}

struct KindOption: ExpressibleByArgument {
    var kind: Event.Kind

    init?(argument: String) {
        guard let kind = Event.Kind(named: argument) else { return nil }
        self.kind = kind
    }

    static var allValueStrings: [String] { Event.Kind.allCases.map(\.name) }
}

struct OutcomeOption: ExpressibleByArgument {
    var outcome: Event.Outcome

    init?(argument: String) {
        guard let outcome = Event.Outcome(named: argument) else { return nil }
        self.outcome = outcome
    }

    static var allValueStrings: [String] { Event.Outcome.allCases.map(\.name) }
}

enum ConditionOption {
    static func parse(_ text: String) throws -> EventCondition {
        do throws(ConditionError) { return try EventCondition(text) } catch {
            throw ValidationError("\(error)")
        }
    }
}

/// Whether to colour what is printed.
enum ColorOption: String, ExpressibleByArgument, CaseIterable {
    case auto, always, never
}
