import Ledger
import ReconnectionRules
import Testing

/// A scene, and of whom and when an explanation is asked.
struct Situation: CustomTestStringConvertible, Sendable {
    var name: String
    var user = "ann"
    var at: String?
    var concurrencies: UInt32 = 2
    var play: @Sendable (Scene) throws -> Void

    var testDescription: String { name }

    /// Asked of the newest event, without a moment.
    static let newest: [Situation] = [
        Situation(name: "in-time") { scene in
            let session = try scene.at("09:00:00").connect("ann")
            try scene.at("09:12:30").vanish("ann", session)
            try scene.at("09:13:47.600").connect("ann")
        },
        Situation(name: "late-by-a-second") { scene in
            let session = try scene.at("09:00:00").connect("ann")
            try scene.at("09:12:30").vanish("ann", session)
            try scene.at("09:14:00.500").connect("bob")
            try scene.at("09:14:01").connect("ann")
        },
        Situation(name: "exactly-at-the-deadline") { scene in
            let session = try scene.at("09:00:00").connect("ann")
            try scene.at("09:12:30").vanish("ann", session)
            try scene.at("09:14:00").connect("ann")
        },
        Situation(name: "ghost-report") { scene in
            let first = try scene.at("09:00:00").connect("ann")
            try scene.at("09:12:30").connect("ann")
            try scene.at("09:13:10").vanish("ann", first)
            try scene.at("09:14:00").destroy("ann", first)
        },
        Situation(name: "takeover") { scene in
            try scene.at("09:00:00").connect("ann")
            try scene.at("09:05:00").session("ann")
            try scene.at("09:06:00").apply("ann")
            let third = try scene.at("09:06:02").session("ann")
            try scene.at("09:30:00").destroy("ann", third)
        },
        Situation(name: "moved-project") { scene in
            try scene.set("beta", ProjectChange(concurrencyCount: 1))
            try scene.at("09:00:00").connect("ann")
            try scene.at("09:10:00").connect("ann", "beta")
            try scene.at("09:11:00").connect("bob")
            try scene.at("09:11:01").connect("cyd")
        },
        Situation(name: "no-idle") { scene in
            try scene.at("09:00:00").connect("bob")
            let cyd = try scene.at("09:00:01").connect("cyd")
            try scene.at("09:01:00").vanish("cyd", cyd)
            try scene.at("09:01:10").apply("ann")
            try scene.at("09:01:20").apply("ann")
            try scene.at("09:02:00").apply("ann")
            try scene.at("09:02:33").connect("dan")
            try scene.at("09:03:00").apply("ann")
        },
        Situation(name: "lock-ran-out") { scene in
            try scene.at("09:00:00").apply("ann")
            try scene.at("09:00:42").session("ann")
            try scene.at("09:00:43").connect("ann")
        },
        Situation(name: "operator") { scene in
            try scene.at("09:00:00").connect("ann")
            try scene.at("09:10:00").repossess("ann")
            try scene.at("09:10:05").connect("ann")
        },
        Situation(name: "outage-saved") { scene in
            let session = try scene.at("09:00:00").connect("ann")
            try scene.at("09:10:00").vanish("ann", session)
            try scene.at("09:11:00").down(until: "09:16:00")
            try scene.at("09:16:20").connect("ann")
        },
        Situation(name: "outage-then-lost") { scene in
            let session = try scene.at("09:00:00").connect("ann")
            try scene.at("09:10:00").vanish("ann", session)
            try scene.at("09:11:00").down(until: "09:11:40")
            try scene.at("09:12:00").down(until: "09:13:00")
            try scene.at("09:14:00").connect("ann")
        },
        Situation(name: "capacity-withdrawn") { scene in
            try scene.at("08:59:00").connect("bob")
            let session = try scene.at("09:00:00").connect("ann")
            try scene.at("09:10:00").vanish("ann", session)
            try scene.at("09:10:30").set("cap", ProjectChange(concurrencyCount: 1))
            try scene.at("09:12:00").apply("ann")
            try scene.at("09:20:00").set("cap", ProjectChange(concurrencyCount: 4))
            try scene.at("09:20:30").connect("ann")
        },
        Situation(name: "never-seen", user: "Ann ") { try $0.at("09:00:00").apply("ann") },
        Situation(name: "unnamed-report") { scene in
            try scene.at("09:00:00").connect("ann")
            try scene.at("09:12:30").vanish("ann", nil)
            try scene.at("09:12:31").vanish("ann", nil)
            try scene.at("09:20:00").vanish("ann", nil)
        },
    ] + moreNewest

