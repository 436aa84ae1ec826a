import EventLog
import Ledger
import LedgerAuditor
import LedgerModel
import ReconnectionRules

/// An ask on its way through the server, and who waits for its answer.
struct Entry {
    var ask: Ask
    var answer = Answer()
    var device: Int32
    var generation: UInt32

    init(_ ask: Ask, device: Int32 = -1, generation: UInt32 = 0) {
        self.ask = ask
        self.device = device
        self.generation = generation
    }
}

/// A batch on its way to the disk.
struct Commit {
    var entries: [Entry]
    var builder: BatchBuilder
    var forgetting: DrivenForgetting
    var head: LogHead
    var first: Position
}

/// One client of a user.
struct Device {
    enum Phase: UInt8 { case away, applying, creating, connected, closing, done }

    var user: Int32
    var project: Int32
    var phase: Phase = .away
    var generation: UInt32 = 0
    /// What it takes for its session.
    var session: SessionId = 0
}

/// A world with one ledger, from its seed to its end. Owned by one thread; the same seed gives the
/// same world, happening by happening.
struct Simulation {
    let swarm: Swarm
    let canary: Canary?
    let host: any Host
    let clock = WorldClock()
    var random: SplitMix64
    var queue = EventQueue()
    var auditor: Auditor
    var report: SeedReport
    var trace: Trace

    // Clients.
    var devices: [Device] = []
    let userNames: [[UInt8]]
    let userTexts: [String]
    let projectNames: [String]
    /// Everything that may go wrong has stopped.
    var isCalm = false
    /// The act in which it ends: see Liveness.swift.
    var liveness = Liveness()

    // The server.
    var isUp = false
    /// When a ledger that is down comes back.
    var upAt: Microseconds = 0
    var ledgerClock: DrivenClock?
    /// Ledger time and world time of the opening: the ledger's clock has to agree.
    var openedAt: (ledger: Microseconds, world: Microseconds) = (0, 0)
    var inbox: [Happening] = []
    /// Decided, and not handed over.
    var pending: [Entry] = []
    var appending: Commit?
    var queued: Commit?
    var unacknowledged: Commit?
    var isSyncing = false
    var turnAt = Microseconds.max
    var writerFreeAt = Microseconds.min
    var diskAt = Microseconds.max
    var wakeAt = Microseconds.max
    var sealedHead = LogHead.empty
    var spareBuilders: [BatchBuilder] = []
    var spareEntries: [[Entry]] = []
    var actionBatch = ActionBatch()
    var batchOrder: [Int] = []
    var batchesSinceCheckpoint = 0

    // What is known to be true.
    var auditedHead = LogHead.empty
    /// Of those who were forgotten, how many are known to have lost their keys.
    var keylessCount = 0
    /// The newest position anybody was answered.
    var acknowledged: Position = 0
    var events: [Event] = []
    var decoding = EventBlock()
    /// The view as it really is, for a canary to be put beside.
    var shadow = State()
    /// What a crash interrupted: may be in the log, was answered to nobody.
    var survivors: [Commit] = []
    /// Where and when the ledger last ended, and when the oldest batch was decided that was not
    /// durable then.
    var crashed:
        (
            ledger: Microseconds, position: Position, digest: Digest32?, firstLost: Microseconds?
        )?

    init(_ swarm: Swarm, host: any Host, canary: Canary?, isTracing: Bool) {
        self.swarm = swarm
        self.host = host
        self.canary = canary
        random = SplitMix64(seed: swarm.seed)
        auditor = Auditor(userCount: swarm.userCount, projectCount: swarm.projectCount)
        report = SeedReport(seed: swarm.seed)
        trace = Trace(isOn: isTracing)
        var names = SplitMix64(seed: swarm.seed ^ 0x4E41_4D45)
        userNames = (0..<swarm.userCount).map { Self.name("u\($0)", &names) }
        userTexts = userNames.map { String(decoding: $0, as: UTF8.self) }
        projectNames = (0..<swarm.projectCount).map { "p\($0)" }
    }

