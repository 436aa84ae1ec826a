import Foundation
import Glibc
import Testing

/// What is said to somebody who does not know yet how a thing is written.
@Suite struct GuidanceTests {
    // MARK: - Values

    private static let moment =
        "a position (1200), or a time with seconds and offset (2026-11-23T21:05:00+01:00, "
        + "2026-11-23T20:05:00Z)"

    @Test(arguments: [
        ("explain u42 --at 21:05", moment), ("explain u42 --at 2026-11-23T21:05:00", moment),
        ("explain u42 --at 2026-11-23T21:05+01:00", moment), ("state --at", moment),
        ("history --since yesterday", moment), ("replay --from x", moment),
        ("diff 1 soon", moment),
        ("whatif --since 2017-02-01", "a time with seconds and offset (2026-"),
        ("generate --from 2017-02-01", "a time with seconds and offset (2026-"),
        ("project set p --reconnect-window 5min", "a length of time (90s, 1.5m, 2h, 500ms)"),
        ("generate --session -1", "a length of time"),
        ("whatif --reconnect-window 5min,1h", "lengths of time (40s,90s,2m,1h)"),
        ("whatif --concurrencies 60..80", "whole numbers (60,80,110)"),
        ("project set p --concurrencies many", "a whole number (60)"),
        ("generate --endings 1,2", "three numbers (60,25,15)"),
        ("generate --users few", "a whole number (500, 100k, 2m)"),
        ("generate --days x", "a number of days (30, 0.5)"),
        ("storm --events 1z", "a whole number (500, 100k, 2m)"),
        ("generate --ghosts x", "a share of 1 (0.25)"),
        ("generate --mass-disconnects x", "a number (1.5, 20)"),
        ("storm --seconds x", "a number of seconds (5, 0.5)"),
        ("disconnect u1 --session x", "a session's number (1204)"),
        ("tail --after x", "a position (1200)"), ("prove x", "a position (1200)"),
        ("credential revoke x", "a whole number (3)"),
        ("serve --listen here", "an address (127.0.0.1:8080)"),
    ])
    func aValueThatIsNoneIsToldItsFormAndWhereToReadOn(line: String, form: String) async throws {
        try await Scratch.with { scratch in
            let words = line.split(separator: " ").map(String.init)
            let ending = try await scratch.run(words)
            ending.expectOneError(status: 2)
            #expect(ending.errors.contains("': it takes \(form)"), "\(ending.errors)")
            let isNested = ["project", "credential"].contains(words[0])
            let command = words.prefix(isNested ? 2 : 1).joined(separator: " ")
            #expect(ending.errors.hasSuffix("; see holdfast help \(command)\n"))
        }
    }

    /// Whatever an option takes that is not any text has a form to show.
    @Test func everyNameOfAValueInTheHelpHasAForm() async throws {
        let texts: Set = [
            "DIR", "FILE", "FILE|URL", "ID", "U", "user", "file", "NAME", "KEY", "TEXT", "DEST",
            "BACKUP", "CONDITION", "NEW", "published|FILE", "options", "subcommand",
        ]
        // The argument parser lists the values of these itself.
        let listed: Set = [
            "KIND", "OUTCOME", "WHEN", "LEVEL", "FORMAT", "mode", "arrivals", "client-addresses",
            "none|truncated|full",
        ]
        try await Scratch.with { scratch in
            for command in HelpTests.commands {
                let usage = try await scratch.run(["help"] + command).output
                let names = usage.matches(of: /(-[a-z]|--[a-z-]+)? <([^>]+)>/)
                for name in names where !texts.contains(String(name.2)) {
                    if listed.contains(String(name.2)) { continue }
                    let option = name.1.map { [String($0)] } ?? []
                    let ending = try await scratch.run(command + option + ["?"])
                    let form = "<\(name.2)>': it takes "
                    #expect(ending.errors.contains(form), "\(command) \(name.0): \(ending.errors)")
                }
            }
        }
    }

