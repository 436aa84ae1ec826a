import CloudAPI
import Ledger
import Testing

@testable import LedgerServer

@Suite struct RateLimitTests {
    @Test func theVendorsFigures() {
        #expect(RateLimits.vendor.perSecond(.applyConcurrent) == 100)
        #expect(RateLimits.vendor.perSecond(.createSession) == 100)
        #expect(RateLimits.vendor.perSecond(.destroySession) == 100)
        #expect(RateLimits.vendor.perSecond(.describeConcurrentCount) == 20)
        #expect(RateLimits.vendor.perSecond(.modifyProject) == 20)
        #expect(HoldfastServer.Configuration().rateLimits == nil)
    }

    @Test func aSecondsWorthMayComeAtOnceAndComesBackSteadily() throws {
        let limiter = RateLimiter(.vendor)
        let start = ContinuousClock.now
        func taken(_ milliseconds: Int, _ action: CloudAction.Name, by caller: UInt32 = 1) -> Int {
            var count = 0
            while count < 1000 {
                let now = start + .milliseconds(milliseconds)
                do { try limiter.take(action, by: caller, now: now) } catch { break }
                count += 1
            }
            return count
        }
        #expect(taken(0, .applyConcurrent) == 100)
        // Each action and each credential for itself.
        #expect(taken(0, .createSession) == 100)
        #expect(taken(0, .describeConcurrentCount) == 20)
        #expect(taken(0, .applyConcurrent, by: 2) == 100)
        #expect(taken(0, .applyConcurrent) == 0)
        #expect(taken(50, .applyConcurrent) == 5)
        #expect(taken(550, .applyConcurrent) == 50)
        // What is not used is not saved up.
        #expect(taken(3_600_000, .applyConcurrent) == 100)
        // A clock read earlier on another thread gives nothing back.
        #expect(taken(3_599_000, .applyConcurrent) == 0)
    }

    @Test func linesWaitTheirTurn() {
        let limiter = RateLimiter(RateLimits(sessionCallsPerSecond: 100, otherCallsPerSecond: 1))
        let now = ContinuousClock.now
        #expect(limiter.takeLines(100, by: 1, now: now) == .zero)
        #expect(limiter.takeLines(25, by: 1, now: now) == .milliseconds(250))
        #expect(limiter.takeLines(25, by: 1, now: now) == .milliseconds(500))
        #expect(limiter.takeLines(25, by: 2, now: now) == .zero)
        #expect(limiter.takeLines(1, by: 1, now: now + .seconds(10)) == .zero)
    }

    @Test func whoAsksTooOftenIsToldSo() async throws {
        try await TestServer.run({
            $0.rateLimits = RateLimits(sessionCallsPerSecond: 1000, otherCallsPerSecond: 1)
        }) { server in
            let request = server.signer.post("DescribeConcurrentCount", "{}")
            var wrong = server.signer
            wrong.secretKey = "wrong"
            try await Connection.with(port: server.port) { connection in
                // What is not signed by the credential spends nothing of it.
                for _ in 0 ..< 5 {
                    let forged = wrong.post("DescribeConcurrentCount", "{}")
                    #expect(Answer(try await connection.ask(forged)).code
                        == "AuthFailure.SignatureFailure")
                }
                // One at least of a hundred comes within the second of another.
                var codes: Set<String> = []
                var retry: String?
                for _ in 0 ..< 100 {
                    let answer = Answer(try await connection.ask(request))
                    answer.expectEnvelope()
                    codes.insert(answer.code ?? "ok")
                    if answer.code != nil { retry = answer.reply.headers["retry-after"] }
                }
                #expect(codes == ["ok", "RequestLimitExceeded"])
                #expect(retry == "1")
                let other = server.signer.post("DestroySession", #"{"UserId":"u"}"#)
                #expect(Answer(try await connection.ask(other)).code == nil)
            }
        }
    }

    @Test func aStreamOfLinesIsSlowedDownNotRefused() async throws {
        try await TestServer.run({
            $0.rateLimits = RateLimits(sessionCallsPerSecond: 40, otherCallsPerSecond: 1)
        }) { server in
            let line = #"{"action":"destroy","user":"u"}"# + "\n"
            let start = ContinuousClock.now
            let answers = try await Connection.with(port: server.port) { connection in
                let body = String(repeating: line, count: 60)
                try await connection.send(server.signer.stream("/v1/commands", body))
                var count = 0
                while let line = try await connection.streamLine() {
                    #expect(line.contains("nothingHeld"))
                    count += 1
                }
                return count
            }
            #expect(answers == 60)
            // 40 at once, 20 more in half a second.
            #expect(ContinuousClock.now - start >= .milliseconds(499))
        }
    }
}
