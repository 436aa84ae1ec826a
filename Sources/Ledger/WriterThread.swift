/// Runs a writer on a thread of its own, from start to end.
enum WriterThread {
    private final class Box {
        /// Let go before the end is told: with it go the log and the views.
        var writer: Writer?
        /// Held until the last write is done, whatever becomes of the ledger object.
        var owner: OwnerLock?

        init(_ writer: Writer, _ owner: OwnerLock) {
            self.writer = writer
            self.owner = owner
        }
    }

    static func start(
        _ writer: Writer, owner: OwnerLock, durable: DurableHead, ending: LedgerEnding
    ) {
        nonisolated(unsafe) let box = Box(writer, owner)
        NativeThread.start {
            box.writer?.run()
            box.writer = nil
            box.owner = nil
            durable.close()
            ending.end()
        }
    }
}
