#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

extension Environment {
    /// What the transactions of one process have to agree on.
    struct SharedState: Sendable {
        /// Tables whose opening was committed, by name.
        var tables: [String: Table]
        /// Read transactions alive in this process.
        var readTransactionCount = 0
        /// The thread with the open write transaction: a second one on it would wait for itself.
        var writerThread: ThreadIdentity?
    }
}

/// A thread, for comparing alone.
struct ThreadIdentity: Sendable, Equatable {
    private let bits: UInt

    static var current: ThreadIdentity {
        #if canImport(Glibc)
        ThreadIdentity(bits: UInt(pthread_self()))
        #else
        ThreadIdentity(bits: unsafe UInt(bitPattern: pthread_self()))
        #endif
    }
}
