import Foundation
import Glibc
import Testing

/// Wrong input, command by command. Always the same answer: one line on standard error that begins
/// with the program's name, nothing on standard output, 1 for what is refused and 2 for wrong
/// usage, and on disk not a byte more, less or other.
@Suite struct WrongInputTests {
    /// A command in its right form, without `--data`.
    struct Form: Sendable, CustomTestStringConvertible {
        var words: [String]
        /// Makes the data directory if it is missing.
        var creates = false
        /// Changes what is in the directory.
        var writes = false
        /// Needs a ledger, not only the directory.
        var readsLog = true

        var testDescription: String { words.joined(separator: " ") }
    }

    static let forms = [
        Form(words: ["serve", "--listen", "127.0.0.1:0"], creates: true, writes: true),
        Form(words: ["project", "set", "p1", "--concurrencies", "5"], creates: true, writes: true),
        Form(words: ["project", "list"]),
        Form(words: ["credential", "create"], creates: true, writes: true, readsLog: false),
        Form(words: ["credential", "list"], readsLog: false),
        Form(words: ["credential", "revoke", "1"], writes: true, readsLog: false),
        Form(words: ["credential", "revoke", "1"], writes: true, readsLog: false),
        Form(words: ["credential", "rotate", "1"], writes: true, readsLog: false),
        Form(words: ["apply", "u1", "--project", "p1"], writes: true),
        Form(words: ["session", "u1"], writes: true),
        Form(words: ["disconnect", "u1"], writes: true),
        Form(words: ["destroy", "u1"], writes: true),
        Form(words: ["repossess", "u1"], writes: true),
        Form(words: ["forget", "u1"], writes: true),
        Form(
            words: ["import", "TRACE", "--project", "p1", "--concurrencies", "5"], creates: true,
            writes: true),
        Form(words: ["history", "u1"]), Form(words: ["history"]),
        Form(words: ["explain", "u1", "--at", "3"]),
        Form(words: ["history", "--where", "user=u1", "--newest-first"]),
        Form(words: ["replay"]), Form(words: ["replay", "--json", "--from", "1"]),
        Form(words: ["state"]), Form(words: ["state", "u1"]),
        Form(words: ["state", "u1", "--at", "3"]), Form(words: ["verify", "--without-rules"]),
        Form(words: ["state", "--at", "3"]), Form(words: ["diff", "1", "3"]),
        Form(words: ["diff", "1", "3", "--user", "u1"]),
        Form(words: ["stats"]), Form(words: ["tail"]), Form(words: ["tail", "-f"]),
        Form(words: ["verify"]), Form(words: ["rebuild"]),
        Form(words: ["head"]), Form(words: ["head", "--public-key"]), Form(words: ["prove", "1"]),
        Form(words: ["whatif"]), Form(words: ["whatif", "--reconnect-window", "40s,1h", "--json"]),
        Form(words: ["export"]), Form(words: ["export", "u1", "--format", "csv"]),
        // Where no backup can be made: the ledger is looked at first.
        Form(words: ["backup", "/dev/null/backup"]),
        Form(words: ["salvage", "--to", "/dev/null/salvaged"]),
    ]

