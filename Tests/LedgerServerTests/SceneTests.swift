import CloudAPI
import JSON
import Ledger
import LedgerServer
import Testing

@Suite struct SceneTests {
    private func json(_ user: String) -> String { #"{"UserId":"\#(user)"}"# }

    private func apply(_ user: String) -> String {
        #"{"UserId":"\#(user)","UserIp":"203.0.113.9","ProjectId":"cap-1"}"#
    }

    private func session(_ user: String) -> String {
        #"{"UserId":"\#(user)","UserIp":"203.0.113.9","ClientSession":"e30="}"#
    }

    @Test func whoReturnsInTimeGetsTheSameConcurrencyAndLaterANewOne() async throws {
        try await TestServer.run { server in
            try await server.makeProject(concurrencies: 2, window: 3)

            let applied = try await server.ask("ApplyConcurrent", apply("u1"))
            applied.expectEnvelope()
            #expect(applied.text("Outcome") == "granted")
            #expect(applied.text("ConcurrencyId") == "cap-1/1")
            #expect(applied["SessionId"] == .null)
            #expect(applied.text("Deadline")?.hasSuffix("Z") == true)

            let first = try await server.ask("CreateSession", session("u1"))
            #expect(first.text("Outcome") == "fresh")
            let sessionId = try #require(first.text("SessionId"))

            let vanished = try await server.ask(
                "ReportDisconnection", #"{"UserId":"u1","SessionId":"\#(sessionId)"}"#)
            #expect(vanished.text("Outcome") == "waiting")
            #expect(vanished.text("Deadline") != nil)

            // Somebody else does not get the one that waits.
            let other = try await server.ask("ApplyConcurrent", apply("u2"))
            #expect(other.text("ConcurrencyId") == "cap-1/2")
            #expect(try await server.ask("ApplyConcurrent", apply("u3")).code
                == "ResourceNotFound.NoIdle")

            let returned = try await server.ask("ApplyConcurrent", apply("u1"))
            #expect(returned.text("Outcome") == "returned")
            #expect(returned.text("ConcurrencyId") == "cap-1/1")
            let second = try await server.ask("CreateSession", session("u1"))
            #expect(second.text("Outcome") == "resumed")

            // A report about the first session is too late to matter.
            let late = try await server.ask(
                "ReportDisconnection", #"{"UserId":"u1","SessionId":\#(sessionId)}"#)
            #expect(late.text("Outcome") == "stale")

            _ = try await server.ask("ReportDisconnection", json("u1"))
            try await Task.sleep(for: .milliseconds(3100))
            #expect(try await server.ask("DescribeUserConcurrency", json("u1")).text("State")
                == "none")
            let taken = try await server.ask("ApplyConcurrent", apply("u3"))
            #expect(taken.text("ConcurrencyId") == "cap-1/1")
            #expect(try await server.ask("DestroySession", json("u2")).text("Outcome") == "freed")
            let anew = try await server.ask("ApplyConcurrent", apply("u1"))
            #expect(anew.text("Outcome") == "granted")
            #expect(anew.text("ConcurrencyId") == "cap-1/2")
        }
    }

    @Test func theTokenNamesWhoHoldsWhat() async throws {
        try await TestServer.run { server in
            try await server.makeProject()
            _ = try await server.ask("ApplyConcurrent", apply("u1"))
            let answer = try await server.ask("CreateSession", session("u1"))
            let token = try ServerSessionToken.verify(
                try #require(answer.text("ServerSession")),
                publicKey: server.server.sessionKey.publicKey)
            #expect(token.userId == "u1")
            #expect(token.projectId == "cap-1")
            #expect(token.concurrency == 1)
            #expect(String(token.sessionId) == answer.text("SessionId"))
            #expect(token.ledgerId == server.ledger.ledgerId)
        }
    }

    @Test func destroyingAndRepossessingAreSafeToRepeat() async throws {
        try await TestServer.run { server in
            try await server.makeProject()
            for (action, outcome) in [
                ("DestroySession", "freed"), ("RepossessConcurrency", "operator"),
            ] {
                _ = try await server.ask("ApplyConcurrent", apply("u1"))
                let first = try await server.ask(action, json("u1"))
                #expect(first.text("Outcome") == outcome)
                let second = try await server.ask(action, json("u1"))
                second.expectEnvelope()
                #expect(second.code == nil)
                #expect(second.text("Outcome") == "nothingHeld")
                #expect(second["ConcurrencyId"] == .null)
            }
            let stale = try await server.ask("DestroySession", #"{"UserId":"u1","SessionId":7}"#)
            #expect(stale.text("Outcome") == "stale")
        }
    }

    @Test func whoRunsWithoutClientIsKept() async throws {
        try await TestServer.run { server in
            try await server.makeProject()
            _ = try await server.ask("ApplyConcurrent", apply("u1"))
            let running = #"{"UserId":"u1","UserIp":"203.0.113.9","RunMode":"RunWithoutClient"}"#
            #expect(try await server.ask("CreateSession", running).text("Outcome") == "fresh")
            let report = try await server.ask("ReportDisconnection", json("u1"))
            #expect(report.text("Outcome") == "keptRunning")
            #expect(report["Deadline"] == .null)
            #expect(try await server.ask("CreateSession", session("u1")).text("Outcome")
                == "takeover")
        }
    }

    @Test func countsAreOfOneProjectOrOfAll() async throws {
        try await TestServer.run { server in
            try await server.makeProject(concurrencies: 3)
            let other = #"{"ProjectId":"cap-2","Concurrencies":"5","CleanupTime":2}"#
            let made = try await server.ask("ModifyProject", other)
            #expect(made.number("Concurrencies") == 5)
            #expect(made.number("ReconnectTimeout") == 90)
            #expect(made.number("LockTimeout") == 30)
            #expect(made.number("CleanupTime") == 2)
            _ = try await server.ask("ApplyConcurrent", apply("u1"))
            let one = try await server.ask("DescribeConcurrentCount", #"{"ProjectId":"cap-1"}"#)
            #expect(one.number("Total") == 3 && one.number("Running") == 1)
            let all = try await server.ask("DescribeConcurrentCount", "{}")
            #expect(all.number("Total") == 8 && all.number("Running") == 1)
        }
    }

    @Test func historyIsPagedNewestFirst() async throws {
        try await TestServer.run { server in
            try await server.makeProject()
            _ = try await server.ask("ApplyConcurrent", apply("u1"))
            _ = try await server.ask("CreateSession", session("u1"))
            _ = try await server.ask("DestroySession", json("u1"))
            var kinds: [String] = []
            var before = ""
            while true {
                let page = try await server.ask(
                    "DescribeReconnectionHistory", #"{"UserId":"u1","Limit":2\#(before)}"#)
                guard case .array(let events)? = page["Events"] else { break }
                for event in events {
                    if case .string(let kind)? = event["kind"] { kinds.append(kind) }
                    #expect(event["user"] == .string("u1"))
                }
                guard let next = page.number("NextBefore") else { break }
                before = #","Before":\#(next)"#
            }
            #expect(kinds == ["destroyed", "sessionCreated", "applied", "userNamed"])
            let nobody = try await server.ask("DescribeReconnectionHistory", json("nobody"))
            #expect(nobody["Events"] == .array([]))
            #expect(nobody["NextBefore"] == .null)
        }
    }

    @Test func aUserNeverSeenHoldsNothing() async throws {
        try await TestServer.run { server in
            let answer = try await server.ask("DescribeUserConcurrency", json("nobody"))
            #expect(answer.text("State") == "none")
            #expect(answer["ConcurrencyId"] == .null && answer["SessionId"] == .null)
            #expect(answer["Deadline"] == .null && answer["ProjectId"] == .null)
        }
    }
}
