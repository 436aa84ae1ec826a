/// Where a new epoch's positions begin.
///
/// Positions are session ids, and a render host keeps the highest it has seen. Whoever goes on from
/// an old copy of the log must therefore never hand out a position that was handed out before,
/// although it cannot know how far the lost part went. So a restored ledger leaves a gap: its first
/// event takes a position that follows from the time, at a pace no ledger keeps up with.
public enum Epochs {
    /// 2020-01-01T00:00:00Z: no ledger is older.
    static let origin: Microseconds = .seconds(1_577_836_800)
    /// Positions set aside for each second since then, as a power of two: four million. A ledger
    /// that never recorded more events a second, on average, is always behind.
    static let positionBitsPerSecond: UInt64 = 22
    /// Where time alone does not lead far enough: two of these blocks on, so that a whole one lies
    /// between, a million events a second for twelve days.
    static let blockBits: UInt64 = 40
    /// Least positions left out: more than one batch has events, so that a gap shows from the keys
    /// of batches alone. Four seconds' worth.
    static let gapMin: Position = 1 << 24
    /// Positions stay below this, so that every JSON reader can hold them.
    public static let positionEnd: Position = 1 << 53

    /// The position of an event that begins an epoch at `time`, in a log that ends at `last`; nil
    /// if none is left.
    ///
    /// It is above every position handed out before `time` by a ledger that began with the same
    /// events, as long as clocks agree to less than what passed since that one's epoch began. Where
    /// the time is no help, before 2020, behind the log itself or within seconds of the epoch
    /// before, it is above the next 2⁴⁰.
    public static func firstPosition(after last: Position, at time: Microseconds) -> Position? {
        let seconds = time > origin ? Position((time - origin) / 1_000_000) : 0
        var first = seconds < positionEnd >> positionBitsPerSecond
            ? seconds << positionBitsPerSecond : 0
        if first <= last + gapMin { first = ((last >> blockBits) &+ 2) << blockBits }
        return first > last && first < positionEnd ? first : nil
    }
}
