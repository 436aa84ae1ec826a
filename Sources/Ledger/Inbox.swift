import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Where callers put work for the writer thread. Any thread puts, one takes all that is there.
///
/// A producer signals only if the writer sleeps, so a busy writer costs callers one lock and one
/// append.
final class Inbox<Item: Sendable> {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var items: [Item] = []
    private var isSleeping = false
    private var isClosed = false
    private var isPoked = false

    init() {
        pthread_mutex_init(mutex, nil)
        #if os(Linux)
            // Timed waits must not follow steps of the wall clock.
            var attributes = pthread_condattr_t()
            pthread_condattr_init(&attributes)
            pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
            pthread_cond_init(condition, &attributes)
            pthread_condattr_destroy(&attributes)
        #else
            pthread_cond_init(condition, nil)
        #endif
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Puts one item. False if the inbox is closed: the item was not taken.
    func put(_ item: Item) -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        if isClosed { return false }
        items.append(item)
        if isSleeping {
            isSleeping = false
            pthread_cond_signal(condition)
        }
        return true
    }

    /// Whether there is nothing to take.
    var isEmpty: Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return items.isEmpty
    }

    /// Wakes the taker without an item: something else happened that it waits for.
    func poke() {
        pthread_mutex_lock(mutex)
        isPoked = true
        if isSleeping {
            isSleeping = false
            pthread_cond_signal(condition)
        }
        pthread_mutex_unlock(mutex)
    }

    /// Takes no more items. What is in it is still handed out.
    func close() {
        pthread_mutex_lock(mutex)
        isClosed = true
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    /// Waits until there is an item, somebody pokes, the inbox is closed, or the time is over; then
    /// swaps all items into `taken`, which must be empty. Returns whether the inbox is closed.
    func take(into taken: inout [Item], timeoutMicroseconds: Microseconds) -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        if isWorthWaiting, timeoutMicroseconds > 0 {
            isSleeping = true
            wait(timeoutMicroseconds)
            isSleeping = false
        }
        isPoked = false
        swap(&items, &taken)
        return isClosed
    }

    private var isWorthWaiting: Bool { items.isEmpty && !isClosed && !isPoked }

    private func wait(_ microseconds: Microseconds) {
        #if os(Linux)
            var until = timespec()
            clock_gettime(CLOCK_MONOTONIC, &until)
            let nanoseconds = Microseconds(until.tv_nsec) + microseconds % 1_000_000 * 1_000
            until.tv_sec += Int(microseconds / 1_000_000 + nanoseconds / 1_000_000_000)
            until.tv_nsec = Int(nanoseconds % 1_000_000_000)
            while isWorthWaiting {
                if pthread_cond_timedwait(condition, mutex, &until) != 0 { return }
            }
        #else
            var length = timespec(
                tv_sec: Int(microseconds / 1_000_000),
                tv_nsec: Int(microseconds % 1_000_000) * 1_000)
            _ = pthread_cond_timedwait_relative_np(condition, mutex, &length)
        #endif
    }
}

/// Every access goes through the mutex.
extension Inbox: @unchecked Sendable {}
