import CloudAPI
import EventLog
import Foundation
import Ledger
import LedgerServer
import ReconnectionRules
import Testing

/// What a credential may do, asked over the wire.
@Suite struct AccessTests {
    private static let refusal = "AuthFailure.UnauthorizedOperation"

    /// Who may do what, written down a second time.
    private static let table: [(action: CloudAction.Name, roles: String)] = [
        (.applyConcurrent, "call"), (.createSession, "call"), (.destroySession, "call"),
        (.reportDisconnection, "call"), (.describeConcurrentCount, "call operate audit"),
        (.describeUserConcurrency, "call operate audit"), (.repossessConcurrency, "operate"),
        (.modifyProject, "operate"), (.describeReconnectionHistory, "operate audit"),
        (.forgetUser, "administer"),
    ]

    private func signer(
        _ server: TestServer, _ roles: Set<CredentialRole>, _ projects: [String]? = nil
    ) throws -> Signer {
        let store = try CredentialStore(DataDirectory(server.directory))
        let access = Access(roles: roles, projects: projects)
        return Signer(try store.create(access: access), port: server.port)
    }

    private func json(_ action: CloudAction.Name, user: String = "u") -> String {
        switch action {
        case .applyConcurrent: #"{"UserId":"\#(user)","UserIp":"1","ProjectId":"cap-1"}"#
        case .createSession: #"{"UserId":"\#(user)","UserIp":"1","ClientSession":"x"}"#
        case .describeConcurrentCount: "{}"
        case .modifyProject: #"{"ProjectId":"cap-1","Concurrencies":3}"#
        case .destroySession, .reportDisconnection, .repossessConcurrency, .forgetUser,
            .describeUserConcurrency, .describeReconnectionHistory:
            #"{"UserId":"\#(user)"}"#
        }
    }

    // MARK: - Roles

