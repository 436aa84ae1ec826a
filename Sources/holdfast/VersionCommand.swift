import ArgumentParser
import EventLog
import JSON
import Ledger

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Print versions.",
        discussion: "EXAMPLE\n  holdfast version --json")

    @OptionGroup var json: JSONFlag

    func run() {
        if json.isOn {
            let bytes = JSONObjectWriter.bytes { object in
                object.string("holdfast", HoldfastVersion.text)
                object.unsigned("logFormat", LogFormat.version)
            }
            print(String(decoding: bytes, as: UTF8.self))
        } else {
            print("holdfast \(HoldfastVersion.text), log format \(LogFormat.version)")
        }
    }
}
