import CloudAPI
import EventLog
import JSON
import Ledger
import ReconnectionRules

// What each action of the wire asks of the ledger, and what the ledger's answer is on the wire.
// Texts: Outcome and State are the names of `history --json`; ConcurrencyId is PROJECT/NUMBER;
// SessionId is a decimal number as text, larger for a later session; times are RFC 3339 in UTC with
// microseconds. A field that does not apply is null.
extension CloudEndpoint {
    func perform(
        _ action: CloudAction, by visitor: Gate.Visitor
    ) async throws(CloudError) -> Success {
        switch action {
        case .applyConcurrent(let input): try await apply(input, visitor)
        case .createSession(let input): try await createSession(input, visitor)
        case .destroySession(let input):
            slot(
                try await act(.destroy(user: input.userId, session: input.sessionId), visitor))
        case .describeConcurrentCount(let input): try await count(input, visitor)
        case .reportDisconnection(let input): try await disconnect(input, visitor)
        case .repossessConcurrency(let input):
            slot(try await act(.repossess(user: input.userId), visitor))
        case .forgetUser(let input):
            slot(try await act(.forget(user: input.userId), visitor))
        case .describeUserConcurrency(let input): try await describe(input, visitor)
        case .describeReconnectionHistory(let input): try await history(input, visitor)
        case .modifyProject(let input): try await modify(input, visitor)
        }
    }

    // MARK: - The vendor's actions

    private func apply(
        _ input: CloudAction.ApplyConcurrent, _ visitor: Gate.Visitor
    ) async throws(CloudError) -> Success {
        let reply = try await act(
            .apply(
                user: input.userId, project: input.projectId,
                address: ClientAddress(input.userIp)),
            visitor)
        guard reply.outcome != .noIdle else {
            throw CloudError(
                .resourceNotFoundNoIdle, "The project has no idle concurrency. Retry later.")
        }
        return slot(reply)
    }

    private func createSession(
        _ input: CloudAction.CreateSession, _ visitor: Gate.Visitor
    ) async throws(CloudError) -> Success {
        guard input.hostUserId == nil, input.role == nil else {
            throw CloudError(
                .operationDenied, "Multiplayer is not offered: send no `HostUserId` and no `Role`.")
        }
        let reply = try await act(
            .createSession(
                user: input.userId, runsWithoutClient: input.runsWithoutClient,
                address: ClientAddress(input.userIp)),
            visitor)
        guard reply.outcome != .lockTimeout else {
            throw CloudError(
                .failedOperationLockTimeout,
                "The user holds no concurrency: call ApplyConcurrent first, then CreateSession "
                    + "before the lock runs out.")
        }
        let token = ServerSessionToken(
            userId: input.userId, projectId: reply.project,
            concurrency: reply.event.concurrency, sessionId: reply.event.session,
            issuedAtSeconds: WallClock.nowSeconds, ledgerId: ledger.ledgerId)
        guard let text = try? token.sign(with: sessionKey.privateKey) else {
            throw CloudError(.internalError, "The session's token could not be signed.")
        }
        let rest = slot(reply)
        return Success(code: rest.code) { fields in
            fields.string("ServerSession", text)
            rest.fields(&fields)
        }
    }

    private func count(
        _ input: CloudAction.DescribeConcurrentCount, _ visitor: Gate.Visitor
    ) async throws(CloudError) -> Success {
        if let project = input.projectId { try visitor.access.require(project: project) }
        let count = try await ask { () async throws(LedgerError) in
            guard input.projectId == nil, let projects = visitor.access.projects else {
                return try await ledger.concurrentCount(inProject: input.projectId)
            }
            var sum = ConcurrentCount()
            for project in projects {
                guard let one = try await ledger.concurrentCount(inProject: project) else {
                    continue
                }
                sum.total += one.total
                sum.running += one.running
            }
            return sum
        }
        guard let count else { throw Self.unknownProject }
        return Success(code: "ok") { fields in
            fields.unsigned("Total", count.total)
            fields.unsigned("Running", count.running)
        }
    }

    // MARK: - Holdfast's own actions

    private func disconnect(
        _ input: CloudAction.ReportDisconnection, _ visitor: Gate.Visitor
    ) async throws(CloudError) -> Success {
        let reply = try await act(
            .disconnect(user: input.userId, session: input.sessionId), visitor)
        guard reply.outcome != .sessionNameRequired else {
            throw CloudError(
                .missingParameter, "The project requires the parameter `SessionId`.")
        }
        return slot(reply)
    }

    private func describe(
        _ input: CloudAction.DescribeUserConcurrency, _ visitor: Gate.Visitor
    ) async throws(CloudError) -> Success {
        let user = try await ask { () async throws(LedgerError) in
            try await ledger.user(input.userId)
        }
        if let project = user?.project { try visitor.access.require(project: project) }
        return Success(code: "ok") { fields in
            fields.string("State", (user?.state ?? .none).name)
            fields.text("ProjectId", user?.project)
            fields.concurrency(project: user?.project ?? "", number: user?.concurrency ?? 0)
            fields.session(user?.session ?? 0)
            fields.time("Deadline", user?.deadline ?? 0)
            fields.unsigned("EventCount", user?.eventCount ?? 0)
            fields.position("LastPosition", user?.lastPosition ?? 0)
        }
    }

