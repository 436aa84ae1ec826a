import Dispatch
import JSON
import LedgerAuditor
import Simulator
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// How results are told.
enum Text {
    /// Prints a line and hands it on at once, also into a pipe.
    static func put(_ line: String) {
        print(line)
        fflush(nil)
    }

    static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    static func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }

    /// Three digits between separators.
    static func grouped(_ number: UInt64) -> String {
        var text = ""
        for (index, digit) in String(number).reversed().enumerated() {
            if index > 0, index % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return String(text.reversed())
    }

    static func lines(_ summary: Campaign.Summary) -> String {
        let total = summary.total
        let seconds = max(summary.seconds, 1e-6)
        let hours = Double(total.simulatedTime) / 3.6e9
        var lines = [
            "\(summary.seedCount) seeds, \(grouped(total.actions)) actions, "
                + "\(grouped(total.events)) events in \(grouped(total.batches)) batches, "
                + "\(rounded(summary.seconds)) s",
            "a second: \(grouped(UInt64(Double(total.actions) / seconds))) actions, "
                + "\(rounded(hours / seconds)) simulated hours, "
                + "\(grouped(UInt64(Double(total.faultCount) / seconds))) faults",
            "\(grouped(UInt64(hours))) simulated hours, \(grouped(total.faultCount)) faults: "
                + SeedReport.Fault.allCases.map { "\($0) \(grouped(total[$0]))" }
                .joined(separator: ", "),
        ]
        if let failure = summary.failure, let violation = failure.violation {
            lines.append("VIOLATION in seed \(failure.seed) after \(failure.actions) actions")
            lines.append("\(violation)")
        } else {
            lines.append("0 violations, digest \(String(total.digest, radix: 16))")
        }
        return lines.joined(separator: "\n")
    }

    static func json(_ summary: Campaign.Summary) -> String {
        let total = summary.total
        let seconds = max(summary.seconds, 1e-6)
        let hours = Double(total.simulatedTime) / 3.6e9
        let bytes = JSONObjectWriter.bytes { object in
            object.unsigned("seeds", UInt64(summary.seedCount))
            object.unsigned("actions", total.actions)
            object.unsigned("events", total.events)
            object.unsigned("batches", total.batches)
            object.json("seconds", Array("\(rounded(summary.seconds))".utf8))
            object.json("simulatedHours", Array("\(rounded(hours))".utf8))
            object.unsigned("actionsPerSecond", UInt64(Double(total.actions) / seconds))
            object.unsigned("simulatedHoursPerSecond", UInt64(hours / seconds))
            object.unsigned("faults", total.faultCount)
            object.unsigned("faultsPerSecond", UInt64(Double(total.faultCount) / seconds))
            object.object("counts") { counts in
                for fault in SeedReport.Fault.allCases { counts.unsigned("\(fault)", total[fault]) }
            }
            object.string("digest", String(total.digest, radix: 16))
            object.unsigned("violations", UInt64(summary.failure == nil ? 0 : 1))
            if let failure = summary.failure, let violation = failure.violation {
                object.unsigned("seed", failure.seed)
                object.string("topic", violation.topic)
                object.string("message", violation.message)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The command that runs a seed in the same way.
    static func command(_ seed: UInt64, _ options: SeedOptions) -> String {
        let defaults = SeedOptions()
        var words = ["Tools/simulate --seed \(seed)"]
        if options.actionCount != defaults.actionCount {
            words.append("--actions-per-seed \(options.actionCount)")
        }
        if options.lmdbShare != defaults.lmdbShare {
            words.append("--lmdb-share \(options.lmdbShare)")
        }
        if options.userCountMax > 0 { words.append("--users \(options.userCountMax)") }
        if !options.without.isEmpty {
            let names = options.without.map { "\($0)" }.sorted().joined(separator: ",")
            words.append("--without \(names)")
        }
        if let canary = options.canary { words.append("--canary \(canary)") }
        return (words + ["--verbose"]).joined(separator: " ")
    }
}

/// A line on standard error that says how far it is: in place on a terminal, every ten seconds
/// elsewhere.
final class ProgressLine: Sendable {
    private let total: UInt64
    private let lastShown: Mutex<Double>
    private let isTerminal = isatty(STDERR_FILENO) == 1

    init(of total: UInt64) {
        self.total = total
        lastShown = Mutex(Text.now())
    }

    func show(_ summary: Campaign.Summary) {
        let now = Text.now()
        let isDue = lastShown.withLock { last in
            guard now - last >= (isTerminal ? 0.5 : 10) else { return false }
            last = now
            return true
        }
        guard isDue else { return }
        let done = summary.total.actions
        let rate = Double(done) / max(summary.seconds, 1e-6)
        let left = Double(total - min(done, total)) / max(rate, 1)
        let text =
            "\(100 * done / max(1, total)) %  \(Text.grouped(done)) actions  "
            + "\(Text.grouped(UInt64(rate))) a second  \(summary.seedCount) seeds  "
            + "ETA \(Int(left) / 60):\(Int(left) % 60 < 10 ? "0" : "")\(Int(left) % 60)"
        put(isTerminal ? "\r\u{1B}[K\(text)" : "\(text)\n")
    }

    func end() { if isTerminal { put("\r\u{1B}[K") } }

    private func put(_ text: String) {
        let bytes = Array(text.utf8)
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }
}