    /// Runs a command on a directory and expects it to be refused and everything to be as it was.
    private func expectRefusal(
        _ words: [String], in scratch: Scratch, data: String, status: Int32, asNobody: Bool = false,
        saying text: String = "", sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let trace = try scratch.writeTrace()
        let before = try tree(data)
        let command = words.map { $0 == "TRACE" ? trace : $0 } + ["--data", data]
        let ending = try await scratch.run(command, asNobody: asNobody)
        ending.expectOneError(status: status, sourceLocation: sourceLocation)
        #expect(
            text.isEmpty || ending.errors.contains(text), "\(ending.errors)",
            sourceLocation: sourceLocation)
        #expect(try tree(data) == before, sourceLocation: sourceLocation)
    }

    /// A ledger with the project p1 of two, where u1 holds a concurrency, and one credential.
    private func makeLedger(_ scratch: Scratch) async throws {
        try await scratch.done("project", "set", "p1", "--concurrencies", "2")
        try await scratch.done("apply", "u1", "--project", "p1")
        try await scratch.done("credential", "create")
    }

    // MARK: - The data directory

    @Test(arguments: forms.filter { !$0.creates })
    func theDirectoryIsMissing(form: Form) async throws {
        try await Scratch.with { scratch in
            try await expectRefusal(
                form.words, in: scratch, data: scratch.data, status: 1, saying: scratch.data)
        }
    }

    @Test(arguments: forms)
    func theParentDirectoryIsMissing(form: Form) async throws {
        try await Scratch.with { scratch in
            try await expectRefusal(
                form.words, in: scratch, data: scratch.path + "/no/ledger", status: 1,
                saying: scratch.path + "/no/ledger")
            #expect(try tree(scratch.path + "/no").isEmpty)
        }
    }

    @Test(arguments: forms)
    func aFileStandsInItsPlace(form: Form) async throws {
        try await Scratch.with { scratch in
            try "mine".write(toFile: scratch.data, atomically: false, encoding: .utf8)
            try await expectRefusal(
                form.words, in: scratch, data: scratch.data, status: 1, saying: "is a file")
            try await expectRefusal(
                form.words, in: scratch, data: scratch.data + "/ledger", status: 1,
                saying: "Not a directory")
        }
    }

    @Test(arguments: forms)
    func itIsAnotherProgramsDirectory(form: Form) async throws {
        try await Scratch.with { scratch in
            mkdir(scratch.data, 0o755)
            try "mine".write(
                toFile: scratch.data + "/important.db", atomically: false, encoding: .utf8)
            try await expectRefusal(
                form.words, in: scratch, data: scratch.data, status: 1, saying: "important.db")
        }
    }

    @Test(arguments: forms.filter { !$0.creates && $0.readsLog })
    func itIsEmpty(form: Form) async throws {
        try await Scratch.with { scratch in
            mkdir(scratch.data, 0o755)
            try await expectRefusal(
                form.words, in: scratch, data: scratch.data, status: 1, saying: "no ledger at")
        }
    }

    @Test(arguments: forms)
    func itsNameIsEmpty(form: Form) async throws {
        try await Scratch.with { scratch in
            try await expectRefusal(form.words, in: scratch, data: "", status: 2, saying: "--data")
        }
    }

    @Test(
        .enabled(
            if: Program.canRunWithoutRights, "runs as root and cannot drop rights with setpriv"),
        arguments: forms)
    func itMayNotBeRead(form: Form) async throws {
        try await Scratch.with { scratch in
            try await makeLedger(scratch)
            chmod(scratch.data, geteuid() == 0 ? 0o700 : 0)
            defer { chmod(scratch.data, 0o700) }
            let ending = try await runWithoutRights(form, scratch)
            ending.expectOneError(status: 1)
            #expect(ending.errors.contains("Permission denied"))
        }
    }

    /// Runs a form without rights.
    private func runWithoutRights(_ form: Form, _ scratch: Scratch) async throws -> Ending {
        let trace = try scratch.writeTrace()
        let words = form.words.map { $0 == "TRACE" ? trace : $0 }
        return try await scratch.run(words + ["--data", scratch.data], asNobody: true)
    }

    @Test(
        .enabled(
            if: Program.canRunWithoutRights, "runs as root and cannot drop rights with setpriv"),
        arguments: forms.filter { $0.creates })
    func itMayNotBeCreated(form: Form) async throws {
        try await Scratch.with { scratch in
            chmod(scratch.path, 0o755)
            let ending: Ending
            if geteuid() == 0 {
                ending = try await runWithoutRights(form, scratch)
            } else {
                // The files of the test's own go where it may write.
                let parent = scratch.path + "/closed"
                mkdir(parent, 0o555)
                ending = try await scratch.run(
                    form.words.filter { $0 != "TRACE" } + ["--data", parent + "/ledger"])
                if form.words.contains("TRACE") { return }
            }
            ending.expectOneError(status: 1)
            #expect(ending.errors.contains("Permission denied"))
            #expect(try tree(scratch.data).isEmpty)
        }
    }

    @Test(
        .enabled(
            if: Program.canRunWithoutRights, "runs as root and cannot drop rights with setpriv"),
        arguments: forms.filter(\.writes))
    func itMayBeReadAndNotWritten(form: Form) async throws {
        try await Scratch.with { scratch in
            try await makeLedger(scratch)
            let isRoot = geteuid() == 0
            for folder in ["", "/log", "/views"] {
                chmod(scratch.data + folder, isRoot ? 0o755 : 0o555)
            }
            for file in try FileManager.default.subpathsOfDirectory(atPath: scratch.data) {
                var status = stat()
                stat("\(scratch.data)/\(file)", &status)
                if status.st_mode & S_IFMT != S_IFDIR { chmod("\(scratch.data)/\(file)", 0o444) }
            }
            let before = try tree(scratch.data)
            let ending = try await runWithoutRights(form, scratch)
            ending.expectOneError(status: 1)
            #expect(ending.errors.contains("Permission denied"))
            #expect(try tree(scratch.data) == before)
            for folder in ["", "/log", "/views"] { chmod(scratch.data + folder, 0o755) }
        }
    }

    // MARK: - Words

    @Test(arguments: forms)
    func thereIsAnUnknownOption(form: Form) async throws {
        try await Scratch.with { scratch in
            try await expectRefusal(
                form.words + ["--no-such-option"], in: scratch, data: scratch.data, status: 2,
                saying: "Unknown option '--no-such-option'")
        }
    }

    @Test(arguments: forms)
    func thereIsAWordTooMany(form: Form) async throws {
        try await Scratch.with { scratch in
            try await expectRefusal(
                form.words + ["one", "two"], in: scratch, data: scratch.data, status: 2)
        }
    }

    @Test(arguments: forms)
    func theDataDirectoryIsNotNamed(form: Form) async throws {
        try await Scratch.with { scratch in
            let ending = try await scratch.run(form.words)
            ending.expectOneError(status: 2)
            #expect(ending.errors.contains("--data"))
            let without = try await scratch.run(form.words + ["--data"])
            without.expectOneError(status: 2)
        }
    }

    /// What is typed, the status, and words of the answer.
    struct Row: Sendable, CustomTestStringConvertible {
        var words: [String]
        var status: Int32
        var text: String

        init(_ words: String..., status: Int32, says text: String) {
            self.words = words
            self.status = status
            self.text = text
        }

        var testDescription: String { words.joined(separator: " ") }
    }

    @Test(arguments: [
        Row("nonsense", status: 2, says: "see holdfast help"),
        Row("project", "nonsense", status: 2, says: "see holdfast help"),
        Row("project", "set", status: 2, says: "<ID>"),
        Row("apply", status: 2, says: "<user>"),
        Row("apply", "u1", status: 2, says: "--project"),
        Row("session", status: 2, says: "<user>"),
        Row("disconnect", status: 2, says: "<user>"),
        Row("destroy", status: 2, says: "<user>"),
        Row("repossess", status: 2, says: "<user>"),
        Row("import", status: 2, says: "FILE"),
        Row("import", "TRACE", status: 2, says: "--project"),
        Row("import", "TRACE", "--project", "p1", status: 2, says: "--concurrencies"),
        Row("explain", status: 2, says: "user"),
        Row("explain", "u1", "--at", "nine", status: 2, says: "nine"),
        Row("explain", "u1", "--at", "2026-11-23T21:00:00", status: 2, says: "2026-11-23T21:00:00"),
        Row("history", "--concurrency", "1", status: 2, says: "name a user"),
        Row("credential", "revoke", status: 2, says: "<number>"),
        Row("serve", "--listen", status: 2, says: "--listen"),
        Row("prove", status: 2, says: "--from FILE"),
        Row("verify", "--key", "k", status: 2, says: "--kept"),
        Row("salvage", status: 2, says: "--to"),
        Row("salvage", "--to", "", status: 2, says: "--to names no directory"),
        Row("salvage", "--to", "/tmp", status: 1, says: "/tmp"),
        Row("diff", status: 2, says: "<TIME|POSITION>"),
        Row("diff", "1", status: 2, says: "<TIME|POSITION>"),
    ])
    func somethingIsMissing(row: Row) async throws { try await expect(row) }

    @Test(arguments: [
        Row("project", "set", "p1", "--concurrencies", "two", status: 2, says: "'two'"),
        Row("project", "set", "p1", "--concurrencies", "-1", status: 2, says: "--concurrencies"),
        Row("project", "set", "p1", "--concurrencies", "1.5", status: 2, says: "'1.5'"),
        Row(
            "project", "set", "p1", "--concurrencies", "5000000000", status: 2,
            says: "'5000000000'"),
        Row("project", "set", "p1", "--concurrencies", "16000001", status: 2, says: "16000000"),
        Row("import", "TRACE", "--project", "p1", "--concurrencies", "x", status: 2, says: "'x'"),
        Row("disconnect", "u1", "--session", "x", status: 2, says: "'x'"),
        Row("destroy", "u1", "--session", "1e3", status: 2, says: "'1e3'"),
        Row("history", "u1", "--limit", "0", status: 2, says: "--limit"),
        Row("history", "u1", "--limit", "x", status: 2, says: "'x'"),
        Row("history", "u1", "--before", "x", status: 2, says: "'x'"),
        Row("history", "u1", "--after", "-1", status: 2, says: "--after"),
        Row("history", "u1", "--user-number", "1", status: 2, says: "not both"),
        Row("history", "--since", "yesterday", status: 2, says: "'yesterday'"),
        Row("history", "--until", "", status: 2, says: "--until"),
        Row("history", "--kind", "lost", status: 2, says: "repossessed"),
        Row("history", "--outcome", "lost", status: 2, says: "windowExpired"),
        Row("history", "--color", "blue", status: 2, says: "always"),
        Row("history", "--where", "user=u1 nand", status: 2, says: "column 9: expected and"),
        Row("history", "--where", "", status: 2, says: "column 1: expected a condition"),
        Row("history", "--where", "usr=u1", status: 2, says: "column 1: there is no key usr"),
        Row("replay", "--until", "user", status: 2, says: "column 5: expected = or !="),
        Row("replay", "--from", "x", status: 2, says: "'x'"),
        Row("replay", "--at", "1", "--to", "2", status: 2, says: "use --from and --to"),
        Row("tail", "-n", "x", status: 2, says: "'x'"),
        Row("tail", "--after", "x", status: 2, says: "'x'"),
        Row("verify", "--kept", "/dev/null", status: 1, says: "no head"),
        Row("prove", "1", "--from", "/dev/null", status: 1, says: "no head"),
        Row(
            "serve", "--listen", "127.0.0.1:0", "--publish-heads", "ftp://example.com/heads",
            status: 1, says: "http://"),
        Row("credential", "revoke", "x", status: 2, says: "'x'"),
        Row("credential", "revoke", "77", status: 1, says: "77"),
        Row("credential", "revoke", "77", status: 1, says: "77"),
        Row("credential", "rotate", status: 2, says: "<number>"),
        Row("credential", "rotate", "77", status: 1, says: "77"),
        Row("credential", "rotate", "1", "--overlap", "soon", status: 2, says: "'soon'"),
        Row("credential", "create", "--role", "emperor", status: 2, says: "'emperor'"),
        Row("credential", "create", "--role", "call,", status: 2, says: "'call,'"),
        Row("credential", "create", "--project", "", status: 1, says: "project's name"),
        Row("serve", "--listen", "0.0.0.0:0", status: 1, says: "--plain-http"),
        Row("serve", "--tls-key", "k.pem", status: 2, says: "go together"),
        Row(
            "serve", "--tls-certificate", "/nowhere.pem", "--tls-key", "/nowhere.key", status: 1,
            says: "there is no file /nowhere.pem"),
        Row("serve", "--rate-limits", "1", status: 2, says: "'1'"),
        Row("serve", "--rate-limits", "0/5", status: 2, says: "'0/5'"),
        Row("serve", "--connections", "0", status: 2, says: "--connections takes"),
        Row(
            "serve", "--anonymous", "--require-signed-action", status: 1,
            says: "exclude each other"),
        Row("prove", "x", status: 2, says: "'x'"),
        Row("prove", "0", status: 2, says: "begin at 1"),
        Row("prove", "99", status: 1, says: "no event at position 99"),
        Row("history", "--project", "p1", "--concurrency", "9", status: 1, says: "1 to 2"),
        Row("history", "--project", "p1", "--concurrency", "0", status: 1, says: "1 to 2"),
    ])
    func aNumberIsWrong(row: Row) async throws { try await expect(row) }

    @Test(arguments: [
        Row("project", "set", "p1", "--reconnect-window", "5x", status: 2, says: "'5x'"),
        Row("project", "set", "p1", "--reconnect-window", "s", status: 2, says: "'s'"),
        Row(
            "project", "set", "p1", "--reconnect-window", "", status: 2,
            says: "--reconnect-window"),
        Row("project", "set", "p1", "--reconnect-window", "1..5s", status: 2, says: "'1..5s'"),
        Row("project", "set", "p1", "--reconnect-window", "0s", status: 2, says: "1 s to 24 h"),
        Row("project", "set", "p1", "--reconnect-window", "25h", status: 2, says: "1 s to 24 h"),
        Row("project", "set", "p1", "--lock-timeout", "-5s", status: 2, says: "--lock-timeout"),
        Row("project", "set", "p1", "--cleanup", "soon", status: 2, says: "'soon'"),
        Row(
            "import", "TRACE", "--project", "p1", "--concurrencies", "2", "--lock-timeout", "x",
            status: 2, says: "'x'"),
    ])
    func aDurationIsWrong(row: Row) async throws { try await expect(row) }

    @Test(arguments: [
        Row("apply", "u1", "--project", "nope", status: 1, says: "no project nope"),
        Row("project", "set", "nope", "--cleanup", "1s", status: 1, says: "no project nope"),
        Row(
            "history", "--project", "nope", "--concurrency", "1", status: 1,
            says: "no project nope"),
        Row("history", "nobody", status: 1, says: "no user nobody"),
        Row("forget", "nobody", status: 1, says: "no user of that name"),
        Row("explain", "nobody", status: 1, says: "never saw a user \"nobody\""),
        Row("explain", "U1", "--at", "3", status: 1, says: "There is one called \"u1\""),
        Row("explain", status: 2, says: "name the user"),
        Row("explain", "u1", "--user-number", "1", status: 2, says: "not both"),
        Row("explain", "--user-number", "9", status: 1, says: "no user of number 9"),
        Row("history", "--user-number", "2", status: 1, says: "numbers 1 to 1"),
        Row("history", "--user-number", "0", status: 1, says: "no user of number 0"),
        Row("history", "--project", "nope", status: 1, says: "no project nope"),
        Row("history", "--session", "1", status: 1, says: "no session 1"),
        Row("history", "--session", "999", status: 1, says: "no session 999"),
        Row("replay", "--user", "nobody", status: 1, says: "no user nobody"),
        Row("replay", "--project", "nope", "--json", status: 1, says: "no project nope"),
        Row("state", "nobody", status: 1, says: "no user nobody"),
        Row("state", "--project", "nope", status: 1, says: "no project nope"),
        Row("diff", "1", "2", "--user", "nobody", status: 1, says: "no user nobody"),
        Row("diff", "1", "2", "--project", "nope", status: 1, says: "no project nope"),
        Row("apply", "", "--project", "p1", status: 1, says: "empty"),
        Row("apply", "a\nb", "--project", "p1", status: 1, says: "control characters"),
        Row("session", "", status: 1, says: "empty"),
        Row("project", "set", "", "--concurrencies", "1", status: 1, says: "empty"),
        Row(
            "project", "set", "a\nb", "--concurrencies", "1", status: 1,
            says: "control characters"),
        Row("state", "a\nb", status: 1, says: "no user a"),
        Row("apply", "u1", "--project", "a\nb", status: 1, says: "no project a"),
        Row("storm", "--users", "10", "--seconds", "0.1", status: 1, says: "holds project p1"),
        Row("storm", "--mode", "memory", "--users", "10", status: 1, says: "holds project p1"),
        Row("storm", "--mode", "deadlines", "--users", "10", status: 1, says: "holds project p1"),
    ])
    func aNameIsWrong(row: Row) async throws { try await expect(row) }

    @Test(arguments: [
        Row("storm", "--users", "0", status: 2, says: "--users"),
        Row("storm", "--callers", "0", status: 2, says: "--callers"),
        Row("storm", "--batch", "100001", status: 2, says: "--batch"),
        Row("storm", "--seconds", "0", status: 2, says: "--seconds"),
        Row("storm", "--rate", "0", status: 2, says: "--rate"),
        Row("storm", "--events", "1z", status: 2, says: "1z"),
        Row("storm", "--mode", "hurricane", status: 2, says: "hurricane"),
    ])
    func aStormIsWrong(row: Row) async throws { try await expect(row) }

    @Test(arguments: [
        Row("whatif", "--reconnect-window", "40s,", status: 2, says: "'40s,'"),
        Row("whatif", "--reconnect-window", "40s,25h", status: 2, says: "1 s to 24 h"),
        Row("whatif", "--concurrencies", "60,-1", status: 2, says: "'60,-1'"),
        Row("whatif", "--concurrencies", "16000001", status: 2, says: "16000000"),
        Row("whatif", "--lock-timeout", "x", status: 2, says: "'x'"),
        Row("whatif", "--since", "yesterday", status: 2, says: "'yesterday'"),
        Row(
            "whatif", "--since", "2020-01-02T00:00:00Z", "--until", "2020-01-01T00:00:00Z",
            status: 2, says: "--since is later"),
        Row("whatif", "--threads", "0", status: 2, says: "--threads"),
        Row("whatif", "--silent", "101", status: 2, says: "--silent"),
        Row("whatif", "--with-recorded", status: 2, says: "goes with --json"),
        Row("whatif", "--svg", "", status: 2, says: "--svg names no file"),
        Row("whatif", "--project", "nope", status: 1, says: "no project nope"),
        Row("whatif", "--until", "2020-01-01T00:00:00Z", status: 1, says: "nothing was recorded"),
        Row("whatif", "--svg", "/no/curve.svg", status: 1, says: "/no/curve.svg"),
    ])
    func aWhatIfIsWrong(row: Row) async throws {
        try await Scratch.with { scratch in
            try await makeLedger(scratch)
            try await expectRefusal(
                row.words, in: scratch, data: scratch.data, status: row.status, saying: row.text)
        }
    }

    @Test(arguments: [
        Row("serve", "--listen", "here", status: 2, says: "'here'"),
        Row("serve", "--listen", "127.0.0.1:99999", status: 2, says: "99999"),
        Row("serve", "--listen", "127.0.0.1:http", status: 2, says: "http"),
        Row("serve", "--listen", "999.1.1.1:8080", status: 1, says: "cannot listen on"),
        Row("serve", "--listen", "192.0.2.1:0", status: 1, says: "192.0.2.1"),
        Row("serve", "--listen", "0.0.0.0:0", "--anonymous", status: 1, says: "loopback"),
        Row("serve", "--log-level", "loud", status: 2, says: "critical"),
        Row("serve", "--publish-heads", "https://a.example/x", status: 1, says: "no TLS"),
        Row("serve", "--publish-heads", "http://", status: 1, says: "no host"),
        Row("serve", "--publish-heads", "http://a:0/", status: 1, says: "no such port"),
        Row("serve", "--publish-heads", "http://u@a/", status: 1, says: "no user"),
        Row("serve", "--publish-heads", "", status: 2, says: "--publish-heads"),
        Row("serve", "--publish-interval", "10ms", status: 2, says: "1s or more"),
        Row("serve", "--origin", "my ledger", status: 2, says: "--origin"),
    ])
    func anAddressOrLevelIsWrong(row: Row) async throws { try await expect(row) }

    @Test(arguments: [
        Row("prove", "1", "--from", "/no/heads", status: 1, says: "/no/heads"),
        Row("prove", "--from", "/dev/null", status: 1, says: "/dev/null: there is no head in it"),
        Row("prove", "1", "--from", "/etc/passwd", status: 1, says: "/etc/passwd: line 1:"),
        Row("verify", "--kept", "/no/heads", status: 1, says: "/no/heads"),
        Row("verify", "--kept", "/etc/passwd", status: 1, says: "/etc/passwd: line 1:"),
        Row("verify", "--kept", "/dev/null", "--key", "k", status: 1, says: "no head in it"),
        Row(
            "import", "/no/trace.csv", "--project", "p1", "--concurrencies", "2", status: 1,
            says: "/no/trace.csv"),
        Row(
            "import", "/tmp", "--project", "p1", "--concurrencies", "2", status: 1,
            says: "directory"),
        Row(
            "import", "/dev/null", "--project", "p1", "--concurrencies", "2", status: 1,
            says: "header"),
        Row(
            "import", "TRACE", "--project", "p1", "--concurrencies", "2", status: 1,
            says: "holdfast"),
    ])
    func aTraceIsWrong(row: Row) async throws { try await expect(row) }

    @Test(arguments: [
        Row("diff", "1", "soon", status: 2, says: "'soon'"),
        Row("diff", "3", "2", status: 2, says: "swap them"),
        Row(
            "diff", "2026-11-23T10:00:01Z", "2026-11-23T10:00:00Z", status: 2, says: "swap them"),
        Row("diff", "3", "2000-01-01T00:00:00Z", status: 1, says: "swap them"),
        Row("diff", "1", "2", "--user", "u1", "--project", "p1", status: 2, says: "not both"),
        Row("diff", "1", "2", "--user", "u1", "--user-number", "1", status: 2, says: "not both"),
        Row("rebuild", "--checkpoint-spacing", "-1", status: 2, says: "--checkpoint-spacing"),
        Row("serve", "--checkpoint-spacing", "few", status: 2, says: "'few'"),
    ])
    func aMomentOrASpacingIsWrong(row: Row) async throws { try await expect(row) }

    /// On a ledger that is there, and where nothing is yet.
    private func expect(_ row: Row) async throws {
        try await Scratch.with { scratch in
            try await makeLedger(scratch)
            try await expectRefusal(
                row.words, in: scratch, data: scratch.data, status: row.status, saying: row.text)
            if row.status == 2 || row.words.contains("/no/trace.csv") {
                try await expectRefusal(
                    row.words, in: scratch, data: scratch.path + "/none", status: row.status,
                    saying: row.text)
            }
        }
    }
}
