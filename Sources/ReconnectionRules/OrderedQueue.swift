/// Entries smallest first. Entries that come in order, as most moments do, are appended to a run
/// and read off its front; only those out of order go through a heap.
///
/// Cost: O(1) for an entry in order, O(log n) of the others for the rest.
struct OrderedQueue<Element: Comparable & BitwiseCopyable & Sendable>: Sendable {
    private var run: [Element] = []
    private var runStart = 0
    private var heap = QuaternaryHeap<Element>()

    var count: Int { run.count - runStart + heap.count }

    var min: Element? {
        guard runStart < run.count else { return heap.min }
        let first = run[runStart]
        guard let other = heap.min, other < first else { return first }
        return other
    }

    /// The next ones of those that came in order: most often the next ones of all.
    func upcoming(_ count: Int) -> ArraySlice<Element> { run[runStart...].prefix(count) }

    mutating func insert(_ element: Element) {
        if let last = run.last, element < last, runStart < run.count {
            heap.insert(element)
        } else {
            run.append(element)
        }
    }

    /// Removes the smallest element. Traps on an empty queue.
    mutating func removeMin() {
        guard runStart < run.count, heap.min.map({ !($0 < run[runStart]) }) ?? true else {
            heap.removeMin()
            return
        }
        runStart += 1
        if runStart == run.count {
            // Memory of a large queue goes once it is empty.
            run.removeAll(keepingCapacity: run.capacity < 8_192)
            runStart = 0
        } else if runStart >= 4_096, 2 * runStart > run.count {
            // Into memory of its own size: what the queue has been is no measure of what it is.
            run = Array(run[runStart...])
            runStart = 0
        }
    }

    /// Replaces the contents. Cost: O(n log n).
    mutating func replaceAll(with elements: [Element]) {
        heap = QuaternaryHeap()
        run = elements
        run.sort()
        runStart = 0
    }
}

/// A heap with four children a node: half the levels of a binary one, and the four that are
/// compared lie side by side.
struct QuaternaryHeap<Element: Comparable & BitwiseCopyable & Sendable>: Sendable {
    private var elements: [Element] = []

    var count: Int { elements.count }
    var min: Element? { elements.first }

    mutating func insert(_ element: Element) {
        var child = elements.count
        elements.append(element)
        elements.withUnsafeMutableBufferPointer { elements in
            while child > 0 {
                let parent = (child - 1) >> 2
                guard element < elements[parent] else { break }
                elements[child] = elements[parent]
                child = parent
            }
            elements[child] = element
        }
    }

    /// Removes the smallest element. Traps on an empty heap.
    mutating func removeMin() {
        let moving = elements.removeLast()
        if elements.isEmpty {
            elements.removeAll(keepingCapacity: elements.capacity < 4_096)
            return
        }
        elements.withUnsafeMutableBufferPointer { elements in
            let count = elements.count
            var parent = 0
            while true {
                let first = 4 * parent + 1
                guard first < count else { break }
                var child = first
                for other in first + 1..<Swift.max(first + 1, Swift.min(first + 4, count))
                where elements[other] < elements[child] { child = other }
                guard elements[child] < moving else { break }
                elements[parent] = elements[child]
                parent = child
            }
            elements[parent] = moving
        }
    }
}
