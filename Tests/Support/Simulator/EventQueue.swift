import LedgerAuditor
import ReconnectionRules

/// What happens later in a simulated world.
struct Happening: BitwiseCopyable {
    enum Kind: UInt8, BitwiseCopyable {
        /// A request reaches the server, or its closed door.
        case request
        /// A connected device has had enough.
        case holdEnds
        case operatorActs
        case noise
        case crash
        case restart
        case up
        case clockStep
    }

    var kind: Kind
    /// Who waits for the answer, -1 for nobody.
    var device: Int32 = -1
    /// The device's generation when it was sent: what is older is no concern of it any more.
    var generation: UInt32 = 0
    var ask: Ask

    init(_ kind: Kind, device: Int32 = -1, generation: UInt32 = 0, ask: Ask = Ask(.settle)) {
        self.kind = kind
        self.device = device
        self.generation = generation
        self.ask = ask
    }
}

/// Happenings by time, those of one moment in the order they were put in. A heap of four children
/// over 16-byte entries; what happens lies beside it and does not move.
struct EventQueue {
    private struct Entry: BitwiseCopyable {
        var time: Microseconds
        /// Order of insertion in the upper 40 bits, place of the happening in the lower 24.
        var order: UInt64

        static func < (left: Entry, right: Entry) -> Bool {
            left.time != right.time ? left.time < right.time : left.order < right.order
        }
    }

    private var heap: [Entry] = []
    private var slab: [Happening] = []
    private var free: [Int32] = []
    private var inserted: UInt64 = 0

    var count: Int { heap.count }

    /// When the next happening is, `.max` if there is none.
    var nextTime: Microseconds { heap.isEmpty ? .max : heap[0].time }

    mutating func put(_ happening: Happening, at time: Microseconds) {
        let place: Int
        if let reused = free.popLast() {
            place = Int(reused)
            slab[place] = happening
        } else {
            place = slab.count
            slab.append(happening)
        }
        inserted += 1
        let entry = Entry(time: time, order: inserted << 24 | UInt64(place))
        heap.append(entry)
        heap.withUnsafeMutableBufferPointer { heap in
            var index = heap.count - 1
            while index > 0 {
                let parent = (index - 1) >> 2
                guard entry < heap[parent] else { break }
                heap[index] = heap[parent]
                index = parent
            }
            heap[index] = entry
        }
    }

    /// Removes and returns the next happening. There must be one.
    mutating func take() -> Happening {
        let first = heap[0]
        let last = heap.removeLast()
        if !heap.isEmpty {
            heap.withUnsafeMutableBufferPointer { heap in Self.sink(last, in: heap) }
        }
        let place = Int(first.order & 0xFF_FFFF)
        free.append(Int32(place))
        return slab[place]
    }

    private static func sink(_ entry: Entry, in heap: UnsafeMutableBufferPointer<Entry>) {
        var index = 0
        while true {
            let first = index << 2 + 1
            guard first < heap.count else { break }
            var least = first
            for child in first + 1..<max(first + 1, min(first + 4, heap.count))
            where heap[child] < heap[least] { least = child }
            guard heap[least] < entry else { break }
            heap[index] = heap[least]
            index = least
        }
        heap[index] = entry
    }

    mutating func removeAll() {
        heap.removeAll(keepingCapacity: true)
        slab.removeAll(keepingCapacity: true)
        free.removeAll(keepingCapacity: true)
    }
}