    /// The same times are taken everywhere.
    @Test func anOffsetIsTakenWhereATimeIs() async throws {
        try await Scratch.with { scratch in
            let trace = try scratch.writeTrace()
            try await scratch.done("import", trace, "--project", "p", "--concurrencies", "1")
            try await scratch.done("whatif", "--until", "2020-01-01T01:30:00+01:30")
            let early = try await scratch.refused("whatif", "--until", "2020-01-01T01:29:59+01:30")
            #expect(early.contains("nothing was recorded"))
            let made = try await scratch.run([
                "generate", "--days", "0.1", "--users", "50", "--from",
                "2026-03-01T02:00:00+02:00",
            ])
            #expect(made.outputLines[1].hasPrefix("2026-03-01T0"))
        }
    }

    // MARK: - Commands

    @Test(arguments: [
        ("hist --data ./r", "no command hist; did you mean history?"),
        ("histroy", "no command histroy; did you mean history?"),
        ("what-if --json", "no command what-if; did you mean whatif?"),
        ("help veryfi", "no command veryfi; did you mean verify?"),
        ("project sett p1", "no command project sett; did you mean project set?"),
        ("help credential crate", "no command credential crate; did you mean credential create?"),
        ("stat", "no command stat; did you mean state or stats?"),
        ("s", "no command s; see holdfast help"),
        ("help nope", "no command nope; see holdfast help"),
        ("project nope", "no command project nope; see holdfast help project"),
    ])
    func aCommandThereIsNotIsNamedAndTheNearOneToo(line: String, says: String) async throws {
        try await Scratch.with { scratch in
            let ending = try await scratch.run(line.split(separator: " ").map(String.init))
            ending.expectOneError(status: 2)
            #expect(ending.errors == "holdfast: \(says)\n")
        }
    }

    // MARK: - Names

