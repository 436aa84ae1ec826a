package import ReconnectionRules

/// Texts that stand with single events, asked for in any order: what was walked over of a batch's
/// texts is remembered while the next ones lie in the same batch. For one snapshot.
package struct TextReader {
    private var held: Range<Position> = 0 ..< 0
    private var isSealed = false
    private var isChecked = false
    /// Entries found so far: index of the event, and where its text lies among the batch's texts.
    private var found: [(index: Int, bytes: Range<Int>)] = []

    package init() {}

    /// The text that stands with the event at a position, nil if none does, and whether it is
    /// sealed. What is sealed is checked when it is opened: `requireSound` tells why it does not
    /// open. That there is none is checked by the batch's hash.
    ///
    /// Cost: one descent of the tree; for many events of a batch one walk over its texts in all.
    package mutating func text(
        at position: Position, in snapshot: borrowing LogSnapshot
    ) throws -> (bytes: [UInt8], isSealed: Bool)? {
        var text: [UInt8]?
        try snapshot.withBatch(holding: position) { batch in
            guard batch.hasTexts else { return }
            begin(batch)
            text = find(Int(position - batch.firstPosition), batch.names)
            if text == nil { try check(batch) }
        }
        return text.map { ($0, isSealed) }
    }

    /// Throws `corrupt` if the batch that holds a position is not what was written. Cost: its hash,
    /// once while one reads in the same batch.
    package mutating func requireSound(
        at position: Position, in snapshot: borrowing LogSnapshot
    ) throws {
        try snapshot.withBatch(holding: position) { batch in
            begin(batch)
            try check(batch)
        }
    }

    private mutating func check(_ batch: borrowing BatchView) throws {
        if isChecked { return }
        try batch.verifyHash()
        isChecked = true
    }

    private mutating func begin(_ batch: borrowing BatchView) {
        guard held.lowerBound != batch.firstPosition else { return }
        held = batch.firstPosition ..< batch.lastPosition + 1
        isSealed = batch.hasSealedTexts
        isChecked = false
        found.removeAll(keepingCapacity: true)
    }

    private mutating func find(_ index: Int, _ names: NameWalk) -> [UInt8]? {
        var walk = names
        walk.offset = found.last?.bytes.upperBound ?? 0
        while found.last.map({ $0.index < index }) ?? true, let next = walk.nextIndex,
            let text = walk.name(ofEventAt: next)
        {
            found.append((next, walk.offset - text.count ..< walk.offset))
        }
        var (low, high) = (0, found.count)
        while low < high {
            let middle = (low + high) / 2
            if found[middle].index < index { low = middle + 1 } else { high = middle }
        }
        guard low < found.count, found[low].index == index else { return nil }
        return Array(names.bytes[found[low].bytes])
    }
}
