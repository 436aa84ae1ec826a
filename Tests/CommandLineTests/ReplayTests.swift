import Foundation
import Glibc
import Testing

/// `holdfast replay` as somebody uses it: at a terminal, and printed.
@Suite struct ReplayTests {
    private static let trace = """
        time,user,connection,action,reason
        2026-03-01T09:00:00Z,ann,1,start,
        2026-03-01T09:00:10Z,王小明,1,start,
        2026-03-01T09:00:20Z,Zoe\u{301},1,start,
        2026-03-01T09:05:00Z,ann,1,drop,connection-reset
        2026-03-01T09:05:30Z,ann,2,start,
        2026-03-01T09:10:00Z,王小明,1,drop,connection-reset
        2026-03-01T09:12:00Z,Zoe\u{301},2,start,
        2026-03-01T09:12:30.250Z,Zoe\u{301},3,start,
        2026-03-01T09:12:31Z,Zoe\u{301},2,drop,late
        2026-03-01T09:20:00Z,ann,2,close,
        2026-03-01T09:21:00Z,ann,2,close,
        2026-03-02T00:00:00Z,王小明,2,start,

        """

    private func withLedger(_ body: (Scratch) async throws -> Void) async throws {
        try await Scratch.with { scratch in
            let path = scratch.path + "/trace.csv"
            try Self.trace.write(toFile: path, atomically: false, encoding: .utf8)
            try await scratch.done("import", path, "--project", "demo", "--concurrencies", "2")
            try await body(scratch)
        }
    }

    private func open(
        _ scratch: Scratch, _ options: String..., columns: Int = 80, rows: Int = 24,
        environment: [String: String] = [:]
    ) throws -> TerminalChild {
        try TerminalChild(
            ["replay", "--data", scratch.data] + options, columns: columns, rows: rows,
            environment: environment)
    }

    /// Looks, types, and looks again; quits with q and expects the terminal as it was.
    private func quit(_ child: TerminalChild) async throws {
        #expect(child.screen.isAlternate && !child.screen.isCursorVisible)
        #expect(!child.isRestored)
        try child.type("q")
        #expect(try await child.end() == 0)
        expectRestored(child)
    }

    private func expectRestored(_ child: TerminalChild) {
        #expect(child.isRestored)
        #expect(!child.screen.isAlternate && child.screen.isCursorVisible)
        #expect(child.screen.unknown == [])
    }

    /// Waits until the screen is the one approved. The directory's name is another one every time,
    /// of the same length.
    private func expect(
        _ child: TerminalChild, _ scratch: Scratch, _ approved: [String],
        sourceLocation: SourceLocation = #_sourceLocation,
        _ part: (TerminalScreen) -> [String]
    ) async throws {
        try await child.wait("the approved screen", sourceLocation: sourceLocation) {
            let lines = part($0).map {
                $0.replacingOccurrences(of: scratch.path, with: "/tmp/holdfast-command-approve")
            }
            return lines == approved
        }
    }

    // MARK: - Screens

    @Test func aScreenOf80By24() async throws {
        try await withLedger { scratch in
            let child = try open(scratch, "--at", "9")
            try await child.wait(for: "event 9 of 24")
            try await expect(child, scratch, Approved.atNine) { $0.lines }
            try child.type("jj")
            try await child.wait(for: "event 11 of 24")
            try child.type("/kind=repossessed\r")
            try await child.wait(for: "event 15 of 24")
            try await expect(child, scratch, Approved.lost) { $0.lines }
            try await quit(child)
        }
    }

    @Test func aScreenOf160By50() async throws {
        try await withLedger { scratch in
            let child = try open(scratch, "--user", "王小明", columns: 160, rows: 50)
            try await child.wait(for: "event 24 of 24")
            try await expect(child, scratch, Approved.wideLeft) { $0.lines(from: 0, to: 88) }
            try await expect(child, scratch, Approved.wideRight) { $0.lines(from: 88, to: 160) }
            try await quit(child)
        }
    }

    @Test func theHelp() async throws {
        try await withLedger { scratch in
            let child = try open(scratch)
            try await child.wait(for: "event 24 of 24")
            try child.type("?")
            try await child.wait(for: "this page")
            try await expect(child, scratch, Approved.help) { $0.lines }
            try child.type("?")
            try await child.wait("the list again") { $0.text.contains("EVENT 24") }
            try await quit(child)
        }
    }

