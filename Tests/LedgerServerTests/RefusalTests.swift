import CloudAPI
import EventLog
import Ledger
import LedgerServer
import Testing

@Suite struct RefusalTests {
    private struct Case {
        var action: String
        var json: String
        var code: String
    }

    private static let cases = [
        ("ApplyConcurrent", #"{"UserIp":"1","ProjectId":"cap-1"}"#, "MissingParameter"),
        ("ApplyConcurrent", #"{"UserId":"u","UserIp":"1","ProjectId":"no"}"#, "InvalidParameterValue"),
        ("ApplyConcurrent", #"{"UserId":"","UserIp":"1","ProjectId":"cap-1"}"#, "InvalidParameterValue"),
        ("ApplyConcurrent", #"{"UserId":"u","UserIp":"1","ProjectId":"cap-0"}"#, "ResourceNotFound.NoIdle"),
        ("ApplyConcurrent", #"{"UserId":"u","#, "InvalidParameter.JsonParseError"),
        ("ApplyConcurrent", #"{"UserId":"u","UserIp":"1","ProjectId":"cap-1","X":1}"#, "UnknownParameter"),
        ("CreateSession", #"{"UserId":"u","UserIp":"1","ClientSession":"e30="}"#, "FailedOperation.LockTimeout"),
        ("CreateSession", #"{"UserId":"u","UserIp":"1"}"#, "MissingParameter"),
        ("CreateSession", #"{"UserId":"u","UserIp":"1","ClientSession":"e","HostUserId":"h"}"#, "OperationDenied"),
        ("CreateSession", #"{"UserId":"u","UserIp":"1","ClientSession":"e","Role":"Viewer"}"#, "OperationDenied"),
        ("DestroySession", "{}", "MissingParameter"),
        ("DescribeConcurrentCount", #"{"ProjectId":"no"}"#, "InvalidParameterValue"),
        ("ReportDisconnection", #"{"UserId":"u","SessionId":"x"}"#, "InvalidParameterValue"),
        ("ReportDisconnection", #"{"UserId":"named"}"#, "MissingParameter"),
        ("DescribeReconnectionHistory", #"{"UserId":"u","Limit":0}"#, "InvalidParameterValue"),
        ("ModifyProject", #"{"ProjectId":"new"}"#, "InvalidParameterValue"),
        ("ModifyProject", #"{"ProjectId":"cap-1","ReconnectTimeout":0}"#, "InvalidParameterValue"),
        ("ModifyProject", #"{"ProjectId":"cap-1","ReconnectTimeout":86401}"#, "InvalidParameterValue"),
        ("ModifyProject", #"{"ProjectId":"cap-1","Concurrencies":4294967295}"#, "InvalidParameterValue"),
        ("StartPublishStream", #"{"UserId":"u"}"#, "InvalidAction"),
    ]

    @Test func eachRefusalHasItsDocumentedCode() async throws {
        try await TestServer.run { server in
            try await server.makeProject()
            try await server.ledger.modifyProject("cap-0", .init(concurrencyCount: 0))
            try await server.ledger.modifyProject(
                "cap-named", .init(concurrencyCount: 1, requiresSessionName: true))
            try await server.ledger.apply(user: "named", project: "cap-named")
            try await server.ledger.createSession(user: "named")
            for (action, json, code) in Self.cases {
                let answer = try await server.ask(action, json)
                answer.expectEnvelope()
                #expect(answer.code == code, "\(action) \(json)")
                guard let name = CloudAction.Name(rawValue: action) else { continue }
                #expect(ErrorCode(rawValue: code).isDocumented(for: name))
            }
        }
    }

    @Test func whatIsNoActionLeavesNoEvent() async throws {
        try await TestServer.run { server in
            try await server.makeProject()
            let before = server.ledger.head.position
            _ = try await server.ask(
                "ApplyConcurrent", #"{"UserId":"u","UserIp":"1","ProjectId":"no"}"#)
            _ = try await server.ask(
                "CreateSession",
                #"{"UserId":"u","UserIp":"1","ClientSession":"e","Role":"Viewer"}"#)
            var wrong = server.signer
            wrong.secretKey += "x"
            let json = #"{"UserId":"u","UserIp":"1","ProjectId":"cap-1"}"#
            _ = try await server.ask(wrong.post("ApplyConcurrent", json))
            #expect(server.ledger.head.position == before)
            #expect(try await server.ledger.user("u") == nil)
        }
    }

    @Test func afterTheLedgerFailedEveryActionIsAnInternalErrorWithoutInternals() async throws {
        try await TestServer.run { server in
            try await server.makeProject()
            await server.ledger.close()
            for action in ["DescribeConcurrentCount", "DestroySession"] {
                let json = action == "DestroySession" ? #"{"UserId":"u"}"# : "{}"
                let answer = try await server.ask(action, json)
                answer.expectEnvelope()
                #expect(answer.code == "InternalError")
                #expect(!answer.reply.body.contains(server.directory))
            }
            let health = try await server.ask(TestRequest(
                method: "GET", path: "/health", headers: [("Host", "h")]))
            #expect(health.reply.status == 503)
        }
    }
}
