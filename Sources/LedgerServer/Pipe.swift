import Synchronization

/// Hands elements from one task to another, in order and only so many ahead.
///
/// One task puts, one takes; either may end it. A task that waits here is woken by the other's end,
/// not by cancellation: whoever leaves calls `end`.
final class Pipe<Element: Sendable>: Sendable {
    private struct Content {
        var elements: [Element] = []
        var cost = 0
        var isEnded = false
        var taker: CheckedContinuation<Void, Never>?
        var putter: CheckedContinuation<Void, Never>?
    }

    private let costMax: Int
    private let content = Mutex(Content())

    /// - Parameter costMax: past this much, `put` waits until what is there was taken.
    init(costMax: Int) { self.costMax = costMax }

    /// False if the pipe has ended: the element was not taken.
    func put(_ element: Element, cost: Int = 1) async -> Bool {
        while true {
            let isPut = content.withLock { content -> Bool? in
                if content.isEnded { return false }
                guard content.cost < costMax else { return nil }
                content.elements.append(element)
                content.cost += cost
                content.taker?.resume()
                content.taker = nil
                return true
            }
            if let isPut { return isPut }
            await withCheckedContinuation { continuation in
                content.withLock { content in
                    if content.isEnded || content.cost < costMax {
                        continuation.resume()
                    } else {
                        content.putter = continuation
                    }
                }
            }
        }
    }

    /// All that is there, waiting until there is something; empty once the pipe has ended.
    func take() async -> [Element] {
        while true {
            let taken = content.withLock { content -> [Element]? in
                guard !content.elements.isEmpty || content.isEnded else { return nil }
                defer {
                    content.elements = []
                    content.cost = 0
                    content.putter?.resume()
                    content.putter = nil
                }
                return content.elements
            }
            if let taken { return taken }
            await withCheckedContinuation { continuation in
                content.withLock { content in
                    if !content.elements.isEmpty || content.isEnded {
                        continuation.resume()
                    } else {
                        content.taker = continuation
                    }
                }
            }
        }
    }

    /// Nothing more is put; what is there can still be taken. Safe to call more than once.
    ///
    /// - Parameter last: an element that is taken even if the pipe is full, but not after its end.
    func end(with last: Element? = nil) {
        content.withLock { content in
            if let last, !content.isEnded { content.elements.append(last) }
            content.isEnded = true
            content.taker?.resume()
            content.taker = nil
            content.putter?.resume()
            content.putter = nil
        }
    }
}