    private func history(
        _ input: CloudAction.DescribeReconnectionHistory, _ visitor: Gate.Visitor
    ) async throws(CloudError) -> Success {
        let events = try await ask { () async throws(LedgerError) in
            try await offLoop { () async throws(LedgerError) in
                try await ledger.history(
                    ofUser: input.userId, before: input.before, limit: Int(input.limit ?? 100))
            }
        }
        var lines: [UInt8] = [UInt8(ascii: "[")]
        for event in events where visitor.access.covers(event) {
            if lines.count > 1 { lines.append(UInt8(ascii: ",")) }
            lines.append(contentsOf: EventJSON.line(event).utf8)
        }
        lines.append(UInt8(ascii: "]"))
        let last = events.last?.event
        let nextBefore = last.map { $0.previousOfUser > 0 ? $0.position : 0 } ?? 0
        return Success(code: "ok") { fields in
            fields.json("Events", lines)
            fields.position("NextBefore", nextBefore)
        }
    }

    private func modify(
        _ input: CloudAction.ModifyProject, _ visitor: Gate.Visitor
    ) async throws(CloudError) -> Success {
        let change = ProjectChange(
            concurrencyCount: input.concurrencies,
            reconnectWindow: input.reconnectTimeoutSeconds.map(Self.microseconds),
            lockTimeout: input.lockTimeoutSeconds.map(Self.microseconds),
            cleanupTime: input.cleanupTimeSeconds.map(Self.microseconds))
        let reply = try await act(.modifyProject(input.projectId, change), visitor)
        return Success(code: reply.outcome.name) { fields in
            fields.string("ProjectId", input.projectId)
            if let settings = reply.event.settings {
                fields.unsigned("Concurrencies", settings.concurrencyCount)
                fields.integer("ReconnectTimeout", settings.reconnectWindow / 1_000_000)
                fields.integer("LockTimeout", settings.lockTimeout / 1_000_000)
                fields.integer("CleanupTime", settings.cleanupTime / 1_000_000)
            }
            fields.position("Position", reply.position)
        }
    }

    /// The wire bounds seconds to ten years, so this cannot overflow.
    private static func microseconds(_ seconds: UInt64) -> Microseconds {
        .seconds(Int64(clamping: seconds))
    }

    // MARK: - Shared

    /// The answer to an action on a user's concurrency.
    private func slot(_ reply: ActionReply) -> Success {
        let event = reply.event
        return Success(code: event.outcome.name) { fields in
            fields.string("Outcome", event.outcome.name)
            fields.concurrency(project: reply.project, number: event.concurrency)
            fields.session(event.session)
            fields.text("State", event.state == .none ? nil : event.state.name)
            fields.time("Deadline", event.deadline)
            fields.position("Position", event.position)
        }
    }

    private func act(
        _ action: Action, _ visitor: Gate.Visitor
    ) async throws(CloudError) -> ActionReply {
        try await ask { () async throws(LedgerError) in
            guard let projects = visitor.access.projects else {
                return try await ledger.perform(action, by: visitor.caller)
            }
            return try await ledger.perform(action, by: visitor.caller, within: projects)
        }
    }

    private func ask<Answer>(
        _ body: () async throws(LedgerError) -> Answer
    ) async throws(CloudError) -> Answer {
        do throws(LedgerError) { return try await body() } catch { throw Self.cloudError(error) }
    }

    private static let unknownUser = CloudError(
        .invalidParameterValue, "The value of `UserId` names no user.")

    private static let unknownProject = CloudError(
        .invalidParameterValue, "The value of `ProjectId` names no project.")

    /// Only what the caller can mend is told; the rest is in the server's log.
    private static func cloudError(_ error: LedgerError) -> CloudError {
        switch error.code {
        case .unknownProject: unknownProject
        case .unknownUser: unknownUser
        case .outOfScope: .otherProject
        case .invalid: CloudError(.invalidParameterValue, "Refused: \(error.message).")
        case .directory, .owned, .keys, .closed, .failed, .log:
            CloudError(.internalError, "The ledger cannot answer now. Retry later.")
        }
    }
}

extension Access {
    /// Whether an event may be shown: it names a project, and none but those of the credential.
    func covers(_ event: NamedEvent) -> Bool {
        guard projects != nil else { return true }
        let named = [event.project, event.inputProject].filter { !$0.isEmpty }
        return !named.isEmpty && named.allSatisfy(covers(project:))
    }
}

// MARK: - Fields that are null if they do not apply

extension JSONObjectWriter {
    fileprivate mutating func text(_ name: String, _ value: String?) {
        if let value { string(name, value) } else { null(name) }
    }

    fileprivate mutating func concurrency(project: String, number: ConcurrencyNumber) {
        text("ConcurrencyId", number == 0 ? nil : "\(project)/\(number)")
    }

    fileprivate mutating func session(_ id: SessionId) {
        text("SessionId", id == 0 ? nil : String(id))
    }

    fileprivate mutating func time(_ name: String, _ time: Microseconds) {
        text(name, time == 0 ? nil : Timestamp.text(time))
    }

    fileprivate mutating func position(_ name: String, _ position: Position) {
        if position == 0 { null(name) } else { unsigned(name, position) }
    }
}
