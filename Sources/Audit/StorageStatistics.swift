import EventLog
public import Ledger
public import ReconnectionRules

/// How fast a ledger grew over a length of ledger time that ends with its newest event.
public struct LedgerGrowth: Sendable, Equatable {
    /// `day`, `week` or `life`.
    public var name: String
    /// The length of time: that of the name, or the ledger's whole life if that is shorter.
    public var length: Microseconds
    /// Events in it.
    public var eventCount: UInt64
    /// Events and bytes of the log a day; nil where less than `leastLength` went by.
    public var eventsPerDay: Double?
    public var bytesPerDay: Double?

    /// What is made of less is no rate of a day: an hour.
    public static let leastLength = Microseconds.seconds(3_600)
}

/// What a ledger takes on disk, and how fast that grows.
public struct StorageStatistics: Sendable, Equatable {
    /// Bytes of the log file in use, and how many of them are kept for later writes; nil for the
    /// latter beside a writer that leaves no time to count them.
    public var logByteCount: Int
    public var logFreeByteCount: Int?
    /// Bytes of the log for each event, LMDB's pages included; nil in an empty ledger.
    public var bytesPerEvent: Double?
    public var viewsByteCount: UInt64
    /// Kept checkpoints: how many, their bytes, and those that are not used.
    public var checkpointCount: Int
    public var checkpointsByteCount: UInt64
    public var checkpointFaults: [KeptCheckpointFault]
    /// Over the last day, the last week and the whole life.
    public var growth: [LedgerGrowth]

    /// Looks it up. Cost: a logarithm of point reads for each length of time, one read of the log's
    /// tree pages, and the headers of the kept checkpoints; no scan.
    public init(_ reader: LedgerReader) throws(LedgerError) {
        let log = reader.log
        logByteCount = log.byteCount
        let usedPageCount = try? EventLog.checkPages(directory: reader.directory.log)
        let (byteCount, pageByteCount) = (logByteCount, log.pageByteCount)
        logFreeByteCount = usedPageCount.map { max(0, byteCount - $0 * pageByteCount) }
        let eventCount = try reader.eventCount(after: 0, through: reader.head.position)
        bytesPerEvent = eventCount == 0 ? nil : Double(byteCount) / Double(eventCount)
        viewsByteCount = reader.directory.viewsByteCount
        let checkpoints = reader.keptCheckpoints
        let positions = checkpoints.positions()
        checkpointFaults = positions.compactMap { checkpoints.quickFault(at: $0) }
        checkpointCount = positions.count - checkpointFaults.count
        checkpointsByteCount = checkpoints.byteCount
        growth = []
        guard let first = try reader.firstTime() else { return }
        let life = reader.head.time - first
        let day = Microseconds.seconds(86_400)
        for (name, wanted) in [("day", day), ("week", 7 * day), ("life", life)] {
            growth.append(try Self.growth(reader, name, min(wanted, life), life, bytesPerEvent))
        }
    }

    private static func growth(
        _ reader: LedgerReader, _ name: String, _ length: Microseconds, _ life: Microseconds,
        _ bytesPerEvent: Double?
    ) throws(LedgerError) -> LedgerGrowth {
        var start: Position = 0
        if length < life {
            start = try reader.event(at: .time(reader.head.time - length)).position
        }
        let count = try reader.eventCount(after: start, through: reader.head.position)
        var growth = LedgerGrowth(name: name, length: length, eventCount: count)
        if length >= LedgerGrowth.leastLength {
            growth.eventsPerDay = Double(count) * 86_400e6 / Double(length)
            growth.bytesPerDay = bytesPerEvent.map { growth.eventsPerDay! * $0 }
        }
        return growth
    }
}
