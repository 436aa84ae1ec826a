import EventLog
public import Ledger
public import ReconnectionRules

/// Follows a ledger's log from a position, also one that another process writes.
public final class LogFollower {
    private let log: EventLog
    private var view: RecoveredView
    private let opener: TextOpener
    private var next: Position
    private var mark: Int

    /// Starts behind position `after` of an opened ledger.
    public init(_ reader: LedgerReader, after position: Position) {
        log = reader.log
        view = reader.view
        opener = TextOpener(view.keys)
        next = position == .max ? position : position + 1
        mark = 0
    }

    /// Everything recorded so far that was not handed over yet, oldest first. Whole batches: an
    /// event in a batch is durable or not there.
    public func poll(_ body: (NamedEvent) throws -> Void) throws {
        // From a snapshot, not from the log: a commit under way moves the log's mark some
        // milliseconds before a snapshot shows it, and would then never be news.
        var head: Position = 0
        (mark, head) = try log.read { snapshot in
            (snapshot.changeMark, try snapshot.head().position)
        }
        // Nothing is told that a power cut could still take back.
        try log.makeShownDurable()
        try log.forEachBatch(from: next) { batch in
            if batch.firstPosition > head { return false }
            if batch.firstPosition > view.head.position { try view.fold(batch) }
            try batch.forEachEvent(from: next) { event, text in
                // Whoever was forgotten is forgotten here too.
                if event.kind == .userForgotten { view.keys?.reload() }
                try body(view.named(event, text: text, opener))
            }
            next = batch.lastPosition + 1
            return true
        }
    }

    /// Whether something was committed since the last `poll`. Cheap enough to ask every few
    /// milliseconds.
    public var hasNews: Bool { log.changeMark != mark }
}
