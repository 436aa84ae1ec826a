/// A binary min-heap. Insert and remove are O(log n); no allocation but the array's growth.
struct BinaryHeap<Element: Comparable & Sendable>: Sendable {
    private var elements: [Element] = []

    var isEmpty: Bool { elements.isEmpty }
    var count: Int { elements.count }
    var min: Element? { elements.first }

    mutating func insert(_ element: Element) {
        elements.append(element)
        siftUp(from: elements.count - 1)
    }

    /// Removes the smallest element. Traps on an empty heap.
    mutating func removeMin() -> Element {
        let smallest = elements[0]
        let last = elements.removeLast()
        if !elements.isEmpty {
            elements[0] = last
            siftDown(from: 0)
        }
        return smallest
    }

    /// Replaces the contents in O(n).
    mutating func replaceAll(with newElements: [Element]) {
        elements = newElements
        for index in stride(from: elements.count / 2 - 1, through: 0, by: -1) {
            siftDown(from: index)
        }
    }

    private mutating func siftUp(from start: Int) {
        var child = start
        let moving = elements[child]
        while child > 0 {
            let parent = (child - 1) / 2
            guard moving < elements[parent] else { break }
            elements[child] = elements[parent]
            child = parent
        }
        elements[child] = moving
    }

    private mutating func siftDown(from start: Int) {
        var parent = start
        let moving = elements[parent]
        while true {
            var child = 2 * parent + 1
            guard child < elements.count else { break }
            if child + 1 < elements.count, elements[child + 1] < elements[child] { child += 1 }
            guard elements[child] < moving else { break }
            elements[parent] = elements[child]
            parent = child
        }
        elements[parent] = moving
    }
}
