import EventLog
import ReconnectionRules
import Synchronization

/// The position up to which everything is durable, published by the writer; readers and feeds stop
/// there, and wait there.
final class DurableHead: Sendable {
    private struct Waiter {
        var position: Position
        var continuation: CheckedContinuation<Bool, Never>
    }

    private struct Content {
        var head: LogHead
        var isClosed = false
        var waiters: [UInt64: Waiter] = [:]
        var nextWaiter: UInt64 = 0
    }

    private let content: Mutex<Content>

    init(_ head: LogHead) { content = Mutex(Content(head: head)) }

    var head: LogHead { content.withLock { $0.head } }

    /// Moves the head on and wakes whoever waited for it.
    func publish(_ head: LogHead) {
        let ready = content.withLock { content -> [Waiter] in
            content.head = head
            guard !content.waiters.isEmpty else { return [] }
            let ready = content.waiters.filter { $0.value.position < head.position }
            for key in ready.keys { content.waiters[key] = nil }
            return Array(ready.values)
        }
        for waiter in ready { waiter.continuation.resume(returning: true) }
    }

    /// Ends every wait, now and later.
    func close() {
        let waiters = content.withLock { content -> [Waiter] in
            content.isClosed = true
            defer { content.waiters = [:] }
            return Array(content.waiters.values)
        }
        for waiter in waiters { waiter.continuation.resume(returning: false) }
    }

    /// Waits until something after `position` is durable. False if the ledger closed or the task
    /// was cancelled first.
    func wait(past position: Position) async -> Bool {
        let id = content.withLock { content in
            content.nextWaiter += 1
            return content.nextWaiter
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer = content.withLock { content -> Bool? in
                    if content.head.position > position { return true }
                    if content.isClosed || Task.isCancelled { return false }
                    content.waiters[id] = Waiter(position: position, continuation: continuation)
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            let waiter = content.withLock { $0.waiters.removeValue(forKey: id) }
            waiter?.continuation.resume(returning: false)
        }
    }
}
