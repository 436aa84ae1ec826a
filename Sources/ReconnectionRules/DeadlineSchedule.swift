/// When to look at which concurrency next, in deadline order (ties: project, then lowest number).
///
/// A concurrency has at most one live entry, keyed no later than its deadline. A deadline that
/// moves later leaves the entry where it is: when the entry comes up, it is put back at the
/// deadline that holds by then. So a user who vanishes and returns in time costs the schedule
/// nothing, and ten million waiting users cost nothing until their windows end. Only a deadline
/// that becomes earlier than the entry adds a second one, and the first is then stale.
struct DeadlineSchedule: Sendable {
    struct Entry: Comparable, Sendable, BitwiseCopyable {
        var moment: Microseconds
        var concurrency: ConcurrencyNumber
        var project: ProjectNumber

        static func < (left: Entry, right: Entry) -> Bool {
            if left.moment != right.moment { return left.moment < right.moment }
            if left.project != right.project { return left.project < right.project }
            return left.concurrency < right.concurrency
        }
    }

    private var queue = OrderedQueue<Entry>()

    /// No deadline is before this moment. Cost: O(1).
    var earliest: Microseconds? { queue.min?.moment }

    /// Entries, stale ones included.
    var count: Int { queue.count }

    /// Most often the next ones.
    func upcoming(_ count: Int) -> ArraySlice<Entry> { queue.upcoming(count) }

    mutating func insert(_ entry: Entry) { queue.insert(entry) }

    /// Removes and returns the first entry if its moment is not after `now`.
    mutating func popDue(at now: Microseconds) -> Entry? {
        guard let first = queue.min, first.moment <= now else { return nil }
        queue.removeMin()
        return first
    }

    mutating func replaceAll(with entries: [Entry]) { queue.replaceAll(with: entries) }
}
