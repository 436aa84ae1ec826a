import Ledger
import LedgerModel
import ReconnectionRules

/// Random actions on a few users and projects, with everything that may happen to them.
enum Workload {
    static let userCount = 20

    static func action(_ random: inout SplitMix64) -> Action {
        let user = "u\(random.below(userCount))"
        switch random.below(100) {
        case ..<34: return .apply(user: user, project: project(&random))
        case ..<58: return .createSession(user: user, runsWithoutClient: random.chance(1, in: 9))
        case ..<78: return .disconnect(user: user, session: session(&random))
        case ..<88: return .destroy(user: user, session: session(&random))
        case ..<91: return .repossess(user: user)
        default:
            var change = ProjectChange(concurrencyCount: UInt32(random.below(12)))
            if random.chance(1, in: 3) { change.cleanupTime = .seconds(Int64(random.below(5))) }
            if random.chance(1, in: 4) {
                change.reconnectWindow = .seconds(Int64(random.within(1 ... 60)))
            }
            if random.chance(1, in: 6) { change.requiresSessionName = random.chance(1, in: 2) }
            return .modifyProject(project(&random), change)
        }
    }

    private static func project(_ random: inout SplitMix64) -> String { "p\(random.below(3))" }

    private static func session(_ random: inout SplitMix64) -> SessionId? {
        random.chance(3, in: 4) ? nil : SessionId(random.below(400))
    }
}
