/// A project: settings, concurrencies by number, and the queue of idle ones.
public struct ProjectRecord: Sendable {
    public var settings = ProjectSettings()
    /// Index = number; index 0 is unused.
    public var concurrencies: [ConcurrencyRecord] = [ConcurrencyRecord.unused]
    /// How many are not withdrawn. Above the capacity while users still hold what was lowered away.
    public internal(set) var inServiceCount: UInt32 = 0
    /// How many are idle.
    public internal(set) var idleCount: UInt32 = 0
    /// Position of the newest event about the project itself.
    public var last: Position = 0
    var idle = IdleQueue()

    init() {}

    /// "Running": reserved, connected, waiting and recovering.
    public var runningCount: UInt32 { inServiceCount - idleCount }
    /// How many concurrency numbers have ever been in use.
    public var numberCount: UInt32 { UInt32(concurrencies.count - 1) }
}
