package import EventLog
package import ReconnectionRules

/// The current view at a position of the log: state, names, and the head they stand at.
package struct RecoveredView: Sendable {
    package var state = State()
    package var users = NameDirectory()
    package var projects = NameDirectory()
    package var head = LogHead.empty

    package init() {}

    /// Folds one batch in. Throws if it does not begin right behind the view, or binds a name it
    /// cannot.
    package mutating func fold(_ batch: borrowing BatchView) throws {
        guard batch.firstPosition == state.position + 1 else {
            throw LogError(
                .corrupt(position: batch.firstPosition),
                "the batch at position \(batch.firstPosition) does not follow \(state.position)")
        }
        try batch.forEachEvent { event, name in
            try fold(event, name: name)
        }
        head = LogHead(
            position: batch.lastPosition, time: batch.times.upperBound, hash: batch.hash)
    }

    private mutating func fold(_ event: Event, name: UnsafeRawBufferPointer?) throws {
        if let fault = state.fault(of: event) {
            throw LogError(
                .corrupt(position: event.position),
                "the log is damaged at position \(event.position): \(fault); run holdfast verify")
        }
        switch event.kind {
        case .userNamed, .projectNamed:
            guard let name else {
                throw LogError(
                    .corrupt(position: event.position),
                    "the log is damaged at position \(event.position): no name is bound there")
            }
            if event.kind == .userNamed { users.append(name) } else { projects.append(name) }
        default: break
        }
        state.evolve(event)
    }
}
