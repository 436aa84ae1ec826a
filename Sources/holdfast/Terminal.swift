#if canImport(Glibc)
    // For `stdout`, which one thread writes to.
    @preconcurrency import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What a person or a script reads.
enum Terminal {
    /// One line on standard error, whatever the message holds: names and paths may hold anything.
    static func error(_ message: String) {
        let words = message.split { $0.isNewline || ($0.unicodeScalars.first?.value ?? 0) < 0x20 }
        let line = words.map { $0.drop { $0 == " " } }.joined(separator: " ")
        note("holdfast: \(line)")
    }

    /// A line on standard error without the program's name.
    static func note(_ message: String) {
        let text = Array("\(message)\n".utf8)
        _ = write(STDERR_FILENO, text, text.count)
    }

    /// Prints a line and hands it on at once, also into a pipe.
    static func line(_ text: String) {
        print(text)
        fflush(nil)
    }

    /// Hands on what was printed; false if some of it, now or before, could not be written.
    static var isPrintedComplete: Bool { fflush(stdout) == 0 && ferror(stdout) == 0 }

    static var isInteractive: Bool { isatty(STDERR_FILENO) == 1 }

    /// Whether standard output is a terminal that shows colours to somebody who wants them.
    static var hasColor: Bool {
        isatty(STDOUT_FILENO) == 1 && isColorWanted
    }

    /// The convention of no-color.org, and terminals that know no escape sequence.
    static var isColorWanted: Bool {
        func value(_ name: String) -> String { getenv(name).map { String(cString: $0) } ?? "" }
        return value("NO_COLOR").isEmpty && value("TERM") != "dumb"
    }

    static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// Progress with an ETA on standard error: a line rewritten in place on a terminal, a line every
/// five seconds elsewhere, nothing for what takes no time.
final class Progress {
    private let what: String
    private let unit: String
    private let start = Terminal.now()
    private var lastShown: Double
    private var wasShown = false

    init(_ what: String, unit: String) {
        self.what = what
        self.unit = unit
        lastShown = start
    }

    func show(_ done: UInt64, of total: UInt64) {
        let now = Terminal.now()
        guard now - lastShown >= (Terminal.isInteractive ? 0.2 : 5) else { return }
        lastShown = now
        wasShown = true
        let elapsed = now - start
        let rate = Double(done) / elapsed
        let left = rate > 0 ? Double(total - min(done, total)) / rate : 0
        let percent = total > 0 ? Int(100 * Double(done) / Double(total)) : 100
        let text =
            "\(what) \(percent) %  \(done) of \(total) \(unit)  \(Self.short(rate)) \(unit)/s  "
            + "ETA \(Self.clock(left))"
        if Terminal.isInteractive {
            let bytes = Array("\r\u{1B}[K\(text)".utf8)
            _ = write(STDERR_FILENO, bytes, bytes.count)
        } else {
            Terminal.note(text)
        }
    }

    /// Clears the line.
    func end() {
        guard wasShown, Terminal.isInteractive else { return }
        let bytes = Array("\r\u{1B}[K".utf8)
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }

    static func short(_ rate: Double) -> String {
        if rate >= 1e6 { return "\(Double(Int(rate / 1e5)) / 10) M" }
        if rate >= 1e3 { return "\(Int(rate / 1e3)) k" }
        return "\(Int(rate))"
    }

    private static func clock(_ seconds: Double) -> String {
        let whole = Int(seconds.rounded(.up))
        return "\(whole / 60):" + (whole % 60 < 10 ? "0" : "") + "\(whole % 60)"
    }
}

/// Lengths of time as they are measured, to the millisecond.
enum Seconds {
    static func text(_ seconds: Double) -> String { "\((seconds * 1_000).rounded() / 1_000)" }

    static func json(_ seconds: Double) -> [UInt8] { Array(text(seconds).utf8) }
}
