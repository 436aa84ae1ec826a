#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Runs a writer on a thread of its own, from start to end.
enum WriterThread {
    private final class Box {
        /// Let go before the end is told: with it go the log and the views.
        var writer: Writer?
        /// Held until the last write is done, whatever becomes of the ledger object.
        var owner: OwnerLock?
        let durable: DurableHead
        let ending: LedgerEnding

        init(
            _ writer: Writer, _ owner: OwnerLock, _ durable: DurableHead,
            _ ending: LedgerEnding
        ) {
            self.writer = writer
            self.owner = owner
            self.durable = durable
            self.ending = ending
        }
    }

    static func start(
        _ writer: Writer, owner: OwnerLock, durable: DurableHead, ending: LedgerEnding
    ) {
        let box = Unmanaged.passRetained(Box(writer, owner, durable, ending))
        #if os(Linux)
            var thread = pthread_t()
            let result = pthread_create(&thread, nil, { WriterThread.main($0) }, box.toOpaque())
            pthread_detach(thread)
        #else
            var thread: pthread_t?
            let result = pthread_create(&thread, nil, { WriterThread.main($0) }, box.toOpaque())
            if let thread { pthread_detach(thread) }
        #endif
        precondition(result == 0, "the writer thread cannot be started: error \(result)")
    }

    private static func main(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        let box = Unmanaged<Box>.fromOpaque(argument!).takeRetainedValue()
        box.writer?.run()
        box.writer = nil
        box.owner = nil
        box.durable.close()
        box.ending.end()
        return nil
    }
}
