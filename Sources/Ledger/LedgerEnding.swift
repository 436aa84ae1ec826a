import Synchronization

/// How a ledger ended, and who waits for that. Apart from the ledger object, so that the writer
/// thread never holds that one: its last reference, and with it the log's, is the embedder's.
final class LedgerEnding: Sendable {
    private struct Content {
        var isOver = false
        var failure: LedgerError?
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let content = Mutex(Content())

    /// Why the ledger ended by itself, nil while it runs and after an orderly close.
    var failure: LedgerError? { content.withLock { $0.failure } }

    /// Notes why the ledger ends. Called before anybody is told, so that who asks again learns it.
    func fail(_ error: LedgerError) { content.withLock { $0.failure = error } }

    /// Everything is written and released.
    func end() {
        let waiters = content.withLock { content in
            content.isOver = true
            defer { content.waiters = [] }
            return content.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            let isOver = content.withLock { content in
                if !content.isOver { content.waiters.append(continuation) }
                return content.isOver
            }
            if isOver { continuation.resume() }
        }
    }
}
