import Foundation
import Glibc
import Testing

/// Heads and proofs as scripts and people use them, from the ledger's machine to the auditor's.
@Suite struct ProofCommandTests {
    private func makeLedger(_ scratch: Scratch) async throws {
        try await scratch.done("project", "set", "p", "--concurrencies", "2")
        try await scratch.done("apply", "u1", "--project", "p")
        try await scratch.done("session", "u1")
    }

    private func write(_ lines: [String], _ path: String) throws {
        try (lines.joined(separator: "\n") + "\n").write(
            toFile: path, atomically: false, encoding: .utf8)
    }

    /// A head as text, its empty line included, which `done` leaves out.
    private func head(_ scratch: Scratch) async throws -> String {
        let ending = try await scratch.run(["head", "--data", scratch.data])
        try #require(ending.status == 0 && ending.errors == "", "\(ending.errors)")
        return ending.output
    }

    /// Where nothing of the ledger is.
    private func check(
        _ scratch: Scratch, _ file: String, _ more: String...
    ) async throws -> Ending {
        try await scratch.run(["check-proof", scratch.path + "/" + file] + more)
    }

    @Test func aHeadIsACheckpoint() async throws {
        try await Scratch.with { scratch in
            try await makeLedger(scratch)
            let note = try await head(scratch)
            let lines = note.components(separatedBy: "\n")
            try #require(lines.count == 9, "\(note)")
            #expect(lines[0].hasPrefix("holdfast/") && lines[0].count == 9 + 32)
            #expect(Int(lines[1]) == 5)  // three commands, and two times opened again
            #expect(Data(base64Encoded: lines[2])?.count == 32)
            #expect(lines[3] == "position 7" && lines[4].hasPrefix("time 20"))
            #expect(lines[5].hasPrefix("chain ") && lines[5].count == 6 + 64)
            #expect(lines[6] == "" && lines[8] == "")
            #expect(lines[7].hasPrefix("— \(lines[0]) "))
            // Nothing happened, so the same again.
            #expect(try await head(scratch) == note)
            let json = try object(try await scratch.done("head", "--json").only)
            #expect(json["note"] as? String == note && json["size"] as? Int == 5)
            #expect(json["position"] as? Int == 7 && json["root"] as? String == lines[2])
            let key = try await scratch.done("head", "--public-key").only
            #expect(key.hasPrefix(lines[0] + "+"))
            let named = try object(try await scratch.done("head", "--public-key", "--json").only)
            #expect(named["key"] as? String == key)
        }
    }

    @Test func aProofIsCheckedWithoutTheLedger() async throws {
        try await Scratch.with { scratch in
            try await makeLedger(scratch)
            let key = try await scratch.done("head", "--public-key").only
            let kept = scratch.path + "/kept"
            let received = "received 2026-11-24T08:00:00Z\n"
            try (received + (try await head(scratch))).write(
                toFile: kept, atomically: false, encoding: .utf8)
            try await scratch.done("disconnect", "u1")
            try write(try await scratch.done("prove", "4"), scratch.path + "/loose")
            try write(try await scratch.done("prove", "4", "--from", kept), scratch.path + "/proof")
            try write(try await scratch.done("prove", "--from", kept), scratch.path + "/grown")
            try FileManager.default.moveItem(atPath: scratch.data, toPath: scratch.path + "/gone")

            let alone = try await check(scratch, "loose", "--key", key)
            #expect(alone.status == 0 && alone.errors == "")
            #expect(alone.output.contains("position 4 at "))
            #expect(alone.output.contains("user #1 seen for the first time"))
            #expect(!alone.output.contains("u1"))
            #expect(alone.output.contains("signed by the log's owner alone"))
            let tied = try await check(scratch, "proof", "--key", key, "--kept", kept)
            #expect(tied.status == 0)
            #expect(tied.output.contains("line 2 of \(kept) (received 2026-11-24T08:00:00Z)"))
            let json = try object(
                try await check(scratch, "proof", "--key", key, "--kept", kept, "--json")
                    .outputLines.only)
            #expect(json["isValid"] as? Bool == true && json["isVouched"] as? Bool == true)
            #expect((json["event"] as? [String: Any])?["kind"] as? String == "userNamed")
            #expect(json["userNumber"] as? Int == 1 && json["proves"] as? String == "inclusion")
            let grown = try await check(scratch, "grown", "--key", key, "--kept", kept)
            #expect(grown.status == 0 && grown.output.contains("begins with all 5 batches"))
        }
    }

