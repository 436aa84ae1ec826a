import EventLog
import Ledger
import ReconnectionRules

/// Fills a ledger with users that each hold a connected slot, so that a reconnect of any of them
/// finds what it needs.
enum StormPopulation {
    static let project = "storm"

    /// Refuses a ledger that somebody uses: what a storm writes stays in the log for good. Looks
    /// and writes nothing.
    static func requireOwn(_ path: String, isEmpty: Bool) throws {
        guard try DataDirectory(path).content() == .ledger else { return }
        let reader = try LedgerReader(opening: path)
        if let stranger = reader.projects.map(\.name).first(where: { $0 != project }) {
            throw StormFailure(
                description: "\(path) holds project \(stranger): a storm would add its users and "
                    + "events for good; name a new --data directory")
        }
        if isEmpty, reader.state.userCount > 0 {
            throw StormFailure(
                description: "\(path) holds users already, and this mode begins with none; name a "
                    + "new --data directory")
        }
    }

    /// Names every user, grants each a concurrency and puts a session on it, unless that is done.
    ///
    /// - Parameter window: the reconnect window; long enough that none ends in a measurement.
    static func prepare(
        _ ledger: Ledger, users: Int, window: Microseconds = .seconds(3_600),
        progress: ((Int, Int) -> Void)? = nil
    ) async throws {
        try await ledger.modifyProject(
            project,
            ProjectChange(
                concurrencyCount: UInt32(users), reconnectWindow: window,
                lockTimeout: .seconds(3_600)))
        let known = try await ledger.status().userCount
        var first = known >= users ? users : 0
        while first < users {
            let end = min(first + 4_096, users)
            var batch = ActionBatch(reservingCapacity: 2 * (end - first))
            for index in first..<end {
                StormUsers.withName(of: index) { name in
                    batch.apply(userBytes: name, project: project)
                    batch.createSession(userBytes: name)
                }
            }
            let reply = try await ledger.perform(batch)
            try StormFailure.check(reply, refusedCountMax: 0)
            first = end
            progress?(first, users)
        }
    }
}

/// A storm that did not do what it says it measures.
public struct StormFailure: Error, CustomStringConvertible {
    public let description: String

    /// Every action must have come to something: a storm of refusals measures nothing.
    static func check(_ reply: ActionBatchReply, refusedCountMax: Int) throws {
        let refused = reply.items.count { $0.isRefusal || $0.fault != .none }
        if refused > refusedCountMax {
            throw StormFailure(
                description: "\(refused) of \(reply.count) actions of the storm were refused; "
                    + "name a new --data directory")
        }
    }
}
