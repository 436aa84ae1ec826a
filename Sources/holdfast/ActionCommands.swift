import ArgumentParser
import Ledger
import ReconnectionRules

/// Performs one action on a data directory that no server owns, and prints what it came to.
enum DirectAction {
    static func run(_ action: Action, _ data: DataOption, _ json: JSONFlag) async throws {
        try check(action, data)
        var options = Ledger.Options()
        options.ownerNote = "a holdfast command; try again"
        let ledger = try Ledger(opening: data.path, options: options)
        let result: Result<ActionReply, LedgerError>
        do throws(LedgerError) {
            result = .success(try await ledger.perform(action, by: .commandLine))
        } catch { result = .failure(error) }
        guard case .success(let reply) = result else {
            await ledger.close()
            _ = try result.get()
            return
        }
        let named = try await ledger.event(of: reply)
        await ledger.close()
        if json.isOn {
            print(EventJSON.line(named))
        } else {
            print(HistoryText.sentence(named))
        }
        if reply.isRefusal { throw CheckFailed(message: refusal(named)) }
    }

    /// What is no action is refused before the ledger is opened for writing: opening alone would
    /// leave an event.
    private static func check(_ action: Action, _ data: DataOption) throws {
        let reader = try LedgerReader(opening: data.path)
        switch action {
        case .apply(let user, let project, _):
            if let fault = LedgerName.fault(user, what: "the user's name") { throw fault }
            if reader.project(project) == nil { throw LedgerError.unknownProject(project) }
        case .createSession(let user, _, _), .disconnect(let user, _), .destroy(let user, _),
            .repossess(let user):
            if let fault = LedgerName.fault(user, what: "the user's name") { throw fault }
        case .forget(let user):
            try reader.requireForgettable(user)
        case .modifyProject(let project, let change):
            if let fault = change.fault { throw LedgerError(.invalid, fault) }
            if reader.project(project) == nil, change.concurrencyCount == nil {
                throw LedgerError.unknownProject(project)
            }
        }
    }

    private static func refusal(_ named: NamedEvent) -> String {
        switch named.event.outcome {
        case .noIdle:
            "refused: project \(named.inputProject) has no idle concurrency; try again later"
        case .lockTimeout: "refused: \(named.user) holds no concurrency; apply first"
        default: "refused: project \(named.project) wants the session named; add --session ID"
        }
    }
}

struct ApplyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply",
        abstract: "Reserve a concurrency for a user, or return the one held.",
        discussion: "EXAMPLE\n  holdfast apply u1 --project cap-demo --data ./ledger")

    @Argument(help: "The UserId.") var user: String
    @Option(name: .long, help: ArgumentHelp("The project.", valueName: "ID")) var project: String
    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func run() async throws {
        try await DirectAction.run(.apply(user: user, project: project), data, json)
    }
}

struct SessionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "session",
        abstract: "Create a session on the concurrency the user holds.",
        discussion: "EXAMPLE\n  holdfast session u1 --data ./ledger")

    @Argument(help: "The UserId.") var user: String
    @Flag(name: .long, help: "The application runs on without a client (RunWithoutClient).")
    var runWithoutClient = false
    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func run() async throws {
        try await DirectAction.run(
            .createSession(user: user, runsWithoutClient: runWithoutClient), data, json)
    }
}

struct DisconnectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "disconnect",
        abstract: "Report that the client of a session vanished.",
        discussion: "EXAMPLE\n  holdfast disconnect u1 --session 5 --data ./ledger")

    @Argument(help: "The UserId.") var user: String
    @Option(
        name: .long,
        help: ArgumentHelp("The session; without it the current one is meant.", valueName: "ID"))
    var session: SessionId?
    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func run() async throws {
        try await DirectAction.run(.disconnect(user: user, session: session), data, json)
    }
}

struct DestroyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "destroy",
        abstract: "Give a user's concurrency up.",
        discussion: "EXAMPLE\n  holdfast destroy u1 --data ./ledger")

    @Argument(help: "The UserId.") var user: String
    @Option(
        name: .long,
        help: ArgumentHelp("Only if this session is the connected one.", valueName: "ID"))
    var session: SessionId?
    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func run() async throws {
        try await DirectAction.run(.destroy(user: user, session: session), data, json)
    }
}

struct RepossessCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repossess",
        abstract: "Take a user's concurrency away, as an operator.",
        discussion: "EXAMPLE\n  holdfast repossess u1 --data ./ledger")

    @Argument(help: "The UserId.") var user: String
    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func run() async throws {
        try await DirectAction.run(.repossess(user: user), data, json)
    }
}