    private static let moreNewest: [Situation] = [
        Situation(name: "destroyed") { scene in
            let session = try scene.at("09:00:00").connect("ann")
            try scene.at("09:05:00").vanish("ann", session)
            try scene.at("09:05:30").destroy("ann", session)
            try scene.at("09:05:40").destroy("ann")
            try scene.at("09:05:50").destroy("ann")
        },
        Situation(name: "kept-running") { scene in
            try scene.at("09:00:00").apply("ann")
            let session = try scene.at("09:00:03").session("ann", alone: true)
            try scene.at("09:12:30").vanish("ann", session)
            try scene.at("09:40:00").connect("ann")
        },
        Situation(name: "still-waiting") { scene in
            let session = try scene.at("09:00:00").connect("ann")
            try scene.at("09:12:30").vanish("ann", session)
            try scene.at("09:12:45").down(until: "09:12:50")
            try scene.at("09:13:15").connect("bob")
        },
        Situation(name: "returned-within-lock") { scene in
            try scene.at("09:00:00").apply("ann")
            try scene.at("09:00:20").apply("ann")
            let session = try scene.at("09:00:40").session("ann")
            try scene.at("09:01:00").vanish("ann", session)
            try scene.at("09:02:20").apply("ann")
            try scene.at("09:02:45").session("ann")
        },
        Situation(name: "lock-after-return") { scene in
            let session = try scene.at("09:00:00").connect("ann")
            try scene.at("09:01:00").vanish("ann", session)
            try scene.at("09:02:20").apply("ann")
            try scene.at("09:03:00").session("ann")
        },
        Situation(name: "several-projects") { scene in
            try scene.set("beta", ProjectChange(concurrencyCount: 1))
            try scene.at("08:59:00").connect("bob", "beta")
            let session = try scene.at("09:00:00").connect("ann")
            try scene.at("09:05:00").apply("ann", "beta")
            try scene.at("09:06:00").vanish("ann", session)
            try scene.at("09:08:00").destroy("bob")
            try scene.at("09:08:10").connect("ann", "beta")
        },
        Situation(name: "cleanup") { scene in
            try scene.set("cap", ProjectChange(concurrencyCount: 1, cleanupTime: .seconds(20)))
            let session = try scene.at("09:00:00").connect("ann")
            try scene.at("09:05:00").vanish("ann", session)
            try scene.at("09:06:35").apply("ann")
            try scene.at("09:06:55").connect("bob")
            try scene.at("09:07:10").destroy("bob")
            try scene.at("09:07:15").apply("ann")
        },
        Situation(name: "window-lowered") { scene in
            try scene.at("08:30:00").set("cap", ProjectChange(reconnectWindow: .seconds(300)))
            try scene.at("08:40:00").set("cap", ProjectChange(reconnectWindow: .seconds(60)))
            let session = try scene.at("09:00:00").connect("ann")
            try scene.at("09:05:00").vanish("ann", session)
            try scene.at("09:05:30").set("cap", ProjectChange(reconnectWindow: .seconds(600)))
            try scene.at("09:06:15").connect("ann")
        },
        Situation(name: "given-up-meanwhile") { scene in
            let session = try scene.at("09:00:00").connect("ann")
            try scene.at("09:05:00").vanish("ann", session)
            try scene.at("09:06:40").destroy("ann")
            try scene.at("09:07:00").connect("ann")
        },
        Situation(name: "name-required") { scene in
            try scene.set("cap", ProjectChange(requiresSessionName: true))
            try scene.at("09:00:00").connect("ann")
            try scene.at("09:05:00").vanish("ann", nil)
            try scene.at("09:06:00").vanish("ann", 4_000)
        },
        Situation(name: "session-without-apply") { scene in
            try scene.at("09:00:00").session("ann")
            try scene.at("09:00:10").repossess("ann")
        },
        Situation(name: "above-capacity", concurrencies: 3) { scene in
            for user in ["bob", "cyd", "dan"] { try scene.at("09:00:00").connect(user) }
            try scene.at("09:01:00").set("cap", ProjectChange(concurrencyCount: 1))
            try scene.at("09:02:00").apply("ann")
            try scene.at("09:03:00").destroy("bob")
            try scene.at("09:04:00").destroy("cyd")
            try scene.at("09:05:00").destroy("dan")
        },
        Situation(name: "a-day-too-late") { scene in
            let session = try scene.at("09:00:00").connect("ann")
            try scene.at("09:05:00").vanish("ann", session)
            try scene.at("09:06:00").down(until: "09:07:00")
            try scene.at("02T09:30:00").connect("ann")
        },
    ]

    /// Asked of a moment.
    static let moments: [Situation] = [
        Situation(name: "at-before-the-loss", at: "09:13:00", play: threeGrants),
        Situation(name: "at-after-the-loss", at: "09:20:00", play: threeGrants),
        Situation(name: "at-second-grant", at: "09:45:00", play: threeGrants),
        Situation(name: "at-not-yet-seen", at: "08:30:00", play: threeGrants),
    ]

    /// One lost, one taken, one held.
    @Sendable private static func threeGrants(_ scene: Scene) throws {
        var session = try scene.at("09:00:00").connect("ann")
        try scene.at("09:12:30").vanish("ann", session)
        session = try scene.at("09:40:00").connect("ann")
        try scene.at("09:50:00").vanish("ann", session)
        session = try scene.at("09:51:00").connect("ann")
        try scene.at("10:00:00").repossess("ann")
        try scene.at("10:05:00").connect("ann")
    }
}
