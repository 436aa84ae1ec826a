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
        let log = try EventLog(directory: staging.log, mode: .create)
        let keys = try LedgerKeys.owning(staging, log, random: .system, userCount: 0)
        var writing = Writing(log: log, keys: keys, lines: lines)
        while try lines.next({ try writing.take($0) }) != nil {
            if writing.isBatchFull {
                try writing.commit()
                progress?(lines.byteOffset, lines.byteCount)
            }
        }
        let view = try writing.finish()
        progress?(lines.byteCount, lines.byteCount)
        // Who is forgotten in the export has no key here either.
        try LedgerKeys.forgetMissing(keys, log, view)
        try ViewReplacement.replace(in: staging, by: view, of: log)
        return Report(
            eventCount: view.state.eventCount, head: view.head,
            stateDigest: StateDigest.of(view.state))
    }
}

/// The log as far as it is made.
private struct Writing {
    let log: EventLog
    let lines: LineReader
    private let sealer: TextSealer
    private var redecision = Redecision()
    private var usual = UsualEventLines()
    /// Users whose names the export has no more, and of whom it has not said why yet.
    private var nameless: Set<UserNumber> = []
    private var users = NameDirectory()
    private var projects = NameDirectory()
    private let builder = BatchBuilder(after: 0)
    private var head = LogHead.empty
    private var lastPosition: Position = 0

    init(log: EventLog, keys: PersonalKeys, lines: LineReader) {
        self.log = log
        sealer = TextSealer(keys, random: .system)
        self.lines = lines
    }

    /// An action's events stay together.
    var isBatchFull: Bool { builder.isFull && redecision.isBetweenActions }

    mutating func take(_ line: UnsafeRawBufferPointer) throws {
        do {
            var read = try usual.read(line) ?? EventLine(strictly: line)
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
                try number(
                    line.project, "project", projects, isNew: line.event.kind == .projectNamed))
        }
        if !line.inputProject.isEmpty {
            line.event.inputProject = ProjectNumber(
                try number(line.inputProject, "project", projects, isNew: false))
        }
        if !line.user.isEmpty {
            let user = try number(line.user, "user", users, isNew: line.event.kind == .userNamed)
            guard user == line.event.user else {
                throw lines.fault(
                    "the user \(line.user) has number \(user), not \(line.event.user)")
            }
        } else if line.event.kind == .userNamed {
            guard Int(line.event.user) == users.count + 1 else {
                throw lines.fault("the next user has number \(users.count + 1)")
            }
        } else if line.event.user != 0 {
            guard users.isForgotten(line.event.user) else {
                throw lines.fault("the user \(line.event.user) has a name")
            }
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
        switch event.kind {
        case .userNamed: return try appendUser(event, line.user)
        case .projectNamed:
            guard !line.project.isEmpty else {
                throw lines.fault("the line gives a number to no name")
            }
            return Self.withBytes(of: line.project) { name in
                projects.append(name)
                builder.append(event, name: name)
            }
        case .userForgotten: nameless.remove(event.user)
        case .applied, .sessionCreated:
            if let address = line.clientAddress {
                return sealer.withSealedAddress(address, event) { builder.append(event, name: $0) }
            }
        default: break
        }
        if line.clientAddress != nil {
            throw lines.fault("the line has a clientAddress, which its kind never has")
        }
        builder.append(event)
    }

    /// A name that is gone is sealed as one that never was: its key goes once the log is whole.
    private mutating func appendUser(_ event: Event, _ name: String) throws {
        Self.withBytes(of: name.isEmpty ? "-" : name) { bytes in
            if name.isEmpty {
                nameless.insert(event.user)
                users.append(.forgotten)
            } else {
                users.append(bytes)
            }
            sealer.withSealedName(bytes, event) { builder.append(event, name: $0) }
        }
    }

    private static func withBytes(of name: String, _ body: (UnsafeRawBufferPointer) -> Void) {
        var name = name
        name.withUTF8 { body(UnsafeRawBufferPointer($0)) }
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
        if let user = nameless.min() {
            throw TraceError(
                path: lines.path, line: 0,
                reason: "user \(user) has no name, and no line says that it was forgotten")
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
