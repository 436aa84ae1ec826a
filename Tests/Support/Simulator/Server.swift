import EventLog
import Ledger
import LedgerAuditor
import LedgerModel
import ReconnectionRules

/// The server as the engine's two threads are: the writer takes what has arrived, settles and
/// decides; the committer appends one batch while one more may be queued, and answers when a batch
/// is durable. Driven by virtual time.
extension Simulation {
    /// A request reaches the server.
    mutating func arrive(_ request: Happening) {
        guard isUp else { return refuseConnection(request) }
        inbox.append(request)
        if turnAt == .max { turnAt = max(clock.monotonic, writerFreeAt) }
    }

    private mutating func refuseConnection(_ request: Happening) {
        if request.device < 0, random.chance(1, in: 2) { return }
        report.count(.refused)
        knockAgain(request)
    }

    // MARK: - The writer

    /// With so many events nothing more is taken before a batch was handed over: what is due, a
    /// portion of asks, and a change of capacity still fit into it.
    private static let gatheredMax = 8_000
    private static let portionCount = 512

    /// One turn of the writer.
    mutating func turn() throws(Violation) {
        guard isUp, let ledgerClock else { return }
        var now = ledgerClock.now
        if canary == .followsTheWallClock { now = max(host.core.state.time, clock.wall) }
        let right = openedAt.ledger + clock.monotonic - openedAt.world
        guard now == right else {
            throw Violation(
                "the wall clock decides nothing", "it is \(now), and should be \(right)")
        }
        let core = host.core
        // As the writer waits for the disk when its batch is full.
        if core.gatheredCount > Self.gatheredMax {
            try handOver(now)
            if pending.isEmpty { turnAt = clock.monotonic }
            return
        }
        core.settleGathering(at: now) { preconditionFailure("a turn of more than a batch") }
        if inbox.isEmpty {
            if core.hasGathered { pending.append(Entry(Ask(.settle, now: now))) }
        } else if inbox.count == 1 || swarm.has(.singleActions) && random.chance(1, in: 2) {
            inbox.removeFirst(decideOneByOne(now))
        } else {
            inbox.removeFirst(decideTogether(now))
        }
        if !inbox.isEmpty { turnAt = clock.monotonic }
        if swarm.has(.slowWriter), random.roll(swarm.mishap) {
            writerFreeAt = clock.monotonic + random.around(20_000)
        }
        try handOver(now)
        planWake(now)
    }

    private mutating func planWake(_ now: Microseconds) {
        guard let deadline = host.core.state.nextDeadline else {
            wakeAt = .max
            return
        }
        var late: Microseconds = 0
        if swarm.has(.slowWriter), random.roll(swarm.mishap) { late = random.around(5_000) }
        // A deadline looked at too early is no reason to spin.
        wakeAt = clock.monotonic + max(deadline - now, 1) + late
    }

    private func caller(_ ask: Ask) -> Caller { Caller(rawValue: ask.caller) }

    /// Returns how many were decided.
    private mutating func decideOneByOne(_ now: Microseconds) -> Int {
        for (index, request) in inbox.enumerated() {
            if host.core.gatheredCount > Self.gatheredMax { return index }
            var entry = entry(of: request, now, Caller.credential(UInt32(random.below(3))))
            perform(&entry)
            pending.append(entry)
        }
        return inbox.count
    }

    private mutating func entry(
        of request: Happening, _ now: Microseconds, _ caller: Caller
    ) -> Entry {
        var entry = Entry(
            request.ask, device: request.device, generation: request.generation)
        entry.ask.now = now
        entry.ask.caller = caller.rawValue
        report.actions += 1
        return entry
    }

    /// Who comes with one comes from another one each time.
    private func address(of ask: Ask) -> ClientAddress? {
        guard swarm.has(.addresses) else { return nil }
        return ClientAddress("10.\(ask.user & 255).0.\(ask.now & 255)")
    }

    private func action(of ask: Ask) -> Action {
        let user = userTexts[Int(ask.user)]
        switch ask.kind {
        case .apply:
            return .apply(
                user: user, project: projectNames[Int(ask.project)], address: address(of: ask))
        case .createSession:
            return .createSession(
                user: user, runsWithoutClient: ask.flag, address: address(of: ask))
        case .disconnect: return .disconnect(user: user, session: ask.flag ? ask.session : nil)
        case .destroy: return .destroy(user: user, session: ask.flag ? ask.session : nil)
        case .repossess: return .repossess(user: user)
        case .forget: return .forget(user: user)
        case .modify:
            let change = auditor.changes[Int(ask.session)]
            return .modifyProject(
                projectNames[Int(ask.project)],
                ProjectChange(
                    concurrencyCount: change.capacity, reconnectWindow: change.window,
                    lockTimeout: change.lock, cleanupTime: change.cleanup,
                    requiresSessionName: change.wantsNames))
        case .settle, .malformed:
            switch ask.session % 4 {
            case 0: return .apply(user: user, project: "no such project")
            case 1: return .apply(user: "", project: projectNames[0])
            case 2: return .createSession(user: "a\u{7}")
            default: return .destroy(user: String(repeating: "n", count: 257), session: nil)
            }
        }
    }

