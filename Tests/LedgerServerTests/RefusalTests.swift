import CloudAPI
import EventLog
import JSON
import Ledger
import LedgerServer
import Testing

@Suite struct RefusalTests {
    private struct Case: Sendable {
        var code: String
        var action: String
        /// The body, its quotes written as apostrophes.
        var input: String

        init(_ code: String, _ action: String, _ input: String) {
            self.code = code
            self.action = action
            self.input = input
        }

        var json: String { input.replacing("'", with: "\"") }
    }

    private static let cases = [
        Case("MissingParameter", "ApplyConcurrent", "{'UserIp':'1','ProjectId':'cap-1'}"),
        Case("InvalidParameterValue", "ApplyConcurrent", apply("''", "'cap-1'")),
        Case("InvalidParameterValue", "ApplyConcurrent", apply("7", "'cap-1'")),
        Case("InvalidParameterValue", "ApplyConcurrent", apply("'u'", "'no'")),
        Case("ResourceNotFound.NoIdle", "ApplyConcurrent", apply("'u'", "'cap-0'")),
        Case("InvalidParameter.JsonParseError", "ApplyConcurrent", "{'UserId':'u',"),
        Case("UnknownParameter", "ApplyConcurrent", apply("'u'", "'cap-1','X':1")),
        Case("FailedOperation.LockTimeout", "CreateSession", session("'ClientSession':'e30='")),
        Case("MissingParameter", "CreateSession", session("'RunMode':''")),
        Case("OperationDenied", "CreateSession", session("'ClientSession':'e','HostUserId':'h'")),
        Case("OperationDenied", "CreateSession", session("'ClientSession':'e','Role':'Viewer'")),
        Case("MissingParameter", "DestroySession", "{}"),
        Case("InvalidParameterValue", "DescribeConcurrentCount", "{'ProjectId':'no'}"),
        Case("InvalidParameterValue", "ReportDisconnection", "{'UserId':'u','SessionId':'x'}"),
        Case("MissingParameter", "ReportDisconnection", "{'UserId':'named'}"),
        Case("InvalidParameterValue", "DescribeReconnectionHistory", "{'UserId':'u','Limit':0}"),
        Case("InvalidParameterValue", "ModifyProject", "{'ProjectId':'new'}"),
        Case("InvalidParameterValue", "ModifyProject", modify("'ReconnectTimeout':0")),
        Case("InvalidParameterValue", "ModifyProject", modify("'ReconnectTimeout':86401")),
        Case("InvalidParameterValue", "ModifyProject", modify("'Concurrencies':4294967295")),
        Case("InvalidAction", "StartPublishStream", "{'UserId':'u'}"),
    ]

    private static func apply(_ user: String, _ project: String) -> String {
        "{'UserId':\(user),'UserIp':'1','ProjectId':\(project)}"
    }

    private static func session(_ rest: String) -> String {
        "{'UserId':'u','UserIp':'1',\(rest)}"
    }

    private static func modify(_ rest: String) -> String { "{'ProjectId':'cap-1',\(rest)}" }

    @Test func eachRefusalHasItsDocumentedCode() async throws {
        try await TestServer.run { server in
            try await server.makeProject()
            try await server.ledger.modifyProject("cap-0", .init(concurrencyCount: 0))
            try await server.ledger.modifyProject(
                "cap-named", .init(concurrencyCount: 1, requiresSessionName: true))
            try await server.ledger.apply(user: "named", project: "cap-named")
            try await server.ledger.createSession(user: "named")
            for refusal in Self.cases {
                let answer = try await server.ask(refusal.action, refusal.json)
                answer.expectEnvelope()
                #expect(answer.code == refusal.code, "\(refusal.action) \(refusal.input)")
                guard let name = CloudAction.Name(rawValue: refusal.action) else { continue }
                #expect(ErrorCode(rawValue: refusal.code).isDocumented(for: name))
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
