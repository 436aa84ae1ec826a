import Audit
import EventLog
import Ledger
import LogForge
import Proofs
import ReconnectionRules

/// Ledgers of several shapes, all of them small: what a file can be made of in few pages.
public enum Shape: String, Sendable, CaseIterable, Codable {
    /// Commits of one to four events: values that stand in their leaf pages, a tree of two levels.
    case small
    /// Commits of hundreds of events with long names: values over several pages.
    case large
    /// Several projects, users forgotten, epochs, whole addresses with every apply.
    case mixed
    /// More than a thousand commits: a tree of many pages, a block of the Merkle tree.
    case many

    /// Writes the ledger. The same seed gives the same events.
    public func make(in path: String, seed: UInt64) throws {
        let directory = DataDirectory(path)
        var options = Ledger.Options()
        options.random = .repeatable(seed: seed)
        options.clientAddresses = self == .mixed ? .full : .none
        options.keptCheckpoints = CheckpointSpacing(
            eventCount: self == .many ? 600 : 120, eventCountPerRecord: 0)
        let spacing = options.keptCheckpoints
        var random = SeededGenerator(seed: seed)
        var now: Microseconds = .seconds(1_700_000_000)
        // In two parts: an opening has a checkpoint to begin from and something to fold behind it.
        let middle = stepCount * 3 / 4
        for steps in [0 ..< middle, middle ..< stepCount] {
            if steps.lowerBound > 0 { _ = try Rebuilder.rebuild(directory, keeping: spacing) }
            let ledger = try WritableLedger(opening: directory, options: options)
            var play = Play(core: ledger.core, shape: self, random: random, now: now)
            try play.run(steps)
            (random, now) = (play.random, play.now)
            for time in [now - 500_000, now] { ledger.writeSignOfLife(time) }
        }
        try sign(directory)
    }

    /// A head that is published, so that there is one to damage.
    private func sign(_ directory: DataDirectory) throws {
        let tree = try LogTree(of: directory)
        guard let signer = try LedgerHeads.signer(of: tree) else { return }
        let head = try LedgerHeads.sign(tree, by: signer)
        Files.write(head.bytes, to: directory.headNote)
    }

    var stepCount: Int {
        switch self {
        case .small: 160
        case .large: 1_200
        case .mixed: 260
        case .many: 1_150
        }
    }

    var users: [String] {
        (0 ..< (self == .large ? 60 : 12)).map {
            self == .large ? "user-\($0)-" + String(repeating: "x", count: 3 * $0) : "user-\($0)"
        }
    }
}

/// One run of made-up actions in made-up time.
private struct Play {
    let core: LedgerCore
    let shape: Shape
    var random: SeededGenerator
    var now: Microseconds

    private var projects: [String] {
        shape == .mixed ? ["alpha", "beta", "проект"] : ["alpha"]
    }

    mutating func run(_ steps: Range<Int>) throws {
        for project in steps.lowerBound == 0 ? projects : [] {
            var change = ProjectChange(concurrencyCount: shape == .large ? 30 : 4)
            change.cleanupTime = .seconds(2)
            try perform(.modifyProject(project, change))
        }
        let users = shape.users
        for step in steps {
            now += .seconds(Int64(random.below(5)))
            try act(users[random.below(users.count)], step)
            let isCommitted =
                switch shape {
                case .small, .many: random.below(3) > 0
                case .mixed: random.below(4) == 0
                case .large: step % 200 == 199
                }
            if isCommitted { try core.commit(wallOffset: 9) }
        }
        try core.commit(wallOffset: 9)
    }

    private mutating func act(_ user: String, _ step: Int) throws {
        let project = projects[random.below(projects.count)]
        switch random.below(16) {
        case 0 ..< 6:
            let address = shape == .mixed ? ClientAddress("203.0.113.\(step % 250)") : nil
            try perform(.apply(user: user, project: project, address: address))
            if random.below(4) > 0 { try perform(.createSession(user: user, address: address)) }
        case 6 ..< 9: try perform(.createSession(user: user))
        case 9 ..< 13: try perform(.disconnect(user: user))
        case 13: try perform(.destroy(user: user))
        case 14 where shape == .mixed && step % 3 == 0 && core.users.number(of: user) != nil:
            try perform(.forget(user: user))
        case 14: try perform(.repossess(user: user))
        default:
            guard shape == .mixed else { return try perform(.destroy(user: user)) }
            try core.settle(at: now, wallOffset: 9)
            try core.commit(wallOffset: 9)
            now += .seconds(20)
            if step % 2 == 0 {
                try core.beginEpoch(at: now, outage: .seconds(20), by: .commandLine)
            } else {
                core.open(at: now, outage: .seconds(20), by: .ledger)
            }
        }
    }

    private mutating func perform(_ action: Action) throws {
        try core.settle(at: now, wallOffset: 9)
        _ = try core.perform(action, at: now, by: .library)
    }
}
