import ArgumentParser
import CloudAPI
import JSON
import Ledger
import LedgerServer

struct CredentialCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "credential",
        abstract: "Create, list and disable the credentials that may call the server.",
        discussion: """
            Credentials are kept beside the ledger and never in it. A running server takes a \
            change up by itself.

            EXAMPLE
              holdfast credential create --label "render host 7" --data ./ledger
            """,
        subcommands: [Create.self, List.self, Disable.self, SessionKey.self])

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Create a credential and print it; the key is shown this once.",
            discussion: "EXAMPLE\n  holdfast credential create --json --data ./ledger")

        @Option(name: .long, help: ArgumentHelp("A note for the list.", valueName: "TEXT"))
        var label: String?
        @OptionGroup var data: DataOption
        @OptionGroup var json: JSONFlag

        func run() throws {
            try data.directory.create()
            let credential = try CredentialStore(data.directory).create(label: label)
            if json.isOn {
                let bytes = JSONObjectWriter.bytes { object in
                    object.string("secretId", credential.secretId)
                    object.string("secretKey", credential.secretKey)
                }
                print(String(decoding: bytes, as: UTF8.self))
            } else {
                print("SecretId  \(credential.secretId)\nSecretKey \(credential.secretKey)")
            }
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
                    }
                    print(String(decoding: bytes, as: UTF8.self))
                } else {
                    print(
                        "\(entry.number)  \(entry.secretId)  \(Timestamp.text(entry.createdAt))"
                            + (entry.isDisabled ? "  disabled" : "")
                            + (entry.label.map { "  \($0)" } ?? ""))
                }
            }
        }
    }

    struct Disable: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Disable a credential, for good.",
            discussion: "EXAMPLE\n  holdfast credential disable 2 --data ./ledger")

        @Argument(help: "The credential's number, as credential list shows it.") var number: UInt32
        @OptionGroup var data: DataOption

        func run() throws {
            try CredentialCommand.requireDirectory(data)
            let entry = try CredentialStore(data.directory).disable(number: number)
            print("credential \(entry.number) (\(entry.secretId)) is disabled")
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

    /// Reading must not create what it reads.
    private static func requireDirectory(_ data: DataOption) throws {
        if try data.directory.content() == .missing {
            throw LedgerError(
                .directory, "no directory \(data.path); create one with holdfast project set")
        }
    }
}
