// Counts what a batch of a thousand reconnects asks of the allocator, and fails if it is more than
// a handful: nothing may be allocated an action. To be built with optimisation: without it, the
// compiler allocates the frames of accessors.
//
//     swift run -c release allocation-check

import CAllocations
import Ledger
import ReconnectionRules

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The answers, LMDB's own pages, and what a table grows by now and then.
let allocationsAtMost: UInt64 = 16

let users = (0 ..< 1_000).map { "user\(100_000_000_000 + $0)" }
var entering = ActionBatch()
var reconnecting = ActionBatch()
for user in users {
    entering.apply(user: user, project: "p")
    entering.createSession(user: user)
    reconnecting.reconnect(user: user, project: "p")
}

var template = Array("\(CommandLine.arguments.dropFirst().first ?? "/tmp")/allocations-XXXXXX".utf8CString)
guard mkdtemp(&template) != nil else {
    fputs("allocation-check: cannot create a directory; name one that can be written to\n", stderr)
    exit(1)
}
let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)

func removeDirectory() {
    for name in [
        "log/data.mdb", "log/lock.mdb", "log", "views/data.mdb", "views/lock.mdb", "views",
        "sign-of-life", "owner.lock", "",
    ] { remove("\(path)/\(name)") }
}

/// Least and most of the last ten of twenty batches: the first ones grow what is kept.
func measure() throws -> [(what: String, least: UInt64, most: UInt64)] {
    let ledger = try WritableLedger(opening: DataDirectory(path), options: Ledger.Options())
    let core = ledger.core
    var now = Microseconds.seconds(1_800_000_000)
    let change = ProjectChange(concurrencyCount: 1_000, reconnectWindow: .seconds(3_600))
    try core.perform(.modifyProject("p", change), at: now, by: .library)
    _ = core.perform(entering, at: now, by: .library)
    try core.commit(wallOffset: nil)
    var decided: [UInt64] = []
    var committed: [UInt64] = []
    decided.reserveCapacity(20)
    committed.reserveCapacity(20)
    for _ in 0 ..< 20 {
        now += 1_000
        let start = allocations_count()
        let reply = core.perform(reconnecting, at: now, by: .library)
        let middle = allocations_count()
        try core.commit(wallOffset: nil)
        decided.append(middle - start)
        committed.append(allocations_count() - middle)
        precondition(reply.items.allSatisfy { $0.outcome != .lockTimeout }, "a storm of refusals")
    }
    precondition(core.state.counters.resumed == 20_000, "reconnects that resumed nothing")
    return [("decide 3,000 events", decided), ("commit them", committed)].map { what, counts in
        (what, counts.suffix(10).min()!, counts.suffix(10).max()!)
    }
}

var isFine = true
do {
    for (what, least, most) in try measure() {
        print("\(what): \(least) to \(most) allocations, at most \(allocationsAtMost)")
        if least > allocationsAtMost { isFine = false }
    }
    if !allocations_available() {
        print("allocations are not counted on this platform")
    }
} catch {
    fputs("allocation-check: \(error)\n", stderr)
    isFine = false
}
removeDirectory()
exit(isFine ? 0 : 1)
