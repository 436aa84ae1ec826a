public import JSON
import Ledger

/// How long opening a data directory takes, as it stands: after an orderly end, or after a kill.
public struct OpeningStorm: Sendable {
    public init() {}

    public struct Figures: Sendable {
        var seconds: Double
        var eventCount: UInt64
        var users: Int
        var recovery: RecoveryReport

        public func write(to fields: inout JSONObjectWriter) {
            fields.string("mode", "open")
            fields.number("seconds", seconds)
            fields.unsigned("events", eventCount)
            fields.unsigned("users", UInt64(users))
            fields.unsigned("checkpointPosition", recovery.checkpointPosition)
            fields.unsigned("replayedEvents", recovery.replayedEventCount)
        }
    }

    public func run(in path: String) async throws -> Figures {
        try DataDirectory(path).requireLedger()
        let start = Machine.now()
        let ledger = try Ledger(opening: path)
        let seconds = Double(Machine.now() - start) / 1e9
        let status = try await ledger.status()
        await ledger.close()
        return Figures(
            seconds: seconds, eventCount: status.position, users: status.userCount,
            recovery: ledger.recovery)
    }
}
