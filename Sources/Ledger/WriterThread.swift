#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Runs a writer on a thread of its own, from start to end.
enum WriterThread {
    private final class Box {
        let writer: Writer
        /// Held until the last write is done, whatever becomes of the ledger object.
        var owner: OwnerLock?
        let durable: DurableHead
        let ended: @Sendable (LedgerError?) -> Void

        init(
            _ writer: Writer, _ owner: OwnerLock, _ durable: DurableHead,
            _ ended: @escaping @Sendable (LedgerError?) -> Void
        ) {
            self.writer = writer
            self.owner = owner
            self.durable = durable
            self.ended = ended
        }
    }

    static func start(
        _ writer: Writer, owner: OwnerLock, durable: DurableHead,
        ended: @escaping @Sendable (LedgerError?) -> Void
    ) {
        let box = Unmanaged.passRetained(Box(writer, owner, durable, ended))
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
        let failure = box.writer.run()
        box.owner = nil
        box.durable.close()
        box.ended(failure)
        return nil
    }
}