    private func perform(_ entry: inout Entry) {
        do throws(LedgerError) {
            let event = try host.core.perform(
                action(of: entry.ask), at: entry.ask.now, by: caller(entry.ask)
            ).event
            entry.answer.position = event.position
            entry.answer.deadline = event.deadline
            entry.answer.session = event.session
            entry.answer.concurrency = event.concurrency
            entry.answer.project = event.project
            entry.answer.outcome = event.outcome
            entry.answer.state = event.state
        } catch { entry.answer = Answer() }
    }

    /// As a bulk caller: one flat buffer for all that can go into one. Returns how many were
    /// decided.
    private mutating func decideTogether(_ now: Microseconds) -> Int {
        let caller = Caller.credential(UInt32(random.below(3)))
        actionBatch.removeAll()
        var start = pending.count
        for (index, request) in inbox.enumerated() {
            let isChange = request.ask.kind == .modify || request.ask.kind == .forget
            if isChange || actionBatch.count == Self.portionCount {
                performBatch(from: start, now, caller)
                start = pending.count
                if host.core.gatheredCount > Self.gatheredMax { return index }
            }
            var entry = entry(of: request, now, caller)
            if isChange { perform(&entry) } else { add(entry.ask) }
            pending.append(entry)
            if isChange { start = pending.count }
        }
        performBatch(from: start, now, caller)
        return inbox.count
    }

    private mutating func add(_ ask: Ask) {
        let batch = ask.kind == .malformed ? nil : userNames[Int(ask.user)]
        guard let name = batch else {
            switch action(of: ask) {
            case .apply(let user, let project, _): actionBatch.apply(user: user, project: project)
            case .createSession(let user, _, _): actionBatch.createSession(user: user)
            case .destroy(let user, _): actionBatch.destroy(user: user)
            default: break
            }
            return
        }
        name.withUnsafeBytes { name in
            switch ask.kind {
            case .apply:
                actionBatch.apply(userBytes: name, project: projectNames[Int(ask.project)])
            case .createSession:
                actionBatch.createSession(userBytes: name, runsWithoutClient: ask.flag)
            case .disconnect:
                actionBatch.disconnect(userBytes: name, session: ask.flag ? ask.session : nil)
            case .destroy:
                actionBatch.destroy(userBytes: name, session: ask.flag ? ask.session : nil)
            case .repossess: actionBatch.repossess(userBytes: name)
            case .forget, .modify, .settle, .malformed: break
            }
        }
    }

    private mutating func performBatch(
        from start: Int, _ now: Microseconds, _ caller: Caller
    ) {
        guard !actionBatch.isEmpty else { return }
        let reply = host.core.perform(actionBatch, at: now, by: caller)
        for (index, item) in reply.items.enumerated() where item.fault == .none {
            pending[start + index].answer.position = item.position
            pending[start + index].answer.deadline = item.deadline
            pending[start + index].answer.session = item.session
            pending[start + index].answer.concurrency = item.concurrency
            pending[start + index].answer.project = item.project
            pending[start + index].answer.outcome = item.outcome
            pending[start + index].answer.state = item.state
        }
        actionBatch.removeAll()
    }

    // MARK: - Handing over

    /// Gives what was decided to the disk, unless one batch is queued already.
    private mutating func handOver(_ now: Microseconds) throws(Violation) {
        guard !pending.isEmpty, queued == nil else { return }
        let core = host.core
        guard core.hasGathered else { return try answerWithoutBatch() }
        var spare = spareBuilders.popLast()
        let builder = core.takeGathered { position in
            guard let reused = spare.take() else { return BatchBuilder(after: position) }
            reused.begin(after: position)
            return reused
        }
        let head = builder.seal(
            after: sealedHead, wallOffset: ledgerClock!.wallOffset(at: now), origin: nil)
        var entries = spareEntries.popLast() ?? []
        swap(&entries, &pending)
        let commit = Commit(
            entries: entries, builder: builder, forgetting: core.takeForgetting(), head: head,
            first: sealedHead.position + 1)
        sealedHead = head
        if canary == .answersBeforeTheDisk { deliver(commit.entries) }
        if appending == nil, !isSyncing {
            begin(commit)
        } else {
            queued = commit
        }
    }

    /// What is no action waits for nothing but what it saw.
    private mutating func answerWithoutBatch() throws(Violation) {
        let entries = pending
        pending.removeAll(keepingCapacity: true)
        if appending != nil {
            appending?.entries += entries
        } else if unacknowledged != nil {
            unacknowledged?.entries += entries
        } else {
            try audit(entries, at: nil)
            deliver(entries)
        }
    }

    // MARK: - The committer

    private mutating func begin(_ commit: Commit) {
        appending = commit
        diskAt = clock.monotonic + diskDelay()
    }

