import CFaults

/// Watches what a ledger asks of the disk. Ends with its life.
final class Faults: Sendable {
    enum Kind: Int32, Sendable {
        case write = 0
        case sync = 1
        /// LMDB's meta page: a write that is its own sync.
        case durable = 2
    }

    static var isAvailable: Bool { faults_available() }

    private let watch: Int32

    init(on prefix: String) {
        watch = faults_watch(prefix)
        precondition(watch >= 0, "no watch is free")
    }

    deinit { faults_unwatch(watch) }

    func count(_ kind: Kind) -> UInt64 { faults_count(watch, kind.rawValue) }

    /// Barriers the disk was asked for.
    var barrierCount: UInt64 { count(.sync) + count(.durable) }

    func fail(_ kind: Kind, after skip: UInt64 = 0, times: UInt64 = 1, with error: Int32) {
        faults_fail(watch, kind.rawValue, skip, times, error)
    }

    /// Keeps what is written from now on. A watch of one file alone makes sense of it.
    func record() { faults_record(watch) }

    /// Writes and waits so far.
    var recordedCount: Int { Int(faults_recorded_count(watch)) }

    /// One entry after the other, as CFaults.h describes them. To be asked when nothing is written.
    var recorded: [UInt8] {
        var bytes: UnsafePointer<UInt8>?
        let count = faults_recorded(watch, &bytes)
        return Array(UnsafeBufferPointer(start: bytes, count: count))
    }

    func delay(_ kind: Kind, microseconds: UInt32) {
        faults_delay(watch, kind.rawValue, microseconds)
    }

    func hold(_ kind: Kind) { faults_hold(watch, kind.rawValue, true) }
    func release(_ kind: Kind) { faults_hold(watch, kind.rawValue, false) }
    var isHolding: Bool { faults_held(watch) > 0 }

    var order: [Kind] {
        var kinds = [UInt8](repeating: 0, count: 4096)
        let count = faults_order(watch, &kinds, kinds.count)
        return kinds.prefix(count).map { Kind(rawValue: Int32($0))! }
    }
}
