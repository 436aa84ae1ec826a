package import EventLog
package import ReconnectionRules

/// The current view at a position of the log: state, names, and the head they stand at.
package struct RecoveredView: Sendable {
    package var state = State()
    package var users = NameDirectory()
    package var projects = NameDirectory()
    package var head = LogHead.empty

    package init() {}

    /// Folds one batch in. Throws if it does not begin right behind the view, an event in it is not
    /// what was written, or binds a name it cannot.
    package mutating func fold(_ batch: borrowing BatchView) throws {
        _ = try batch.checkRecords()
        try fold(checked: batch, before: .max, EventBlock())
    }

    /// Folds the events of a batch before position `limit` in. Its records were checked.
    mutating func fold(
        checked batch: borrowing BatchView, before limit: Position, _ block: EventBlock
    ) throws {
        let first = batch.firstPosition
        guard batch.follows(state.position) else {
            throw LogError(
                .corrupt(position: first),
                "the batch at position \(first) does not follow \(state.position)")
        }
        var names = batch.names
        try batch.forEachBlock(block, before: limit) { events in
            state.touch(events, block)
            try fold(events, first, &names)
        }
        head = LogHead(
            position: batch.lastPosition, time: batch.times.upperBound, hash: batch.hash)
    }

    private mutating func fold(
        _ events: UnsafeBufferPointer<Event>, _ first: Position, _ names: inout NameWalk
    ) throws {
        for event in events {
            // By its address: otherwise the compiler copies the state for each look at it.
            let fault = withUnsafeMutablePointer(to: &state) { $0.pointee.fault(of: event) }
            if let fault { throw Self.fault(event, fault) }
            if event.kind == .userNamed || event.kind == .projectNamed {
                try bind(event, names.name(ofEventAt: Int(event.position - first)))
            }
            state.evolve(event)
        }
    }

    private mutating func bind(_ event: Event, _ name: UnsafeRawBufferPointer?) throws {
        guard let name else { throw Self.fault(event, "no name is bound there") }
        if event.kind == .userNamed { users.append(name) } else { projects.append(name) }
    }

    private static func fault(_ event: Event, _ what: String) -> LogError {
        LogError(
            .corrupt(position: event.position),
            "the log is damaged at position \(event.position): \(what); run holdfast verify")
    }
}

extension State {
    /// Loads the records that the events are about, before they are folded one after the other:
    /// these loads wait for nothing and run side by side. See
    /// docs/decisions/0031-tables-are-touched-ahead.md.
    package func touch(_ events: UnsafeBufferPointer<Event>, _ block: EventBlock) {
        block.users.removeAll(keepingCapacity: true)
        var last: UserNumber = 0
        for event in events where event.user != last {
            last = event.user
            block.users.append(last)
        }
        warm(block.users, &block.touched)
    }
}

/// Folds the batches of a scan into a view.
package final class ViewFold: BatchFold {
    package private(set) var view: RecoveredView
    private let block = EventBlock()

    package init(_ view: RecoveredView = RecoveredView()) { self.view = view }

    package func fold(_ batch: borrowing BatchView, before limit: Position) throws {
        // A scan may begin in the middle of what the view has.
        if batch.lastPosition <= view.head.position { return }
        try view.fold(checked: batch, before: limit, block)
    }

    package func finish() {}
}
