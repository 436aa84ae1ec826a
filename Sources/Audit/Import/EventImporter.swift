public import EventLog
public import Ledger
import ReconnectionRules

/// Makes a ledger of an export as JSON Lines: the same events at the same positions, and the same
/// state.
///
/// Every line is held against the rules: what they decide in its place must be what it says. The
/// first that is anything else is refused, and nothing is left: the ledger is made aside, and put
/// into its place once it is whole. An export of a part is refused for what is missing.
public struct EventImporter {
    private let path: String

    /// What became of the file.
    public struct Report: Sendable, Equatable {
        public var eventCount: UInt64
        public var head: LogHead
        public var stateDigest: Digest32
    }

    /// Names the file. Nothing is read yet.
    public init(path: String) { self.path = path }

    /// Whether a file looks like JSON Lines: begins with an object. False if it cannot be read.
    public static func isOne(_ path: String) -> Bool {
        guard let reader = try? LineReader(path: path) else { return false }
        let first = try? reader.next { $0.first { $0 > 0x20 } }
        return first == UInt8(ascii: "{")
    }

    /// Imports into a directory that is new or empty. `progress` hears bytes done and in all.
    ///
    /// Throws `TraceError` with the line and the reason at the first line that is not what the
    /// rules decide, `LedgerError` if the directory cannot be used. Cost: one pass; memory for one
    /// state and the names.
    public func run(
        into directory: DataDirectory, progress: ((UInt64, UInt64) -> Void)? = nil
    ) throws -> Report {
        let lines = try LineReader(path: path)
        let staged = try StagedDirectory(in: directory, for: "an import")
        do {
            let report = try write(lines, to: staged.staging, progress)
            try staged.finish()
            return report
        } catch {
            staged.remove()
            throw error
        }
    }

    private func write(
        _ lines: LineReader, to staging: DataDirectory, _ progress: ((UInt64, UInt64) -> Void)?
    ) throws -> Report {
        try DataDirectory(staging.log).create()
        var writing = Writing(
            log: try EventLog(directory: staging.log, mode: .create), lines: lines)
        while try lines.next({ try writing.take($0) }) != nil {
            if writing.isBatchFull {
                try writing.commit()
                progress?(lines.byteOffset, lines.byteCount)
            }
        }
        let view = try writing.finish()
        progress?(lines.byteCount, lines.byteCount)
        try ViewReplacement.replace(in: staging, by: view)
        return Report(
            eventCount: view.state.eventCount, head: view.head,
            stateDigest: StateDigest.of(view.state))
    }
}

/// The log as far as it is made.
private struct Writing {
    let log: EventLog
    let lines: LineReader
    private var redecision = Redecision()
    private var users = NameDirectory()
    private var projects = NameDirectory()
    private let builder = BatchBuilder(after: 0)
    private var head = LogHead.empty
    private var lastPosition: Position = 0

    init(log: EventLog, lines: LineReader) {
        self.log = log
        self.lines = lines
    }

    /// An action's events stay together.
    var isBatchFull: Bool { builder.isFull && redecision.isBetweenActions }

    mutating func take(_ line: UnsafeRawBufferPointer) throws {
        do {
            var read = try EventLine(line)
            try requireNext(read.event)
            try number(&read)
            let event = try redecision.complete(read.event)
            if event.kind == .epochBegun { try commit() }
            try append(event, read)
            lastPosition = event.position
        } catch let fault as EventLine.Fault {
            throw lines.fault("the line \(fault.reason)")
        } catch let error as LogError {
            guard case .corrupt = error.code else { throw LedgerError(error) }
            throw lines.fault(error.message)
        }
    }

    /// Says what is missing before the rules say that something is odd.
    private func requireNext(_ event: Event) throws {
        if event.kind == .epochBegun, event.position > lastPosition {
            guard let end = event.previousEpochEnd, end > lastPosition else { return }
        } else if event.position == lastPosition + 1 {
            return
        }
        throw lines.fault(
            event.position > lastPosition
                ? "the export is not whole: position \(lastPosition + 1) is missing"
                : "the lines are not in order: position \(event.position) comes behind "
                    + "position \(lastPosition)")
    }

    /// Names become numbers.
    private mutating func number(_ line: inout EventLine) throws {
        if !line.project.isEmpty {
            line.event.project = ProjectNumber(
                try number(line.project, "project", projects, isNew: line.event.kind == .projectNamed))
        }
        if !line.inputProject.isEmpty {
            line.event.inputProject = ProjectNumber(
                try number(line.inputProject, "project", projects, isNew: false))
        }
        if !line.user.isEmpty {
            line.event.user = try number(
                line.user, "user", users, isNew: line.event.kind == .userNamed)
        }
    }

    private func number(
        _ name: String, _ what: String, _ names: NameDirectory, isNew: Bool
    ) throws -> UInt32 {
        if let number = names.number(of: name) {
            if isNew { throw lines.fault("the \(what) \(name) has its number already") }
            return number
        }
        if let fault = LedgerName.fault(name, what: "the \(what)'s name") {
            throw lines.fault(fault.message)
        }
        guard isNew else { throw lines.fault("the \(what) \(name) has no number yet") }
        guard what == "user" || names.count < RuleLimits.projectCountMax else {
            throw lines.fault("a ledger holds 65,535 projects, no more fit")
        }
        return UInt32(names.count + 1)
    }

    private mutating func append(_ event: Event, _ line: EventLine) throws {
        guard event.kind == .userNamed || event.kind == .projectNamed else {
            return builder.append(event)
        }
        var name = event.kind == .userNamed ? line.user : line.project
        guard !name.isEmpty else { throw lines.fault("the line gives a number to no name") }
        name.withUTF8 { bytes in
            let bytes = UnsafeRawBufferPointer(bytes)
            if event.kind == .userNamed { users.append(bytes) } else { projects.append(bytes) }
            builder.append(event, name: bytes)
        }
    }

    mutating func commit() throws {
        guard !builder.isEmpty else { return }
        head = builder.seal(after: head, wallOffset: nil, origin: nil)
        try log.appendAhead(builder.sealedBytes, at: builder.firstPosition)
        builder.begin(after: head.position)
    }

    /// Makes the log durable, and gives the view it leads to.
    mutating func finish() throws -> RecoveredView {
        do { try redecision.finish() } catch let error as LogError {
            throw TraceError(path: lines.path, line: 0, reason: error.message)
        }
        guard lastPosition > 0 else {
            throw TraceError(path: lines.path, line: 0, reason: "the file has no events")
        }
        try commit()
        try log.synchronise()
        var view = RecoveredView()
        view.state = redecision.state
        view.users = users
        view.projects = projects
        view.head = head
        return view
    }
}
