@testable import ReconnectionRules
import Testing

/// A table of chunks is an array to whoever looks, whatever was copied from it.
@Suite struct RecordTableTests {
    @Test(arguments: [UInt64(1), 2, 3, 4, 5])
    func copiesAndOriginalsGoTheirOwnWays(seed: UInt64) {
        var generator = StoryGenerator(seed: seed)
        var tables = [RecordTable<Int>(blank: -1)]
        var arrays: [[Int]] = [[]]
        for step in 0 ..< 30_000 {
            let which = generator.below(tables.count)
            switch generator.below(100) {
            case 0 where tables.count < 5:
                tables.append(tables[which])
                arrays.append(arrays[which])
            case 1 where tables.count > 1:
                tables.remove(at: which)
                arrays.remove(at: which)
            case 2 ..< 40:
                tables[which].append(step)
                arrays[which].append(step)
            default:
                guard !arrays[which].isEmpty else { continue }
                let index = generator.below(arrays[which].count)
                tables[which][index] += step
                arrays[which][index] += step
            }
        }
        for (table, array) in zip(tables, arrays) { #expect(Array(table) == array) }
    }

    @Test func changesAreTold() {
        var table = RecordTable(0 ..< 1_000, blank: 0)
        #expect(table.chunkCount == 4)
        #expect(table.takeChanges().first == 0b1111)
        #expect(table.takeChanges().allSatisfy { $0 == 0 })
        table[999] = 5
        var copy = table
        copy[0] = 7
        #expect(table.takeChanges().first == 0b1000)
        #expect(copy.takeChanges().first == 0b1001, "what changed before the copy was made too")
        #expect(table[0] == 0 && copy[0] == 7 && copy[999] == 5)
        #expect(table.withChunk(3) { $0.count } == 1_000 - 768)
    }

    @Test(arguments: [UInt64(1), 2, 3])
    func aQueueIsInOrder(seed: UInt64) {
        var generator = StoryGenerator(seed: seed)
        var queue = OrderedQueue<Int>()
        var sorted: [Int] = []
        for step in 0 ..< 20_000 {
            if generator.below(5) < 3 {
                // Mostly in order, as deadlines are.
                let element = generator.below(4) == 0 ? generator.below(20_000) : step
                queue.insert(element)
                sorted.insert(element, at: sorted.firstIndex { $0 > element } ?? sorted.count)
            } else if !sorted.isEmpty {
                #expect(queue.min == sorted[0])
                queue.removeMin()
                sorted.removeFirst()
            }
            #expect(queue.count == sorted.count)
        }
        while !sorted.isEmpty {
            #expect(queue.min == sorted.removeFirst())
            queue.removeMin()
        }
        #expect(queue.min == nil)
    }
}

private struct StoryGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func below(_ count: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int((state >> 33) % UInt64(count))
    }
}
