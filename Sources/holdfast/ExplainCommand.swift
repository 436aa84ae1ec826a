import ArgumentParser
import Audit
import Ledger
import ReconnectionRules

struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Why a user has, had or lost a concurrency, in sentences.",
        discussion: """
            What was held and since when, how the client vanished, until when it was \
            waited for, by how much the return missed that, who got the concurrency next, and \
            which setting would have been enough. The numbers in brackets are positions of \
            events: history shows them.

            Without --at: the newest grant, and the loss before it. With --at: the grant of \
            that moment, or the last one before it, up to the next.

            EXAMPLES
              holdfast explain u42 --data ./ledger
              holdfast explain u42 --at 2026-11-23T21:00:00+01:00 --data ./ledger
              holdfast explain u42 --at 1200 --json --data ./ledger
            """)

    @Argument(help: "The UserId.") var user: String?
    @Option(
        name: .long,
        help: ArgumentHelp("The user by its number instead of its name.", valueName: "N"))
    var userNumber: UserNumber?
    @Option(
        name: .long,
        help: ArgumentHelp(
            "A moment: an RFC 3339 time, with its offset or Z, or a position.",
            valueName: "TIME|POSITION"))
    var at: MomentOption?
    @Flag(name: .long, help: "Read as much of the log as it takes, however long.") var all = false
    @OptionGroup var data: DataOption
    @Flag(name: .customLong("json"), help: "Print one JSON object, on one line.")
    var isJSON = false

    func validate() throws {
        if user == nil, userNumber == nil {
            throw ValidationError("name the user, or give its number with --user-number")
        }
        if user != nil, userNumber != nil {
            throw ValidationError("name the user or give its number, not both")
        }
    }

    func run() throws {
        let reader = try LedgerReader(opening: data.path)
        let explainer = Explainer(reader, limits: all ? .none : Explainer.Limits())
        let moment = at?.moment
        let explanation =
            if let user { try explainer.explain(user, at: moment) } else {
                try explainer.explain(number: userNumber ?? 0, at: moment)
            }
        guard explanation.isKnown else {
            throw CheckFailed(
                message: explanation.statements.map(ExplanationText.text).joined(separator: " "))
        }
        if isJSON {
            print(ExplanationText.json(explanation))
        } else {
            for line in ExplanationText.lines(explanation) { print(line) }
        }
    }
}
