package import EventLog
package import ReconnectionRules

/// The ledger without a thread: state, names and the batch being built, owned by one thread at a
/// time. The writer thread drives it with the clock, the importer with a trace's own time.
package final class LedgerCore {
    package private(set) var state: State
    package private(set) var users: NameDirectory
    package private(set) var projects: NameDirectory
    /// What is durable.
    package private(set) var head: LogHead
    package private(set) var metrics = LedgerMetrics()

    package let log: EventLog
    private var builder: BatchBuilder
    private var checkpointer: Checkpointer?

    /// Takes over a recovered view that stands at the log's head.
    init(log: EventLog, view: RecoveredView, checkpointer: Checkpointer?) {
        self.log = log
        self.checkpointer = checkpointer
        state = view.state
        users = view.users
        projects = view.projects
        head = view.head
        builder = BatchBuilder(after: view.head)
    }

    /// Whether the batch should be committed before another command is taken.
    package var isBatchFull: Bool { builder.isFull }

    /// The view as it stands. What is decided must be committed. Cost: a copy on the next write.
    package var view: RecoveredView {
        var view = RecoveredView()
        view.state = state
        view.users = users
        view.projects = projects
        view.head = head
        return view
    }

    // MARK: - Deciding

    /// Settles what is due at `now`, committing in between if it is very much.
    package func settle(
        at now: Microseconds, wallOffset: Microseconds?, origin: BatchOrigin? = nil
    ) throws(LedgerError) {
        var isDone = false
        while !isDone {
            isDone = state.settle(at: now, limit: LogFormat.batchEventCountMax) { record($0) }
            if !isDone { try commit(wallOffset: wallOffset, origin: origin) }
        }
    }

    /// Decides one action. Everything due at `now` must be settled. The reply holds once the batch
    /// is committed.
    ///
    /// Throws `unknownProject` or `invalid`, and then nothing was recorded and nobody named.
    @discardableResult
    package func perform(
        _ action: Action, at now: Microseconds, by caller: Caller
    ) throws(LedgerError) -> ActionReply {
        let command: Command
        switch action {
        case .apply(let user, let project):
            if let fault = LedgerName.fault(user, what: "the user's name") { throw fault }
            guard let number = projects.number(of: project) else { throw .unknownProject(project) }
            command = .apply(
                user: try userNumber(of: user, now, caller), project: ProjectNumber(number))
        case .createSession(let user, let runsWithoutClient):
            command = .createSession(
                user: try userNumber(of: user, now, caller), runsWithoutClient: runsWithoutClient)
        case .disconnect(let user, let session):
            command = .disconnect(user: try userNumber(of: user, now, caller), session: session)
        case .destroy(let user, let session):
            command = .destroy(user: try userNumber(of: user, now, caller), session: session)
        case .repossess(let user):
            command = .repossess(user: try userNumber(of: user, now, caller))
        case .modifyProject(let name, let change):
            command = try modification(of: name, change, now, caller)
        }
        metrics.commandCount += 1
        let event = state.perform(command, at: now, by: caller) { record($0) }
        return ActionReply(event: event, project: projects.name(of: UInt32(event.project)))
    }

    /// Records that the ledger is open again after an outage.
    package func open(at now: Microseconds, outage: Microseconds, by caller: Caller) {
        state.perform(.open(outage: outage), at: now, by: caller) { record($0) }
    }

    private func modification(
        of name: String, _ change: ProjectChange, _ now: Microseconds, _ caller: Caller
    ) throws(LedgerError) -> Command {
        if let fault = LedgerName.fault(name, what: "the project's name") { throw fault }
        if let number = projects.number(of: name) {
            let settings = change.applied(to: state.projects[Int(number)].settings)
            if let fault = settings.fault { throw LedgerError(.invalid, fault) }
            return .modifyProject(ProjectNumber(number), settings)
        }
        guard change.concurrencyCount != nil else { throw .unknownProject(name) }
        let settings = change.applied(to: ProjectSettings())
        if let fault = settings.fault { throw LedgerError(.invalid, fault) }
        guard state.projectCount < RuleLimits.projectCountMax else {
            throw LedgerError(.invalid, "the ledger holds 65,535 projects, no more fit")
        }
        let number = ProjectNumber(projects.count + 1)
        bind(name) { projects.append($0) }
        state.perform(.nameProject(number), at: now, by: caller) { record($0, name: name) }
        return .modifyProject(number, settings)
    }

    /// The user's number; a user never seen gets the next one, and an event that says so.
    private func userNumber(
        of user: String, _ now: Microseconds, _ caller: Caller
    ) throws(LedgerError) -> UserNumber {
        if let number = users.number(of: user) { return number }
        if let fault = LedgerName.fault(user, what: "the user's name") { throw fault }
        guard users.count < Int(RuleLimits.userCountMax) else {
            throw LedgerError(.invalid, "the ledger holds four thousand million users, no more fit")
        }
        let number = UserNumber(users.count + 1)
        bind(user) { users.append($0) }
        state.perform(.nameUser(number), at: now, by: caller) { record($0, name: user) }
        return number
    }

    private func bind(_ name: String, _ append: (UnsafeRawBufferPointer) -> Void) {
        var name = name
        name.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    private func record(_ event: Event, name: String? = nil) {
        builder.append(event, name: name.map { Array($0.utf8) })
        checkpointer?.touch(event)
    }

    // MARK: - Committing

    /// Makes durable what was decided since the last commit; does nothing if that is nothing.
    ///
    /// Throws `failed` if LMDB does: the state is then ahead of the log and this core must be
    /// dropped. Cost: one LMDB commit, two durability barriers.
    package func commit(
        wallOffset: Microseconds?, origin: BatchOrigin? = nil
    ) throws(LedgerError) {
        guard !builder.isEmpty else { return }
        let eventCount = builder.eventCount
        let first = builder.nextPosition - Position(eventCount)
        do {
            head = try builder.seal(wallOffset: wallOffset, origin: origin) {
                (bytes) throws(LogError) in
                try log.append(bytes, at: first)
            }
        } catch {
            throw .failed(error.message)
        }
        metrics.count(batchOf: eventCount)
    }

    /// Starts a checkpoint in the background if enough has happened since the last one.
    package func checkpointIfDue() {
        checkpointer?.writeIfDue(view)
    }

    /// Writes a checkpoint and waits for it. What is decided must be committed.
    package func checkpointNow() {
        checkpointer?.writeAndWait(view)
    }
}

/// What the engine did since it was opened, so that a throughput figure cannot be gamed.
public struct LedgerMetrics: Sendable, Equatable {
    public internal(set) var commandCount: UInt64 = 0
    public internal(set) var eventCount: UInt64 = 0
    /// Durable commits; LMDB syncs twice in each.
    public internal(set) var commitCount: UInt64 = 0
    public internal(set) var batchEventCountMax: UInt64 = 0
    /// `batchSizes[i]`: batches of 2^i up to 2^(i+1) − 1 events.
    public internal(set) var batchSizes = [UInt64](repeating: 0, count: 32)

    mutating func count(batchOf count: Int) {
        eventCount += UInt64(count)
        commitCount += 1
        batchEventCountMax = max(batchEventCountMax, UInt64(count))
        batchSizes[min(31, Int.bitWidth - 1 - count.leadingZeroBitCount)] += 1
    }
}
