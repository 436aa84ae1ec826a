public import EventLog
public import ReconnectionRules

/// An event-sourced reconnection ledger on a data directory: the library that people embed.
///
/// ```swift
/// let ledger = try Ledger(opening: "/var/lib/holdfast")
/// try await ledger.modifyProject("cap-demo", ProjectChange(concurrencyCount: 60))
/// let applied = try await ledger.apply(user: "u1", project: "cap-demo")
/// let session = try await ledger.createSession(user: "u1")
/// try await ledger.disconnect(user: "u1", session: session.event.session)
/// let again = try await ledger.apply(user: "u1", project: "cap-demo")
/// // again.outcome == .returned, again.event.concurrency == applied.event.concurrency
/// await ledger.close()
/// ```
///
/// Any task may call. One thread owns the state; what arrives together is committed together, and
/// every answer, also of a query, is given only after everything it rests on is durable.
public final class Ledger: Sendable {
    public typealias Options = LedgerOptions

    public let directory: DataDirectory
    public let recovery: RecoveryReport
    package let log: EventLog
    let keys: PersonalKeys
    private let inbox = Inbox<Work>()
    private let durable: DurableHead
    private let metrics = SharedMetrics()
    private let ending = LedgerEnding()

    /// Opens a ledger for reading and writing, creating it in an empty or missing directory.
    ///
    /// Blocks for the recovery: the newest checkpoint and the events after it. After an outage an
    /// `opened` event is appended, durably, before anything is answered. Throws `owned` if another
    /// process writes to the directory, `directory` if it cannot be used, `log` if what is in it
    /// cannot be read.
    public init(opening path: String, options: Options = Options()) throws(LedgerError) {
        directory = DataDirectory(path)
        let opened = try WritableLedger(opening: directory, options: options)
        recovery = opened.recovery
        log = opened.core.log
        keys = opened.core.keys
        durable = DurableHead(opened.core.head)
        let clock = RunningClock(options.clock, lastEventTime: opened.core.head.time)
        try opened.resume(at: clock, compensates: options.compensatesOutages)
        durable.publish(opened.core.head)
        let committer = Committer(
            log: opened.core.log, head: opened.core.head, durable: durable, metrics: metrics,
            signOfLife: opened.signOfLife, keys: keys, ending: ending,
            wake: { [inbox] in inbox.poke() })
        let writer = Writer(
            core: opened.core, inbox: inbox, committer: committer, clock: clock, ending: ending)
        WriterThread.start(writer, owner: opened.owner, durable: durable, ending: ending)
    }

    /// The writer thread does not hold the ledger: one that nobody refers to any more finishes what
    /// is in its inbox and ends by itself.
    deinit { inbox.close() }

    // MARK: - Actions

    /// Performs one action. Returns what was recorded, once it is durable; refusals of the rules
    /// are outcomes of the reply, not errors.
    ///
    /// Throws `unknownProject` or `invalid` for what is no action and leaves no event, `failed` or
    /// `closed` if the ledger cannot take it.
    @discardableResult
    public func perform(
        _ action: Action, by caller: Caller = .library
    ) async throws(LedgerError) -> ActionReply {
        try await ask { .act(action, caller, $0) }
    }

    /// As `perform`, for a caller who may touch some projects alone. Decided in one with the
    /// action, so that nobody can move the user in between.
    ///
    /// Throws `outOfScope` if the action names a project outside `projects`, or if the user holds a
    /// concurrency of one: an apply would take that away, a destroy would give it up.
    @discardableResult
    public func perform(
        _ action: Action, by caller: Caller, within projects: [String]
    ) async throws(LedgerError) -> ActionReply {
        try await ask { .actWithin(projects, action, caller, $0) }
    }

    /// Performs many actions in order, committed with whatever else arrived. Each has its own
    /// result; one that is refused does not stop the others.
    public func performAll(
        _ actions: [Action], by caller: Caller = .library
    ) async throws(LedgerError) -> [Result<ActionReply, LedgerError>] {
        try await ask { .actAll(actions, caller, $0) }
    }

    /// Performs the actions of a batch in order, committed with whatever else arrived. Each has its
    /// own answer; one that is refused, or is no action, does not stop the others.
    ///
    /// `projects`, if given, are the only ones the caller may touch: an action on another one, or
    /// on a user who holds a concurrency there, is answered with the fault `outOfScope`.
    ///
    /// Throws `failed` or `closed` if the ledger cannot take it. Cost: no object and no string an
    /// action.
    public func perform(
        _ batch: ActionBatch, by caller: Caller = .library, within projects: [String]? = nil
    ) async throws(LedgerError) -> ActionBatchReply {
        try await ask { .actBatch(batch, projects, caller, $0) }
    }

    // MARK: - The current view

    /// What a user holds; nil for a name the ledger never saw. Linearizable: it sees every action
    /// answered before it was asked.
    public func user(_ name: String) async throws(LedgerError) -> UserView? {
        try await look { core in LedgerViews.user(name, core.state, core.users, core.projects) }
    }

    /// A project; nil if there is none of that name. Cost: linear in its concurrencies.
    public func project(_ name: String) async throws(LedgerError) -> ProjectView? {
        try await look { core in LedgerViews.project(name, core.state, core.projects) }
    }

    /// All projects in the order they were created. Cost: linear in all concurrencies.
    public func projects() async throws(LedgerError) -> [ProjectView] {
        try await look { core in
            (1 ..< UInt32(max(1, core.state.projects.count))).compactMap {
                LedgerViews.project(core.projects.name(of: $0), core.state, core.projects)
            }
        }
    }

