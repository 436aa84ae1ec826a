import CFaults

/// Watches what a ledger asks of the disk. Ends with its life.
final class Faults: Sendable {
    enum Kind: Int32, Sendable {
        case write = 0
        case sync = 1
        /// A write that is its own sync.
        case durable = 2
        case open = 3
        case map = 4
        /// Cutting a file, or taking space for it.
        case size = 5
        /// Making, linking, renaming and removing names.
        case name = 6
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

    /// Lets writes take half of what they were given.
    func shorten(after skip: UInt64 = 0, times: UInt64 = 1) {
        faults_shorten(watch, skip, times)
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
