import Foundation
import Glibc
import Testing

/// Backups made, restored and exported as an operator does, killed in the middle too.
@Suite struct BackupTests {
    /// A trace of many rows, so that there is a middle to be killed in.
    private func writeLedger(_ scratch: Scratch, rows: Int) async throws {
        var lines = ["time,user,connection,action,reason"]
        for row in 0..<rows {
            let action = ["start", "drop", "start", "close"][row % 4]
            lines.append(
                "2026-03-01T09:\(two(row / 600 % 60)):\(two(row / 10 % 60))Z,"
                    + "u\(row / 4 % 700),\(row / 2),\(action),")
        }
        let trace = scratch.path + "/trace.csv"
        try (lines.joined(separator: "\n") + "\n")
            .write(toFile: trace, atomically: false, encoding: .utf8)
        try await scratch.done("import", trace, "--project", "p", "--concurrencies", "40")
    }

    private func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

    private func run(_ scratch: Scratch, _ words: String...) async throws -> Ending {
        try await scratch.run(words)
    }

    @Test func aBackupBesideAServerUnderLoadHasWhatWasAnswered() async throws {
        try await Scratch.with { scratch in
            try await scratch.done("project", "set", "cap-demo", "--concurrencies", "30")
            try await Server.with(scratch, "--anonymous") { server in
                let port = server.port
                let load = Task {
                    let connection = try Connection(port: port)
                    var count = 0
                    while !Task.isCancelled {
                        let user = ["UserId": "u\(count % 60)", "UserIp": "203.0.113.7"]
                        _ = try connection.ask(
                            "ApplyConcurrent", user.merging(["ProjectId": "cap-demo"]) { $1 })
                        _ = try connection.ask("DestroySession", ["UserId": "u\(count % 60)"])
                        count += 1
                        await Task.yield()
                    }
                    return count
                }
                for round in 0..<3 {
                    try server.connect("marker-\(round)")
                    let destination = "\(scratch.path)/backup-\(round)"
                    let made = try object(
                        try await scratch.done("backup", destination, "--json").only)
                    #expect(made["backup"] as? String == destination)
                    let verified = try await run(scratch, "verify", "--json", "--data", destination)
                    let report = try object(verified.outputLines.only)
                    #expect(report["head"] as? String == made["head"] as? String)
                    #expect(report["stateDigest"] as? String == made["stateDigest"] as? String)
                    let state = try await run(
                        scratch, "state", "marker-\(round)", "--json", "--data", destination)
                    let held = try object(state.outputLines.only)
                    #expect(held["state"] as? String == "connected")
                }
                load.cancel()
                #expect(try await load.value > 0)
            }
        }
    }

    @Test func aRestoredLedgerServesAndOutranksWhatWasLost() async throws {
        try await Scratch.with { scratch in
            try await scratch.done("project", "set", "cap-demo", "--concurrencies", "3")
            try await scratch.done("apply", "ann", "--project", "cap-demo")
            let backup = scratch.path + "/backup"
            let restored = scratch.path + "/restored"
            let said = try await scratch.done("backup", backup)
            #expect(said.count == 2)
            #expect(said[0].hasPrefix("5 events up to position 5, 20"))
            try await scratch.done("apply", "lost", "--project", "cap-demo")
            try await scratch.done("session", "lost")
            let refused = try await run(
                scratch, "serve", "--data", backup, "--listen", "127.0.0.1:0")
            refused.expectOneError(status: 1)
            #expect(refused.errors.contains("holdfast restore \(backup) --data NEWDIR"))

            let report = try object(
                try await run(scratch, "restore", backup, "--json", "--data", restored)
                    .outputLines.only)
            let epoch = try #require(report["epochPosition"] as? Int)
            #expect(report["restoredPosition"] as? Int == 5 && epoch > 1 << 40)
            let again = try await run(scratch, "restore", backup, "--data", restored)
            again.expectOneError(status: 1)
            #expect(again.errors.contains("holds a ledger"))

            let copy = Scratch(path: scratch.path + "/moved")
            mkdir(copy.path, 0o711)
            #expect(rename(restored, copy.data) == 0)
            try await Server.with(copy, "--anonymous") { server in try server.connect("ann") }
            let state = try object(try await copy.done("state", "ann", "--json").only)
            #expect(try #require(state["session"] as? Int) > epoch)
            let history = try await copy.done("history", "ann", "--json").map(object)
            let kinds = history.compactMap { $0["kind"] as? String }
            #expect(kinds == ["userNamed", "applied", "applied", "sessionCreated"])
            let past = try await copy.done("state", "ann", "--at", "\(epoch - 1)")
            #expect(past[0].hasPrefix("position 5, "))
            #expect(try await copy.done("tail", "-n", "5").count == 6)
            try await copy.done("verify")
        }
    }

    // MARK: - Killed

