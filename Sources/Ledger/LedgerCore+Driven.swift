package import EventLog
package import ReconnectionRules

/// What drives a ledger in place of the writer and the committer: a simulation, which owns time and
/// the disk. Nothing here decides; it hands out what those two use.
extension LedgerCore {
    /// A core without a checkpointer. `log` is never appended to unless the driver does.
    package convenience init(driven view: RecoveredView, log: EventLog) {
        self.init(log: log, view: view, checkpointer: nil)
    }

    /// Whether anything was decided since the last batch was taken.
    package var hasGathered: Bool { hasUncommitted }

    /// Events decided since the last batch was taken.
    package var gatheredCount: Int { uncommittedCount }

    /// Settles what is due at `now`; `whenFull` has to take the batch.
    package func settleGathering(at now: Microseconds, whenFull: () -> Void) {
        settle(at: now) { () throws(Never) in whenFull() }
    }

    /// Takes the batch at hand, to be sealed and appended by the driver. `next` makes a builder
    /// that begins behind a position.
    package func takeGathered(_ next: (Position) -> BatchBuilder) -> BatchBuilder {
        takeBatch(next)
    }

    /// Says what the log ends with, once the driver has appended everything that was taken.
    package func driven(to head: LogHead) { resume(at: head) }
}

extension WritableLedger {
    /// Records the restart as an engine does that opens this directory.
    package func resumeDriven(
        by clock: LedgerClock, compensates: Bool
    ) throws(LedgerError) -> DrivenClock {
        let clock = DrivenClock(clock, lastEventTime: core.head.time)
        try resume(at: clock.running, compensates: compensates)
        return clock
    }

    /// Leaves a sign of life, as the committer does once everything due is settled durably.
    package func leaveSignOfLife(at time: Microseconds) { signOfLife.write(time) }
}

/// Ledger time of one opening, as the engine keeps it.
package struct DrivenClock: Sendable {
    let running: RunningClock

    package init(_ clock: LedgerClock, lastEventTime: Microseconds) {
        running = RunningClock(clock, lastEventTime: lastEventTime)
    }

    package var now: Microseconds { running.now }

    package func wallOffset(at now: Microseconds) -> Microseconds { running.wallOffset(at: now) }
}
