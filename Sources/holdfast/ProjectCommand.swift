import ArgumentParser
import JSON
import Ledger
import ReconnectionRules

struct ProjectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "project", abstract: "Create, change and list projects.",
        discussion: "EXAMPLE\n  holdfast project set cap-demo --concurrencies 60 --data ./ledger",
        subcommands: [Set.self, List.self])

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Create a project or change its settings; what is not named stays.",
            discussion: """
                The first project also creates the ledger in an empty or missing directory.

                EXAMPLE
                  holdfast project set cap-demo --concurrencies 60 --reconnect-window 90s \\
                    --data ./ledger
                """)

        @Argument(help: ArgumentHelp("The ProjectId.", valueName: "ID")) var id: String
        @Option(
            name: .long,
            help: ArgumentHelp("How many users may hold a slot at once.", valueName: "N"))
        var concurrencies: UInt32?
        @OptionGroup var settings: SettingsOptions
        @Flag(
            inversion: .prefixedNo, exclusivity: .exclusive,
            help: "Whether a disconnect has to name its session (default: no).")
        var requireSession: Bool?
        @OptionGroup var data: DataOption
        @OptionGroup var json: JSONFlag

        func validate() throws {
            let change = settings.change(concurrencies: concurrencies)
            if let fault = change.fault { throw ValidationError(fault) }
        }

        func run() async throws {
            let change = settings.change(
                concurrencies: concurrencies, requiresSessionName: requireSession)
            if let fault = LedgerName.fault(id, what: "the project's name") { throw fault }
            try check(change)
            var options = Ledger.Options()
            options.ownerNote = "a holdfast command; try again"
            let ledger = try Ledger(opening: data.path, options: options)
            do {
                try await ledger.modifyProject(id, change, by: .commandLine)
                let project = try await ledger.project(id)
                await ledger.close()
                if let project { ProjectText.print(project, json.isOn) }
            } catch {
                await ledger.close()
                throw error
            }
        }

        /// What can be refused without opening anything is: no trace is left of it.
        private func check(_ change: ProjectChange) throws {
            let content = try data.directory.content()
            if content != .ledger, change.concurrencyCount == nil {
                throw LedgerError(
                    .unknownProject,
                    "no ledger at \(data.path) yet; add --concurrencies N to create it")
            }
            if content == .ledger, change.concurrencyCount == nil,
                try LedgerReader(opening: data.path).project(id) == nil
            {
                throw LedgerError.unknownProject(id)
            }
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the projects.",
            discussion: "EXAMPLE\n  holdfast project list --json --data ./ledger")

        @OptionGroup var data: DataOption
        @OptionGroup var json: JSONFlag

        func run() throws {
            for project in try LedgerReader(opening: data.path).projects {
                ProjectText.print(project, json.isOn)
            }
        }
    }
}

/// How a project is printed.
enum ProjectText {
    static func print(_ project: ProjectView, _ isJSON: Bool) {
        Swift.print(isJSON ? json(project) : text(project))
    }

    static func text(_ project: ProjectView) -> String {
        let settings = project.settings
        return "\(project.name): \(project.totalCount) concurrencies, "
            + "\(project.runningCount) running (\(project.connectedCount) connected, "
            + "\(project.waitingCount) waiting, \(project.reservedCount) reserved, "
            + "\(project.recoveringCount) recovering); "
            + "window \(Duration.text(settings.reconnectWindow)), "
            + "lock \(Duration.text(settings.lockTimeout)), "
            + "cleanup \(Duration.text(settings.cleanupTime))"
            + (settings.requiresSessionName ? ", sessions must be named" : "")
    }

    static func json(_ project: ProjectView) -> String {
        let bytes = JSONObjectWriter.bytes { object in write(project, to: &object) }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func write(_ project: ProjectView, to object: inout JSONObjectWriter) {
        object.string("project", project.name)
        object.unsigned("concurrencies", project.totalCount)
        object.unsigned("running", project.runningCount)
        object.unsigned("connected", project.connectedCount)
        object.unsigned("waiting", project.waitingCount)
        object.unsigned("reserved", project.reservedCount)
        object.unsigned("recovering", project.recoveringCount)
        object.unsigned("idle", project.idleCount)
        object.json("reconnectWindowSeconds", seconds(project.settings.reconnectWindow))
        object.json("lockTimeoutSeconds", seconds(project.settings.lockTimeout))
        object.json("cleanupTimeSeconds", seconds(project.settings.cleanupTime))
        object.bool("requiresSessionName", project.settings.requiresSessionName)
    }

    private static func seconds(_ time: Microseconds) -> [UInt8] { EventJSON.seconds(time) }
}
