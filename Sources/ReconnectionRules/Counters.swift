/// How often what happened, since the ledger's first event. Names as in the trace counts.
public struct Counters: Equatable, Sendable, BitwiseCopyable {
    /// Applies, whatever their outcome.
    public var starts: UInt64 = 0
    /// Sessions on a grant that had none yet.
    public var grantedNew: UInt64 = 0
    /// Sessions on a grant that had one before and was reserved or waiting.
    public var resumed: UInt64 = 0
    /// Sessions that replaced a connected one.
    public var takenOver: UInt64 = 0
    /// Applies refused for want of an idle concurrency.
    public var rejectedNoIdle: UInt64 = 0
    /// Sessions refused because nothing was held.
    public var rejectedLockTimeout: UInt64 = 0
    /// Disconnects that opened a reconnect window.
    public var disconnected: UInt64 = 0
    /// Disconnects of sessions that run without a client.
    public var keptRunning: UInt64 = 0
    /// Disconnects that changed nothing, those refused for an unnamed session included.
    public var staleDisconnects: UInt64 = 0
    /// Destroys that freed a concurrency.
    public var destroyed: UInt64 = 0
    /// Destroys about a session that was not connected.
    public var staleDestroys: UInt64 = 0
    /// Repossessions for any reason.
    public var repossessed: UInt64 = 0
    /// Users that hold a concurrency now.
    public var heldNow: UInt64 = 0
    /// Concurrencies that wait for their user now.
    public var waitingNow: UInt64 = 0

    public init() {}

    mutating func count(_ event: Event) {
        switch (event.kind, event.outcome) {
        case (.applied, .noIdle):
            starts += 1
            rejectedNoIdle += 1
        case (.applied, _): starts += 1
        case (.sessionCreated, .fresh): grantedNew += 1
        case (.sessionCreated, .resumed): resumed += 1
        case (.sessionCreated, .takeover): takenOver += 1
        case (.sessionCreated, _): rejectedLockTimeout += 1
        case (.disconnected, .waiting): disconnected += 1
        case (.disconnected, .keptRunning): keptRunning += 1
        case (.disconnected, _): staleDisconnects += 1
        case (.destroyed, .freed): destroyed += 1
        case (.destroyed, .stale): staleDestroys += 1
        case (.repossessed, .nothingHeld): break
        case (.repossessed, _): repossessed += 1
        default: break
        }
    }
}