    /// Total and Running of a project, or of all of them; nil if there is no project of that name.
    /// Cost: constant for each project.
    public func concurrentCount(
        inProject name: String? = nil
    ) async throws(LedgerError) -> ConcurrentCount? {
        try await look { core in
            guard let name else {
                var count = ConcurrentCount()
                for project in core.state.projects.dropFirst() { count.add(project) }
                return count
            }
            guard let number = core.projects.number(of: name) else { return nil }
            var count = ConcurrentCount()
            count.add(core.state.projects[Int(number)])
            return count
        }
    }

    /// Position, counters and the engine's own figures.
    public func status() async throws(LedgerError) -> LedgerStatus {
        try await look { core in
            LedgerStatus(
                position: core.state.position, time: core.state.time,
                counters: core.state.counters, userCount: core.state.userCount,
                projectCount: core.state.projectCount, metrics: LedgerMetrics())
        } finishing: { [metrics] in
            // When it is told: everything it speaks of is committed by then, and nothing after it.
            $0.metrics = metrics.current
        }

    }

    /// SHA-256 of the state's canonical form. Cost: linear in users and concurrencies, on the
    /// writer thread: for checks, not for production traffic.
    public func stateDigest() async throws(LedgerError) -> Digest32 {
        try await look { core in StateDigest.of(core.state) }
    }

    /// The newest durable position.
    public var head: LogHead { durable.head }

    /// The engine's own figures as of the newest commit. Waits for nobody.
    public var currentMetrics: LedgerMetrics { metrics.current }

    // MARK: - History

    /// What a user held at a past moment; nil for a name the ledger had not seen by then. As
    /// `LedgerReader.user(_:at:)`: read on the caller's thread, past the newest event what holds
    /// there.
    public func user(
        _ name: String, at moment: Moment
    ) async throws(LedgerError) -> UserView? {
        let trail = try await look { core in UserTrail(name, core.state, core.users) }
        guard let trail, let found = try AsOfReader(log).user(trail, at: moment) else { return nil }
        let project = try await look { core in core.projects.name(of: UInt32(found.project)) }
        return found.view(name, trail.number, project: project)
    }

    /// A user's events, newest first, at most `limit`, those before position `before` if given;
    /// empty for a name the ledger never saw. Cost: one point read an event.
    public func history(
        ofUser name: String, before: Position? = nil, limit: Int = 100
    ) async throws(LedgerError) -> [NamedEvent] {
        let newest = try await look { core in
            core.users.number(of: name).map { core.state.users[Int($0)].last }
        }
        guard let newest else { return [] }
        return try await named(
            History.ofUser(log, newest: newest, before: before, limit: limit))
    }

    /// A concurrency's events, newest first.
    public func history(
        ofConcurrency number: ConcurrencyNumber, inProject project: String,
        before: Position? = nil, limit: Int = 100
    ) async throws(LedgerError) -> [NamedEvent] {
        let newest = try await look { core -> Position? in
            guard let project = core.projects.number(of: project) else { return nil }
            let concurrencies = core.state.projects[Int(project)].concurrencies
            guard number > 0, Int(number) < concurrencies.count else { return nil }
            return concurrencies[Int(number)].last
        }
        guard let newest else { return [] }
        return try await named(
            History.ofConcurrency(log, newest: newest, before: before, limit: limit))
    }

    /// The event that answered an action, with the names of what it is about.
    public func event(of reply: ActionReply) async throws(LedgerError) -> NamedEvent {
        let named = try await named([reply.event])
        return named[0]
    }

    /// Puts the names to events, and the addresses recorded with them.
    func named(_ events: [Event]) async throws(LedgerError) -> [NamedEvent] {
        try await named(events, History.addresses(of: events, log, keys))
    }

    func named(
        _ events: [Event], _ addresses: [String?]
    ) async throws(LedgerError) -> [NamedEvent] {
        try await look { core in
            zip(events, addresses).map { event, address in
                NamedEvent(
                    event: event, user: core.users.name(of: event.user),
                    project: core.projects.name(of: UInt32(event.project)),
                    inputProject: core.projects.name(of: UInt32(event.inputProject)),
                    clientAddress: address)
            }
        }
    }

    func waitForEvents(past position: Position) async -> Bool {
        await durable.wait(past: position)
    }

    // MARK: - Ending

    /// Takes no more work, finishes what is in the inbox, writes a checkpoint, and releases the
    /// directory. Feeds end. Safe to call more than once. The directory can be opened again once
    /// this object is gone as well.
    public func close() async {
        inbox.close()
        await ending.wait()
    }

    /// Why the ledger ended by itself, nil while it runs and after an orderly close.
    public var failure: LedgerError? { ending.failure }

    // MARK: - Private

    private var closingError: LedgerError { failure ?? .closed }

    /// Puts work into the inbox and waits for its answer.
    private func ask<Answer: Sendable>(
        _ work: (Asker<Answer>) -> Work
    ) async throws(LedgerError) -> Answer {
        let result: Result<Answer, LedgerError> = await withUnsafeContinuation { asker in
            if !inbox.put(work(asker)) { asker.resume(returning: .failure(closingError)) }
        }
        return try result.get()
    }

    func look<Answer: Sendable>(
        _ look: @escaping @Sendable (LedgerCore) -> Answer,
        finishing: @escaping @Sendable (inout Answer) -> Void = { _ in }
    ) async throws(LedgerError) -> Answer {
        let result: Result<Answer, LedgerError> = await withUnsafeContinuation { continuation in
            let isTaken = inbox.put(
                .look(
                    run: { core in
                        let answer = look(core)
                        return {
                            var answer = answer
                            finishing(&answer)
                            continuation.resume(returning: .success(answer))
                        }
                    },
                    fail: { error in continuation.resume(returning: .failure(error)) }))
            if !isTaken { continuation.resume(returning: .failure(closingError)) }
        }
        return try result.get()
    }
}
