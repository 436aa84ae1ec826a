public import EventLog
public import ReconnectionRules

extension Ledger {
    /// Reserves a concurrency of the project for the user, or returns the one held there.
    @discardableResult
    public func apply(
        user: String, project: String, address: ClientAddress? = nil,
        by caller: Caller = .library
    ) async throws(LedgerError) -> ActionReply {
        try await perform(.apply(user: user, project: project, address: address), by: caller)
    }

    /// Puts a session on the concurrency the user holds. The session's id is `reply.event.session`.
    @discardableResult
    public func createSession(
        user: String, runsWithoutClient: Bool = false, address: ClientAddress? = nil,
        by caller: Caller = .library
    ) async throws(LedgerError) -> ActionReply {
        try await perform(
            .createSession(user: user, runsWithoutClient: runsWithoutClient, address: address),
            by: caller)
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

    /// Forgets a person: the name, and the addresses recorded, become unreadable for good, in this
    /// ledger and in every copy made later. A concurrency the user holds is freed first. On return
    /// the event is durable and the person's key is gone. Copies made earlier stay readable: see
    /// docs/operations.md.
    ///
    /// Throws `unknownUser` for a name the ledger does not know, and `invalid` for a user that was
    /// first seen by a Holdfast that sealed no names; neither leaves an event.
    @discardableResult
    public func forget(
        user: String, by caller: Caller = .library
    ) async throws(LedgerError) -> ActionReply {
        try await perform(.forget(user: user), by: caller)
    }

    /// Changes a project's settings, creating the project if it is new and its size is given.
    @discardableResult
    public func modifyProject(
        _ name: String, _ change: ProjectChange, by caller: Caller = .library
    ) async throws(LedgerError) -> ActionReply {
        try await perform(.modifyProject(name, change), by: caller)
    }
}
