import ArgumentParser
import CloudAPI
import JSON
import Ledger
import LedgerServer

struct CredentialCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "credential",
        abstract: "Create, list, rotate and revoke the credentials that may call.",
        discussion: """
            Credentials are kept beside the ledger and never in it. A running server takes a \
            change up by itself.

            EXAMPLE
              holdfast credential create --role call --project demo --data ./ledger
            """,
        subcommands: [Create.self, List.self, Rotate.self, Revoke.self, SessionKey.self])

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Create a credential and print it; the key is shown this once.",
            discussion: """
                Without --role it may do everything, without --project to all projects. Roles: \
                call runs users' sessions; operate repossesses and sets projects; audit reads what \
                happened; administer forgets persons. No role contains another.

                EXAMPLE
                  holdfast credential create --role call,operate --project demo --data ./ledger
                """)

        @Option(name: .long, help: ArgumentHelp("A note for the list.", valueName: "TEXT"))
        var label: String?
        @OptionGroup var access: AccessOptions
        @OptionGroup var data: DataOption
        @OptionGroup var json: JSONFlag

        func run() throws {
            try data.directory.create()
            let credential = try CredentialStore(data.directory).create(
                label: label, access: access.access)
            CredentialCommand.show(credential, nil, json)
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the credentials, without their keys.",
            discussion: "EXAMPLE\n  holdfast credential list --data ./ledger")

        @OptionGroup var data: DataOption
        @OptionGroup var json: JSONFlag

        func run() throws {
            try CredentialCommand.requireDirectory(data)
            for entry in try CredentialStore(data.directory).list() {
                if json.isOn {
                    let bytes = JSONObjectWriter.bytes { object in
                        object.unsigned("number", entry.number)
                        object.string("secretId", entry.secretId)
                        object.string("createdAt", Timestamp.text(entry.createdAt))
                        object.bool("isDisabled", entry.isDisabled)
                        if let label = entry.label { object.string("label", label) }
                        object.access(entry.access)
                        if let previous = entry.previous { object.previous(previous) }
                    }
                    print(String(decoding: bytes, as: UTF8.self))
                } else {
                    print(
                        "\(entry.number)  \(entry.secretId)  \(Timestamp.text(entry.createdAt))"
                            + (entry.isDisabled ? "  revoked" : "")
                            + CredentialCommand.text(entry.access)
                            + (entry.label.map { "  \($0)" } ?? ""))
                }
            }
        }
    }

    struct Rotate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give a credential a new key pair; the old one counts for a while.",
            discussion: """
                Number, label, roles and projects stay. The key is shown this once. After a key \
                was seen by somebody else, say --overlap 0.

                EXAMPLE
                  holdfast credential rotate 2 --overlap 1h --data ./ledger
                """)

        @Argument(help: "The credential's number, as credential list shows it.") var number: UInt32
        @Option(
            name: .long,
            help: ArgumentHelp("How long the old pair still counts.", valueName: "TIME"))
        var overlap = Duration(microseconds: 3_600_000_000)
        @OptionGroup var data: DataOption
        @OptionGroup var json: JSONFlag

        func run() throws {
            try CredentialCommand.requireDirectory(data)
            let store = try CredentialStore(data.directory)
            let credential = try store.rotate(number: number, overlap: overlap.microseconds)
            let previous = try store.list().first { $0.number == number }?.previous
            CredentialCommand.show(credential, previous, json)
        }
    }

    struct Revoke: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a credential invalid for good, a replaced key pair of it as well.",
            discussion: "EXAMPLE\n  holdfast credential revoke 2 --data ./ledger",
            aliases: ["disable"])

        @Argument(help: "The credential's number, as credential list shows it.") var number: UInt32
        @OptionGroup var data: DataOption

        func run() throws {
            try CredentialCommand.requireDirectory(data)
            let entry = try CredentialStore(data.directory).disable(number: number)
            print("credential \(entry.number) (\(entry.secretId)) is revoked")
        }
    }

    struct SessionKey: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "session-key",
            abstract: "Print the public key that ServerSession tokens are verified with.",
            discussion: """
                Ed25519, in hexadecimal: what a render host needs to trust a token without calling
                back.

                EXAMPLE
                  holdfast credential session-key --data ./ledger
                """)

        @OptionGroup var data: DataOption

        func run() throws {
            try CredentialCommand.requireDirectory(data)
            print(try ServerSessionKey(data.directory).publicKeyText)
        }
    }

    /// The one time that a key is shown.
    private static func show(
        _ credential: CloudCredential, _ previous: CredentialStore.Entry.Previous?,
        _ json: JSONFlag
    ) {
        guard json.isOn else {
            print("SecretId  \(credential.secretId)\nSecretKey \(credential.secretKey)")
            if let previous {
                print("\(previous.secretId) counts until \(Timestamp.text(previous.until))")
            }
            return
        }
        let bytes = JSONObjectWriter.bytes { object in
            object.string("secretId", credential.secretId)
            object.string("secretKey", credential.secretKey)
            if !credential.access.isFull { object.access(credential.access) }
            if let previous { object.previous(previous) }
        }
        print(String(decoding: bytes, as: UTF8.self))
    }

    /// What limits a credential; nothing for one without limits.
    private static func text(_ access: Access) -> String {
        if access.isFull { return "" }
        let roles = access.roles.sorted().map(\.rawValue).joined(separator: ",")
        let projects = access.projects.map { "  " + $0.joined(separator: ",") } ?? ""
        return "  " + roles + projects
    }

    /// Reading must not create what it reads.
    private static func requireDirectory(_ data: DataOption) throws {
        if try data.directory.content() == .missing {
            throw LedgerError(
                .directory, "no directory \(data.path); create one with holdfast project set")
        }
    }
}

extension JSONObjectWriter {
    fileprivate mutating func access(_ access: Access) {
        strings("roles", access.roles.sorted().map(\.rawValue))
        if let projects = access.projects { strings("projects", projects) }
    }

    fileprivate mutating func previous(_ previous: CredentialStore.Entry.Previous) {
        object("previous") { object in
            object.string("secretId", previous.secretId)
            object.string("until", Timestamp.text(previous.until))
        }
    }
}
