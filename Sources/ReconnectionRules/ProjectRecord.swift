/// A project: settings, concurrencies by number, and the queue of idle ones.
public struct ProjectRecord: Sendable {
    public var settings = ProjectSettings()
    /// Index = number; index 0 is unused.
    public var concurrencies = RecordTable<ConcurrencyRecord>(
        CollectionOfOne(.unused), blank: .unused)
    /// How many are not withdrawn. Above the capacity while users still hold what was lowered away.
    public internal(set) var inServiceCount: UInt32 = 0
    /// How many are idle.
    public internal(set) var idleCount: UInt32 = 0
    /// Position of the newest event about the project itself.
    public var last: Position = 0
    var idle = IdleQueue()

    init() {}

    /// Derives the counts and the queue from the concurrencies.
    mutating func countStates() {
        inServiceCount = 0
        idleCount = 0
        for record in concurrencies.dropFirst() {
            if record.state != .withdrawn { inServiceCount += 1 }
            if record.state == .idle { idleCount += 1 }
        }
        idle.replaceAll(from: concurrencies)
    }

    /// Stands at the unused index 0.
    public static let none = ProjectRecord()

    /// "Running": reserved, connected, waiting and recovering.
    public var runningCount: UInt32 { inServiceCount - idleCount }
    /// How many concurrency numbers have ever been in use.
    public var numberCount: UInt32 { UInt32(concurrencies.count - 1) }
}
