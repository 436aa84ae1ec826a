package import JSON
package import ReconnectionRules

/// The one JSON form of what a user holds: `state USER --json`, `replay --json`.
package enum UserJSON {
    /// Members of an object: `user` (null if it was forgotten), `userNumber`, `project`,
    /// `concurrency`, `state`, `deadline`, `session`,
    /// `events`, `lastPosition`; null where the user has no such thing.
    package static func write(_ user: UserView, to object: inout JSONObjectWriter) {
        if user.name.isEmpty { object.null("user") } else { object.string("user", user.name) }
        object.unsigned("userNumber", user.number)
        if let project = user.project {
            object.string("project", project)
            object.unsigned("concurrency", user.concurrency)
            object.string("state", user.state.name)
        } else {
            object.null("project")
            object.null("concurrency")
            object.string("state", "none")
        }
        if let deadline = user.deadline {
            object.string("deadline", Timestamp.text(deadline))
        } else {
            object.null("deadline")
        }
        if user.session != 0 {
            object.unsigned("session", user.session)
        } else {
            object.null("session")
        }
        object.unsigned("events", user.eventCount)
        object.unsigned("lastPosition", user.lastPosition)
    }
}

extension LedgerReader {
    /// What a user holds in a state of this ledger's past; nil if the state does not know it.
    package func user(_ number: UserNumber, in state: borrowing State) -> UserView? {
        guard number > 0, Int(number) < state.users.count else { return nil }
        let record = state.users[Int(number)]
        var user = UserView(
            name: view.users.name(of: number), number: number, project: nil, concurrency: 0,
            state: .none, deadline: nil, session: 0, eventCount: record.eventCount,
            lastPosition: record.last)
        if let holding = state.holding(of: number) {
            user.project = view.projects.name(of: UInt32(holding.project))
            user.concurrency = holding.concurrency
            user.state = holding.record.state
            user.deadline = holding.record.deadline
            user.session = holding.record.session
        }
        return user
    }
}
