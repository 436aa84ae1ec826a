import EventLog
public import Ledger
public import ReconnectionRules

/// Writes the events of a ledger out, oldest first: all of them, or those a query wants.
///
/// What the ledger held when the reader was opened is exported, beside a running server or without
/// one. Memory stays bounded whatever the log holds.
///
///     let reader = try LedgerReader(opening: "ledger")
///     let file = try ExportFile(creating: "events.jsonl")
///     let report = try EventExporter(reader, .jsonl).run { try file.write($0) }
///     try file.finish()
public struct EventExporter {
    public let lines: EventLineWriter
    /// Which events; all of them unless something is set. The order is always oldest first.
    public var query = EventQuery()
    private let reader: LedgerReader

    /// What was written.
    public struct Report: Sendable, Equatable {
        public var eventCount: UInt64 = 0
        public var byteCount: UInt64 = 0
        /// Position of the last event written, 0 if none was.
        public var lastPosition: Position = 0
        /// The newest event the export covers, written or not wanted: go on behind it.
        public var coveredPosition: Position = 0
    }

    public init(_ reader: LedgerReader, _ format: ExportFormat) {
        self.reader = reader
        lines = EventLineWriter(format, ledgerId: reader.log.ledgerId)
    }

    /// Runs it. `write` takes whole lines, some at a time, and `progress` hears how much of how
    /// much is done, in events looked at.
    ///
    /// Throws `LogError` at damage, and what `write` and `progress` throw. Cost: one pass over the
    /// log from the first position wanted to the last, or, where a user or a concurrency is named,
    /// that one's events; memory for one block of lines.
    public func run(
        startsWithHeader: Bool = true, progress: ((UInt64, UInt64) throws -> Void)? = nil,
        _ write: ([UInt8]) throws -> Void
    ) throws -> Report {
        var report = Report()
        var block: [UInt8] = []
        block.reserveCapacity(Self.blockByteCount + 4_096)
        if startsWithHeader { block += lines.header }
        func flush() throws {
            guard !block.isEmpty else { return }
            report.byteCount += UInt64(block.count)
            try write(block)
            block.removeAll(keepingCapacity: true)
        }
        var query = query
        query.isNewestFirst = false
        let isCutShort = try forEachEvent(query, progress) { named in
            lines.append(named, to: &block)
            report.eventCount += 1
            report.lastPosition = named.event.position
            if block.count >= Self.blockByteCount { try flush() }
        }
        try flush()
        report.coveredPosition = isCutShort ? report.lastPosition : reader.head.position
        return report
    }

    /// Returns whether it ended before the end, at the limit.
    private func forEachEvent(
        _ query: EventQuery, _ progress: ((UInt64, UInt64) throws -> Void)?,
        _ body: (NamedEvent) throws -> Void
    ) throws -> Bool {
        let plan = try EventPlan(query, reader)
        guard plan.path == .scan else {
            return try query.run(on: reader, progress: progress) { named in
                try body(named)
                return true
            }.isCutShort
        }
        guard plan.low <= plan.high, query.limit > 0 else { return false }
        try reader.log.makeShownDurable()
        let total = try reader.eventCount(after: plan.low - 1, through: plan.high)
        // Texts are at hand here, and opened one after the other.
        let opener = TextOpener(reader.view.keys)
        var (done, left, isCutShort) = (UInt64(0), query.limit, false)
        var isReached = false
        try reader.log.forEachBatch(from: plan.low) { batch in
            isReached = isReached || batch.lastPosition >= plan.high
            if batch.firstPosition > plan.high || isCutShort { return false }
            try batch.forEachEvent(from: plan.low) { event, text in
                guard event.position <= plan.high, !isCutShort, plan.wanted.matches(event) else {
                    return
                }
                isCutShort = left == 0
                guard !isCutShort else { return }
                left -= 1
                try body(reader.view.named(event, text: text, opener))
            }
            done += UInt64(batch.eventCount)
            try progress?(min(done, total), total)
            return true
        }
        guard isReached || isCutShort else { throw ScanEnd.tooEarly(plan.high) }
        return isCutShort
    }

    /// Bytes handed over at a time.
    private static let blockByteCount = 1 << 18
}
