public import ReconnectionRules

extension Ledger {
    /// Reserves a concurrency of the project for the user, or returns the one held there.
    @discardableResult
    public func apply(
        user: String, project: String, by caller: Caller = .library
    ) async throws(LedgerError) -> ActionReply {
        try await perform(.apply(user: user, project: project), by: caller)
    }

    /// Puts a session on the concurrency the user holds. The session's id is `reply.event.session`.
    @discardableResult
    public func createSession(
        user: String, runsWithoutClient: Bool = false, by caller: Caller = .library
    ) async throws(LedgerError) -> ActionReply {
        try await perform(
            .createSession(user: user, runsWithoutClient: runsWithoutClient), by: caller)
    }

    /// Reports that the client of a session vanished.
    @discardableResult
    public func disconnect(
        user: String, session: SessionId? = nil, by caller: Caller = .library
    ) async throws(LedgerError) -> ActionReply {
        try await perform(.disconnect(user: user, session: session), by: caller)
    }

    /// Gives the concurrency up.
    @discardableResult
    public func destroy(
        user: String, session: SessionId? = nil, by caller: Caller = .library
    ) async throws(LedgerError) -> ActionReply {
        try await perform(.destroy(user: user, session: session), by: caller)
    }

    /// Takes the concurrency away, as an operator.
    @discardableResult
    public func repossess(
        user: String, by caller: Caller = .library
    ) async throws(LedgerError) -> ActionReply {
        try await perform(.repossess(user: user), by: caller)
    }

    /// Changes a project's settings, creating the project if it is new and its size is given.
    @discardableResult
    public func modifyProject(
        _ name: String, _ change: ProjectChange, by caller: Caller = .library
    ) async throws(LedgerError) -> ActionReply {
        try await perform(.modifyProject(name, change), by: caller)
    }
}
