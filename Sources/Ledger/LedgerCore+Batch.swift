import ReconnectionRules

extension LedgerCore {
    /// Decides the actions of a batch in order. Everything due at `now` must be settled. The reply
    /// holds once what was decided is committed.
    func perform(
        _ batch: ActionBatch, at now: Microseconds, by caller: Caller
    ) -> ActionBatchReply {
        var reply = ActionBatchReply()
        reply.items.reserveCapacity(batch.count)
        for item in batch.items {
            reply.items.append(perform(item, of: batch, at: now, by: caller, &reply))
        }
        return reply
    }

    private func perform(
        _ item: ActionBatch.Item, of batch: ActionBatch, at now: Microseconds, by caller: Caller,
        _ reply: inout ActionBatchReply
    ) -> ActionBatchReply.Item {
        let user = batch.users[Int(item.user)]
        guard !user.isFaulty else { return ActionBatchReply.Item(fault: .invalidUser) }
        let bytes = batch.nameBytes[Int(user.offset)...].prefix(Int(user.byteCount))
        let name = String(decoding: bytes, as: UTF8.self)
        let session = item.flag ? item.session : nil
        let action: Action =
            switch item.kind {
            case .apply: .apply(user: name, project: batch.projects[Int(item.project)])
            case .createSession: .createSession(user: name, runsWithoutClient: item.flag)
            case .disconnect: .disconnect(user: name, session: session)
            case .destroy: .destroy(user: name, session: session)
            case .repossess: .repossess(user: name)
            }
        do throws(LedgerError) {
            let answer = try perform(action, at: now, by: caller)
            reply.projectNames[answer.event.project] = answer.project
            return ActionBatchReply.Item(answer.event)
        } catch {
            let isProject = error.code == .unknownProject
            return ActionBatchReply.Item(fault: isProject ? .unknownProject : .invalidUser)
        }
    }
}
