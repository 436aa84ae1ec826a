import CloudAPI
import EventLog
import JSON
import Ledger
import LedgerServer
import ReconnectionRules
import Testing

/// The action ForgetUser, and what becomes of UserIp.
@Suite struct ForgetUserTests {
    @Test func aUserIsForgottenAndReturnsAsAnother() async throws {
        try await TestServer.run { server in
            try await server.makeProject()
            let apply = #"{"UserId":"u","UserIp":"192.0.2.7","ProjectId":"cap-1"}"#
            #expect(try await server.ask("ApplyConcurrent", apply).code == nil)
            let forgotten = try await server.ask("ForgetUser", #"{"UserId":"u"}"#)
            forgotten.expectEnvelope()
            #expect(forgotten.text("Outcome") == "done")
            #expect(forgotten.number("Position") == server.ledger.head.position)
            let described = try await server.ask("DescribeUserConcurrency", #"{"UserId":"u"}"#)
            #expect(described.text("State") == "none" && described.number("EventCount") == 0)
            let count = try await server.ask(
                "DescribeConcurrentCount", #"{"ProjectId":"cap-1"}"#)
            #expect(count.number("Running") == 0)
            let again = try await server.ask("ForgetUser", #"{"UserId":"u"}"#)
            #expect(again.code == "InvalidParameterValue")
            #expect(try await server.ask("ForgetUser", "{}").code == "MissingParameter")
            #expect(try await server.ask("ApplyConcurrent", apply).text("Outcome") == "granted")
            let numbers = try await server.ledger.history(ofUser: "u").map(\.event.user)
            #expect(Set(numbers) == [2])
        }
    }

    /// Any text is taken, as ever; what is no address is not recorded, and by default nothing is.
    @Test(arguments: [
        (ClientAddressRecording.none, "192.0.2.7", nil), (.truncated, "192.0.2.7", "192.0.2.0/24"),
        (.full, "192.0.2.7", "192.0.2.7"), (.full, "somewhere", nil),
        (.truncated, "2001:db8:1:2::3", "2001:db8:1::/48"),
    ] as [(ClientAddressRecording, String, String?)])
    func addressesAreRecordedBySetting(
        recording: ClientAddressRecording, text: String, shown: String?
    ) async throws {
        try await TestServer.run({ _ in }, options: { $0.clientAddresses = recording }) { server in
            try await server.makeProject()
            let rest = #""UserId":"u","UserIp":"\#(text)""#
            let apply = try await server.ask("ApplyConcurrent", #"{\#(rest),"ProjectId":"cap-1"}"#)
            let session = try await server.ask(
                "CreateSession", #"{\#(rest),"ClientSession":"x"}"#)
            #expect(apply.code == nil && session.code == nil)
            let events = try await server.ledger.history(ofUser: "u")
            #expect(events.map(\.clientAddress) == [shown, shown, nil])
            var streamed: [String?] = []
            for try await event in server.ledger.events(after: 0) {
                if event.event.user != 0 { streamed.append(event.clientAddress) }
                if event.event.position == server.ledger.head.position { break }
            }
            #expect(streamed == [nil, shown, shown])
        }
    }
}
