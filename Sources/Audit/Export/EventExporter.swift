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
    /// much is done, in positions.
    ///
    /// Throws `LogError` at damage, and what `write` and `progress` throw. Cost: as the query's;
    /// memory for one block of lines.
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
        let found = try query.run(on: reader, progress: progress) { named in
            lines.append(named, to: &block)
            report.eventCount += 1
            report.lastPosition = named.event.position
            if block.count >= Self.blockByteCount { try flush() }
            return true
        }
        try flush()
        report.coveredPosition = found.isCutShort ? report.lastPosition : reader.head.position
        return report
    }

    /// Bytes handed over at a time.
    private static let blockByteCount = 1 << 18
}
