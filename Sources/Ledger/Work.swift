import ReconnectionRules

/// Who waits for an answer. Not checked for being answered once: that would cost an allocation a
/// command, and each is taken from one enum case and given back in the other.
typealias Asker<Answer> = UnsafeContinuation<Result<Answer, LedgerError>, Never>

/// What callers put into the inbox.
enum Work: Sendable {
    /// One action, the common case.
    case act(Action, Caller, Asker<ActionReply>)
    /// One action of a caller who may touch these projects alone.
    case actWithin([String], Action, Caller, Asker<ActionReply>)
    /// Many, committed together.
    case actAll([Action], Caller, Asker<[Result<ActionReply, LedgerError>]>)
    /// Many as one flat buffer, committed together; the projects are those the caller may touch,
    /// nil for all.
    case actBatch(ActionBatch, [String]?, Caller, Asker<ActionBatchReply>)
    /// A look at the current view: `run` on the writer thread returns what delivers the answer once
    /// everything it saw is durable; `fail` delivers an error instead.
    case look(
        run: @Sendable (LedgerCore) -> (@Sendable () -> Void),
        fail: @Sendable (LedgerError) -> Void)

    /// Answers what was never decided.
    func fail(_ error: LedgerError) {
        switch self {
        case .act(_, _, let asker): asker.resume(returning: .failure(error))
        case .actWithin(_, _, _, let asker): asker.resume(returning: .failure(error))
        case .actAll(_, _, let asker): asker.resume(returning: .failure(error))
        case .actBatch(_, _, _, let asker): asker.resume(returning: .failure(error))
        case .look(_, let fail): fail(error)
        }
    }
}

/// An answer that is decided, and given once it is durable.
enum Answer: Sendable {
    case act(Asker<ActionReply>, Result<ActionReply, LedgerError>)
    case actAll(
        Asker<[Result<ActionReply, LedgerError>]>, [Result<ActionReply, LedgerError>])
    case actBatch(Asker<ActionBatchReply>, ActionBatchReply)
    case look(deliver: @Sendable () -> Void, fail: @Sendable (LedgerError) -> Void)

    /// Gives the answer, or the error that kept it from becoming durable.
    func give(_ error: LedgerError?) {
        switch self {
        case .act(let asker, let result):
            asker.resume(returning: error.map { .failure($0) } ?? result)
        case .actAll(let asker, let results):
            asker.resume(returning: error.map { .failure($0) } ?? .success(results))
        case .actBatch(let asker, let reply):
            asker.resume(returning: error.map { .failure($0) } ?? .success(reply))
        case .look(let deliver, let fail): if let error { fail(error) } else { deliver() }
        }
    }
}
