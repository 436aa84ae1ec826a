import Logging
import Synchronization

/// Keeps every line that is logged, with its metadata.
final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])

    var all: [String] { lines.withLock { $0 } }
    var text: String { all.joined(separator: "\n") }
    var logger: Logger { Logger(label: "test") { _ in Handler(lines: self) } }

    fileprivate func add(_ line: String) { lines.withLock { $0.append(line) } }

    /// Waits until a line says this; false after ten seconds.
    func wait(for text: String) async throws -> Bool {
        for _ in 0 ..< 200 {
            if all.contains(where: { $0.contains(text) }) { return true }
            try await Task.sleep(for: .milliseconds(50))
        }
        return false
    }
}

private struct Handler: LogHandler {
    let lines: LogLines
    var logLevel = Logger.Level.trace
    var metadata: Logger.Metadata = [:]

    init(lines: LogLines) { self.lines = lines }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        lines.add("\(event.message) \(event.metadata ?? [:])")
    }
}
