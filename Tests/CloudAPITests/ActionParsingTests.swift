import Testing

@testable import CloudAPI

/// The code and, where the code is about one parameter, its name.
func parsed(_ action: String, _ json: String, version: String = "2022-01-10") -> String {
    parsed(action, .json(Array(json.utf8)), version: version)
}

func parsed(
    _ action: String, _ parameters: CloudCall.Parameters, version: String = "2022-01-10"
) -> String {
    do throws(CloudError) {
        let result = try CloudAction.parse(
            action: action, version: version, parameters: parameters)
        #expect(result.name.rawValue == action)
        return "ok"
    } catch {
        let parts = error.message.split(separator: "`", omittingEmptySubsequences: false)
        let name = error.code == .invalidAction || parts.count < 3 ? "" : " " + parts[1]
        return error.code.rawValue + name
    }
}

private let long = String(repeating: "x", count: 256)

@Suite("Parameters")
struct ActionParsingTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var action: String
        var json: String
        var expected: String
        init(_ action: String, _ json: String, _ expected: String) {
            self.action = action
            self.json = json
            self.expected = expected
        }
        var testDescription: String { "\(action) \(json.prefix(80)): \(expected)" }
    }

    static let applyRows = [
        Row("ApplyConcurrent", #"{"UserId":"u","UserIp":"1.2.3.4","ProjectId":"p"}"#, "ok"),
        Row("ApplyConcurrent", #"{"ProjectId":"p","UserIp":"::1","UserId":"u"}"#, "ok"),
        Row(
            "ApplyConcurrent",
            """
            {"UserId":"u","UserIp":"1","ProjectId":"p","ApplicationId":"",
             "ApplicationVersionId":"v"}
            """, "ok"),
        Row("ApplyConcurrent", #"{"UserId":"\#(long)","UserIp":"1","ProjectId":"p"}"#, "ok"),
        Row("ApplyConcurrent", "{}", "MissingParameter UserId"),
        Row("ApplyConcurrent", #"{"UserId":"u"}"#, "MissingParameter UserIp"),
        Row("ApplyConcurrent", #"{"UserId":"u","UserIp":"1"}"#, "MissingParameter ProjectId"),
        Row(
            "ApplyConcurrent", #"{"UserId":null,"UserIp":"1","ProjectId":"p"}"#,
            "MissingParameter UserId"),
        Row(
            "ApplyConcurrent", #"{"UserId":"","UserIp":"1","ProjectId":"p"}"#,
            "InvalidParameterValue UserId"),
        Row(
            "ApplyConcurrent", #"{"UserId":7,"UserIp":"1","ProjectId":"p"}"#,
            "InvalidParameterValue UserId"),
        Row(
            "ApplyConcurrent", #"{"UserId":["u"],"UserIp":"1","ProjectId":"p"}"#,
            "InvalidParameterValue UserId"),
        Row(
            "ApplyConcurrent", #"{"UserId":"\#(long)x","UserIp":"1","ProjectId":"p"}"#,
            "InvalidParameterValue UserId"),
        Row(
            "ApplyConcurrent", #"{"UserId":"\#(long.dropLast())é","UserIp":"1","ProjectId":"p"}"#,
            "InvalidParameterValue UserId"),
        Row(
            "ApplyConcurrent", #"{"UserId":"a\u0000b","UserIp":"1","ProjectId":"p"}"#,
            "InvalidParameterValue UserId"),
        Row(
            "ApplyConcurrent", #"{"UserId":"a\nb","UserIp":"1","ProjectId":"p"}"#,
            "InvalidParameterValue UserId"),
        Row(
            "ApplyConcurrent", #"{"UserId":"a\u007f","UserIp":"1","ProjectId":"p"}"#,
            "InvalidParameterValue UserId"),
        Row(
            "ApplyConcurrent", #"{"UserId":"a\u0085","UserIp":"1","ProjectId":"p"}"#,
            "InvalidParameterValue UserId"),
        Row(
            "ApplyConcurrent", #"{"UserId":"a\ud800","UserIp":"1","ProjectId":"p"}"#,
            "InvalidParameterValue UserId"),
        Row(
            "ApplyConcurrent", #"{"UserId":"u","UserIp":"","ProjectId":"p"}"#,
            "InvalidParameterValue UserIp"),
        Row("ApplyConcurrent", #"{"UserId":"u","UserIp":"1","ProjectId":" "}"#, "ok"),
        Row(
            "ApplyConcurrent", #"{"UserId":"u","UserIp":"1","ProjectId":"p","Userid":"x"}"#,
            "UnknownParameter Userid"),
        Row(
            "ApplyConcurrent", #"{"UserId":"u","UserIp":"1","ProjectId":"p","RunMode":null}"#,
            "UnknownParameter RunMode"),
        Row(
            "ApplyConcurrent", #"{"UserId":"u","UserId":"v","UserIp":"1","ProjectId":"p"}"#,
            "InvalidParameter.JsonParseError"),
        Row("ApplyConcurrent", "", "InvalidParameter.JsonParseError"),
        Row("ApplyConcurrent", "[]", "InvalidParameter.JsonParseError"),
        Row("ApplyConcurrent", #""text""#, "InvalidParameter.JsonParseError"),
        Row("ApplyConcurrent", #"{"UserId":"u""#, "InvalidParameter.JsonParseError"),
        Row("ApplyConcurrent", "UserId=u&UserIp=1&ProjectId=p", "InvalidParameter.JsonParseError"),
    ]

    static let sessionRows = [
        Row("CreateSession", #"{"UserId":"u","UserIp":"1","ClientSession":"e30="}"#, "ok"),
        Row(
            "CreateSession", #"{"UserId":"u","UserIp":"1","ClientSession":"e","RunMode":""}"#,
            "ok"),
        Row("CreateSession", #"{"UserId":"u","UserIp":"1","RunMode":"RunWithoutClient"}"#, "ok"),
        Row(
            "CreateSession",
            """
            {"UserId":"u","UserIp":"1","ClientSession":"","RunMode":"RunWithoutClient"}
            """, "ok"),
        Row(
            "CreateSession",
            """
            {"UserId":"u","UserIp":"1","ClientSession":"e","HostUserId":"h","Role":"Viewer",
             "ApplicationParameters":"foo=1"}
            """, "ok"),
        Row("CreateSession", #"{"UserId":"u","UserIp":"1"}"#, "MissingParameter ClientSession"),
        Row(
            "CreateSession", #"{"UserId":"u","UserIp":"1","ClientSession":""}"#,
            "InvalidParameterValue ClientSession"),
        Row(
            "CreateSession", #"{"UserId":"u","UserIp":"1","ClientSession":"e","RunMode":"Run"}"#,
            "InvalidParameterValue RunMode"),
        Row(
            "CreateSession", #"{"UserId":"u","UserIp":"1","ClientSession":"e","Role":"Owner"}"#,
            "InvalidParameterValue Role"),
        Row(
            "CreateSession", #"{"UserId":"u","UserIp":"1","ClientSession":"e","ProjectId":"p"}"#,
            "UnknownParameter ProjectId"),
        Row("DestroySession", #"{"UserId":"u"}"#, "ok"),
        Row("DestroySession", #"{"UserId":"u","SessionId":18446744073709551615}"#, "ok"),
        Row("DestroySession", #"{"UserId":"u","SessionId":"18446744073709551615"}"#, "ok"),
        Row(
            "DestroySession", #"{"UserId":"u","SessionId":18446744073709551616}"#,
            "InvalidParameterValue SessionId"),
        Row(
            "DestroySession", #"{"UserId":"u","SessionId":"18446744073709551616"}"#,
            "InvalidParameterValue SessionId"),
        Row(
            "DestroySession", #"{"UserId":"u","SessionId":-1}"#,
            "InvalidParameterValue SessionId"),
        Row(
            "DestroySession", #"{"UserId":"u","SessionId":1.5}"#,
            "InvalidParameterValue SessionId"),
        Row(
            "DestroySession", #"{"UserId":"u","SessionId":""}"#,
            "InvalidParameterValue SessionId"),
        Row(
            "DestroySession", #"{"UserId":"u","SessionId":"+1"}"#,
            "InvalidParameterValue SessionId"),
        Row("DestroySession", #"{"UserId":"u","SessionId":null}"#, "ok"),
        Row("DestroySession", "{}", "MissingParameter UserId"),
        Row("DescribeConcurrentCount", "{}", "ok"),
        Row("DescribeConcurrentCount", #"{"ProjectId":"p","ApplicationCategory":"MOBILE"}"#, "ok"),
        Row("DescribeConcurrentCount", #"{"ProjectId":""}"#, "InvalidParameterValue ProjectId"),
        Row(
            "DescribeConcurrentCount", #"{"ApplicationCategory":"TV"}"#,
            "InvalidParameterValue ApplicationCategory"),
        Row("DescribeConcurrentCount", #"{"UserId":"u"}"#, "UnknownParameter UserId"),
    ]

    static let ownRows = [
        Row("ReportDisconnection", #"{"UserId":"u"}"#, "ok"),
        Row("ReportDisconnection", #"{"UserId":"u","SessionId":"12"}"#, "ok"),
        Row("ReportDisconnection", #"{"SessionId":"12"}"#, "MissingParameter UserId"),
        Row("RepossessConcurrency", #"{"UserId":"u"}"#, "ok"),
        Row(
            "RepossessConcurrency", #"{"UserId":"u","SessionId":1}"#,
            "UnknownParameter SessionId"),
        Row("DescribeUserConcurrency", #"{"UserId":"u"}"#, "ok"),
        Row("DescribeUserConcurrency", "{}", "MissingParameter UserId"),
        Row("DescribeReconnectionHistory", #"{"UserId":"u"}"#, "ok"),
        Row("DescribeReconnectionHistory", #"{"UserId":"u","Limit":1,"Before":"9"}"#, "ok"),
        Row("DescribeReconnectionHistory", #"{"UserId":"u","Limit":1000}"#, "ok"),
        Row(
            "DescribeReconnectionHistory", #"{"UserId":"u","Limit":1001}"#,
            "InvalidParameterValue Limit"),
        Row(
            "DescribeReconnectionHistory", #"{"UserId":"u","Limit":0}"#,
            "InvalidParameterValue Limit"),
        Row(
            "DescribeReconnectionHistory", #"{"UserId":"u","Before":true}"#,
            "InvalidParameterValue Before"),
        Row("ModifyProject", #"{"ProjectId":"p"}"#, "ok"),
        Row(
            "ModifyProject",
            """
            {"ProjectId":"p","Concurrencies":0,"ReconnectTimeout":"90","LockTimeout":30,
             "CleanupTime":"0"}
            """, "ok"),
        Row(
            "ModifyProject", #"{"ProjectId":"p","Concurrencies":4294967296}"#,
            "InvalidParameterValue Concurrencies"),
        Row(
            "ModifyProject", #"{"ProjectId":"p","ReconnectTimeout":"90s"}"#,
            "InvalidParameterValue ReconnectTimeout"),
        Row(
            "ModifyProject", #"{"ProjectId":"p","ReconnectTimeout":9e1}"#,
            "InvalidParameterValue ReconnectTimeout"),
        Row(
            "ModifyProject", #"{"ProjectId":"p","LockTimeout":1e999}"#,
            "InvalidParameterValue LockTimeout"),
        Row("ModifyProject", #"{"Concurrencies":1}"#, "MissingParameter ProjectId"),
        Row("ModifyProject", #"{"ProjectId":"p","Name":"x"}"#, "UnknownParameter Name"),
    ]

    @Test("are read or refused by name", arguments: applyRows + sessionRows + ownRows)
    func table(row: Row) throws {
        let result = parsed(row.action, row.json)
        #expect(result == row.expected)
        if result != "ok" {
            let code = ErrorCode(rawValue: String(result.prefix { $0 != " " }))
            let name = try #require(CloudAction.Name(rawValue: row.action))
            #expect(code.isDocumented(for: name))
        }
    }

    @Test("carry what they said")
    func values() throws {
        let session = try CloudAction.parse(
            action: "CreateSession", version: "2022-01-10",
            parameters: .json(
                Array(
                    """
                    {"UserId":"\\u540d","UserIp":"1","RunMode":"RunWithoutClient",
                     "ApplicationParameters":"a=1 b=2","HostUserId":"h","Role":"Player"}
                    """.utf8)))
        #expect(
            session
                == .createSession(
                    .init(
                        userId: "名", userIp: "1", clientSession: "", runsWithoutClient: true,
                        applicationParameters: "a=1 b=2", hostUserId: "h", role: .player)))
        let project = try CloudAction.parse(
            action: "ModifyProject", version: "2022-01-10",
            parameters: .pairs([
                ("ProjectId", "p"), ("Concurrencies", "3"), ("CleanupTime", "007"),
            ]))
        #expect(
            project
                == .modifyProject(
                    .init(projectId: "p", concurrencies: 3, cleanupTimeSeconds: 7)))
    }

    @Test("as pairs are text, and nested names are unknown")
    func pairs() {
        #expect(parsed("DestroySession", .pairs([("UserId", "u"), ("SessionId", "5")])) == "ok")
        #expect(
            parsed("DestroySession", .pairs([("UserId", "u"), ("A.0.B", "1")]))
                == "UnknownParameter A.0.B")
        #expect(
            parsed("DestroySession", .pairs([("UserId", "a\u{0}")]))
                == "InvalidParameterValue UserId")
    }

    @Test("that are not UTF-8 are bad values; a broken name is broken JSON")
    func notUTF8() {
        let value = Array(#"{"UserId":""#.utf8) + [0xFF] + Array(#""}"#.utf8)
        #expect(parsed("DestroySession", .json(value)) == "InvalidParameterValue UserId")
        let name = Array(#"{""#.utf8) + [0xC0, 0x80] + Array(#"":1}"#.utf8)
        #expect(parsed("DestroySession", .json(name)) == "InvalidParameter.JsonParseError")
    }

    @Test(
        "of no action at all",
        arguments: [
            ("ApplyConcurrent", "2022-01-11", "NoSuchVersion"),
            ("ApplyConcurrent", "", "NoSuchVersion"),
            ("Nothing", "2022-01-11", "NoSuchVersion"),
            ("Nothing", "2022-01-10", "InvalidAction"), ("", "2022-01-10", "InvalidAction"),
            ("applyConcurrent", "2022-01-10", "InvalidAction"),
            ("StartPublishStream", "2022-01-10", "InvalidAction"),
        ])
    func actionAndVersion(action: String, version: String, expected: String) {
        #expect(parsed(action, "{}", version: version) == expected)
    }

    @Test("with names of a caller's making appear in messages short and clean")
    func namesInMessages() {
        let json = #"{"UserId":"u","\u0000\n\#(String(repeating: "n", count: 9000))":1}"#
        do throws(CloudError) {
            _ = try CloudAction.parse(
                action: "DestroySession", version: "2022-01-10",
                parameters: .json(Array(json.utf8)))
            Issue.record("an unknown parameter should be refused")
        } catch {
            #expect(error.code == .unknownParameter)
            #expect(error.message.utf8.count < 200)
            #expect(!containsControl(error.message))
        }
    }
}

@Suite("Error codes")
struct ErrorCodeTests {
    @Test("are spelled as the vendor spells them, and the two tables do not lack a code")
    func spelling() {
        #expect(ErrorCode.failedOperationLockTimeout.rawValue == "FailedOperation.LockTimeout")
        #expect(ErrorCode.resourceNotFoundNoIdle.rawValue == "ResourceNotFound.NoIdle")
        #expect(ErrorCode.common.count == 38)
        #expect(ErrorCode.resourceNotFoundNoIdle.isDocumented(for: .createSession))
        #expect(!ErrorCode.resourceNotFoundNoIdle.isDocumented(for: .destroySession))
        #expect(!ErrorCode.failedOperationLockTimeout.isDocumented(for: .applyConcurrent))
        #expect(!ErrorCode.resourceNotFoundSessionNotFound.isDocumented(for: .destroySession))
        for name in CloudAction.Name.allCases {
            #expect(ErrorCode.internalError.isDocumented(for: name))
            #expect(ErrorCode.invalidParameterJsonParseError.isDocumented(for: name))
        }
    }
}
