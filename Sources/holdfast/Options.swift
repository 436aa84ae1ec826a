import ArgumentParser
import Audit
import Ledger
import ReconnectionRules

/// The data directory every command works on.
struct DataOption: ParsableArguments {
    @Option(
        name: .customLong("data"),
        help: ArgumentHelp("The ledger's data directory.", valueName: "DIR"),
        completion: .directory)
    var path: String

    var directory: DataDirectory { DataDirectory(path) }

    func validate() throws {
        if path.isEmpty { throw ValidationError("--data names no directory") }
    }

    /// What is counted or checked is sound, and not all of it.
    func warnOfHalfImport() {
        guard directory.isHalfImported else { return }
        Terminal.error(
            "warning: \(path) holds a part of a trace: an import is under way or was broken off")
    }
}

/// Whether to print for a script.
struct JSONFlag: ParsableArguments {
    @Flag(name: .customLong("json"), help: "Print JSON, one object on a line.")
    var isOn = false
}

/// Where states of the past are kept.
struct CheckpointSpacingOption: ParsableArguments {
    @Option(
        name: .customLong("checkpoint-spacing"),
        help: ArgumentHelp(
            "Keep a state of the past every N events, and no more often than every 8 for each "
                + "user and concurrency; 0 keeps none.", valueName: "N"))
    var eventCount = CheckpointSpacing().eventCount

    var spacing: CheckpointSpacing { CheckpointSpacing(eventCount: eventCount) }

    func validate() throws {
        if eventCount < 0 { throw ValidationError("--checkpoint-spacing takes a number from 0") }
    }
}

/// A length of time as people write it: 90s, 2m, 1h, 500ms; a bare number is seconds.
struct Duration: ExpressibleByArgument {
    var microseconds: Microseconds

    init?(argument: String) {
        let units: [(suffix: String, microseconds: Double)] = [
            ("ms", 1e3), ("s", 1e6), ("m", 60e6), ("h", 3600e6), ("", 1e6),
        ]
        for unit in units where argument.hasSuffix(unit.suffix) {
            let number = argument.dropLast(unit.suffix.count)
            guard !number.isEmpty, number.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }),
                let value = Double(number), value * unit.microseconds < 1e15
            else { return nil }
            microseconds = Microseconds((value * unit.microseconds).rounded())
            return
        }
        return nil
    }

    static let minute = Duration(microseconds: 60_000_000)

    init(microseconds: Microseconds) { self.microseconds = microseconds }

    var defaultValueDescription: String { Duration.text(microseconds) }

    /// `90s`, `1.5s`, `2h`: the shortest of the forms above.
    static func text(_ time: Microseconds) -> String { DurationText.exact(time) }
}

/// A project's settings as options.
struct SettingsOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "How long a vanished client's slot waits (default 90s).", valueName: "TIME"))
    var reconnectWindow: Duration?

    @Option(
        name: .long,
        help: ArgumentHelp("Time between apply and session (default 30s).", valueName: "TIME"))
    var lockTimeout: Duration?

    @Option(
        name: .customLong("cleanup"),
        help: ArgumentHelp("Cleaning after a session (default 0s).", valueName: "TIME"))
    var cleanup: Duration?

    func change(concurrencies: UInt32?, requiresSessionName: Bool? = nil) -> ProjectChange {
        ProjectChange(
            concurrencyCount: concurrencies, reconnectWindow: reconnectWindow?.microseconds,
            lockTimeout: lockTimeout?.microseconds, cleanupTime: cleanup?.microseconds,
            requiresSessionName: requiresSessionName)
    }
}
