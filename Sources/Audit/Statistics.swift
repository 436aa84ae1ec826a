import EventLog
public import Ledger
public import ReconnectionRules

/// The counts of a trace or of a whole ledger, as of its newest event.
public struct LedgerStatistics: Sendable, Equatable {
    public var counters: Counters
    public var eventCount: UInt64
    public var userCount: Int
    public var projectCount: Int
    public var stateDigest: String
    /// Ledger time of the newest event, 0 in an empty ledger.
    public var lastTime: Microseconds
    public var logByteCount: Int

    public init(_ reader: LedgerReader) {
        self.init(reader.state, logByteCount: reader.log.byteCount)
    }

    init(_ state: State, logByteCount: Int) {
        counters = state.counters
        eventCount = state.eventCount
        userCount = state.userCount
        projectCount = state.projectCount
        stateDigest = StateDigest.of(state).description
        lastTime = state.time
        self.logByteCount = logByteCount
    }

    /// Names and values in the order they are printed; the names are fixed, zeros included.
    public var rows: [(name: String, value: UInt64)] {
        counters.rows + [
            ("events", eventCount),
            ("users", UInt64(userCount)),
            ("projects", UInt64(projectCount)),
            ("logBytes", UInt64(logByteCount)),
        ]
    }
}

extension Counters {
    /// The trace counts by their names, in the order they are printed.
    package var rows: [(name: String, value: UInt64)] {
        [
            ("starts", starts),
            ("grantedNew", grantedNew),
            ("resumed", resumed),
            ("takenOver", takenOver),
            ("rejectedNoIdle", rejectedNoIdle),
            ("rejectedLockTimeout", rejectedLockTimeout),
            ("disconnected", disconnected),
            ("keptRunning", keptRunning),
            ("staleDisconnects", staleDisconnects),
            ("destroyed", destroyed),
            ("staleDestroys", staleDestroys),
            ("repossessed", repossessed),
            ("heldAtEnd", heldNow),
            ("waitingAtEnd", waitingNow),
        ]
    }
}
