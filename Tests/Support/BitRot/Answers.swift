import Audit
import EventLog
import Ledger
import LogForge
import ReconnectionRules

/// Everything that can be asked of a ledger, as text by what was asked. An error is not an answer:
/// what throws is left out, and `errors` says how it put it.
struct Answers {
    private(set) var texts: [String: String] = [:]
    private(set) var errors: [String] = []

    /// Asks a ledger, opened as every reading command opens it.
    init(of directory: DataDirectory) {
        do { ask(try LedgerReader(opening: directory.path)) } catch { errors.append("\(error)") }
    }

    /// Asks one that is open.
    init(asking reader: LedgerReader) { ask(reader) }

    private mutating func ask(_ reader: LedgerReader) {
        ask("head") { "\(reader.head) \(StateDigest.of(reader.state))" }
        ask("export") { try Self.export(reader) }
        ask("projects") { "\(reader.projects) \(reader.holders)" }
        ask("statistics") { "\(reader.state.counters) \(reader.state.eventCount)" }
        let userCount = UInt32(reader.state.userCount)
        let head = reader.head.position
        let moments = [head / 4, head / 2, head * 9 / 10].map { max(1, $0) }
        for number in 1 ..< max(1, userCount + 1) {
            let name = reader.userName(of: number)
            if name.isEmpty { continue }
            ask("user \(number)") {
                "\(name) \(String(describing: reader.user(name)))"
            }
            ask("history of \(number)") { Self.lines(try reader.history(ofUser: name)) }
            ask("past of \(number)") {
                try moments.map {
                    String(describing: try reader.user(name, at: .position($0)))
                }.joined()
            }
            if number % 4 == 1 {
                ask("why \(number)") {
                    ExplanationText.json(try Explainer(reader).explain(name, at: nil))
                }
            }
        }
        for project in reader.projects where project.totalCount > 0 {
            ask("history of \(project.name) 1") {
                Self.lines(try reader.history(ofConcurrency: 1, inProject: project.name))
            }
        }
        ask("query") { try Self.newest(reader) }
        ask("states") {
            let states = reader.pastStates()
            return try moments.map {
                "\(StateDigest.of(try states.state(at: states.position(of: .position($0)))))"
            }.joined()
        }
    }

    private mutating func ask(_ what: String, _ body: () throws -> String) {
        do { texts[what] = try body() } catch { errors.append("\(what): \(error)") }
    }

    /// What was answered otherwise than in `right`; nil if nothing was.
    func difference(from right: Answers) -> String? {
        for (what, text) in texts.sorted(by: { $0.key < $1.key }) {
            guard let expected = right.texts[what] else { return "\(what) is answered" }
            if expected != text { return "\(what) is answered otherwise" }
        }
        return nil
    }

    private static func export(_ reader: LedgerReader) throws -> String {
        var bytes: [UInt8] = []
        _ = try EventExporter(reader, .jsonl).run { bytes += $0 }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func newest(_ reader: LedgerReader) throws -> String {
        var query = EventQuery()
        query.isNewestFirst = true
        query.limit = 40
        var lines: [NamedEvent] = []
        _ = try query.run(on: reader) { named in
            lines.append(named)
            return true
        }
        return Self.lines(lines)
    }

    private static func lines(_ events: [NamedEvent]) -> String {
        events.map { EventJSON.line($0) }.joined(separator: "\n")
    }
}