    @Test func coloursSayWhatBecameOfTheUser() async throws {
        try await withLedger { scratch in
            let child = try open(scratch, "--at", "1")
            try await child.wait("all of it") { $0.lines[23].hasSuffix("q quit") }
            func look(_ text: String) throws -> String {
                let row = try #require(child.screen.lines.firstIndex { $0.contains(text) })
                return child.screen.looks[row][24]
            }
            #expect(try look("apply granted /1") == "32")
            #expect(try look("drop waiting /1") == "33")
            #expect(try look("apply noIdle demo") == "31")
            try await quit(child)
            let plain = try open(scratch, "--at", "1", environment: ["NO_COLOR": "1"])
            try await plain.wait("all of it") { $0.lines[23].hasSuffix("q quit") }
            #expect(plain.screen.looks.joined().allSatisfy { !$0.contains("3") })
            try await quit(plain)
        }
    }

    @Test func keysMove() async throws {
        try await withLedger { scratch in
            let child = try open(scratch)
            try await child.wait(for: "event 24 of 24")
            let steps: [(keys: String, position: Int)] = [
                ("k", 23), ("\u{1B}[A", 22), ("\u{1B}OB", 23), ("\u{1B}[H", 1), ("j", 2),
                ("\u{1B}[6~", 20), ("\u{1B}[5~", 2), ("\u{1B}[F", 24), ("g5\r", 5),
                ("g2026-03-01T09:05:00Z\r", 11), ("u", 12), ("u", 13), ("U", 12), ("c", 13),
                ("C", 12), ("\\outcome=noIdle\r", 10), ("<", 1), ("n", 10), (">", 24),
                ("N", 10),
            ]
            for (keys, position) in steps {
                try child.type(keys)
                try await child.wait(for: "event \(position) of 24")
            }
            try child.type("/user=nobody\r")
            try await child.wait(for: "no later event with user=nobody")
            try child.type("/user=ann kind=\r")
            try await child.wait(for: "column 10: expected and, or, or the end")
            try child.type("g12x\u{7F}\u{15}7\r")
            try await child.wait(for: "event 7 of 24")
            try child.type("g99")
            try await child.wait(for: "go to a position or time: 99")
            try child.type("\u{1B}")
            try await child.wait("the hints") { $0.lines.last?.hasPrefix(" up/down") == true }
            try await quit(child)
        }
    }

    @Test func aWindowThatChangesIsFilled() async throws {
        try await withLedger { scratch in
            let child = try open(scratch, "--at", "9")
            try await child.wait("all of it") { $0.lines[23].hasSuffix("q quit") }
            let before = child.screen.lines
            child.resize(columns: 160, rows: 50)
            try await child.wait("all of it") { $0.lines[49].hasSuffix("q quit") }
            #expect(child.screen.text.contains("LEDGER SO FAR"))
            #expect(child.screen.lines[1].contains("1 2026-03-01T09:00:00.000000"))
            child.resize(columns: 50, rows: 10)
            try await child.wait("why not") {
                $0.text.contains("needs 60 columns and 16 rows; this")
                    && $0.text.contains("50 and 10")
            }
            child.resize(columns: 10, rows: 3)
            try await child.wait(for: "holdfast")
            child.resize(columns: 80, rows: 24)
            try await child.wait("the same again") { $0.lines == before }
            try await quit(child)
        }
    }

    // MARK: - Ends

    @Test(arguments: [SIGTERM, SIGHUP, SIGINT, SIGQUIT])
    func aSignalRestoresTheTerminal(signal: Int32) async throws {
        try await withLedger { scratch in
            let child = try open(scratch)
            try await child.wait(for: "event 24 of 24")
            #expect(!child.isRestored)
            child.send(signal)
            #expect(try await child.end() == 1000 + signal)
            expectRestored(child)
        }
    }

    @Test func controlCRestoresTheTerminal() async throws {
        try await withLedger { scratch in
            for keys in ["\u{3}", "g12\u{3}"] {
                let child = try open(scratch)
                try await child.wait(for: "event 24 of 24")
                try child.type(keys)
                #expect(try await child.end() == 1000 + SIGINT)
                expectRestored(child)
            }
        }
    }

