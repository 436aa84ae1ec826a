import EventLog
public import ReconnectionRules

/// Events after a position, oldest first, and then those to come as they become durable. Resumes
/// exactly: start again after the last position you handled. Ends when the ledger closes or the
/// task is cancelled; throws if the log cannot be read.
///
/// A slow reader holds nobody up: it reads from the log at its own pace, a block at a time, and
/// pins no snapshot while it waits.
public struct EventFeed: AsyncSequence, Sendable {
    public typealias Element = NamedEvent

    let ledger: Ledger
    let after: Position

    public func makeAsyncIterator() -> Iterator { Iterator(ledger: ledger, position: after) }

    public struct Iterator: AsyncIteratorProtocol {
        private static let blockEventCount = 512

        let ledger: Ledger
        var position: Position
        private var block: ArraySlice<NamedEvent> = []

        init(ledger: Ledger, position: Position) {
            self.ledger = ledger
            self.position = position
        }

        public mutating func next() async throws -> NamedEvent? {
            if Task.isCancelled { return nil }
            while block.isEmpty {
                guard await ledger.waitForEvents(past: position) else { return nil }
                do throws(LedgerError) {
                    let (events, addresses) = try read()
                    block = try await ledger.named(events, addresses)[...]
                } catch {
                    // It closed behind this reader's back: `after` the last position goes on.
                    if error.code == .closed || error.code == .failed { return nil }
                    throw error
                }
            }
            let event = block.removeFirst()
            position = event.event.position
            return event
        }

        private func read() throws(LedgerError) -> ([Event], [String?]) {
            let durablePosition = ledger.head.position
            let opener = TextOpener(ledger.keys)
            var events: [Event] = []
            var addresses: [String?] = []
            let first = position + 1
            do {
                try ledger.log.forEachBatch(from: first) { batch in
                    try batch.forEachEvent(from: first) { event, text in
                        if events.count < Self.blockEventCount, event.position <= durablePosition {
                            events.append(event)
                            addresses.append(
                                text.flatMap { opener.address($0, event)?.description })
                        }
                    }
                    return events.count < Self.blockEventCount
                }
            } catch let error as LogError { throw LedgerError(error) } catch {
                throw LedgerError(.directory, "\(error)")
            }
            return (events, addresses)
        }
    }
}

extension Ledger {
    /// The events after a position, and then those to come: see `EventFeed`.
    public func events(after position: Position) -> EventFeed {
        EventFeed(ledger: self, after: position)
    }
}
