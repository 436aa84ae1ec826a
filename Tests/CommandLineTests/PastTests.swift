import Foundation
import Testing

/// `state --at`, and what verify and rebuild say of their speed.
@Suite struct PastTests {
    @Test func aUserIsShownAsOfAPositionAndATime() async throws {
        try await Scratch.with { scratch in
            try await scratch.done("project", "set", "p1", "--concurrencies", "2")
            try await scratch.done("apply", "u1", "--project", "p1")
            try await scratch.done("session", "u1")
            try await scratch.done("destroy", "u1")
            let events = try await scratch.done("history", "u1", "--json").map(object)
            for event in events {
                let position = try #require(event["position"] as? Int)
                let time = try #require(event["time"] as? String)
                // The naming and the apply are of one moment: that time means the later of them.
                let isNaming = event["kind"] as? String == "userNamed"
                for moment in isNaming ? ["\(position)"] : ["\(position)", time] {
                    let past = try object(
                        try await scratch.done("state", "u1", "--at", moment, "--json").only)
                    #expect(past["position"] as? Int == position)
                    #expect(past["time"] as? String == time)
                    #expect(past["user"] as? String == "u1")
                    let kind = event["kind"] as? String ?? ""
                    let state = ["applied": "reserved", "sessionCreated": "connected"][kind]
                    #expect(past["state"] as? String == state ?? "none")
                    #expect(past["lastPosition"] as? Int == position)
                    #expect((past["deadline"] as? String != nil) == (kind == "applied"))
                }
            }
            let lines = try await scratch.done("state", "u1", "--at", "2999-01-01T00:00:00Z")
            #expect(lines.count == 2 && lines[1].hasPrefix("u1 holds nothing"))
        }
    }

    @Test func aMomentThatIsNoneIsRefused() async throws {
        try await Scratch.with { scratch in
            try await scratch.done("project", "set", "p1", "--concurrencies", "2")
            try await scratch.done("apply", "u1", "--project", "p1")
            let cases: [(words: [String], status: Int32, text: String)] = [
                (["state", "u1", "--at", "yesterday"], 2, "yesterday"),
                (["state", "u1", "--at", "-1"], 2, "--at"),
                (["state", "--at", "soon"], 2, "soon"),
                (["state", "--at", "1", "--project", "p2"], 1, "no project p2"),
                (["state", "--at", "0", "--project", "p1"], 1, "not there yet at position 0"),
                (["state", "u1", "--project", "p1"], 2, "--project goes with all"),
                (["state", "u1", "--user-number", "1"], 2, "not both"),
                (["state", "--user-number", "2"], 1, "users 1 to 1"),
                (["state", "--user-number", "0"], 1, "users 1 to 1"),
                (["state", "--user-number", "-1"], 2, "--user-number"),
                (["state", "u1", "--at", "1"], 1, "not known yet at position 1"),
                (["state", "u2", "--at", "1"], 1, "no user u2"),
                (["verify", "--threads", "0"], 2, "--threads"),
            ]
            for (words, status, text) in cases {
                let ending = try await scratch.run(words + ["--data", scratch.data])
                ending.expectOneError(status: status)
                #expect(ending.errors.contains(text), "\(ending.errors)")
            }
        }
    }

    @Test func verifyAndRebuildSayHowFastTheyWere() async throws {
        try await Scratch.with { scratch in
            try await scratch.done("project", "set", "p1", "--concurrencies", "2")
            try await scratch.done("apply", "u1", "--project", "p1")
            let whole = try object(try await scratch.done("verify", "--json").only)
            let chain = try object(
                try await scratch.done(
                    "verify", "--without-rules", "--threads", "1", "--json").only)
            let rebuilt = try object(try await scratch.done("rebuild", "--json").only)
            for report in [whole, chain, rebuilt] {
                #expect(report["seconds"] is Double)
                #expect(report["eventsPerSecond"] is Int)
            }
            let rates = ["chainEventsPerCoreSecond", "pointersEventsPerCoreSecond"]
            for name in rates { #expect(whole[name] is Int && chain[name] is Int) }
            #expect(whole["rulesEventsPerCoreSecond"] is Int && whole["stateDigest"] is String)
            #expect(chain["rulesEventsPerCoreSecond"] == nil && chain["stateDigest"] is NSNull)
            let text = try await scratch.done("verify", "--without-rules")
            #expect(text.count == 2 && text[1].contains("the rules were left out"))
        }
    }
}
