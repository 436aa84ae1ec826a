import Synchronization

/// The directories this process has open. LMDB keeps file locks per process, so that a second
/// open of the same directory, and then its close, would drop the locks of the first.
enum OpenDirectories {
    struct Identity: Hashable, Sendable {
        let device: UInt64
        let inode: UInt64
    }

    private static let open = Mutex<Set<Identity>>([])

    /// Whether the directory was free and now is this caller's.
    static func claim(_ identity: Identity) -> Bool {
        open.withLock { $0.insert(identity).inserted }
    }

    static func release(_ identity: Identity) {
        open.withLock { _ = $0.remove(identity) }
    }
}
