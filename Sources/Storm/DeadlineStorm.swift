import EventLog
public import JSON
import Ledger
import ReconnectionRules
import Synchronization

/// Many reconnect windows that end together, and what that does to those who apply meanwhile.
///
/// Probes apply at a fixed rate, open loop, for users whose own windows are not among them: first
/// at rest, then while the windows end evenly over one second, then while as many end in the same
/// microsecond.
public struct DeadlineStorm: Sendable {
    public var windows = 1_000_000
    public var probesPerSecond = 2_000.0
    public var seed: UInt64 = 1
    private static let probeUsers = 4_096
    private static let window: Microseconds = .seconds(12)
    /// A second has few probes in its last percent: one pause of the disk would decide.
    private static let evenRounds = 3

    public init() {}

    public struct Figures: Sendable {
        var windows: Int
        var probesPerSecond: Double
        var rest: Latencies
        var even: Latencies
        var together: Latencies
        /// Milliseconds from the first to the last of the windows that ended evenly, as recorded.
        var spreadMilliseconds: Double
        /// Seconds that appending the same batches durably takes, with nothing to decide.
        var commitSeconds: Double

        /// p99 of apply while the windows end, over p99 at rest.
        public var evenRatio: Double { even.percentile(99) / rest.percentile(99) }
        /// The longest apply over the durable commit of those events.
        public var togetherRatio: Double { together.percentile(100) / 1e6 / commitSeconds }

        public func write(to fields: inout JSONObjectWriter) {
            fields.string("mode", "deadlines")
            fields.string("latencyUnit", "microseconds")
            fields.unsigned("windows", UInt64(windows))
            fields.number("probesPerSecond", probesPerSecond)
            for (name, latencies) in [("atRest", rest), ("evenly", even), ("together", together)] {
                fields.object(name) { fields in
                    fields.unsigned("applies", latencies.count)
                    for (name, percent) in ReconnectFigures.percentiles {
                        fields.number(name, latencies.percentile(percent))
                    }
                }
            }
            fields.number("spreadMilliseconds", spreadMilliseconds)
            fields.number("commitSeconds", commitSeconds)
            fields.number("evenlyOverRestP99", evenRatio)
            fields.number("longestApplyOverCommit", togetherRatio)
        }
    }

    public func run(
        in path: String, progress: ((Int, Int) -> Void)? = nil
    ) async throws -> Figures {
        try StormPopulation.requireOwn(path, isEmpty: true)
        var figures: Figures
        let first: Position
        let last: Position
        do {
            let ledger = try Ledger(opening: path)
            try await StormPopulation.prepare(
                ledger, users: windows + Self.probeUsers, window: Self.window, progress: progress)
            let rest = try await probe(ledger, seconds: 6)
            var even = Latencies()
            var spread = 0.0
            for _ in 0 ..< Self.evenRounds {
                let (latencies, milliseconds) = try await endEvenly(ledger)
                even.add(latencies)
                spread = max(spread, milliseconds)
                try await reconnectAll(ledger)
            }
            let position = ledger.head.position
            let together = try await endTogether(ledger)
            (first, last) = try await expired(ledger, after: position)
            figures = Figures(
                windows: windows, probesPerSecond: probesPerSecond, rest: rest, even: even,
                together: together, spreadMilliseconds: spread, commitSeconds: 0)
            await ledger.close()
            if let failure = ledger.failure { throw failure }
        }
        figures.commitSeconds = try Self.commitSeconds(of: first...last, in: path)
        return figures
    }

    // MARK: - The three scenes

