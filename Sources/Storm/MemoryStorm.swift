public import JSON
import Ledger
import ReconnectionRules

/// How much memory a user costs: known by name, and holding a slot.
public struct MemoryStorm: Sendable {
    public var users = 10_000_000

    public init() {}

    public struct Figures: Sendable {
        var users: Int
        var emptyBytes: Int
        var knownBytes: Int
        var waitingBytes: Int

        /// Growth of resident memory that no file backs, for each user that is known.
        public var bytesPerKnownUser: Double { Double(knownBytes - emptyBytes) / Double(users) }
        /// The same, the concurrency that each waits with and its deadline included.
        public var bytesPerWaitingUser: Double { Double(waitingBytes - emptyBytes) / Double(users) }

        public func write(to fields: inout JSONObjectWriter) {
            fields.string("mode", "memory")
            fields.unsigned("users", UInt64(users))
            fields.number("residentBytesPerUser", bytesPerKnownUser)
            fields.number("residentBytesPerWaitingUser", bytesPerWaitingUser)
            fields.unsigned("emptyBytes", UInt64(max(0, emptyBytes)))
            fields.unsigned("knownBytes", UInt64(max(0, knownBytes)))
            fields.unsigned("waitingBytes", UInt64(max(0, waitingBytes)))
        }
    }

    public func run(
        in path: String, progress: ((Int, Int) -> Void)? = nil
    ) async throws -> Figures {
        try StormPopulation.requireOwn(path, isEmpty: true)
        let ledger = try Ledger(opening: path)
        let empty = try await settled(ledger)
        // Destroying nothing names the user and leaves it with nothing held.
        try await act(ledger) {
            $0.destroy(userBytes: $1)
        } progress: {
            progress?($0, 2 * users)
        }
        let known = try await settled(ledger)
        try await ledger.modifyProject(
            StormPopulation.project,
            ProjectChange(
                concurrencyCount: UInt32(users), reconnectWindow: .seconds(86_400),
                lockTimeout: .seconds(86_400)))
        try await act(ledger) { batch, name in
            batch.apply(userBytes: name, project: StormPopulation.project)
            batch.createSession(userBytes: name)
            batch.disconnect(userBytes: name)
        } progress: {
            progress?(users + $0, 2 * users)
        }
        let waiting = try await settled(ledger)
        await ledger.close()
        return Figures(
            users: users, emptyBytes: empty, knownBytes: known, waitingBytes: waiting)
    }

    /// Resident memory once nothing is under way: a checkpoint in the background has buffers.
    private func settled(_ ledger: Ledger) async throws -> Int {
        var least = Int.max
        for _ in 0..<20 {
            _ = try await ledger.status()
            try await Task.sleep(for: .milliseconds(100))
            least = min(least, Machine.residentBytes())
        }
        return least
    }

    private func act(
        _ ledger: Ledger, _ add: (inout ActionBatch, UnsafeRawBufferPointer) -> Void,
        progress: (Int) -> Void
    ) async throws {
        for first in stride(from: 0, to: users, by: 4_096) {
            let end = min(first + 4_096, users)
            var batch = ActionBatch(reservingCapacity: 3 * (end - first))
            for user in first..<end { StormUsers.withName(of: user) { add(&batch, $0) } }
            try StormFailure.check(try await ledger.perform(batch), refusedCountMax: 0)
            progress(end)
        }
    }
}
