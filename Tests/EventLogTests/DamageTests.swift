import EventLog
import LogForge
import ReconnectionRules
import Testing

/// Damage and tampering: an error that names the position, never data.
@Suite struct DamageTests {
    private let scratch = ScratchDirectory()
    private static let counts = [2, 3, 4, 1]  // positions 1-2, 3-5, 6-9, 10

    private func damaged(_ change: (inout [ForgedBatch]) throws -> Void) throws -> LogError? {
        try makeLog(in: scratch.path, Self.counts)
        try LogForge.rewrite(in: scratch.path, change)
        return readingError(scratch.path)
    }

    @Test func aRewriteThatChangesNothingIsSound() throws {
        #expect(try damaged { _ in } == nil)
        #expect(try EventLog(directory: scratch.path, mode: .readOnly).head().position == 10)
    }

    @Test(arguments: [(0, 1), (1, 3), (2, 6)])
    func aMissingBatchIsNamed(index: Int, position: Position) throws {
        let error = try damaged { $0.remove(at: index) }
        #expect(damagedPosition(error) == position)
    }

    /// A point read in the gap must not look like the end of the log.
    @Test(arguments: [(0, Position(2)), (1, 3), (1, 5), (2, 7)])
    func aPointReadInAGapIsAnError(index: Int, position: Position) throws {
        _ = try damaged { $0.remove(at: index) }
        let log = try EventLog(directory: scratch.path, mode: .readOnly)
        let error = #expect(throws: LogError.self) { try log.event(at: position) }
        #expect(error?.code == .corrupt(position: position))
        #expect(try log.event(at: 10) != nil)
        #expect(try log.event(at: 11) == nil)
    }

    @Test func swappedBatchesAreFound() throws {
        let error = try damaged { batches in
            let kept = batches[1].bytes
            batches[1].bytes = batches[2].bytes
            batches[2].bytes = kept
        }
        #expect(damagedPosition(error) == 3)
    }

    @Test func aBatchUnderAnotherKeyIsFound() throws {
        let error = try damaged { $0[1].key = 4 }
        #expect([3, 4].contains(damagedPosition(error)))
    }

    @Test func aKeyThatIsNoPositionIsFound() throws {
        try makeLog(in: scratch.path, Self.counts)
        try LogForge.put([1, 2, 3], forKey: [0, 0, 1], table: "batches", in: scratch.path)
        #expect(damagedPosition(readingError(scratch.path)) == 0)
    }

    /// A link that names another past, its own trailer recomputed.
    @Test func aBrokenLinkIsNamed() throws {
        let error = try damaged { batches in
            batches[2].bytes[70] ^= 1
            batches[2].sealHash()
        }
        #expect(damagedPosition(error) == 6)
    }

    @Test func aFirstBatchThatNamesAPastIsFound() throws {
        let error = try damaged { batches in
            batches[0].bytes[64] = 1
            batches[0].sealHash()
        }
        #expect(damagedPosition(error) == 1)
    }

    /// Somebody changes an event and makes its batch whole: the next link gives it away.
    @Test func aRewrittenEventIsFoundAtTheNextLink() throws {
        let error = try damaged { batches in
            batches[1].set(UInt32(77), at: batches[1].record(of: 4) + 12)
            batches[1].sealRecords()
            batches[1].sealHash()
        }
        #expect(damagedPosition(error) == 6)
    }

    /// A walk that begins right behind the rewritten batch checks that link too.
    @Test func theFirstLinkOfAWalkIsChecked() throws {
        _ = try damaged { batches in
            batches[1].bytes[48] ^= 1
            batches[1].sealHash()
        }
        let log = try EventLog(directory: scratch.path, mode: .readOnly)
        let error = #expect(throws: LogError.self) { try log.allEvents(from: 6) }
        #expect(error?.code == .corrupt(position: 6))
        #expect(try log.allEvents(from: 10).count == 1)
    }

    @Test func anEventWithoutItsCheckWordIsNamed() throws {
        _ = try damaged { batches in
            batches[2].bytes[batches[2].record(of: 8) + 30] ^= 0x10
            batches[2].sealHash()
        }
        let log = try EventLog(directory: scratch.path, mode: .readOnly)
        #expect(try log.event(at: 7) != nil)
        let error = #expect(throws: LogError.self) { try log.event(at: 8) }
        #expect(error?.code == .corrupt(position: 8))
        #expect(throws: LogError.self) { try log.allEvents() }
    }

    /// The hash finds it; the check words tell where.
    @Test func aDamagedEventIsNamedWithinItsBatch() throws {
        let error = try damaged { $0[2].bytes[$0[2].record(of: 8) + 30] ^= 0x10 }
        #expect(damagedPosition(error) == 8)
        let message = try #require(error).description
        #expect(message.contains("position 8") && message.contains("holdfast verify"))
    }

    /// Every byte of every batch, one after the other.
    @Test func everyFlippedByteIsFoundInItsBatch() throws {
        try makeLogWithEverything()
        let sound = try LogForge.batches(in: scratch.path)
        var generator = SeededGenerator(seed: SeededGenerator.announced(31, for: "flips"))
        for index in sound.indices {
            let range = sound[index].firstPosition ... sound[index].lastPosition
            for offset in sound[index].bytes.indices {
                var batches = sound
                batches[index].bytes[offset] ^= UInt8.random(in: 1 ... 255, using: &generator)
                try LogForge.replaceBatches(in: scratch.path, by: batches)
                let error = readingError(scratch.path)
                switch error?.code {
                case .corrupt(let position) where range.contains(position): break
                case .newerFormat where offset == 4 || offset == 5:
                    // A flipped version number cannot be told from a newer one.
                    #expect(error!.message.contains("position \(range.lowerBound)"))
                default:
                    let found = error?.message ?? "nothing is found"
                    Issue.record("batch \(index), byte \(offset): \(found)")
                }
            }
        }
    }

    /// Three batches with names and an origin.
    private func makeLogWithEverything() throws {
        let log = try EventLog(directory: scratch.path, mode: .create)
        var builder = BatchMaker(after: .empty, version: 1)
        let origin = BatchOrigin(source: Digest32([UInt8](repeating: 9, count: 32)), rowCount: 5)
        for round in 0 ..< 3 {
            let first = builder.nextPosition
            builder.append(
                namingEvent(at: first, time: 5, user: UserNumber(round + 1)),
                name: Array("user \(round)".utf8))
            if round > 0 { builder.append(sampleEvent(at: first + 1, time: 6)) }
            _ = try builder.seal(wallOffset: 1, origin: round == 1 ? origin : nil) {
                (bytes) throws(LogError) in try log.append(bytes, at: first)
            }
        }
    }
}
