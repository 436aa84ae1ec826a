public import LedgerAuditor
public import ReconnectionRules

/// What a seed came to.
public struct SeedReport: Sendable, Equatable {
    /// What went wrong on purpose, or was done to the ledger.
    public enum Fault: Int, CaseIterable, Sendable {
        case lostRequests, duplicates, lostReplies, refused, ghosts, lostReports, vanished
        case malformed, crashes, restarts, longOutages, clockSteps, failedAppends, failedSyncs
        case lostCheckpoints, slowDisk
        /// Not faults, and counted beside them.
        case survivors, checkpoints

        var isFault: Bool { self != .survivors && self != .checkpoints }
    }

    public var seed: UInt64
    /// Requests that reached a ledger and were decided.
    public var actions: UInt64 = 0
    public var events: UInt64 = 0
    public var batches: UInt64 = 0
    public var simulatedTime: Microseconds = 0
    public private(set) var counts = [UInt64](repeating: 0, count: Fault.allCases.count)
    /// All events the auditor saw, in one number.
    public var digest: UInt64 = 0
    public var violation: Violation?

    public init(seed: UInt64) { self.seed = seed }

    mutating func count(_ fault: Fault) { counts[fault.rawValue] += 1 }

    public subscript(fault: Fault) -> UInt64 { counts[fault.rawValue] }

    /// All faults.
    public var faultCount: UInt64 {
        Fault.allCases.reduce(0) { $0 + ($1.isFault ? self[$1] : 0) }
    }

    /// Adds the figures of another seed.
    public mutating func add(_ other: SeedReport) {
        actions += other.actions
        events += other.events
        batches += other.batches
        simulatedTime += other.simulatedTime
        digest ^= other.digest
        for index in counts.indices { counts[index] += other.counts[index] }
    }
}

/// The last things that happened, kept for whoever asks what led to a violation.
struct Trace {
    private enum Line {
        case ask(Ask, Answer)
        case event(Event)
        case note(String)
    }

    let isOn: Bool
    private var lines: [Line] = []
    private static let lineCountMax = 4_096

    init(isOn: Bool) { self.isOn = isOn }

    mutating func add(_ entries: [Entry], _ events: [Event]) {
        guard isOn else { return }
        for entry in entries { lines.append(.ask(entry.ask, entry.answer)) }
        for event in events { lines.append(.event(event)) }
        trim()
    }

    mutating func note(_ text: @autoclosure () -> String) {
        guard isOn else { return }
        lines.append(.note(text()))
        trim()
    }

    private mutating func trim() {
        if lines.count > 2 * Self.lineCountMax {
            lines.removeFirst(lines.count - Self.lineCountMax)
        }
    }

    /// The last lines, the newest last: what was asked is indented.
    func text(lineCount: Int) -> [String] {
        lines.suffix(lineCount).map { line in
            switch line {
            case .note(let text): return "-- \(text)"
            case .event(let event): return event.text
            case .ask(let ask, let answer):
                let named = ask.flag ? " \(ask.session)" : ""
                let whom = ask.kind == .modify || ask.kind == .settle ? "" : " u\(ask.user)"
                let what = ask.kind == .apply || ask.kind == .modify ? " p\(ask.project)" : ""
                let reply =
                    answer.position > 0 ? "answered #\(answer.position)" : "no action"
                return "    t=\(ask.now) \(ask.kind)\(whom)\(what)\(named) \(reply)"
            }
        }
    }
}
