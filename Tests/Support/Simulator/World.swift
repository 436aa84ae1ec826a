import Ledger
import LedgerModel
import ReconnectionRules

/// The machine's clocks in a simulated world. One thread runs a world and everything in it.
final class WorldClock: @unchecked Sendable {
    /// Time that never steps.
    @exclusivity(unchecked)
    var monotonic: Microseconds = 5_000_000
    /// What the wall clock shows, less that.
    @exclusivity(unchecked)
    var wallOffset: Microseconds = 1_800_000_000_000_000

    var wall: Microseconds { monotonic + wallOffset }

    /// What the ledger is given in place of the machine's clocks.
    var ledgerClock: LedgerClock {
        LedgerClock(wall: { [self] in wall }, monotonic: { [self] in monotonic })
    }
}

/// A probability, in 65,536ths.
typealias Odds = UInt32

extension SplitMix64 {
    mutating func roll(_ odds: Odds) -> Bool { UInt32(truncatingIfNeeded: next() & 0xFFFF) < odds }

    /// A length of time that is most often below `mean` and now and then several times as long;
    /// whole numbers only, so that it is the same everywhere.
    mutating func around(_ mean: Microseconds) -> Microseconds {
        let word = next()
        let half = max(1, mean / 2)
        let doublings = Int64(min(12, (word | 1 << 20).trailingZeroBitCount))
        let part = Int64(
            truncatingIfNeeded: (word >> 24).multipliedFullWidth(by: 1 << 24).low >> 24)
        return half * doublings + part % half
    }

    /// A number whose order of magnitude is drawn first.
    mutating func magnitude(_ range: ClosedRange<Int64>) -> Int64 {
        var octaves = 0
        while range.lowerBound << (octaves + 1) <= range.upperBound, octaves < 60 { octaves += 1 }
        let low = range.lowerBound << Int64(below(octaves + 1))
        return min(range.upperBound, low + Int64(below(Int(max(1, low)))))
    }
}
