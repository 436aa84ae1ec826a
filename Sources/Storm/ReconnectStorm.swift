import EventLog
public import Ledger
import ReconnectionRules

/// Reconnects of random users on an embedded ledger: each is a disconnect, an apply that returns
/// the held concurrency, and a createSession, all three durable before they are answered.
public struct ReconnectStorm: Sendable {
    public enum Mode: String, Sendable, CaseIterable {
        /// Each caller sends batches of reconnects.
        case batch
        /// Each caller sends one action at a time and waits for its answer.
        case single
    }

    public var mode = Mode.batch
    public var users = 1_000_000
    public var callers = 4
    /// Reconnects in a batch.
    public var batch = 4_096
    public var seconds = 5.0
    /// Reconnects a second to offer; nil: as many as the callers get answered. With a rate, latency
    /// counts from the moment a reconnect was due, not from when a caller was free to send it.
    public var rate: Double?
    public var seed: UInt64 = 1
    /// Stop once the log holds that many, whatever the time; nil: the time decides.
    public var eventCount: UInt64?
    /// Where the ledger keeps states of its past meanwhile.
    public var keptCheckpoints = CheckpointSpacing()

    public init() {}

    /// Runs it on a ledger that `StormPopulation` prepared.
    public func run(on ledger: Ledger) async throws -> ReconnectFigures {
        let before = ledger.currentMetrics
        let processor = Machine.processorSeconds()
        let start = Machine.now()
        let end = start + Int64(seconds * 1e9)
        let latencies = SharedLatencies()
        let reconnects = try await withThrowingTaskGroup(of: Int.self) { group in
            for caller in 0..<callers {
                group.addTask {
                    switch mode {
                    case .batch:
                        try await batches(
                            ledger, caller, start, end, latencies)
                    case .single: try await singles(ledger, caller, start, end, latencies)
                    }
                }
            }
            return try await group.reduce(0, +)
        }
        let length = Double(Machine.now() - start) / 1e9
        return ReconnectFigures(
            storm: self, seconds: length, reconnects: reconnects, latencies: latencies.all,
            processorSeconds: Machine.processorSeconds() - processor, before: before,
            after: ledger.currentMetrics)
    }

    private func batches(
        _ ledger: Ledger, _ caller: Int, _ start: Int64, _ end: Int64,
        _ latencies: SharedLatencies
    ) async throws -> Int {
        var reconnects = 0
        var random = StormRandom(seed: seed &+ UInt64(caller) << 32)
        var actions = ActionBatch(reservingCapacity: 3 * batch)
        var schedule = Schedule(self, caller, start)
        while Machine.now() < end {
            if let eventCount, ledger.head.position >= eventCount { break }
            guard let due = try await schedule.next(batch, before: end) else { break }
            actions.removeAll()
            // One user comes back with every batch: logs have people with very many events.
            StormUsers.withName(of: 0) {
                actions.reconnect(userBytes: $0, project: StormPopulation.project)
            }
            for _ in 1..<batch {
                StormUsers.withName(of: random.next(below: users)) { name in
                    actions.reconnect(userBytes: name, project: StormPopulation.project)
                }
            }
            let reply = try await ledger.perform(actions)
            latencies.record(nanoseconds: Machine.now() - due, by: caller)
            try StormFailure.check(reply, refusedCountMax: 0)
            reconnects += batch
        }
        return reconnects
    }

    private func singles(
        _ ledger: Ledger, _ caller: Int, _ start: Int64, _ end: Int64,
        _ latencies: SharedLatencies
    ) async throws -> Int {
        var reconnects = 0
        var random = StormRandom(seed: seed &+ UInt64(caller) << 32)
        var schedule = Schedule(self, caller, start)
        // A share of the users for each caller: two that took the same one at the same time would
        // find it in a state that neither expects.
        let share = max(1, users / callers)
        while Machine.now() < end {
            let user = StormUsers.name(of: caller * share + random.next(below: share))
            guard let due = try await schedule.next(1, before: end) else { break }
            let disconnected = try await ledger.disconnect(user: user)
            let first = Machine.now()
            let applied = try await ledger.apply(user: user, project: StormPopulation.project)
            let second = Machine.now()
            let created = try await ledger.createSession(user: user)
            latencies.record(nanoseconds: first - due, by: caller)
            latencies.record(nanoseconds: second - first, by: caller)
            latencies.record(nanoseconds: Machine.now() - second, by: caller)
            guard disconnected.outcome == .waiting, applied.outcome == .returned,
                created.outcome == .resumed
            else {
                throw StormFailure(
                    description: "\(user) came to \(disconnected.outcome), \(applied.outcome), "
                        + "\(created.outcome); name a new --data directory")
            }
            reconnects += 1
        }
        return reconnects
    }
}

/// When a caller's next reconnects are due: at once, or as an open-loop arrival at a fixed rate.
private struct Schedule {
    private let interval: Double?
    private let start: Int64
    private var sent = 0

    init(_ storm: ReconnectStorm, _ caller: Int, _ start: Int64) {
        interval = storm.rate.map { 1e9 * Double(storm.callers) / $0 }
        // Callers begin one after the other, not all at once.
        // A rate that offers nothing in an hour begins at once.
        let between = (interval ?? 0) * Double(storm.mode == .batch ? storm.batch : 1)
        let offset = min(between, 3_600e9)
        self.start = start + Int64(offset * Double(caller) / Double(storm.callers))
    }

    /// Waits until the next `count` are due, if they are not. Returns when that was: what latency
    /// counts from; nil if that is not before `end`.
    mutating func next(_ count: Int, before end: Int64) async throws -> Int64? {
        guard let interval else { return Machine.now() }
        let offset = Double(sent) * interval
        guard offset < Double(end - start) else { return nil }
        let due = start + Int64(offset)
        sent += count
        let wait = due - Machine.now()
        if wait > 0 { try await Task.sleep(for: .nanoseconds(wait), tolerance: .zero) }
        return due
    }
}
