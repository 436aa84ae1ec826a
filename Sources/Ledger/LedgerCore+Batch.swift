import ReconnectionRules

extension LedgerCore {
    /// Users whose records are brought into the cache together, before their actions are decided:
    /// one after the other, each look-up would wait for memory four times.
    private static let groupCount = 64

    /// Decides the actions of a batch in order. Everything due at `now` must be settled. The reply
    /// holds once what was decided is committed; `whenFull` takes what was decided so far.
    ///
    /// Cost: no allocation an action; memory is waited for a group of users at a time.
    func perform(
        _ batch: ActionBatch, at now: Microseconds, by caller: Caller, whenFull: () -> Void
    ) -> ActionBatchReply {
        var reply = ActionBatchReply()
        let projectNumbers = batch.projects.map { projects.number(of: $0) ?? 0 }
        for number in projectNumbers where number > 0 {
            reply.projectNames[ProjectNumber(number)] = projects.name(of: number)
        }
        reply.items.reserveCapacity(batch.count)
        batch.items.withUnsafeBufferPointer { items in
            batch.users.withUnsafeBufferPointer { users in
                batch.nameBytes.withUnsafeBytes { names in
                    var first = 0
                    var item = 0
                    while first < users.count {
                        let end = min(first + Self.groupCount, users.count)
                        resolve(users[first ..< end], names)
                        while item < items.count, Int(items[item].user) < end {
                            if isBatchFull { whenFull() }
                            reply.items.append(
                                perform(
                                    items[item], users, names, groupStart: first, projectNumbers,
                                    now, caller))
                            item += 1
                        }
                        first = end
                    }
                }
            }
        }
        addProjectNames(&reply)
        return reply
    }

    /// Finds the numbers of some users, 0 where there is none yet, and reads what their actions
    /// will need: each pass reads for all of them what the pass before found.
    private func resolve(
        _ group: Slice<UnsafeBufferPointer<ActionBatch.User>>, _ names: UnsafeRawBufferPointer
    ) {
        userNumbers.removeAll(keepingCapacity: true)
        for user in group { userNumbers.append(users.likelyNumber(hash: user.hash)) }
        var sum: UInt64 = 0
        for number in userNumbers where number != 0 { sum &+= UInt64(users.touch(number)) }
        for (index, user) in group.enumerated() where !user.isFaulty {
            userNumbers[index] = users.number(of: Self.name(of: user, names), hash: user.hash)
        }
        state.warm(userNumbers, &sum)
        warmth &+= sum
    }

    private static func name(
        of user: ActionBatch.User, _ names: UnsafeRawBufferPointer
    ) -> UnsafeRawBufferPointer {
        let start = Int(user.offset)
        return UnsafeRawBufferPointer(rebasing: names[start ..< start + Int(user.byteCount)])
    }

    @inline(__always)
    private func perform(
        _ item: ActionBatch.Item, _ users: UnsafeBufferPointer<ActionBatch.User>,
        _ names: UnsafeRawBufferPointer, groupStart: Int, _ projectNumbers: [UInt32],
        _ now: Microseconds, _ caller: Caller
    ) -> ActionBatchReply.Item {
        let user = users[Int(item.user)]
        if user.isFaulty { return ActionBatchReply.Item(fault: .invalidUser) }
        let project = item.kind == .apply ? projectNumbers[Int(item.project)] : 0
        // Checked before the user is named: what is no action names nobody.
        if item.kind == .apply, project == 0 { return ActionBatchReply.Item(fault: .unknownProject) }
        var number = userNumbers[Int(item.user) - groupStart]
        if number == 0 {
            number = newUser(user, names, now, caller)
            userNumbers[Int(item.user) - groupStart] = number
        }
        guard number != 0 else { return ActionBatchReply.Item(fault: .invalidUser) }
        let session = item.flag ? item.session : nil
        let command: Command =
            switch item.kind {
            case .apply: .apply(user: number, project: ProjectNumber(project))
            case .createSession: .createSession(user: number, runsWithoutClient: item.flag)
            case .disconnect: .disconnect(user: number, session: session)
            case .destroy: .destroy(user: number, session: session)
            case .repossess: .repossess(user: number)
            }
        return ActionBatchReply.Item(decide(command, at: now, by: caller))
    }

    /// A user's first action in the ledger, or its second in this batch. 0 if no more users fit.
    private func newUser(
        _ user: ActionBatch.User, _ names: UnsafeRawBufferPointer, _ now: Microseconds,
        _ caller: Caller
    ) -> UserNumber {
        let name = Self.name(of: user, names)
        let known = users.number(of: name, hash: user.hash)
        if known != 0 { return known }
        guard users.count < Int(RuleLimits.userCountMax) else { return 0 }
        return nameUser(name, hash: user.hash, now, caller)
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
