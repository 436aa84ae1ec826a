import EventLog
package import ReconnectionRules

extension LedgerCore {
    /// Decides the actions of a batch in order. Everything due at `now` must be settled. The reply
    /// holds once what was decided is committed; `whenFull` takes what was decided so far.
    /// `allowed` are the only projects that may be touched, if given.
    ///
    /// Cost: no allocation an action; memory is waited for a group of users at a time.
    package func perform(
        _ batch: ActionBatch, at now: Microseconds, by caller: Caller,
        within allowed: [String]? = nil, whenFull: () -> Void = {}
    ) -> ActionBatchReply {
        var run = BatchRun(batch, at: now, by: caller, projects, within: allowed)
        batch.items.withUnsafeBufferPointer { items in
            batch.users.withUnsafeBufferPointer { users in
                batch.nameBytes.withUnsafeBytes { names in
                    while run.nextItem < items.count {
                        if isBatchFull {
                            whenFull()
                            precondition(!isBatchFull, "a full batch has to be taken")
                        }
                        run.decide(items, users, names, in: self)
                    }
                }
            }
        }
        commandCount += run.commandCount
        addProjectNames(&run.reply)
        return run.reply
    }

    /// Users may hold concurrencies of projects that the batch does not name.
    private func addProjectNames(_ reply: inout ActionBatchReply) {
        var last: ProjectNumber = 0
        for item in reply.items where item.project != last {
            last = item.project
            if last != 0, reply.projectNames[last] == nil {
                reply.projectNames[last] = projects.name(of: UInt32(last))
            }
        }
    }
}

/// How far a batch of actions is decided.
private struct BatchRun {
    /// Users whose records are brought into the cache together, before their actions are decided:
    /// one after the other, each look-up would wait for memory four times.
    private static let groupCount = 64

    let now: Microseconds
    let caller: Caller
    /// By the batch's own numbering; 0 where there is no such project.
    private let projectNumbers: [ProjectNumber]
    /// The only projects that may be touched, nil for all.
    private let allowed: Set<ProjectNumber>?
    /// By the batch's own numbering, whether the caller may touch it: to be asked of names, since
    /// one without a number may be somebody else's.
    private let isAllowed: [Bool]
    private(set) var nextItem = 0
    private(set) var commandCount: UInt64 = 0
    /// The users resolved at the moment, from `groupStart` on.
    private var numbers: [UserNumber] = []
    private var groupStart = 0
    private var groupEnd = 0
    private var isFull = false
    /// What the cache was warmed with: kept, so that reading it is not left out.
    private var warmth: UInt64 = 0
    var reply = ActionBatchReply()

    init(
        _ batch: ActionBatch, at now: Microseconds, by caller: Caller, _ projects: NameDirectory,
        within allowed: [String]?
    ) {
        isAllowed = batch.projects.map { allowed.map($0.isAmong) ?? true }
        self.allowed = allowed.map { names in
            Set(names.compactMap { projects.number(of: $0).map { ProjectNumber($0) } })
        }
        self.now = now
        self.caller = caller
        projectNumbers = batch.projects.map { ProjectNumber(projects.number(of: $0) ?? 0) }
        reply.items.reserveCapacity(batch.count)
        for number in projectNumbers where number > 0 {
            reply.projectNames[number] = projects.name(of: UInt32(number))
        }
    }

    /// Goes on until the end, or until the batch at hand is full.
    mutating func decide(
        _ items: UnsafeBufferPointer<ActionBatch.Item>,
        _ users: UnsafeBufferPointer<ActionBatch.User>, _ names: UnsafeRawBufferPointer,
        in core: LedgerCore
    ) {
        core.withParts { state, directory, builder, sealer in
            // Counted by positions, and names by asking: one look at the builder an action would
            // cost as much as deciding it.
            let last = state.position + Position(builder.roomForEvents)
            isFull = false
            while nextItem < items.count, state.position < last, !isFull {
                let item = items[nextItem]
                if Int(item.user) >= groupEnd {
                    groupStart = groupEnd
                    groupEnd = min(groupStart + Self.groupCount, users.count)
                    resolve(users[groupStart..<groupEnd], names, state, directory)
                }
                reply.items.append(
                    decide(item, users, names, &state, &directory, builder, sealer))
                nextItem += 1
            }
        }
    }

