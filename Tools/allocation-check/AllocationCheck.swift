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

/// A thousand reconnects, decided and committed, twenty times over.
@main enum AllocationCheck {
    /// The answers, LMDB's own pages, and what a table grows by now and then.
    static let allocationsAtMost: UInt64 = 16
    static let users = (0..<1_000).map { "user\(100_000_000_000 + $0)" }

    static func main() {
        let parent = CommandLine.arguments.dropFirst().first ?? "/tmp"
        var template = Array("\(parent)/allocations-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            return end("cannot create a directory in \(parent); name one that can be written to")
        }
        let path = String(
            decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let result = Result { try measure(in: path) }
        removeDirectory(path)
        do {
            guard allocations_available() else {
                return end("allocations are not counted on this platform")
            }
            var isFine = true
            for (what, least, most) in try result.get() {
                print("\(what): \(least) to \(most) allocations, at most \(allocationsAtMost)")
                if least > allocationsAtMost { isFine = false }
            }
            if !isFine { end("a batch allocates more than it may") }
        } catch { end("\(error)") }
    }

    /// Least and most of the last ten of twenty batches: the first ones grow what is kept.
    static func measure(in path: String) throws -> [(what: String, least: UInt64, most: UInt64)] {
        let ledger = try WritableLedger(opening: DataDirectory(path), options: Ledger.Options())
        defer { withExtendedLifetime(ledger) {} }
        let core = ledger.core
        var now = Microseconds.seconds(1_800_000_000)
        let change = ProjectChange(concurrencyCount: 1_000, reconnectWindow: .seconds(3_600))
        try core.perform(.modifyProject("p", change), at: now, by: .library)
        var entering = ActionBatch()
        var reconnecting = ActionBatch()
        for user in users {
            entering.apply(user: user, project: "p")
            entering.createSession(user: user)
            reconnecting.reconnect(user: user, project: "p")
        }
        _ = core.perform(entering, at: now, by: .library)
        try core.commit(wallOffset: nil)
        var counts = (decided: [UInt64](), committed: [UInt64]())
        for _ in 0..<20 {
            now += 1_000
            let start = allocations_count()
            let reply = core.perform(reconnecting, at: now, by: .library)
            let middle = allocations_count()
            try core.commit(wallOffset: nil)
            let end = allocations_count()
            counts.decided.append(middle - start)
            counts.committed.append(end - middle)
            precondition(reply.items.allSatisfy { !$0.isRefusal }, "a storm of refusals")
        }
        precondition(core.state.counters.resumed == 20_000, "reconnects that resumed nothing")
        return [
            ("decide 3,000 events", counts.decided), ("commit them", counts.committed),
        ].map { what, counts in (what, counts.suffix(10).min()!, counts.suffix(10).max()!) }
    }

    static func removeDirectory(_ path: String) {
        for name in [
            "log/data.mdb", "log/lock.mdb", "log", "views/data.mdb", "views/lock.mdb", "views",
            "sign-of-life", "owner.lock", "",
        ] { remove("\(path)/\(name)") }
    }

    static func end(_ complaint: String) {
        let line = Array("allocation-check: \(complaint)\n".utf8)
        _ = write(STDERR_FILENO, line, line.count)
        exit(1)
    }
}
