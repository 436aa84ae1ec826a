import EventLog
import Ledger
import LogForge
import ReconnectionRules

/// A ledger of what can come: moves, cleanups, capacities up and down, unnamed sessions and some
/// that never were, refusals, every caller, outages, epochs, names in any script.
struct RandomLedger {
    let directory: DataDirectory
    let digest: Digest32
    let head: LogHead
    let id: String

    static let users = [
        "ann", "Ωμέγα", "李雷", "a,b", "\"quoted\"", "back\\slash", "=1+1", "e\u{301}", "\u{e9}",
        "😀 smile", String(repeating: "n", count: 256),
    ]
    static let projects = ["play", "ein Projekt, mit Komma", "проект"]

    init(in path: String, seed: UInt64, stepCount: Int = 300) throws {
        directory = DataDirectory(path)
        var options = Ledger.Options()
        options.clientAddresses = seed % 2 == 0 ? .full : .truncated
        let core = try WritableLedger(opening: directory, options: options).core
        var play = Play(core: core, random: SeededGenerator(seed: seed))
        try play.run(stepCount)
        digest = StateDigest.of(core.state)
        head = core.head
        id = core.log.ledgerId
    }

    private struct Play {
        let core: LedgerCore
        var random: SeededGenerator
        var now = Story.start

        mutating func run(_ stepCount: Int) throws {
            for project in RandomLedger.projects { try modify(project, isNew: true) }
            for _ in 0 ..< stepCount {
                now += [0, 1, 999_999, .seconds(3), .seconds(31)][random.below(5)]
                try step()
                if random.below(3) == 0 { try core.commit(wallOffset: 5) }
            }
            try core.commit(wallOffset: 5)
        }

        private mutating func step() throws {
            let user = RandomLedger.users[random.below(RandomLedger.users.count)]
            let project = RandomLedger.projects[random.below(RandomLedger.projects.count)]
            switch random.below(20) {
            case 0 ..< 6:
                try perform(.apply(user: user, project: project, address: address))
                if random.below(4) > 0 {
                    let isAlone = random.below(6) == 0
                    try perform(
                        .createSession(user: user, runsWithoutClient: isAlone, address: address))
                }
            case 6 ..< 8: try perform(.createSession(user: user))
            case 8 ..< 10: try perform(.disconnect(user: user))
            case 10 ..< 12: try perform(.disconnect(user: user, session: session(of: user)))
            case 12: try perform(.disconnect(user: user, session: 0))
            case 13: try perform(.destroy(user: user))
            case 14: try perform(.destroy(user: user, session: session(of: user)))
            case 15:
                if random.below(4) > 0 || core.users.number(of: user) == nil {
                    try perform(.repossess(user: user))
                } else {
                    try perform(.forget(user: user))
                }
            case 16, 17: try modify(project)
            case 18:
                try core.settle(at: now, wallOffset: 5)
                try core.commit(wallOffset: 5)
                now += .seconds(Int64(random.below(100)))
                core.open(at: now, outage: Microseconds(random.below(100_000_000)), by: .ledger)
            default:
                try core.commit(wallOffset: 5)
                now += .seconds(Int64(random.below(100)))
                try core.beginEpoch(at: now, outage: .seconds(1), by: .commandLine)
            }
        }

        private var address: ClientAddress? {
            mutating get {
                let texts = ["203.0.113.77", "2001:db8:1:2::3", ""]
                return ClientAddress(texts[random.below(3)])
            }
        }

        private mutating func perform(_ action: Action) throws {
            try core.settle(at: now, wallOffset: 5)
            let callers = [
                Caller.library, .commandLine, .anonymous, .trace, .credential(1), .credential(77),
                Caller(rawValue: 500),
            ]
            _ = try core.perform(action, at: now, by: callers[random.below(callers.count)])
        }

        private mutating func modify(_ project: String, isNew: Bool = false) throws {
            var change = ProjectChange()
            if isNew || random.below(2) == 0 { change.concurrencyCount = UInt32(random.below(5)) }
            if random.below(3) == 0 {
                change.reconnectWindow = 1_000_000 + Microseconds(random.below(90_000_000))
            }
            if random.below(3) == 0 { change.cleanupTime = Microseconds(random.below(9_000_001)) }
            if random.below(3) == 0 { change.requiresSessionName = random.below(2) == 0 }
            try perform(.modifyProject(project, change))
        }

        private mutating func session(of user: String) -> SessionId {
            guard random.below(4) > 0, let number = core.users.number(of: user),
                let held = core.state.holding(of: number)
            else { return SessionId(random.below(50)) }
            return held.record.session
        }
    }
}