    @Test func aBackupThatIsKilledIsNoBackup() async throws {
        try await Scratch.with { scratch in
            try await writeLedger(scratch, rows: 12_000)
            let clock = ContinuousClock()
            let start = clock.now
            try await scratch.done("backup", scratch.path + "/whole")
            let length = clock.now - start
            var unfinished = 0
            for round in 0..<14 {
                let backup = "\(scratch.path)/backup-\(round)"
                let child = try scratch.start(["backup", backup, "--data", scratch.data])
                try await Task.sleep(for: length * round / 13)
                child.send(SIGKILL)
                _ = try await child.wait()
                let isWhole =
                    access(backup + "/backup.json", F_OK) == 0
                    && access(backup + "/UNFINISHED", F_OK) != 0
                let target = "\(scratch.path)/restored-\(round)"
                let restored = try await run(scratch, "restore", backup, "--data", target)
                if isWhole {
                    #expect(restored.status == 0, "\(restored.errors)")
                } else {
                    unfinished += 1
                    restored.expectOneError(status: 1)
                    #expect(try tree(target).isEmpty)
                }
            }
            #expect(unfinished > 0)
            try await scratch.done("verify")
        }
    }

    @Test func aRestoreThatIsKilledIsNoLedger() async throws {
        try await Scratch.with { scratch in
            try await writeLedger(scratch, rows: 12_000)
            let backup = scratch.path + "/backup"
            try await scratch.done("backup", backup)
            let clock = ContinuousClock()
            let start = clock.now
            _ = try await run(scratch, "restore", backup, "--data", scratch.path + "/whole")
            let length = clock.now - start
            var unfinished = 0
            for round in 0..<14 {
                let target = "\(scratch.path)/restored-\(round)"
                let child = try scratch.start(["restore", backup, "--data", target])
                if round % 2 == 0 {
                    try await Task.sleep(for: length * round / 13)
                } else {
                    // However busy the machine is, some are killed in the middle.
                    let deadline = clock.now + .seconds(20)
                    while access(target + "/unfinished", F_OK) != 0, clock.now < deadline {
                        await Task.yield()
                    }
                }
                child.send(SIGKILL)
                _ = try await child.wait()
                let state = try await run(scratch, "state", "--data", target)
                if state.status == 0 {
                    #expect(try await run(scratch, "verify", "--data", target).status == 0)
                    continue
                }
                state.expectOneError(status: 1)
                guard !(try tree(target).isEmpty) else { continue }
                unfinished += 1
                #expect(state.errors.contains("remove \(target)/unfinished and begin again"))
                let written = try await run(
                    scratch, "project", "set", "p", "--concurrencies", "1", "--data", target)
                written.expectOneError(status: 1)
                // What it says helps.
                try FileManager.default.removeItem(atPath: target + "/unfinished")
                let again = try await run(scratch, "restore", backup, "--data", target)
                #expect(again.status == 0, "\(again.errors)")
            }
            #expect(unfinished > 0)
            // The backup is as good as before.
            #expect(try await run(scratch, "verify", "--data", backup).status == 0)
        }
    }

    // MARK: - Out and in

    @Test func anExportMakesTheSameLedger() async throws {
        try await Scratch.with { scratch in
            try await writeLedger(scratch, rows: 400)
            let file = scratch.path + "/events.jsonl"
            let said = try await scratch.done("export", "--output", file)
            let count = try await scratch.eventCount()
            #expect(said == ["\(count) events, up to position \(count), in \(file)"])
            #expect(try await scratch.refused("export", "--output", file).contains("--resume"))
            let resumed = try object(
                try await scratch.done("export", "--output", file, "--resume", "--json").only)
            #expect(resumed["events"] as? Int == 0 && resumed["resumedAfter"] as? Int == count)

            let copy = scratch.path + "/copy"
            let imported = try await run(scratch, "import", file, "--json", "--data", copy)
            let counts = try object(imported.outputLines.only)
            let before = try object(try await scratch.done("stats", "--json").only)
            #expect(counts["stateDigest"] as? String == before["stateDigest"] as? String)
            let output = try await run(scratch, "export", "--data", copy)
            #expect(try Data(contentsOf: URL(fileURLWithPath: file)) == Data(output.output.utf8))

            // What a trace takes, an export does not, and a part is no ledger.
            let odd = try await run(scratch, "import", file, "--project", "p", "--data", copy + "2")
            odd.expectOneError(status: 2)
            let part = scratch.path + "/part.jsonl"
            try await scratch.done("export", "--kind", "applied", "--output", part)
            let refused = try await run(scratch, "import", part, "--data", copy + "3")
            refused.expectOneError(status: 1)
            #expect(
                refused.errors == "holdfast: \(part):1: the export is not whole: position 1 is "
                    + "missing\n")
            #expect(try tree(copy + "3").isEmpty)
        }
    }

    @Test func wrongUseOfExport() async throws {
        try await Scratch.with { scratch in
            try await scratch.done("project", "set", "p", "--concurrencies", "2")
            for (words, says) in [
                (["--format", "xml"], "xml"), (["--resume"], "--output FILE"),
                (["--json"], "--output FILE"), (["--output", ""], "--output"),
                (["--kind", "nothing"], "nothing"), (["--where", "user="], "--where"),
            ] {
                let ending = try await scratch.run(["export"] + words + ["--data", scratch.data])
                ending.expectOneError(status: 2)
                #expect(ending.errors.contains(says), "\(ending.errors)")
            }
            #expect(try await scratch.refused("export", "nobody").contains("no user nobody"))
            let export = try await scratch.refused("export", "--output", "/dev/full/x")
            #expect(export.contains("/dev/full/x"))
            let backup = try await scratch.refused("backup", "/dev/null/backup")
            #expect(backup.contains("/dev/null/backup"))
        }
    }
}
