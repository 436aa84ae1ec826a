public import EventLog

/// How a ledger is opened.
public struct LedgerOptions: Sendable {
    /// The clocks. Default: the machine's.
    public var clock: LedgerClock = .system
    /// Whether opening after an outage moves running deadlines back by its length. Default yes:
    /// a restart costs nobody a slot.
    public var compensatesOutages = true
    /// Events between two checkpoints of the view.
    public var checkpointEventCount = 262_144
    /// Where keys, nonces and a new ledger's id come from. Default: the operating system's.
    public var random = RandomSource.system
    /// What is recorded of the addresses that come with applies and sessions. Default: nothing.
    public var clientAddresses = ClientAddressRecording.none
    /// Where whole states are kept for looks into the past.
    public var keptCheckpoints = CheckpointSpacing()
    /// Told to whoever finds the directory owned: what runs here and how to reach it.
    public var ownerNote = "which embeds the ledger; send the action to it or stop it first"

    /// Most bytes the log may grow to; nil leaves it to the address space. For tests.
    package var logByteCountMax: Int?
    /// Whether a trace that is half imported is no reason to refuse.
    package var goesOnImporting = false

    public init() {}
}
