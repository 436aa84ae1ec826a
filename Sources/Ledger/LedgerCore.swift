package import EventLog
package import ReconnectionRules

/// The ledger without a thread: state, names and the batch being built, owned by one thread at a
/// time. The writer thread drives it with the clock, the importer with a trace's own time.
package final class LedgerCore {
    package private(set) var state: State
    package private(set) var users: NameDirectory
    package private(set) var projects: NameDirectory
    /// Commands decided since the opening.
    var commandCount: UInt64 = 0

    package let log: EventLog
    /// What the log ends with, as far as this core appends by itself. While a committer does, that
    /// one knows.
    package private(set) var head: LogHead
    private var builder: BatchBuilder
    let keys: PersonalKeys
    private let sealer: TextSealer
    private let clientAddresses: ClientAddressRecording
    /// Users forgotten since the last commit: their keys go once that is durable.
    private var forgotten = ForgottenUsers()
    private var projectNames: [String] = []
    /// What the cache was warmed with: kept, so that reading it is not left out.
    var warmth: UInt64 = 0
    private var checkpointer: Checkpointer?
    private let keeper: CheckpointKeeper?

    /// Takes over a recovered view that stands at the log's head.
    init(
        log: EventLog, view: RecoveredView, keys: PersonalKeys, options: LedgerOptions,
        checkpointer: Checkpointer?, keeper: CheckpointKeeper? = nil
    ) {
        self.log = log
        self.keys = keys
        sealer = TextSealer(keys, random: options.random, userCount: view.users.count)
        clientAddresses = options.clientAddresses
        self.checkpointer = checkpointer
        self.keeper = keeper
        state = view.state
        users = view.users
        projects = view.projects
        head = view.head
        builder = BatchBuilder(after: view.head.position)
    }

    /// Whether the batch should be committed before another command is taken.
    package var isBatchFull: Bool { builder.isFull }

    /// Events decided since the last commit.
    var uncommittedCount: Int { builder.eventCount }

    /// Whether anything was decided since the last commit.
    var hasUncommitted: Bool { !builder.isEmpty }

    // MARK: - Deciding

    /// Settles what is due at `now`, committing in between if it is very much.
    package func settle(
        at now: Microseconds, wallOffset: Microseconds?, origin: BatchOrigin? = nil
    ) throws(LedgerError) {
        try settle(at: now) { () throws(LedgerError) in
            try commit(wallOffset: wallOffset, origin: origin)
        }
    }

    /// Settles what is due at `now`; `whenFull` has to commit or take the batch.
    func settle<Failure: Error>(
        at now: Microseconds, whenFull: () throws(Failure) -> Void
    ) throws(Failure) {
        while true {
            let room = max(1, LogFormat.batchEventCountMax - builder.eventCount)
            if state.settle(at: now, limit: room, emit: { record($0) }) { return }
            try whenFull()
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
        var address: ClientAddress?
        switch action {
        case .apply(let user, let project, let client):
            if let fault = LedgerName.fault(user, what: "the user's name") { throw fault }
            guard let number = projects.number(of: project) else { throw .unknownProject(project) }
            command = .apply(
                user: try userNumber(of: user, now, caller), project: ProjectNumber(number))
            address = client?.recorded(clientAddresses)
        case .createSession(let user, let runsWithoutClient, let client):
            address = client?.recorded(clientAddresses)
            command = .createSession(
                user: try userNumber(of: user, now, caller), runsWithoutClient: runsWithoutClient)
        case .disconnect(let user, let session):
            command = .disconnect(user: try userNumber(of: user, now, caller), session: session)
        case .destroy(let user, let session):
            command = .destroy(user: try userNumber(of: user, now, caller), session: session)
        case .repossess(let user):
            command = .repossess(user: try userNumber(of: user, now, caller))
        case .forget(let user):
            command = .forget(user: try prepareForgetting(user, now, caller))
        case .modifyProject(let name, let change):
            command = try modification(of: name, change, now, caller)
        }
        let event = decide(command, at: now, by: caller, address)
        return ActionReply(event: event, project: projectName(event.project))
    }

    /// As `perform`, the error as a value.
    func result(
        of action: Action, at now: Microseconds, by caller: Caller
    ) -> Result<ActionReply, LedgerError> {
        do throws(LedgerError) {
            return .success(try perform(action, at: now, by: caller))
        } catch { return .failure(error) }
    }

    /// The name of a project, empty for 0. Made once for each: every reply carries one.
    private func projectName(_ number: ProjectNumber) -> String {
        while projectNames.count <= Int(number) {
            projectNames.append(projects.name(of: UInt32(projectNames.count)))
        }
        return projectNames[Int(number)]
    }

    /// Decides a command whose names are numbers already.
    @inline(__always)
    func decide(
        _ command: Command, at now: Microseconds, by caller: Caller,
        _ address: ClientAddress? = nil
    ) -> Event {
        commandCount += 1
        guard let address else {
            return state.perform(command, at: now, by: caller) { record($0) }
        }
        // The action's own event comes first; what follows from it has no address.
        var isFirst = true
        return state.perform(command, at: now, by: caller) { event in
            guard isFirst else { return record(event) }
            isFirst = false
            sealer.withSealedAddress(address, event) { record(event, name: $0) }
        }
    }

    /// Frees what the user holds, and takes the name away: from here on nobody finds it, and who
    /// comes under it is somebody new.
    private func prepareForgetting(
        _ name: String, _ now: Microseconds, _ caller: Caller
    ) throws(LedgerError) -> UserNumber {
        let number = try LedgerKeys.requireForgettable(
            users.number(of: name), plainUserCount: keys.plainUserCount)
        if state.holding(of: number) != nil {
            _ = decide(.destroy(user: number, session: nil), at: now, by: caller)
        }
        users.forget(number)
        forgotten.add(number, at: state.position + 1)
        return number
    }

    /// Records that the ledger is open again after an outage.
    package func open(at now: Microseconds, outage: Microseconds, by caller: Caller) {
        state.perform(.open(outage: outage), at: now, by: caller) { record($0) }
    }

    /// Records that the ledger goes on from an older copy of its log. What was decided before must
    /// be committed.
    ///
    /// Throws `invalid` if the ledger is empty, or if no position is left.
    package func beginEpoch(
        at now: Microseconds, outage: Microseconds, by caller: Caller
    ) throws(LedgerError) {
        guard state.position > 0, Epochs.firstPosition(after: state.position, at: now) != nil else {
            throw LedgerError(.invalid, "no epoch can begin behind position \(state.position)")
        }
        state.perform(.beginEpoch(outage: outage), at: now, by: caller) { record($0) }
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
        withBytes(of: name) { name in
            projects.append(name)
            state.perform(.nameProject(number), at: now, by: caller) { record($0, name: name) }
        }
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
        return withBytes(of: user) { nameUser($0, hash: NameBytes.hash($0), now, caller) }
    }

    /// Gives a user never seen the next number, and records that.
    func nameUser(
        _ name: UnsafeRawBufferPointer, hash: UInt64, _ now: Microseconds, _ caller: Caller
    ) -> UserNumber {
        while sealer.isLost(UserNumber(users.count + 1)) {
            Self.passOver(&state, &users, builder, sealer, now, caller)
        }
        let number = UserNumber(users.count + 1)
        users.append(name, hash: hash)
        state.perform(.nameUser(number), at: now, by: caller) { event in
            sealer.withSealedName(name, event) { record(event, name: $0) }
        }
        return number
    }

    /// Gives the next number to nobody: somebody had it who was forgotten, in events that this log
    /// lost, and its key is gone for good.
    static func passOver(
        _ state: inout State, _ users: inout NameDirectory, _ builder: BatchBuilder,
        _ sealer: TextSealer, _ now: Microseconds, _ caller: Caller
    ) {
        let number = UserNumber(users.count + 1)
        users.append(.forgotten)
        state.perform(.nameUser(number), at: now, by: caller) { event in
            sealer.withLostName(event) { builder.append(event, name: $0) }
        }
        state.perform(.forget(user: number), at: now, by: caller) { builder.append($0) }
    }

    private func withBytes<Result>(
        of name: String, _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result {
        var name = name
        return name.withUTF8 { body(UnsafeRawBufferPointer($0)) }
    }

    /// One access to each part for many actions.
    @inline(__always)
    func withParts(
        _ body: (inout State, inout NameDirectory, BatchBuilder, TextSealer) -> Void
    ) {
        body(&state, &users, builder, sealer)
    }

    private func record(_ event: Event, name: UnsafeRawBufferPointer? = nil) {
        builder.append(event, name: name)
    }

    // MARK: - Committing

    /// Makes durable what was decided since the last commit; does nothing if that is nothing.
    ///
    /// Throws `failed` if LMDB does: the state is then ahead of the log and this core must be
    /// dropped. Cost: one LMDB commit, two durability barriers.
    package func commit(
        wallOffset: Microseconds?, origin: BatchOrigin? = nil
    ) throws(LedgerError) {
        guard hasUncommitted else { return }
        head = builder.seal(after: head, wallOffset: wallOffset, origin: origin)
        do throws(LogError) {
            try log.append(builder.sealedBytes, at: builder.firstPosition)
            try takeForgotten().forget(in: keys)
        } catch { throw .failed(error.message) }
        builder.begin(after: head.position)
    }

    /// Takes the batch at hand, for a committer on another thread to seal. `next` makes a builder
    /// that begins behind a position.
    func takeBatch(_ next: (Position) -> BatchBuilder) -> BatchBuilder {
        let taken = builder
        builder = next(state.position)
        return taken
    }

    /// Users forgotten since this was called last.
    func takeForgotten() -> ForgottenUsers {
        defer { forgotten = ForgottenUsers() }
        return forgotten
    }

    /// The committer has ended and left the log with this head: the core appends by itself again.
    func resume(at newHead: LogHead) { head = newHead }

    /// What starts a checkpoint, to be called with the log's head once everything decided is
    /// durable; nil if none is due. Nothing may be waiting to be committed but what was taken.
    func checkpointIfDue() -> (@Sendable (LogHead) -> Void)? {
        let view = checkpointer?.begin(&state, &users, projects, isForced: false)
        guard let kept = keeper?.begin(state) else { return view }
        return { head in
            view?(head)
            kept(head)
        }
    }

    /// Starts a checkpoint in the background if enough has happened since the last one.
    package func writeCheckpointIfDue() {
        checkpointIfDue()?(head)
    }

    /// Writes a checkpoint and waits for it. What is decided must be committed.
    package func checkpointNow() {
        guard let checkpointer else { return }
        checkpointer.wait()
        checkpointer.begin(&state, &users, projects, isForced: true)?(head)
        checkpointer.synchronise()
    }
}

/// Users whose keys have to go once the events that say so are durable.
struct ForgottenUsers: Sendable {
    private var users: [UserNumber] = []
    /// Position of the newest userForgotten event.
    private var position: Position = 0

    mutating func add(_ user: UserNumber, at position: Position) {
        users.append(user)
        self.position = position
    }

    /// Durable on return. Costs nothing where nobody is to be forgotten.
    func forget(in keys: PersonalKeys) throws(LogError) {
        if !users.isEmpty { try keys.forget(users, through: position) }
    }
}

/// What the engine did since it was opened, so that a throughput figure cannot be gamed.
public struct LedgerMetrics: Sendable, Equatable {
    public internal(set) var commandCount: UInt64 = 0
    public internal(set) var eventCount: UInt64 = 0
    /// Durable commits.
    public internal(set) var commitCount: UInt64 = 0
    /// Waits for the disk that those commits took: one each, and one more wherever no other commit
    /// followed at once.
    public internal(set) var syncCount: UInt64 = 0
    /// Bytes of the batches committed.
    public internal(set) var byteCount: UInt64 = 0
    public internal(set) var batchEventCountMax: UInt64 = 0
    /// `batchSizes[i]`: batches of 2^i up to 2^(i+1) − 1 events.
    public internal(set) var batchSizes = [UInt64](repeating: 0, count: 32)

    mutating func count(batchOf count: Int, byteCount: Int) {
        eventCount += UInt64(count)
        commitCount += 1
        syncCount += 1
        self.byteCount += UInt64(byteCount)
        batchEventCountMax = max(batchEventCountMax, UInt64(count))
        batchSizes[min(31, Int.bitWidth - 1 - count.leadingZeroBitCount)] += 1
    }
}
