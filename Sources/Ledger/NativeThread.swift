#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A thread of the operating system: LMDB's writer lock belongs to one, and a wait for the disk
/// must not hold up a shared pool.
enum NativeThread {
    private final class Box {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Runs `body` on a thread of its own, which ends with it.
    static func start(_ body: @escaping @Sendable () -> Void) {
        let box = Unmanaged.passRetained(Box(body))
        #if os(Linux)
            var thread = pthread_t()
            let result = pthread_create(&thread, nil, { NativeThread.main($0) }, box.toOpaque())
            pthread_detach(thread)
        #else
            var thread: pthread_t?
            let result = pthread_create(&thread, nil, { NativeThread.main($0) }, box.toOpaque())
            if let thread { pthread_detach(thread) }
        #endif
        precondition(result == 0, "a thread cannot be started: error \(result)")
    }

    private static func main(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        let box = Unmanaged<Box>.fromOpaque(argument!).takeRetainedValue()
        box.body()
        return nil
    }
}
