/// A named table of an environment: a sorted map from byte keys (1 to 511 bytes, in `memcmp`
/// order) to byte values.
///
/// A handle of one environment, free to copy and to keep. It comes from `table(named:)` of a
/// transaction. One that a write transaction created is usable elsewhere after that transaction
/// committed, in transactions begun later; earlier ones throw `.badTable`.
public struct Table: Sendable, Hashable, BitwiseCopyable {
    let handle: UInt32
}