    @Test func whatIsWrongWithAProofIsSaidInOneLine() async throws {
        try await Scratch.with { scratch in
            try await makeLedger(scratch)
            let key = try await scratch.done("head", "--public-key").only
            let proof = try await scratch.done("prove", "3").only
            try write([proof], scratch.path + "/proof")
            try write(
                [proof.replacingOccurrences(of: "\"position\":3", with: "\"position\":4")],
                scratch.path + "/moved")
            try write([String(proof.dropLast(40))], scratch.path + "/cut")
            try write(["{}"], scratch.path + "/empty")
            for (file, key, text) in [
                ("moved", key, "position"), ("cut", key, "not JSON"), ("empty", key, "form"),
                ("none", key, "cannot read"), ("proof", "nonsense", "NAME+ID+KEY"),
                (
                    "proof",
                    "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
                    "the key of example.com/foo"
                ),
            ] {
                let ending = try await check(scratch, file, "--key", key)
                ending.expectOneError(status: 1)
                #expect(ending.errors.contains(text), "\(ending.errors)")
            }
            let json = try await check(scratch, "moved", "--key", key, "--json")
            #expect(json.status == 1)
            #expect(try object(json.outputLines.only)["isValid"] as? Bool == false)
            try await check(scratch, "proof").expectOneError(status: 2)
        }
    }

    @Test func anotherLogIsNotTheOneThatWasKept() async throws {
        try await Scratch.with { scratch in
            try await makeLedger(scratch)
            let old = scratch.path + "/old"
            try FileManager.default.copyItem(atPath: scratch.data, toPath: old)
            try await scratch.done("destroy", "u1")
            let kept = scratch.path + "/kept"
            try (try await head(scratch)).write(toFile: kept, atomically: false, encoding: .utf8)
            let sound = try await scratch.done("verify", "--kept", kept)
            #expect(sound.contains("contains the head of \(kept)"))
            let json = try object(try await scratch.done("verify", "--kept", kept, "--json").only)
            #expect(json["keptHeads"] as? Int == 1 && json["isSound"] as? Bool == true)
            // The old copy in its place, and another history from there on.
            try FileManager.default.removeItem(atPath: scratch.data)
            try FileManager.default.moveItem(atPath: old, toPath: scratch.data)
            let cut = try await scratch.refused("verify", "--kept", kept)
            #expect(cut.contains("position 8 is missing") && cut.contains("line 1"))
            try await scratch.done("disconnect", "u1")
            let other = try await scratch.refused("verify", "--kept", kept)
            #expect(other.contains("the log is not the one of the head kept in line 1"))
            let refused = try await scratch.refused("prove", "1", "--from", kept)
            #expect(refused.contains("the log was rewritten"))
            let fault = try await scratch.run(
                ["verify", "--kept", kept, "--json", "--data", scratch.data])
            #expect(fault.status == 1)
            let object = try object(fault.outputLines.only)
            #expect(object["badPosition"] as? Int == 9)
            #expect(object["kind"] as? String == "disconnected")
        }
    }

    @Test func whoMayNotReadTheKeyGetsThePublishedHead() async throws {
        try await Scratch.with { scratch in
            try await makeLedger(scratch)
            try FileManager.default.removeItem(atPath: scratch.data + "/head.key")
            let none = try await scratch.refused("head")
            #expect(none.contains("head.key") && none.contains("holdfast serve"))
            try await scratch.refused("head", "--public-key")
            try await scratch.refused("prove", "1")
            // Reading makes no key, serving does.
            #expect(!FileManager.default.fileExists(atPath: scratch.data + "/head.key"))
            let heads = scratch.path + "/heads"
            try await Server.with(scratch, "--anonymous", "--publish-heads", heads) { _ in }
            #expect(FileManager.default.fileExists(atPath: scratch.data + "/head.key"))
            let published = try await head(scratch)
            try FileManager.default.removeItem(atPath: scratch.data + "/head.key")
            let ending = try await scratch.run(["head", "--data", scratch.data])
            #expect(ending.status == 0 && ending.output == published)
            #expect(ending.errors.contains("the newest head that was published"))
        }
    }

    // MARK: - Publishing