    @Test func theShellGetsTheTerminalWhileItIsSuspended() async throws {
        try await withLedger { scratch in
            let child = try open(scratch, "--at", "9")
            try await child.wait(for: "event 9 of 24")
            try child.type("\u{1A}")
            try await child.wait("the screen of before") { !$0.isAlternate }
            var state = siginfo_t()
            #expect(waitid(P_PID, id_t(child.pid), &state, WSTOPPED) == 0)
            #expect(child.isRestored)
            child.send(SIGCONT)
            try await child.wait("the view again") { $0.isAlternate }
            try child.type("j")
            try await child.wait(for: "event 10 of 24")
            try await quit(child)
        }
    }

    /// Damage is met in the middle of the view: the terminal comes back, the error is one line.
    @Test func anErrorRestoresTheTerminal() async throws {
        try await withLedger { scratch in
            let child = try open(scratch)
            try await child.wait(for: "event 24 of 24")
            // A byte of an event, in place: the program has the page in its map.
            let file = scratch.data + "/log/data.mdb"
            var content = try [UInt8](Data(contentsOf: URL(fileURLWithPath: file)))
            let mark = Array("HFLB".utf8)
            for start in content.indices.dropLast(200)
            where Array(content[start ..< start + 4]) == mark { content[start + 96 + 24] ^= 1 }
            let handle = try FileHandle(forUpdating: URL(fileURLWithPath: file))
            try handle.write(contentsOf: Data(content))
            try handle.close()
            try child.type("<")
            #expect(try await child.end() == 1)
            expectRestored(child)
            let said = String(decoding: child.bytes, as: UTF8.self)
            #expect(said.contains("holdfast: the log is damaged at position"))
        }
    }

    // MARK: - Printed

    @Test func whatIsPrintedIsTheEventAndTheStateAfterIt() async throws {
        try await withLedger { scratch in
            let lines = try await scratch.done("replay", "--json")
            let events = try await scratch.done("history", "--json")
            #expect(lines.count == 24 && events.count == 24)
            for (line, event) in zip(lines, events) {
                let replayed = try object(line)
                #expect(Set(replayed.keys) == ["event", "counts", "user"])
                #expect(line.hasPrefix("{\"event\":\(event),\"counts\":"))
                let position = try #require(object(event)["position"] as? Int)
                guard let user = try object(event)["user"] as? String else {
                    #expect(replayed["user"] is NSNull)
                    continue
                }
                var state = try object(
                    try await scratch.done("state", user, "--at", "\(position)", "--json").only)
                state["position"] = nil
                state["time"] = nil
                let held = try #require(replayed["user"] as? [String: Any])
                #expect(NSDictionary(dictionary: held) == NSDictionary(dictionary: state))
            }
            let counts = try lines.map { try object($0)["counts"] as? [String: Any] }
            #expect(counts.compactMap { $0?["waiting"] as? Int }.max() == 1)
            #expect(counts.last??["project"] as? String == "demo")
            #expect(counts.last??["running"] as? Int == 2)
        }
    }

    @Test func itIsPrintedBetweenBoundsAndUntilACondition() async throws {
        try await withLedger { scratch in
            func positions(_ words: String...) async throws -> [Int] {
                let ending = try await scratch.run(
                    ["replay", "--json", "--data", scratch.data] + words)
                #expect(ending.status == 0, "\(ending.errors)")
                return try ending.outputLines.map {
                    let event = try object($0)["event"] as? [String: Any]
                    return try #require(event?["position"] as? Int)
                }
            }
            #expect(try await positions("--from", "5", "--to", "7") == [5, 6, 7])
            #expect(
                try await positions("--from", "2026-03-01T09:05:00Z", "--until", "outcome=resumed")
                    == [11, 12, 13])
            #expect(try await positions("--user", "ann", "--to", "12") == [3, 4, 5, 11, 12])
            #expect(
                try await positions("--until", "user=王小明 and kind=repossessed").last == 15)
            let never = try await scratch.run([
                "replay", "--json", "--to", "10", "--until", "kind=repossessed", "--data",
                scratch.data,
            ])
            #expect(never.status == 1 && never.outputLines.count == 10)
            #expect(
                never.errors == "holdfast: no event that was replayed has kind=repossessed\n")
            let text = try await scratch.done("replay", "--from", "11", "--to", "11")
            #expect(text == Approved.printed)
        }
    }
}
