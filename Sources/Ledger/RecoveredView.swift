package import EventLog
package import ReconnectionRules

/// The current view at a position of the log: state, names, and the head they stand at.
package struct RecoveredView: Sendable {
    package var state = State()
    package var users = NameDirectory()
    package var projects = NameDirectory()
    package var head = LogHead.empty
    /// Open the names that are sealed in the log; without them such names stay locked.
    package var keys: PersonalKeys?

    package init(keys: PersonalKeys? = nil) { self.keys = keys }

    /// Folds one batch in. Throws if it does not begin right behind the view, an event in it is not
    /// what was written, or binds a name it cannot.
    package mutating func fold(_ batch: borrowing BatchView) throws {
        _ = try batch.checkRecords()
        try fold(checked: batch, before: .max, EventBlock(), TextOpener(keys))
    }

    /// Folds the events of a batch before position `limit` in. Its records were checked.
    mutating func fold(
        checked batch: borrowing BatchView, before limit: Position, _ block: EventBlock,
        _ opener: TextOpener
    ) throws {
        let first = batch.firstPosition
        guard batch.follows(state.position) else {
            throw LogError(
                .corrupt(position: first),
                "the batch at position \(first) does not follow \(state.position)")
        }
        var texts = Texts(walk: batch.names, isSealed: batch.hasSealedTexts, opener: opener)
        try batch.forEachBlock(block, before: limit) { events in
            state.touch(events, block)
            try fold(events, first, &texts)
        }
        head = LogHead(
            position: batch.lastPosition, time: batch.times.upperBound, hash: batch.hash)
    }

    /// What stands with a batch's events, and how it is read.
    private struct Texts {
        var walk: NameWalk
        let isSealed: Bool
        let opener: TextOpener
    }

    private mutating func fold(
        _ events: UnsafeBufferPointer<Event>, _ first: Position, _ texts: inout Texts
    ) throws {
        for event in events {
            // By its address: otherwise the compiler copies the state for each look at it.
            let fault = withUnsafeMutablePointer(to: &state) { $0.pointee.fault(of: event) }
            if let fault { throw Self.fault(event, fault) }
            switch event.kind {
            case .userNamed, .projectNamed: try bind(event, first, &texts)
            case .userForgotten: users.forget(event.user)
            // Whatever stands with another event is nothing the view has.
            case .applied, .sessionCreated:
                let index = Int(event.position - first)
                if texts.walk.nextIndex == index { _ = texts.walk.name(ofEventAt: index) }
            default: break
            }
            state.evolve(event)
        }
    }

    private mutating func bind(
        _ event: Event, _ first: Position, _ texts: inout Texts
    ) throws {
        guard let text = texts.walk.name(ofEventAt: Int(event.position - first)) else {
            throw Self.fault(event, "no name is bound there")
        }
        guard event.kind == .userNamed else { return projects.append(text) }
        switch texts.opener.name(text, event, isSealed: texts.isSealed) {
        case .text(let name): name.withUnsafeBytes { users.append($0) }
        case .forgotten: users.append(.forgotten)
        case .locked: users.append(.locked)
        case .damaged:
            throw Self.fault(event, "the sealed name is not what was sealed for this user")
        }
    }

    /// Puts the names to an event. `text` is what stands with it in the log, where that is at hand:
    /// the client's address is read from it.
    package func named(
        _ event: Event, text: UnsafeRawBufferPointer? = nil, _ opener: TextOpener? = nil
    ) -> NamedEvent {
        NamedEvent(
            event: event, user: users.name(of: event.user),
            project: projects.name(of: UInt32(event.project)),
            inputProject: projects.name(of: UInt32(event.inputProject)),
            clientAddress: text.flatMap { opener?.address($0, event)?.description })
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
    private let opener: TextOpener

    package init(_ view: RecoveredView = RecoveredView()) {
        self.view = view
        opener = TextOpener(view.keys)
    }

    package func fold(_ batch: borrowing BatchView, before limit: Position) throws {
        // A scan may begin in the middle of what the view has.
        if batch.lastPosition <= view.head.position { return }
        try view.fold(checked: batch, before: limit, block, opener)
    }

    package func prepare(_ names: OpenedNames) { opener.use(names) }

    package func finish() {}
}