    @Test func aNameThatDiffersInCaseIsNamed() async throws {
        try await Scratch.with { scratch in
            try await scratch.done("project", "set", "p", "--concurrencies", "1")
            try await scratch.done("apply", "u42", "--project", "p")
            for words in [
                ["state", "U42"], ["state", "U42", "--at", "1"], ["history", "U42"],
                ["export", " u42"], ["diff", "1", "2", "--user", "U42"],
                ["replay", "--user", "U42"],
            ] {
                let ending = try await scratch.run(words + ["--data", scratch.data])
                ending.expectOneError(status: 1)
                #expect(
                    ending.errors.hasSuffix(
                        "; names are compared byte by byte, and there is one called \"u42\"\n"),
                    "\(words): \(ending.errors)")
            }
            let other = try await scratch.refused("state", "x42")
            #expect(other.hasSuffix("byte by byte\n"))
        }
    }

    // MARK: - Nothing there

    @Test func beforeTheFirstEventThereIsNoTime() async throws {
        try await Scratch.with { scratch in
            let trace = try scratch.writeTrace()
            try await scratch.done("import", trace, "--project", "p", "--concurrencies", "1")
            for moment in ["0", "2015-01-01T00:00:00Z"] {
                let lines = try await scratch.done("state", "--at", moment)
                #expect(lines == ["position 0, before the first event"])
                let line = try await scratch.done("state", "--at", moment, "--json").only
                let json = try object(line)
                #expect(json["position"] as? Int == 0 && json["time"] is NSNull)
            }
            let difference = try await scratch.done("diff", "0", "3")
            #expect(difference[0] == "from position 0, before the first event")
            let moments = try object(try await scratch.done("diff", "0", "3", "--json")[0])
            #expect((moments["from"] as? [String: Any])?["time"] is NSNull)
            #expect((moments["to"] as? [String: Any])?["time"] is String)
        }
    }

    @Test func aHistoryOfNothingSaysSo() async throws {
        try await Scratch.with { scratch in
            let trace = try scratch.writeTrace()
            try await scratch.done("import", trace, "--project", "p", "--concurrencies", "1")
            for more in [[], ["--newest-first"], ["--limit", "3"]] {
                let words = ["history", "a", "--kind", "repossessed"] + more
                let ending = try await scratch.run(words + ["--data", scratch.data])
                #expect(ending.status == 0 && ending.output == "")
                #expect(ending.errors == "no event matches\n")
            }
            #expect(try await scratch.done("history", "--kind", "destroyed", "--json") == [])
        }
    }

    // MARK: - Tables

    /// tail shows what history shows, and goes on like it.
    @Test func theTailIsATableAsHistoryIs() async throws {
        try await Scratch.with { scratch in
            let trace = scratch.path + "/trace.csv"
            let rows = """
                time,user,connection,action,reason
                2016-01-01T00:00:00Z,a,c1,start,
                2016-01-01T00:00:05.5Z,somebody,c2,start,
                2016-03-01T00:00:00Z,a,c1,close,

                """
            try rows.write(toFile: trace, atomically: false, encoding: .utf8)
            try await scratch.done("import", trace, "--project", "p", "--concurrencies", "1")
            #expect(try await scratch.done("tail", "-n", "99") == scratch.done("history"))
            let rate = /\ \ events in 1d 00h: 1 event and \d+\.\d kB a day/
            let statistics = try await scratch.done("stats")
            #expect(statistics.contains { $0.wholeMatch(of: rate) != nil }, "\(statistics)")
            // Opened years later.
            try await scratch.done("apply", "a", "--project", "p")
            let tail = try await scratch.done("tail", "-n", "4")
            #expect(tail.count == 5 && tail[0].hasPrefix("position  time  "))
            let opened = try #require(tail.first { $0.contains("ledger opened after ") })
            let downtime = /ledger opened after \d+d \d\dh down/
            #expect(opened.firstMatch(of: downtime) != nil, "\(opened)")
            #expect(opened.firstMatch(of: /\+\d+d \d\dh/) != nil)
            let json = try await scratch.done("tail", "-n", "2", "--json").map(object)
            #expect(json.count == 2)
        }
    }

    // MARK: - Files to import

    @Test func whatIsNoTraceIsCalledWhatItIs() async throws {
        try await Scratch.with { scratch in
            let trace = try scratch.writeTrace()
            try await scratch.done("import", trace, "--project", "p", "--concurrencies", "2")
            let project = ["--project", "p", "--concurrencies", "2"]
            for format in ["csv", "cloudevents"] {
                let file = scratch.path + "/e." + format
                try await scratch.done("export", "--format", format, "--output", file)
                for more in [[], project] {
                    let ending = try await scratch.run(
                        ["import", file, "--data", scratch.path + "/new"] + more)
                    ending.expectOneError(status: 1)
                    let says = "\(file) is an export as \(format); only one as jsonl"
                    #expect(ending.errors.contains(says), "\(ending.errors)")
                }
            }
            for more in [[], project] {
                let ending = try await scratch.run(
                    ["import", "/no/file", "--data", scratch.path + "/new"] + more)
                ending.expectOneError(status: 1)
                #expect(ending.errors.contains("/no/file: cannot open the file: No such file"))
            }
            #expect(try tree(scratch.path + "/new").isEmpty)
        }
    }

    @Test func aTraceThatIsInAlreadySaysSo() async throws {
        try await Scratch.with { scratch in
            let trace = try scratch.writeTrace()
            let words = ["import", trace, "--project", "p", "--concurrencies"]
            try await scratch.done("import", trace, "--project", "p", "--concurrencies", "2")
            let again = try await scratch.run(words + ["2", "--data", scratch.data])
            #expect(again.status == 0 && again.errors == "1 of 1 rows were imported before\n")
            let other = try await scratch.run(words + ["3", "--data", scratch.data])
            other.expectOneError(status: 1)
            #expect(other.errors.contains("this trace is already imported, with other settings"))
            let elsewhere = try await scratch.refused(
                "import", trace, "--project", "q", "--concurrencies", "2")
            #expect(elsewhere.contains("already imported, under another project"))
        }
    }

    /// Looking at a pipe must take nothing out of it.
    @Test func aTraceComesThroughAPipe() async throws {
        try await Scratch.with { scratch in
            let trace = try scratch.writeTrace()
            let child = try scratch.start(shell: """
                cat \(trace) | \(Program.path) import /dev/stdin --project p --concurrencies 1 \
                --data \(scratch.data) --json
                """)
            let ending = try await child.wait()
            #expect(ending.status == 0, "\(ending.errors)")
            #expect(try object(ending.outputLines.only)["starts"] as? Int == 1)
            // One with a name: whoever writes to it is not to be ended by a look.
            let named = scratch.path + "/pipe"
            mkfifo(named, 0o600)
            let second = try scratch.start(shell: """
                cat \(trace) > \(named) & \(Program.path) import \(named) --project p \
                --concurrencies 1 --data \(scratch.path)/other --json
                """)
            let other = try await second.wait()
            #expect(other.status == 0 && other.outputLines == ending.outputLines, "\(other.errors)")
        }
    }

    // MARK: - Files that are there

    @Test func aFileThatIsThereIsReplacedOnlyWhenAskedTo() async throws {
        try await Scratch.with { scratch in
            let trace = try scratch.writeTrace()
            try await scratch.done("import", trace, "--project", "p", "--concurrencies", "1")
            let mine = scratch.path + "/mine"
            let commands = [
                ["generate", "--days", "0.5", "--users", "20", "--output", mine],
                ["whatif", "--svg", mine, "--data", scratch.data],
            ]
            for words in commands {
                try "mine".write(toFile: mine, atomically: false, encoding: .utf8)
                let refused = try await scratch.run(words)
                refused.expectOneError(status: 1)
                #expect(refused.errors.contains("\(mine) exists: name another file, or --force"))
                #expect(try String(contentsOfFile: mine, encoding: .utf8) == "mine")
                let forced = try await scratch.run(words + ["--force"])
                #expect(forced.status == 0, "\(forced.errors)")
                #expect(try String(contentsOfFile: mine, encoding: .utf8) != "mine")
                // What holds nothing is lost with nothing: mktemp makes such.
                try "".write(toFile: mine, atomically: false, encoding: .utf8)
                #expect(try await scratch.run(words).status == 0)
            }
        }
    }

    // MARK: - Heads

    /// Another ledger's heads are not evidence of a cut tail.
    @Test func headsOfAnotherLedgerAreCalledThat() async throws {
        try await Scratch.with { scratch in
            let other = Scratch(path: scratch.path + "/other")
            mkdir(other.path, 0o755)
            for place in [scratch, other] {
                try await place.done("project", "set", "p", "--concurrencies", "2")
            }
            for _ in 0 ..< 3 { try await other.done("apply", "u1", "--project", "p") }
            let kept = scratch.path + "/kept"
            let head = try await scratch.run(["head", "--data", other.data])
            try head.output.write(toFile: kept, atomically: false, encoding: .utf8)
            let theirs = try await other.done("head", "--public-key").only
            let ours = try await scratch.done("head", "--public-key").only
            for key in [["--key", theirs], []] {
                for more in [[], ["--without-rules"], ["--json"]] {
                    let words = ["verify", "--kept", kept, "--data", scratch.data]
                    let ending = try await scratch.run(words + key + more)
                    ending.expectOneError(status: 1)
                    #expect(
                        ending.errors.contains("line 1: the head is of another ledger, holdfast/"),
                        "\(ending.errors)")
                    let name = try #require(ours.split(separator: "+").first)
                    #expect(ending.errors.contains("this one is \(name)"))
                }
            }
            #expect(try await other.done("verify", "--kept", kept, "--key", theirs).count > 1)
        }
    }
}