    /// Mostly short, now and then as long as a name may be, or of letters that take more bytes.
    private static func name(_ text: String, _ random: inout SplitMix64) -> [UInt8] {
        switch random.below(16) {
        case 0: Array((text + String(repeating: "x", count: 256)).utf8.prefix(256))
        case 1: Array((text + "-ünïcödé-名").utf8)
        default: Array(text.utf8)
        }
    }

    // MARK: - Running

    /// Runs the world to its end, or to the first promise that is not kept.
    mutating func run() -> SeedReport {
        do throws(Violation) {
            try start()
            while report.actions < UInt64(swarm.actionCount) {
                if try !step() { break }
            }
            try calmDown()
        } catch { report.violation = error }
        report.simulatedTime = clock.monotonic - 5_000_000
        report.digest = auditor.digest
        return report
    }

    private mutating func start() throws(Violation) {
        try openAgain()
        for project in 0..<swarm.projectCount {
            // Some come later, if new ones may.
            if project > 0, swarm.has(.newProjects), random.chance(1, in: 2) { continue }
            putModification(of: Int32(project), firstSettings(), after: 0)
        }
        for user in 0..<swarm.userCount {
            for number in 0..<swarm.deviceCountPerUser {
                let device = Device(
                    user: Int32(user), project: Int32(random.below(swarm.projectCount)))
                devices.append(device)
                if number == 0 || swarm.has(.takeovers) {
                    startOver(devices.count - 1, after: random.around(swarm.away))
                }
            }
        }
        func begin(_ kind: Happening.Kind, _ feature: Feature, _ interval: Microseconds) {
            if swarm.has(feature) { put(Happening(kind), after: random.around(interval)) }
        }
        put(Happening(.operatorActs), after: random.around(swarm.operatorInterval))
        begin(.noise, .noise, swarm.noiseInterval)
        begin(.crash, .crashes, swarm.crashInterval)
        begin(.restart, .restarts, swarm.restartInterval)
        begin(.clockStep, .clockSteps, swarm.clockStepInterval)
    }

    mutating func put(_ happening: Happening, after delay: Microseconds) {
        queue.put(happening, at: clock.monotonic + max(0, delay))
    }

    /// The next thing that happens. False if nothing ever will.
    mutating func step() throws(Violation) -> Bool {
        let next = queue.nextTime
        let server = min(turnAt, diskAt, wakeAt)
        if next <= server {
            if next == .max { return false }
            clock.monotonic = max(clock.monotonic, next)
            try happen(queue.take())
            return true
        }
        clock.monotonic = max(clock.monotonic, server)
        if diskAt == server {
            try diskIsDone()
        } else {
            if wakeAt == server { wakeAt = .max }
            turnAt = .max
            try turn()
        }
        return true
    }

    private mutating func happen(_ happening: Happening) throws(Violation) {
        switch happening.kind {
        case .request: arrive(happening)
        case .holdEnds: holdEnds(happening)
        case .operatorActs: operatorActs()
        case .noise: makeNoise()
        case .crash:
            if isUp { crash() }
            if !isCalm { put(Happening(.crash), after: random.around(swarm.crashInterval)) }
        case .restart:
            if isUp { try restart() }
            if !isCalm { put(Happening(.restart), after: random.around(swarm.restartInterval)) }
        case .up: if !isUp { try openAgain() }
        case .clockStep:
            stepClock()
            if !isCalm {
                put(Happening(.clockStep), after: random.around(swarm.clockStepInterval))
            }
        }
    }

    private mutating func stepClock() {
        let length = random.magnitude(1...100_000_000_000)
        let isBack = random.chance(1, in: 2) && clock.wallOffset > 1_000_000_000_000_000
        clock.wallOffset += isBack ? -length : length
        report.count(.clockSteps)
        trace.note("the wall clock steps by \(isBack ? "-" : "")\(length)")
    }
}
