import Crypto
public import EventLog
public import ReconnectionRules
import Synchronization

/// What a user holds, as of the answer.
public struct UserView: Sendable, Equatable {
    public var name: String
    public var number: UserNumber
    /// Project of the concurrency held, nil if none is.
    public var project: String?
    /// Number of the concurrency held, 0 if none is.
    public var concurrency: ConcurrencyNumber
    /// State of that concurrency, `none` if none is held.
    public var state: ConcurrencyState
    /// When that state ends by itself.
    public var deadline: Microseconds?
    /// Newest session of the grant, 0 if it had none.
    public var session: SessionId
    /// How many events the user has, and where they end.
    public var eventCount: UInt32
    public var lastPosition: Position

    /// The user as people read it: the name, or the number of one that was forgotten.
    public var text: String { name.isEmpty ? NamedEvent.forgotten(number) : name }
}

/// A project as of the answer.
public struct ProjectView: Sendable, Equatable {
    public var name: String
    public var number: ProjectNumber
    public var settings: ProjectSettings
    /// "Running": reserved, connected, waiting and recovering.
    public var runningCount: UInt32
    /// How many concurrencies are in each of these states.
    public var reservedCount: UInt32
    public var connectedCount: UInt32
    public var waitingCount: UInt32
    public var recoveringCount: UInt32
    public var idleCount: UInt32

    /// "Total": the capacity set.
    public var totalCount: UInt32 { settings.concurrencyCount }
}

/// How many concurrencies there are and how many of them are not idle.
public struct ConcurrentCount: Sendable, Equatable {
    /// "Total": the capacity set.
    public var total: UInt64 = 0
    /// "Running": reserved, connected, waiting and recovering.
    public var running: UInt64 = 0

    public init() {}

    mutating func add(_ project: ProjectRecord) {
        total += UInt64(project.settings.concurrencyCount)
        running += UInt64(project.runningCount)
    }
}

/// The ledger as a whole, as of the answer.
public struct LedgerStatus: Sendable, Equatable {
    /// Position of the newest event, durable once the status is told.
    public var position: Position
    /// Ledger time of that event.
    public var time: Microseconds
    public var counters: Counters
    public var userCount: Int
    public var projectCount: Int
    public var metrics: LedgerMetrics
}

extension RecoveredView {
    package func user(_ name: String) -> UserView? {
        LedgerViews.user(name, state, users, projects)
    }
}

/// How views are read off the state: the same for the writer thread and for a reading process.
enum LedgerViews {
    static func user(
        _ name: String, _ state: State, _ users: NameDirectory, _ projects: NameDirectory
    ) -> UserView? {
        guard let number = users.number(of: name) else { return nil }
        let record = state.users[Int(number)]
        let held = state.holding(of: number)
        return UserView(
            name: name, number: number,
            project: held.map { projects.name(of: UInt32($0.project)) },
            concurrency: held?.concurrency ?? 0, state: held?.record.state ?? .none,
            deadline: held?.record.deadline, session: held?.record.session ?? 0,
            eventCount: record.eventCount, lastPosition: record.last)
    }

    /// Cost: linear in the project's concurrencies.
    static func project(
        _ name: String, _ state: State, _ projects: NameDirectory
    ) -> ProjectView? {
        guard let number = projects.number(of: name) else { return nil }
        let record = state.projects[Int(number)]
        var counts = [UInt32](repeating: 0, count: ConcurrencyState.allCases.count)
        for concurrency in record.concurrencies.dropFirst() {
            counts[Int(concurrency.state.rawValue)] += 1
        }
        func count(_ state: ConcurrencyState) -> UInt32 { counts[Int(state.rawValue)] }
        return ProjectView(
            name: name, number: ProjectNumber(number), settings: record.settings,
            runningCount: record.runningCount, reservedCount: count(.reserved),
            connectedCount: count(.connected), waitingCount: count(.waiting),
            recoveringCount: count(.recovering), idleCount: count(.idle))
    }
}

/// The digest of the state's canonical form.
public enum StateDigest {
    /// SHA-256 over `State.forEachCanonicalWord`, each word as 8 bytes, least significant first.
    public static func of(_ state: State) -> Digest32 {
        var hasher = SHA256()
        var buffer: [UInt64] = []
        buffer.reserveCapacity(4096)
        func flush() {
            buffer.withUnsafeBytes { hasher.update(bufferPointer: $0) }
            buffer.removeAll(keepingCapacity: true)
        }
        state.forEachCanonicalWord { word in
            buffer.append(word.littleEndian)
            if buffer.count == 4096 { flush() }
        }
        flush()
        return Digest32(hasher.finalize())
    }
}

/// The engine's own figures, published by the writer after each commit.
final class SharedMetrics: Sendable {
    private let metrics = Mutex(LedgerMetrics())

    var current: LedgerMetrics { metrics.withLock { $0 } }

    func publish(_ newMetrics: LedgerMetrics) { metrics.withLock { $0 = newMetrics } }
}