    private mutating func diskDelay() -> Microseconds {
        if swarm.has(.slowDisk), random.roll(swarm.odds(.slowDisk)) {
            report.count(.slowDisk)
            return random.around(40_000)
        }
        return random.around(swarm.diskDelay)
    }

    /// An append or a wait for the disk has come back.
    mutating func diskIsDone() throws(Violation) {
        diskAt = .max
        if let commit = appending {
            var fault = AppendFault.none
            if !isCalm, random.roll(swarm.odds(.failedAppends) >> 7) {
                fault = random.chance(1, in: 2) ? .lost : .kept
            }
            do { try host.append(commit.builder, fault) } catch {
                return fail("append", faultIsExpected: fault != .none, .failedAppends)
            }
            appending = nil
            if let before = unacknowledged { try acknowledge(before) }
            unacknowledged = commit
        } else if isSyncing {
            let fails = !isCalm && random.roll(swarm.odds(.failedSyncs) >> 7)
            do { try host.synchronise(fails: fails) } catch {
                return fail("wait", faultIsExpected: fails, .failedSyncs)
            }
            isSyncing = false
            if let newest = unacknowledged {
                unacknowledged = nil
                try acknowledge(newest)
            }
        }
        if let next = queued {
            queued = nil
            begin(next)
        } else if unacknowledged != nil {
            isSyncing = true
            diskAt = clock.monotonic + diskDelay()
        }
        // What was decided meanwhile can be handed over.
        if !pending.isEmpty { turnAt = min(turnAt, max(clock.monotonic, writerFreeAt)) }
        saveCheckpointIfDue()
    }

    private mutating func fail(_ what: String, faultIsExpected: Bool, _ fault: SeedReport.Fault) {
        precondition(faultIsExpected, "the \(what) failed by itself")
        report.count(fault)
        trace.note("the \(what) fails")
        crash(appendMayHaveCome: false)
    }

    /// A batch is durable: it is audited, and its asks are answered.
    private mutating func acknowledge(_ commit: Commit) throws(Violation) {
        var commit = commit
        try audit(&commit)
        if canary != .keepsTheKeys {
            do { try host.core.finish(commit.forgetting) } catch {
                throw Violation("the forgotten lose their keys", "\(error)")
            }
        }
        try checkForgotten()
        if canary != .answersBeforeTheDisk { deliver(commit.entries) }
        recycle(commit)
        batchesSinceCheckpoint += 1
    }

    /// Before it is answered, nothing in the log can be read of who was forgotten.
    mutating func checkForgotten() throws(Violation) {
        while keylessCount < auditor.forgotten.count {
            let number = auditor.forgotten[keylessCount]
            guard host.core.drivenKeys.isForgotten(number) else {
                throw Violation("the forgotten lose their keys", "user \(number) has one")
            }
            keylessCount += 1
        }
    }

    private mutating func recycle(_ commit: Commit) {
        var entries = commit.entries
        entries.removeAll(keepingCapacity: true)
        if spareEntries.count < 4 { spareEntries.append(entries) }
        if spareBuilders.count < 4 { spareBuilders.append(commit.builder) }
    }

    private mutating func saveCheckpointIfDue() {
        guard batchesSinceCheckpoint >= swarm.checkpointInterval, appending == nil, queued == nil,
            unacknowledged == nil, !host.core.hasGathered
        else { return }
        batchesSinceCheckpoint = 0
        host.saveCheckpoint(at: auditedHead)
        report.count(.checkpoints)
    }

    mutating func deliver(_ entries: [Entry]) {
        for entry in entries {
            acknowledged = max(acknowledged, entry.answer.position)
            answered(entry)
        }
    }

    // MARK: - Auditing

    /// Reads a batch back from the log and has the auditor look at it.
    mutating func audit(_ commit: inout Commit) throws(Violation) {
        events.removeAll(keepingCapacity: true)
        var head = LogHead.empty
        let link = auditedHead.hash
        do {
            try host.read(at: commit.first) { batch in
                guard batch.previousHash == link, batch.hash == commit.head.hash else {
                    throw HostFailure.brokenChain
                }
                _ = try batch.checkRecords()
                batch.forEachBlock(decoding, before: .max) { events.append(contentsOf: $0) }
                head = LogHead(
                    position: batch.lastPosition, time: batch.times.upperBound, hash: batch.hash)
            }
        } catch { throw Violation("the log holds what was sealed", "at \(commit.first): \(error)") }
        if let canary { canary.tamper(&events, &commit.entries, &shadow) }
        try audit(commit.entries, at: head)
    }

    /// `head`: what the log ends with after these, nil if they left nothing in it.
    mutating func audit(_ entries: [Entry], at head: LogHead?) throws(Violation) {
        if head == nil { events.removeAll(keepingCapacity: true) }
        trace.add(entries, events)
        report.events += UInt64(events.count)
        report.batches += 1
        auditor.begin(events)
        for entry in entries {
            let event = try auditor.expect(entry.ask)
            if entry.ask.kind != .settle {
                try auditor.check(entry.answer, against: event, of: entry.ask)
            }
        }
        try auditor.end()
        if let head { auditedHead = head }
    }
}
