import Audit
import EventLog
import Foundation
import Ledger
import LogForge
import ReconnectionRules
import Testing

/// A scene played on a ledger by the clock on the wall: every time is said, none is read.
///
/// The day is 2026-03-01, in UTC; before anything happens there is a project `cap` with two
/// concurrencies and the default settings.
final class Scene {
    let directory: DataDirectory
    private let ledger: WritableLedger
    private var core: LedgerCore { ledger.core }
    private(set) var now: Microseconds

    init(in path: String, concurrencies: UInt32 = 2) throws {
        directory = DataDirectory(path)
        ledger = try WritableLedger(opening: directory, options: Ledger.Options())
        now = Self.time("08:00:00")
        try set("cap", ProjectChange(concurrencyCount: concurrencies))
    }

    /// A time of that day, or with its day in front, as in `02T09:00:00`, of that month.
    static func time(_ clock: String) -> Microseconds {
        let day = clock.contains("T") ? "2026-03-" : "2026-03-01T"
        return Timestamp.parse("\(day)\(clock)Z".utf8) ?? 0
    }

    /// It is so late now; what was due by then has happened.
    @discardableResult
    func at(_ clock: String) throws -> Scene {
        now = Self.time(clock)
        try core.settle(at: now, wallOffset: 0)
        return self
    }

    @discardableResult
    private func perform(_ action: Action, by caller: Caller = .library) throws -> ActionReply {
        try core.settle(at: now, wallOffset: 0)
        return try core.perform(action, at: now, by: caller)
    }

    @discardableResult
    func set(_ project: String, _ change: ProjectChange) throws -> Scene {
        try perform(.modifyProject(project, change), by: .commandLine)
        return self
    }

    @discardableResult
    func apply(_ user: String, _ project: String = "cap") throws -> Scene {
        try perform(.apply(user: user, project: project))
        return self
    }

    /// A session on what the user holds. Returns its id.
    @discardableResult
    func session(_ user: String, alone: Bool = false) throws -> SessionId {
        try perform(.createSession(user: user, runsWithoutClient: alone)).event.session
    }

    /// Applies, and creates the session at once. Returns its id.
    @discardableResult
    func connect(_ user: String, _ project: String = "cap") throws -> SessionId {
        try apply(user, project)
        return try session(user)
    }

    @discardableResult
    func vanish(_ user: String, _ session: SessionId?) throws -> Scene {
        try perform(.disconnect(user: user, session: session), by: .credential(1))
        return self
    }

    @discardableResult
    func destroy(_ user: String, _ session: SessionId? = nil) throws -> Scene {
        try perform(.destroy(user: user, session: session))
        return self
    }

    @discardableResult
    func repossess(_ user: String) throws -> Scene {
        try perform(.repossess(user: user), by: .commandLine)
        return self
    }

    /// The ledger goes down now and is open again at a time.
    @discardableResult
    func down(until clock: String) throws -> Scene {
        try core.settle(at: now, wallOffset: 0)
        let outage = Self.time(clock) - now
        now += outage
        core.open(at: now, outage: outage, by: .ledger)
        return self
    }

    func end() throws { try core.commit(wallOffset: 0) }
}

/// Texts that somebody read and approved: files beside the tests, compared to the letter.
///
/// With `HOLDFAST_APPROVE=1` they are written instead, for somebody to read.
enum Approved {
    static let directory = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "Approved").path

    static func expect(
        _ lines: [String], _ name: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let path = "\(directory)/\(name).txt"
        let text = lines.joined(separator: "\n") + "\n"
        if ProcessInfo.processInfo.environment["HOLDFAST_APPROVE"] == "1" {
            Files.write(Array(text.utf8), to: path)
            return
        }
        let approved = String(decoding: Files.read(path), as: UTF8.self)
        guard text != approved else { return }
        Issue.record(
            "\(name).txt says something else:\n\(difference(approved, text))",
            sourceLocation: sourceLocation)
    }

    /// Lines that are only in the approved text with `-`, those only in the new one with `+`.
    static func difference(_ approved: String, _ text: String) -> String {
        let old = approved.split(separator: "\n", omittingEmptySubsequences: false)
        let new = text.split(separator: "\n", omittingEmptySubsequences: false)
        let changes = new.difference(from: old)
        var marks = changes.removals.map { change -> (Int, String) in
            guard case .remove(let offset, let line, _) = change else { return (0, "") }
            return (offset, "- \(line)")
        }
        marks += changes.insertions.map { change -> (Int, String) in
            guard case .insert(let offset, let line, _) = change else { return (0, "") }
            return (offset, "+ \(line)")
        }
        return marks.sorted { $0.0 < $1.0 }.map(\.1).joined(separator: "\n")
    }
}
