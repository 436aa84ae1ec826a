import Ledger

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Reconnect loops of one number of concurrent callers on an embedded ledger of their own.
///
/// Every caller owns a share of the users and takes them in random order: apply, session,
/// disconnect, apply again within the window, session again. So every round is a reconnect, and
/// none is refused. Each command waits for its answer, which comes after its durable commit.
struct Run {
    struct Result {
        var callers: Int
        var seconds: Double
        var commands: UInt64
        var events: UInt64
        var commits: UInt64
        /// Counts of batches by size: index i holds those of 2^i up to 2^(i+1) − 1 events.
        var batchSizes: [UInt64]
        var batchMax: UInt64
        /// Nanoseconds from asking to the answer.
        var median: UInt64
        var percentile99: UInt64
        var longest: UInt64
        var resumed: UInt64
    }

    var callers: Int
    var options: Options

    func result() async throws -> Result {
        let path = try makeDirectory()
        defer { remove(path) }
        let ledger = try Ledger(opening: path)
        try await ledger.modifyProject(
            "bench", ProjectChange(concurrencyCount: UInt32(options.users)))
        try await introduceUsers(to: ledger)

        let before = ledger.currentMetrics
        let start = ContinuousClock.now
        let end = start + .seconds(options.seconds)
        let latencies = try await withThrowingTaskGroup(of: [UInt64].self) { group in
            for caller in 0 ..< callers {
                group.addTask { try await loop(caller, ledger, until: end) }
            }
            return try await group.reduce(into: [UInt64]()) { $0 += $1 }.sorted()
        }
        let length = ContinuousClock.now - start
        let after = ledger.currentMetrics
        let resumed = try await ledger.status().counters.resumed
        await ledger.close()

        let commands = after.commandCount - before.commandCount
        precondition(commands == UInt64(latencies.count), "a command went uncounted")
        return Result(
            callers: callers, seconds: Self.seconds(length), commands: commands,
            events: after.eventCount - before.eventCount,
            commits: after.commitCount - before.commitCount,
            batchSizes: zip(after.batchSizes, before.batchSizes).map { $0 - $1 },
            batchMax: after.batchEventCountMax, median: latencies[latencies.count / 2],
            percentile99: latencies[latencies.count * 99 / 100], longest: latencies.last!,
            resumed: resumed)
    }

    /// Names every user once, so that the loops measure reconnects alone.
    private func introduceUsers(to ledger: Ledger) async throws {
        for first in stride(from: 0, to: options.users, by: 10_000) {
            let last = min(first + 10_000, options.users)
            _ = try await ledger.performAll((first ..< last).map { .destroy(user: "user-\($0)") })
        }
    }

    private func loop(
        _ caller: Int, _ ledger: Ledger, until end: ContinuousClock.Instant
    ) async throws -> [UInt64] {
        var random = Random(state: options.seed &+ UInt64(caller) &* 7_919)
        var own = Array(stride(from: caller, to: options.users, by: callers))
        var latencies: [UInt64] = []
        latencies.reserveCapacity(10_000)
        func timed(_ action: Action) async throws -> ActionReply {
            let start = ContinuousClock.now
            let reply = try await ledger.perform(action)
            latencies.append(UInt64(Self.seconds(ContinuousClock.now - start) * 1e9))
            return reply
        }
        while true {
            own.shuffle(using: &random)
            for number in own {
                if ContinuousClock.now >= end { return latencies }
                let user = "user-\(number)"
                _ = try await timed(.apply(user: user, project: "bench"))
                let session = try await timed(.createSession(user: user))
                _ = try await timed(.disconnect(user: user, session: session.position))
                _ = try await timed(.apply(user: user, project: "bench"))
                _ = try await timed(.createSession(user: user))
            }
        }
    }

    // MARK: - Parts

    static func seconds(_ length: Duration) -> Double {
        Double(length.components.seconds) + Double(length.components.attoseconds) / 1e18
    }

    private func makeDirectory() throws -> String {
        var template = Array("\(options.directory)/holdfast-bench-XXXXXX".utf8CString)
        let isMade = template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!) != nil }
        guard isMade else { throw BenchError(text: "cannot make a directory in \(options.directory)") }
        return template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    private func remove(_ path: String) {
        for part in ["log", "views"] {
            for file in ["data.mdb", "lock.mdb"] { unlink("\(path)/\(part)/\(file)") }
            rmdir("\(path)/\(part)")
        }
        for file in ["owner.lock", "sign-of-life"] { unlink("\(path)/\(file)") }
        rmdir(path)
    }
}

struct BenchError: Error, CustomStringConvertible {
    var text: String
    var description: String { text }
}

/// SplitMix64: the same order for the same seed.
struct Random: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
