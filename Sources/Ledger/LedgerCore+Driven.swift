package import EventLog
package import ReconnectionRules

/// What drives a ledger in place of the writer and the committer: a simulation, which owns time and
/// the disk. Nothing here decides; it hands out what those two use.
extension LedgerCore {
    /// A core without a checkpointer. `log` is never appended to unless the driver does.
    package convenience init(
        driven view: RecoveredView, log: EventLog, keys: PersonalKeys, options: LedgerOptions
    ) {
        self.init(log: log, view: view, keys: keys, options: options, checkpointer: nil)
    }

    /// The keys of everybody the ledger knows.
    package var drivenKeys: PersonalKeys { keys }

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

    /// Whose keys have to go once the batch that was taken is durable, and before anything in it is
    /// answered.
    package func takeForgetting() -> DrivenForgetting { DrivenForgetting(users: takeForgotten()) }

    /// Lets go of those keys, durably.
    package func finish(_ forgetting: DrivenForgetting) throws(LogError) {
        try forgetting.users.forget(in: keys)
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

/// Users forgotten in a batch.
package struct DrivenForgetting: Sendable {
    let users: ForgottenUsers
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