    @Test(arguments: CredentialRole.allCases)
    func aRoleAllowsWhatTheTableSaysAndNothingElse(_ role: CredentialRole) async throws {
        #expect(Set(Self.table.map(\.action)) == Set(CloudAction.Name.allCases))
        try await TestServer.run { server in
            try await server.makeProject()
            _ = try await server.ask(
                "ApplyConcurrent", json(.applyConcurrent))
            let signer = try signer(server, [role])
            for (action, roles) in Self.table {
                let before = server.ledger.head.position
                let answer = try await server.ask(signer.post(action.rawValue, json(action)))
                answer.expectEnvelope()
                let isAllowed = roles.split(separator: " ").contains { $0 == role.rawValue }
                #expect((answer.code != Self.refusal) == isAllowed, "\(action) \(role)")
                if !isAllowed { #expect(server.ledger.head.position == before) }
            }
            let events = try await Connection.with(port: server.port) { connection in
                try await connection.send(signer.get("TailEvents", "after=0", path: "/v1/events"))
                return try await connection.line()
            }
            #expect(events.contains(role == .audit ? "200" : "403"))
            let line = #"{"action":"repossess","user":"u"}"# + "\n"
            let stream = try await Connection.with(port: server.port) { connection in
                try await connection.send(signer.stream("/v1/commands", line))
                let status = try await connection.line()
                guard status.contains("200") else { return status }
                return try await connection.streamLine() ?? ""
            }
            #expect(stream.contains(role == .call ? "unauthorized" : "403"))
        }
    }

    /// "é" has two spellings, and with each of them a project is another one.
    @Test func aNameThatLooksLikeAProjectsIsAnothers() async throws {
        let (one, other) = ("caf\u{E9}", "cafe\u{301}")
        #expect(!Access(roles: [.call], projects: [one]).covers(project: other))
        #expect(Access(roles: [.call], projects: [one, other, one]).projects?.count == 2)
        try await TestServer.run { server in
            try await server.ledger.modifyProject(one, ProjectChange(concurrencyCount: 1))
            try await server.ledger.modifyProject(other, ProjectChange(concurrencyCount: 1))
            let signer = try signer(server, [.call], [one])
            let parameters = { (project: String) in
                #"{"UserId":"u","UserIp":"1","ProjectId":"\#(project)"}"#
            }
            let before = server.ledger.head.position
            let refused = try await server.ask(signer.post("ApplyConcurrent", parameters(other)))
            #expect(refused.code == Self.refusal)
            let line = { (project: String) in
                #"{"action":"apply","user":"u","project":"\#(project)"}"# + "\n"
            }
            let reply = try await Connection.with(port: server.port) { connection in
                try await connection.send(signer.stream("/v1/commands", line(other)))
                _ = try await connection.line()
                return try await connection.streamLine() ?? ""
            }
            #expect(reply.contains("unauthorized"))
            #expect(server.ledger.head.position == before)
            let taken = try await server.ask(signer.post("ApplyConcurrent", parameters(one)))
            #expect(taken.code == nil)
        }
    }

    @Test func rolesAddUp() async throws {
        try await TestServer.run { server in
            try await server.makeProject()
            let signer = try signer(server, [.call, .operate])
            for action in [CloudAction.Name.applyConcurrent, .repossessConcurrency] {
                let answer = try await server.ask(signer.post(action.rawValue, json(action)))
                #expect(answer.code == nil)
            }
            let line = #"{"action":"repossess","user":"u"}"# + "\n"
            let reply = try await Connection.with(port: server.port) { connection in
                try await connection.send(signer.stream("/v1/commands", line))
                return try await connection.streamLine() ?? ""
            }
            #expect(reply.contains("nothingHeld"))
        }
    }

    @Test func theDocumentedTableIsTheOneInForce() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let page = try String(
            contentsOf: root.appendingPathComponent("docs/cloud-api.md"), encoding: .utf8)
        let rows = page.split(separator: "\n").filter { $0.hasPrefix("|") }.map { row in
            row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
        }
        for (action, _) in Self.table {
            let roles = Access.roles(for: .action(action)).sorted().map(\.rawValue)
            #expect(
                rows.contains { $0.count == 2 && $0[0].components(separatedBy: ", ")
                    .contains(action.rawValue) && $0[1] == roles.joined(separator: ", ") },
                "\(action): \(roles)")
        }
    }

    // MARK: - Projects

    /// Two projects, a user in each, and a caller for the first.
    private func withTwo(
        _ roles: Set<CredentialRole> = Set(CredentialRole.allCases),
        _ body: (TestServer, Signer) async throws -> Void
    ) async throws {
        try await TestServer.run { server in
            for project in ["cap-1", "cap-2"] {
                let change = #"{"ProjectId":"\#(project)","Concurrencies":2}"#
                _ = try await server.ask("ModifyProject", change)
            }
            for (user, project) in [("mine", "cap-1"), ("theirs", "cap-2")] {
                let apply = #"{"UserId":"\#(user)","UserIp":"1","ProjectId":"\#(project)"}"#
                _ = try await server.ask("ApplyConcurrent", apply)
            }
            try await body(server, try signer(server, roles, ["cap-1", "cap-later"]))
        }
    }

    @Test func nothingIsDoneToAUserInAnotherProject() async throws {
        try await withTwo { server, signer in
            let before = server.ledger.head.position
            // An apply would move the user over, and take the other project's slot.
            for action in [
                CloudAction.Name.applyConcurrent, .createSession, .destroySession,
                .reportDisconnection, .repossessConcurrency, .describeUserConcurrency,
                .forgetUser,
            ] {
                let request = signer.post(action.rawValue, json(action, user: "theirs"))
                let code = try await server.ask(request).code
                #expect(code == Self.refusal, "\(action)")
            }
            #expect(server.ledger.head.position == before)
            #expect(try await server.ledger.user("theirs")?.state == .reserved)
            for action in [
                CloudAction.Name.applyConcurrent, .createSession, .describeUserConcurrency,
                .reportDisconnection, .repossessConcurrency, .destroySession,
            ] {
                let request = signer.post(action.rawValue, json(action, user: "mine"))
                #expect(try await server.ask(request).code == nil, "\(action)")
            }
        }
    }

    @Test func anotherProjectIsRefusedWhetherThereOrNot() async throws {
        try await withTwo { server, signer in
            for project in ["cap-2", "no-such-project"] {
                for (action, rest) in [
                    ("ApplyConcurrent", #","UserId":"x","UserIp":"1""#),
                    ("DescribeConcurrentCount", ""), ("ModifyProject", #","Concurrencies":9"#),
                ] {
                    let json = #"{"ProjectId":"\#(project)"\#(rest)}"#
                    let answer = try await server.ask(signer.post(action, json))
                    #expect(answer.code == Self.refusal, "\(action) \(project)")
                }
            }
            #expect(try await server.ledger.user("x") == nil)
            // One of its own may be made.
            let own = #"{"ProjectId":"cap-later","Concurrencies":5}"#
            #expect(try await server.ask(signer.post("ModifyProject", own)).code == nil)
            let sum = try await server.ask(signer.post("DescribeConcurrentCount", "{}"))
            #expect((sum.number("Total"), sum.number("Running")) == (7, 1))
        }
    }

    @Test func whatIsToldIsOfItsOwnProjects() async throws {
        try await withTwo { server, signer in
            // The same person, first there, then here.
            for project in ["cap-2", "cap-1"] {
                let apply = #"{"UserId":"both","UserIp":"1","ProjectId":"\#(project)"}"#
                _ = try await server.ask("ApplyConcurrent", apply)
                _ = try await server.ask("DestroySession", #"{"UserId":"both"}"#)
            }
            let history = try await server.ask(
                signer.post("DescribeReconnectionHistory", #"{"UserId":"both"}"#))
            #expect(history.code == nil)
            #expect(history.reply.body.contains("cap-1"))
            #expect(!history.reply.body.contains("cap-2"))
            let last = server.ledger.head.position
            let lines = try await Connection.with(port: server.port) { connection in
                try await connection.send(signer.get("TailEvents", "after=0", path: "/v1/events"))
                var lines: [String] = []
                while let line = try await connection.streamLine() {
                    lines.append(line)
                    if line.contains(#""position":\#(last),"#) { break }
                }
                return lines
            }
            #expect(lines.contains { $0.contains(#""mine""#) })
            #expect(!lines.contains { $0.contains("cap-2") || $0.contains("theirs") })
        }
    }

    @Test func linesInBulkKeepToTheirProjects() async throws {
        try await withTwo { server, signer in
            let lines = [
                #"{"action":"apply","user":"new","project":"cap-1"}"#,
                #"{"action":"apply","user":"new","project":"cap-2"}"#,
                #"{"action":"apply","user":"new","project":"no-such-project"}"#,
                #"{"action":"apply","user":"new","project":"cap-later"}"#,
                #"{"action":"destroy","user":"theirs"}"#,
                #"{"action":"reconnect","user":"theirs","project":"cap-1"}"#,
                #"{"action":"repossess","user":"theirs"}"#,
                #"{"action":"destroy", "user":"new"}"#,
            ]
            let replies = try await Connection.with(port: server.port) { connection in
                let body = lines.joined(separator: "\n") + "\n"
                try await connection.send(signer.stream("/v1/commands", body))
                var replies: [String] = []
                while let line = try await connection.streamLine() { replies.append(line) }
                return replies
            }
            let wanted = [
                "granted", "unauthorized", "unauthorized", "unknownProject", "unauthorized",
                "unauthorized", "unauthorized", "freed",
            ]
            #expect(replies.count == wanted.count)
            for (reply, word) in zip(replies, wanted) {
                #expect(reply.contains("\"\(word)\""), "\(reply)")
            }
            #expect(try await server.ledger.user("theirs")?.state == .reserved)
        }
    }
}
