public import EventLog
public import JSON
import Ledger
public import ReconnectionRules

/// What a salvage kept, what was lost, and why.
public struct SalvageReport: Sendable, Equatable {
    /// Positions in a row.
    public struct Range: Sendable, Equatable {
        public var first: Position
        public var last: Position
        public var batchCount: UInt64 = 0
        public var eventCount: UInt64 = 0
        /// Why it is lost; empty if it is kept.
        public var reason = ""
    }

    public var ledgerId = ""
    /// Nothing says whose log it was: a new id was drawn, and no sealed name opens.
    public var isLedgerIdLost = false
    /// What the log that is kept ends with, before the new epoch.
    public var head = LogHead.empty
    public var eventCount: UInt64 = 0
    public var batchCount: UInt64 = 0
    public var stateDigest = Digest32.zero
    /// Position of the event that begins the new epoch, 0 if no log is kept.
    public var epochPosition: Position = 0
    /// Sound positions behind the first gap: in salvaged.jsonl, not in the log.
    public var exported: [Range] = []
    public var lost: [Range] = []
    package var keys = KeySalvage.Outcome.none
    /// Users of the kept log whose name no key opens though they were not forgotten.
    public var unopenedNameCount = 0
    /// Bytes of the file that the disk did not give.
    public var unreadableByteCount: UInt64 = 0

    /// What became of the personal keys: none (the log needs none), whole, partial, lost.
    public var keyOutcome: String { keys.rawValue }
    /// Whether everything up to the newest position known of is in the log.
    public var isComplete: Bool { lost.isEmpty && exported.isEmpty && !isLedgerIdLost }
    var isPrefixEmpty: Bool { batchCount == 0 }

    init() {}

    /// Works out what is lost between what is kept.
    mutating func note(
        _ chains: SalvageChains, _ scan: SalvageScan, _ ruleFault: String?,
        newestKnown: Position
    ) {
        var reached = chains.prefix.last?.last ?? 0
        let broken = scan.broken
        func lose(upTo last: Position) {
            guard last > reached else { return }
            lost.append(
                Range(
                    first: reached + 1, last: last,
                    reason: Self.reason(reached + 1, last, broken, ruleFault)))
        }
        for run in chains.later where run.first > reached {
            lose(upTo: run.previousLast)
            exported.append(
                Range(
                    first: run.first, last: run.last, batchCount: UInt64(run.batches.count),
                    eventCount: run.eventCount))
            reached = run.last
        }
        // The beginning of a batch behind everything, or somebody who saw more.
        let brokenLast = broken.filter { $0.first == reached + 1 }.map(\.last).max() ?? 0
        lose(upTo: max(newestKnown, brokenLast))
    }

    private static func reason(
        _ first: Position, _ last: Position, _ broken: [SalvageScan.Broken], _ ruleFault: String?
    ) -> String {
        if let ruleFault { return ruleFault }
        let places = broken.filter { $0.first <= last && $0.last >= first }
        guard let place = places.first else {
            return "no batch with these positions is in the file"
        }
        return "the SHA-256 of the batch at byte \(place.offset) of the file, positions "
            + "\(place.first) to \(place.last), does not match"
            + (places.count > 1 ? ", nor do those of \(places.count - 1) more" : "")
    }

    // MARK: - JSON

    /// The object, with a line feed.
    public var json: [UInt8] { JSONObjectWriter.bytes { write(into: &$0) } + [0x0A] }

    /// Adds the members to an object.
    public func write(into object: inout JSONObjectWriter) {
        object.unsigned("salvageVersion", UInt64(1))
        object.string("holdfast", HoldfastVersion.text)
        object.string("ledgerId", ledgerId)
        object.bool("isLedgerIdLost", isLedgerIdLost)
        object.bool("isComplete", isComplete)
        object.object("kept") { kept in
            kept.unsigned("position", head.position)
            kept.string("head", head.hash.description)
            kept.unsigned("events", eventCount)
            kept.unsigned("batches", batchCount)
            kept.string("stateDigest", stateDigest.description)
        }
        object.unsigned("epochPosition", epochPosition)
        object.array("exported", exported) { Self.write($1, into: &$0) }
        object.array("lost", lost) { Self.write($1, into: &$0) }
        object.string("keys", keyOutcome)
        object.unsigned("unopenedNames", UInt64(unopenedNameCount))
        object.unsigned("unreadableBytes", unreadableByteCount)
    }

    private static func write(_ range: Range, into object: inout JSONObjectWriter) {
        object.unsigned("first", range.first)
        object.unsigned("last", range.last)
        if range.reason.isEmpty {
            object.unsigned("batches", range.batchCount)
            object.unsigned("events", range.eventCount)
        } else {
            object.string("reason", range.reason)
        }
    }
}