    /// Finds the numbers of some users, 0 where there is none yet, and reads what their actions
    /// will need: each pass reads for all of them what the pass before found.
    private mutating func resolve(
        _ group: Slice<UnsafeBufferPointer<ActionBatch.User>>, _ names: UnsafeRawBufferPointer,
        _ state: borrowing State, _ directory: borrowing NameDirectory
    ) {
        numbers.removeAll(keepingCapacity: true)
        for user in group { warmth &+= directory.touchSlot(hash: user.hash) }
        for user in group { numbers.append(directory.likelyNumber(hash: user.hash)) }
        for number in numbers where number != 0 { warmth &+= UInt64(directory.touch(number)) }
        state.warm(numbers, &warmth)
        for (index, user) in group.enumerated() where !user.isFaulty {
            numbers[index] = directory.number(of: Self.name(of: user, names), hash: user.hash)
        }
    }

    @inline(__always)
    private static func name(
        of user: ActionBatch.User, _ names: UnsafeRawBufferPointer
    ) -> UnsafeRawBufferPointer {
        let start = Int(user.offset)
        return UnsafeRawBufferPointer(rebasing: names[start..<start + Int(user.byteCount)])
    }

    @inline(__always)
    private mutating func decide(
        _ item: ActionBatch.Item, _ users: UnsafeBufferPointer<ActionBatch.User>,
        _ names: UnsafeRawBufferPointer, _ state: inout State, _ directory: inout NameDirectory,
        _ builder: BatchBuilder, _ sealer: TextSealer
    ) -> ActionBatchReply.Item {
        let user = users[Int(item.user)]
        if user.isFaulty { return ActionBatchReply.Item(fault: .invalidUser) }
        let project = item.kind == .apply ? projectNumbers[Int(item.project)] : 0
        // Checked before the user is named: what is no action names nobody.
        if item.kind == .apply, !isAllowed[Int(item.project)] {
            return ActionBatchReply.Item(fault: .outOfScope)
        }
        if item.kind == .apply, project == 0 {
            return ActionBatchReply.Item(fault: .unknownProject)
        }
        let index = Int(item.user) - groupStart
        if let allowed, let held = state.holding(of: numbers[index]),
            !allowed.contains(held.project)
        {
            return ActionBatchReply.Item(fault: .outOfScope)
        }
        if numbers[index] == 0 {
            numbers[index] = newUser(
                user, names, &state, &directory, builder, sealer)
            if numbers[index] == 0 { return ActionBatchReply.Item(fault: .invalidUser) }
        }
        commandCount += 1
        let event = state.perform(
            item.command(user: numbers[index], project: project), at: now, by: caller
        ) { builder.append($0) }
        return ActionBatchReply.Item(event)
    }

    /// A user's first action in the ledger, or the first since this batch named it. 0 if no more
    /// users fit.
    @inline(never)
    private mutating func newUser(
        _ user: ActionBatch.User, _ names: UnsafeRawBufferPointer, _ state: inout State,
        _ directory: inout NameDirectory, _ builder: BatchBuilder, _ sealer: TextSealer
    ) -> UserNumber {
        let name = Self.name(of: user, names)
        let known = directory.number(of: name, hash: user.hash)
        if known != 0 { return known }
        guard directory.count < Int(RuleLimits.userCountMax) else { return 0 }
        while sealer.isLost(UserNumber(directory.count + 1)) {
            LedgerCore.passOver(&state, &directory, builder, sealer, now, caller)
        }
        let number = UserNumber(directory.count + 1)
        directory.append(name, hash: user.hash)
        state.perform(.nameUser(number), at: now, by: caller) { event in
            sealer.withSealedName(name, event) { builder.append(event, name: $0) }
        }
        isFull = builder.isFull
        return number
    }
}

extension LedgerCore {
    /// Whether an action touches no project but these: neither the one it names nor the one in
    /// which its user holds a concurrency. Everything due must be settled.
    func isWithin(_ allowed: [String], _ action: Action) -> Bool {
        switch action {
        case .apply(_, let project, _), .modifyProject(let project, _):
            guard project.isAmong(allowed) else { return false }
        case .createSession, .disconnect, .destroy, .repossess, .forget: break
        }
        guard let user = action.user, let number = users.number(of: user),
            let held = state.holding(of: number)
        else { return true }
        return projects.name(of: UInt32(held.project)).isAmong(allowed)
    }
}

extension String {
    /// Whether one of the names has these very bytes: two that only look alike are two.
    fileprivate func isAmong(_ names: [String]) -> Bool {
        names.contains { NameBytes.areEqual($0, self) }
    }
}

extension ActionBatch.Item {
    @inline(__always)
    fileprivate func command(user: UserNumber, project: ProjectNumber) -> Command {
        switch kind {
        case .apply: .apply(user: user, project: project)
        case .createSession: .createSession(user: user, runsWithoutClient: flag)
        case .disconnect: .disconnect(user: user, session: flag ? session : nil)
        case .destroy: .destroy(user: user, session: flag ? session : nil)
        case .repossess: .repossess(user: user)
        }
    }
}