    @Test func aServerAppendsHeadsToAFileAndTheLastAtItsEnd() async throws {
        try await Scratch.with { scratch in
            try await scratch.done("project", "set", "cap-demo", "--concurrencies", "3")
            let heads = scratch.path + "/heads"
            let options = [
                "--anonymous", "--publish-heads", heads, "--publish-interval", "1s", "--origin",
                "example.com/ledger",
            ]
            let server = try await Server.start(scratch, options)
            try await server.child.wait { _ in FileManager.default.fileExists(atPath: heads) }
            try server.connect("u1")
            server.child.send(SIGTERM)
            let ending = try await server.child.wait(seconds: 10)
            #expect(ending.status == 0, "\(ending.errors)")
            #expect(ending.errors.contains("publishing heads to \(heads)"))
            let text = try String(contentsOfFile: heads, encoding: .utf8)
            let notes = text.components(separatedBy: "example.com/ledger\n").dropFirst()
            #expect(notes.count >= 2)
            // The last covers everything.
            #expect(notes.last?.contains("\nposition 6\n") == true, "\(text)")
            #expect(text.hasSuffix(try await head(scratch)))
            let verified = try await scratch.done("verify", "--kept", heads)
            #expect(verified.contains { $0.contains("and the newest it published") })
            // The name stays once a head is out.
            let other = try await scratch.run(
                ["serve", "--data", scratch.data, "--listen", "127.0.0.1:0", "--anonymous"]
                    + ["--origin", "example.com/other"])
            other.expectOneError(status: 1)
            #expect(other.errors.contains("were published as example.com/ledger"))
        }
    }

    @Test func aServerPostsHeadsAndGoesOnWhileNobodyTakesThem() async throws {
        try await Scratch.with { scratch in
            try await scratch.done("project", "set", "cap-demo", "--concurrencies", "3")
            let receiver = try Receiver(status: 503)
            defer { receiver.close() }
            let url = "http://127.0.0.1:\(receiver.port)/heads"
            let server = try await Server.start(
                scratch, ["--anonymous", "--publish-heads", url, "--publish-interval", "1s"])
            try await server.child.wait { $0.errors.contains("was not published") }
            #expect(server.child.errors.contains("\(url) answers 503"))
            try server.connect("u1")
            receiver.answer(200)
            try await server.child.wait { _ in !receiver.bodies.isEmpty }
            try server.connect("u2")
            server.child.send(SIGTERM)
            let ending = try await server.child.wait(seconds: 10)
            #expect(ending.status == 0, "\(ending.errors)")
            #expect(receiver.bodies.last == (try await head(scratch)))
            #expect(ending.errors.contains("publishing heads to \(url)"))
        }
    }

    /// Positions that somebody may hold are not given away again.
    @Test func aLogOlderThanItsPublishedHeadIsNotGoneOnWith() async throws {
        try await Scratch.with { scratch in
            try await scratch.done("project", "set", "cap-demo", "--concurrencies", "3")
            let old = scratch.path + "/old"
            try FileManager.default.copyItem(atPath: scratch.data + "/log", toPath: old)
            let heads = scratch.path + "/heads"
            let server = try await Server.start(
                scratch, ["--anonymous", "--publish-heads", heads])
            try server.connect("u1")
            server.child.send(SIGTERM)
            #expect(try await server.child.wait(seconds: 10).status == 0)
            let note = try Data(contentsOf: URL(fileURLWithPath: scratch.data + "/head.note"))
            try FileManager.default.removeItem(atPath: scratch.data + "/log")
            try FileManager.default.moveItem(atPath: old, toPath: scratch.data + "/log")
            for words in [
                ["serve", "--listen", "127.0.0.1:0", "--anonymous", "--publish-heads", heads],
                ["apply", "u2", "--project", "cap-demo"],
            ] {
                let ending = try await scratch.run(words + ["--data", scratch.data])
                ending.expectOneError(status: 1)
                #expect(ending.errors.contains("was published"), "\(ending.errors)")
            }
            let kept = try Data(contentsOf: URL(fileURLWithPath: scratch.data + "/head.note"))
            #expect(kept == note)
            // Reading goes on, and whoever decides to go on without the rest can.
            try await scratch.done("history")
            try FileManager.default.removeItem(atPath: scratch.data + "/head.note")
            try await scratch.done("apply", "u2", "--project", "cap-demo")
        }
    }

    @Test func aPlaceThatCannotBeWrittenStopsNobody() async throws {
        try await Scratch.with { scratch in
            try await scratch.done("project", "set", "cap-demo", "--concurrencies", "3")
            let heads = scratch.path + "/no/such/heads"
            let server = try await Server.start(
                scratch, ["--anonymous", "--publish-heads", heads])
            try await server.child.wait { $0.errors.contains("was not published") }
            try server.connect("u1")
            server.child.send(SIGTERM)
            let ending = try await server.child.wait(seconds: 10)
            #expect(ending.status == 0, "\(ending.errors)")
            let told = ending.errorLines.filter { $0.contains("was not published") }
            #expect(told.count == 1 && told[0].contains(heads))
        }
    }
}
