/// The idle concurrencies of a project, the one idle longest first, ties by lowest number.
///
/// An entry whose concurrency is no longer idle since that moment is stale and skipped when it
/// comes up: withdrawing takes from the middle, and is rare.
struct IdleQueue: Sendable {
    struct Entry: Comparable, Sendable, BitwiseCopyable {
        var since: Microseconds
        var number: ConcurrencyNumber

        static func < (left: Entry, right: Entry) -> Bool {
            left.since != right.since ? left.since < right.since : left.number < right.number
        }
    }

    private var queue = OrderedQueue<Entry>()

    mutating func insert(_ number: ConcurrencyNumber, since: Microseconds) {
        queue.insert(Entry(since: since, number: number))
    }

    /// The concurrency to grant next, nil if none is idle. Drops stale entries on the way.
    mutating func first(in concurrencies: RecordTable<ConcurrencyRecord>) -> ConcurrencyNumber? {
        while let entry = queue.min {
            let record = concurrencies[Int(entry.number)]
            if record.state == .idle, record.moment == entry.since { return entry.number }
            queue.removeMin()
        }
        return nil
    }

    mutating func replaceAll(from concurrencies: RecordTable<ConcurrencyRecord>) {
        var entries: [Entry] = []
        for (index, record) in concurrencies.enumerated() where record.state == .idle {
            entries.append(Entry(since: record.moment, number: ConcurrencyNumber(index)))
        }
        queue.replaceAll(with: entries)
    }
}
