import ArgumentParser
import EventLog
import JSON
import Ledger

struct StateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "state",
        abstract: "What a user holds now, or all projects and holders.",
        discussion: """
            As of the newest event in the log. Deadlines that fall due later than that show \
            when they do.

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