    /// Applies of users that hold a connected slot, at the rate, for that long.
    private func probe(_ ledger: Ledger, seconds: Double) async throws -> Latencies {
        let latencies = SharedLatencies()
        let start = Machine.now()
        let callers = 64
        try await withThrowingTaskGroup(of: Void.self) { group in
            for caller in 0..<callers {
                group.addTask {
                    var random = StormRandom(seed: seed &+ UInt64(caller))
                    var sent = caller
                    while true {
                        let due = start + Int64(1e9 * Double(sent) / probesPerSecond)
                        if due >= start + Int64(seconds * 1e9) { return }
                        sent += callers
                        let wait = due - Machine.now()
                        if wait > 0 {
                            try await Task.sleep(for: .nanoseconds(wait), tolerance: .zero)
                        }
                        let user = StormUsers.name(
                            of: windows + random.next(below: Self.probeUsers))
                        let reply = try await ledger.apply(
                            user: user, project: StormPopulation.project)
                        latencies.record(nanoseconds: Machine.now() - due, by: caller)
                        guard reply.outcome == .returned else {
                            throw StormFailure(description: "a probe came to \(reply.outcome)")
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        return latencies.all
    }

    private func endEvenly(_ ledger: Ledger) async throws -> (Latencies, Double) {
        let start = Machine.now()
        let steps = 1_000
        for step in 0..<steps {
            let wait = start + Int64(step) * 1_000_000 - Machine.now()
            if wait > 0 { try await Task.sleep(for: .nanoseconds(wait), tolerance: .zero) }
            try await disconnect(ledger, step * windows / steps..<(step + 1) * windows / steps)
        }
        let spread = Double(Machine.now() - start) / 1e6
        // What ends outside of this second would only water the figure down.
        try await sleep(until: start + Self.window * 1_000)
        return (try await probe(ledger, seconds: max(1, spread / 1e3)), spread)
    }

    private func endTogether(_ ledger: Ledger) async throws -> Latencies {
        let start = Machine.now()
        try await disconnect(ledger, 0..<windows)
        try await sleep(until: start + Self.window * 1_000 - 500_000_000)
        return try await probe(ledger, seconds: 4)
    }

    // MARK: - Parts

    private func disconnect(_ ledger: Ledger, _ users: Range<Int>) async throws {
        try await act(ledger, users) { $0.disconnect(userBytes: $1) }
    }

    /// Everybody holds a connected slot again.
    private func reconnectAll(_ ledger: Ledger) async throws {
        for first in stride(from: 0, to: windows, by: 8_192) {
            try await act(ledger, first..<min(first + 8_192, windows)) { batch, name in
                batch.apply(userBytes: name, project: StormPopulation.project)
                batch.createSession(userBytes: name)
            }
        }
    }

    private func act(
        _ ledger: Ledger, _ users: Range<Int>,
        _ add: (inout ActionBatch, UnsafeRawBufferPointer) -> Void
    ) async throws {
        var batch = ActionBatch(reservingCapacity: 2 * users.count)
        for user in users { StormUsers.withName(of: user) { add(&batch, $0) } }
        try StormFailure.check(try await ledger.perform(batch), refusedCountMax: 0)
    }

    private func sleep(until moment: Int64) async throws {
        let wait = moment - Machine.now()
        if wait > 0 { try await Task.sleep(for: .nanoseconds(wait), tolerance: .zero) }
    }

    /// Positions of the first and the last of the repossessions behind a position.
    private func expired(
        _ ledger: Ledger, after position: Position
    ) async throws -> (Position, Position) {
        var first: Position = 0
        var count = 0
        for try await event in ledger.events(after: position + Position(windows)) {
            guard event.event.outcome == .windowExpired else { continue }
            if first == 0 { first = event.event.position }
            count += 1
            if count == windows { return (first, event.event.position) }
        }
        throw StormFailure(description: "\(count) of \(windows) windows ended")
    }

    /// Appends the batches that hold those positions to a log of their own, as a commit each.
    private static func commitSeconds(
        of positions: ClosedRange<Position>, in path: String
    ) throws -> Double {
        let copy = path + "/commit-probe"
        try Machine.makeDirectory(copy)
        defer { Machine.removeLog(copy) }
        let source = try EventLog(directory: DataDirectory(path).log, mode: .readOnly)
        let target = try EventLog(directory: copy, mode: .create)
        var head = LogHead.empty
        var seconds = 0.0
        let builder = BatchBuilder(after: 0)
        try source.forEachBatch(from: positions.lowerBound) { batch in
            if batch.firstPosition > positions.upperBound { return false }
            builder.begin(after: head.position)
            try batch.forEachEvent { event, _ in
                var event = event
                event.position = builder.nextPosition
                builder.append(event)
            }
            head = builder.seal(after: head, wallOffset: nil, origin: nil)
            let start = Machine.now()
            try target.append(builder.sealedBytes, at: builder.firstPosition)
            seconds += Double(Machine.now() - start) / 1e9
            return true
        }
        return seconds
    }
}
