import LMDB
package import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Some batches in a row, the unit of work of a scan.
struct LogSegment: Equatable {
    /// Key of the first batch.
    var first: Position
    /// Key of the first batch behind it, or one past the scan's last position.
    var end: Position
    /// Positions left out in the scan before `end`.
    var skippedCount: UInt64 = 0
}

/// Something that is folded from the events in order. A scan gives it one batch after the other, on
/// one thread at a time, not always the same.
package protocol BatchFold: AnyObject {
    /// Takes the events of the next batch that lie before `limit`. The batch was checked, or a
    /// fault was found in it at `limit`.
    func fold(_ batch: borrowing BatchView, before limit: Position) throws
    /// Hears, before the batches of a segment, what their sealed names are, if the scan has keys.
    func prepare(_ names: OpenedNames)
    /// Everything was folded and nothing was at fault.
    func finish() throws
}

extension BatchFold {
    package func prepare(_ names: OpenedNames) {}
}

/// What a scan's parts took, as seconds of one core: comparable whatever ran beside them.
package struct ScanReport: Sendable {
    package var batchCount: UInt64 = 0
    package var head = LogHead.empty
    /// Events the scan went over.
    package var eventCount: UInt64 = 0
    /// Checking batches, over all threads.
    package var checkSeconds = 0.0
    /// Each fold's.
    package var foldSeconds: [Double]
}

/// One pass over the log, from a position to its head as of the beginning: batches are checked
/// ahead, several at a time and in any order, and folded behind in order.
///
/// The log is cut into segments. A thread takes whatever can be done next: the next segment of a
/// fold whose batches are checked, or else the next segment to check. The lowest position at fault
/// is found whatever the threads do: what could still find a lower one goes on up to it.
package struct LogScan {
    /// Bytes of batches after which a segment ends: some milliseconds of work, little enough for a
    /// fold to find in cache what was hashed.
    package static let segmentByteCount = 2 << 20

    let log: EventLog
    let from: Position
    let through: Position
    let keys: PersonalKeys?
    var threadCount: Int
    var segmentByteCount: Int

    /// Prepares a scan of the batches from the one that holds `from` to the one that holds
    /// `through`, or to the newest. `threads` nil takes every core. With `keys` sealed names are
    /// opened where batches are checked, for the folds.
    package init(
        _ log: EventLog, from: Position = 1, through: Position = .max, threads: Int? = nil,
        segmentByteCount: Int = LogScan.segmentByteCount, keys: PersonalKeys? = nil
    ) {
        self.log = log
        self.from = max(1, from)
        self.through = through
        self.keys = keys
        threadCount = max(1, threads ?? Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        self.segmentByteCount = segmentByteCount
    }

    /// Runs it. `progress` hears how many of the scan's events every fold has, and how many there
    /// are, from any thread, one call at a time. Throws what is at fault at the lowest position, or
    /// what a fold throws.
    package func run(
        _ folds: [any BatchFold], progress: ((UInt64, UInt64) -> Void)? = nil
    ) throws -> ScanReport {
        let plan = try log.read { (snapshot) in
            try Self.plan(snapshot, from: from, through: through, segmentByteCount)
        }
        // What a scan tells of must not be taken back by a power cut.
        try log.makeShownDurable()
        var report = ScanReport(foldSeconds: folds.map { _ in 0 })
        if !plan.segments.isEmpty {
            try withoutActuallyEscaping(progress ?? { _, _ in }) { progress in
                let work = ScanWork(log, plan.segments, folds, keys) { count in
                    progress(count - (plan.first - 1), plan.eventCount)
                }
                try work.run(threadCount: min(threadCount, plan.segments.count + folds.count))
                report.checkSeconds = work.checkSeconds
                report.foldSeconds = work.foldSeconds
            }
        }
        for fold in folds { try fold.finish() }
        report.batchCount = plan.batchCount
        report.head = plan.head
        report.eventCount = plan.eventCount
        return report
    }

    struct Plan {
        var segments: [LogSegment] = []
        var batchCount: UInt64 = 0
        var first: Position = 1
        var head = LogHead.empty
        /// Positions of the scan that no event has.
        var skippedCount: UInt64 = 0

        var eventCount: UInt64 {
            head.position - min(head.position, first - 1) - skippedCount
        }
    }

    /// Cuts the log into segments. Looks at keys and lengths alone, and at the last batch's header
    /// and trailer, which the scan will check. Cost: some ten nanoseconds a batch.
    static func plan(
        _ snapshot: borrowing LogSnapshot, from: Position, through: Position,
        _ segmentByteCount: Int
    ) throws -> Plan {
        var plan = Plan()
        plan.head = try snapshot.end(atOrBefore: through)
        guard from <= plan.head.position else {
            plan.first = plan.head.position + 1
            return plan
        }
        var starts: [(key: Position, skippedCount: UInt64)] = []
        var byteCount = Int.max
        var gaps = GapSum()
        var last: Position = 0
        try snapshot.walk(from: from) { key, bytes in
            if key > plan.head.position { return false }
            last = max(last, key)
            // Where `from` is in a gap, the batch before it is none of the scan's.
            if key < from, try BatchView(bytes, key: key).lastPosition < from { return true }
            try gaps.add(key, bytes)
            if plan.batchCount == 0 { plan.first = key }
            if byteCount >= segmentByteCount {
                starts.append((key, gaps.skippedCount))
                byteCount = 0
            }
            byteCount += bytes.count
            plan.batchCount += 1
            return true
        }
        // The walk has to come to the batch that the log says it ends with.
        try snapshot.withBatch(holding: plan.head.position) { batch in
            guard batch.firstPosition != last else { return }
            throw LogError.corrupt(last + 1, "the batches behind it are out of reach")
        }
        plan.skippedCount = gaps.skippedCount
        let behind = (key: plan.head.position + 1, skippedCount: gaps.skippedCount)
        for (index, start) in starts.enumerated() {
            let next = index + 1 < starts.count ? starts[index + 1] : behind
            plan.segments.append(
                LogSegment(first: start.key, end: next.key, skippedCount: next.skippedCount))
        }
        return plan
    }
}

extension EventLog {
    /// Checks the batches of a segment, and that the first of them continues what is before it.
    func check(_ segment: LogSegment) throws {
        try read { snapshot in
            var previous: BatchLink?
            try snapshot.walk(from: segment.first - 1) { key, bytes in
                if key >= segment.end { return false }
                let batch = try BatchView(bytes, key: key)
                if key >= segment.first { try batch.check(after: previous) }
                previous = BatchLink(batch)
                return true
            }
        }
    }

    /// Hands the batches of a segment to a fold, those that begin before `limit`.
    func fold(_ segment: LogSegment, before limit: Position, into fold: any BatchFold) throws {
        let end = min(segment.end, limit)
        guard segment.first < end else { return }
        try read { snapshot in
            try snapshot.walk(from: segment.first) { key, bytes in
                if key >= end { return false }
                try fold.fold(BatchView(bytes, key: key), before: limit)
                return true
            }
        }
    }
}
