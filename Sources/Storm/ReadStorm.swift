public import JSON
import EventLog
import Ledger
import ReconnectionRules

/// States of users at past moments, read from a log as it stands: random users and moments, and the
/// user with the most events. Cold: the log's pages were dropped from the cache before. Warm: the
/// same questions again.
public struct ReadStorm: Sendable {
    public var users = 1_000_000
    public var questions = 4_000
    public var seed: UInt64 = 1

    public init() {}

    public struct Figures: Sendable {
        var events: UInt64
        var heaviestUserEvents: UInt32
        /// By temperature, then by user.
        var latencies: [(temperature: String, user: String, latencies: Latencies)] = []

        public func write(to fields: inout JSONObjectWriter) {
            fields.string("mode", "read")
            fields.string("latencyUnit", "microseconds")
            fields.unsigned("events", events)
            fields.unsigned("heaviestUserEvents", heaviestUserEvents)
            for temperature in ["cold", "warm"] {
                fields.object(temperature) { fields in
                    for entry in latencies where entry.temperature == temperature {
                        fields.object(entry.user) { fields in
                            for (name, percent) in ReconnectFigures.percentiles {
                                fields.number(name, entry.latencies.percentile(percent))
                            }
                        }
                    }
                }
            }
        }
    }

    private struct Question {
        var user: String
        var moment: Moment
    }

    public func run(in path: String) throws -> Figures {
        Machine.dropFromCache(DataDirectory(path).log + "/data.mdb")
        let reader = try LedgerReader(opening: path)
        let heaviest = StormUsers.name(of: 0)
        guard let heavy = reader.user(heaviest), reader.head.position > 0 else {
            throw StormFailure(
                description: "no storm ran in \(path); run holdfast storm --data \(path) first")
        }
        var figures = Figures(events: reader.head.position, heaviestUserEvents: heavy.eventCount)
        var random = StormRandom(seed: seed)
        let known = min(users, reader.state.userCount)
        func moment() -> Moment {
            .position(1 + Position(random.next(below: Int(reader.head.position))))
        }
        let scattered = (0..<questions).map { _ in
            Question(user: StormUsers.name(of: random.next(below: known)), moment: moment())
        }
        let heavyOnes = (0..<questions).map { _ in Question(user: heaviest, moment: moment()) }
        for temperature in ["cold", "warm"] {
            for (user, asked) in [("random", scattered), ("heaviest", heavyOnes)] {
                var latencies = Latencies()
                for question in asked {
                    let start = Machine.now()
                    _ = try reader.user(question.user, at: question.moment)
                    latencies.record(nanoseconds: Machine.now() - start)
                }
                figures.latencies.append((temperature, user, latencies))
            }
        }
        return figures
    }
}
