import NIOCore
import Synchronization

/// Closes connections whose request body does not arrive in time.
///
/// One sweep a second for all of them: a timer of its own would cost every request a wake-up of its
/// connection's thread.
final class ReadDeadlines: Sendable {
    private struct Pending {
        var deadline: ContinuousClock.Instant
        var channel: any Channel
    }

    private struct Content {
        var pending: [UInt64: Pending] = [:]
        var next: UInt64 = 0
    }

    private let timeout: Duration
    private let content = Mutex(Content())

    init(timeout: Duration) { self.timeout = timeout }

    func begin(_ channel: any Channel) -> UInt64 {
        let deadline = ContinuousClock.now + timeout
        return content.withLock { content in
            content.next += 1
            content.pending[content.next] = Pending(deadline: deadline, channel: channel)
            return content.next
        }
    }

    /// False if the deadline passed: then what was read is not the whole body.
    func end(_ id: UInt64) -> Bool {
        content.withLock { $0.pending.removeValue(forKey: id) != nil }
    }

    /// Closes late ones, so many at most; true if there are more.
    func sweep(atMost count: Int) -> Bool {
        let now = ContinuousClock.now
        let late = content.withLock { content in
            let late = content.pending.lazy.filter { $0.value.deadline <= now }.prefix(count + 1)
            let closed = Array(late.prefix(count))
            let hasMore = late.count > count
            for one in closed { content.pending[one.key] = nil }
            return (channels: closed.map(\.value.channel), hasMore: hasMore)
        }
        for channel in late.channels { channel.close(promise: nil) }
        return late.hasMore
    }
}
