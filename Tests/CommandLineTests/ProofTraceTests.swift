import Foundation
import Testing

/// Heads and proofs of nine recorded months, checked by the product and by an implementation that
/// shares nothing with it (Tests/ProofsTests/proof_check.py).
///
/// The trace determines every event, and with them how many batches there are and where each ends.
/// Keys, and with them roots and hashes, are drawn anew in every ledger.
@Suite(
    .enabled(
        if: Traces.path("chat-a.csv") != nil,
        "no chat-a.csv in the folder that HOLDFAST_TRACES names"))
struct ProofTraceTests {
    private struct Place {
        var position: Int
        var batch: Int
        var positions: ClosedRange<Int>
        var says: String
    }

    private static let places = [
        Place(
            position: 1, batch: 0, positions: 1 ... 3_720,
            says: "2016-06-01T02:12:50.000000Z: project project #1 created"),
        Place(
            position: 3_721, batch: 1, positions: 3_721 ... 7_338,
            says: "2016-06-25T19:09:12.000000Z: user #20 applied for project #1: granted "
                + "project #1/35 (reserved until 2016-06-25T19:09:42.000000Z)"),
        Place(
            position: 9_002, batch: 2, positions: 7_339 ... 10_934,
            says: "2016-07-28T23:14:20.000000Z: user #15 repossessed: windowExpired "
                + "project #1/88 (session 8980, now idle)"),
        Place(
            position: 20_000, batch: 5, positions: 18_116 ... 21_736,
            says: "2016-09-27T21:46:25.000000Z: user #4 disconnected: waiting project #1/29 "
                + "(session 19995, waiting until 2016-09-27T21:47:55.000000Z)"),
        Place(
            position: 44_733, batch: 12, positions: 43_251 ... 44_733,
            says: "2017-02-28T23:28:57.000000Z: user #4 disconnected: stale project #1/99 "
                + "(session 44722, about session 44695)"),
    ]

    /// A ledger of the trace, what was said of it by those who kept its head, and its key.
    private struct Fixture {
        let scratch: Scratch
        let key: String
        var origin: String { String(key.prefix { $0 != "+" }) }
        var kept: String { scratch.path + "/kept" }

        init(_ scratch: Scratch) async throws {
            self.scratch = scratch
            let trace = try #require(Traces.path("chat-a.csv"))
            let ending = try await scratch.run([
                "import", trace, "--project", "cap-demo", "--concurrencies", "110",
                "--reconnect-window", "90s", "--json", "--data", scratch.data,
            ])
            try #require(ending.status == 0, "\(ending.errors)")
            key = try await scratch.done("head", "--public-key").only
        }

        func write(_ text: String, _ name: String) throws -> String {
            let path = scratch.path + "/" + name
            try text.write(toFile: path, atomically: false, encoding: .utf8)
            return path
        }

        /// What the product and the other implementation say of a proof. They must agree.
        func check(
            _ proof: String, kept: Bool
        ) async throws -> (here: Ending, there: [String: Any]) {
            let path = try write(proof, "proof")
            let more = kept ? ["--kept", self.kept] : []
            let here = try await scratch.run(["check-proof", path, "--key", key] + more)
            let script = URL(filePath: #filePath).deletingLastPathComponent()
                .deletingLastPathComponent().appending(path: "ProofsTests/proof_check.py").path
            let words = ["python3", "-B", script, "check", path, "--key", key] + more
            let there = try await scratch.start(
                shell: words.map { "'\($0)'" }.joined(separator: " ")
            ).wait()
            let verdict = try object(there.outputLines.only)
            #expect(there.status == here.status && there.errors == "", "\(there.errors)")
            #expect(verdict["valid"] as? Bool == (here.status == 0), "\(verdict)")
            return (here, verdict)
        }

        func prove(_ words: String...) async throws -> String {
            let ending = try await scratch.run(["prove", "--data", scratch.data] + words)
            try #require(ending.status == 0 && ending.errors == "", "\(ending.errors)")
            return ending.output
        }
    }

    @Test func whatTheTraceComesToIsProved() async throws {
        try await Scratch.with { scratch in
            let fixture = try await Fixture(scratch)
            let head = try await scratch.run(["head", "--data", scratch.data])
            let lines = head.output.components(separatedBy: "\n")
            #expect(lines[0] == fixture.origin && lines[1] == "13")
            #expect(lines[3] == "position 44733" && lines[4] == "time 2017-02-28T23:28:57.000000Z")
            let kept = "received 2017-03-01T00:00:00Z\n" + head.output
            #expect(try fixture.write(kept, "kept") == fixture.kept)

            for place in Self.places {
                let proof = try await fixture.prove("\(place.position)")
                let (here, there) = try await fixture.check(proof, kept: false)
                try expect(here, place, fixture, size: 13, position: 44_733)
                #expect(here.outputLines.last?.hasPrefix("signed by the log's owner alone") == true)
                #expect(there["size"] as? Int == 13 && there["kept"] is NSNull)
                try expectRecord(there, proof)
            }
            try await expectTheEventOfTheHistory(fixture, at: 20_000)
            try await expectGrowth(fixture)
        }
    }

    private func expect(
        _ ending: Ending, _ place: Place, _ fixture: Fixture, size: Int, position: Int
    ) throws {
        #expect(ending.status == 0 && ending.errors == "", "\(ending.errors)")
        let lines = ending.outputLines
        try #require(lines.count == 3, "\(lines)")
        #expect(lines[0] == "holds: position \(place.position) at \(place.says)")
        #expect(
            lines[1] == "it is in batch \(place.batch) (positions \(place.positions.lowerBound) to "
                + "\(place.positions.upperBound)) under the head of \(fixture.origin) with \(size) "
                + "batches, position \(position)")
    }

    /// The other implementation read the record that the proof holds out of the batch.
    private func expectRecord(_ there: [String: Any], _ proof: String) throws {
        let record = try #require(
            (try object(proof)["record"] as? String).flatMap { Data(base64Encoded: $0) })
        #expect(record.count == 80)
        let text = record.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        #expect(there["record"] as? String == text)
    }

    /// What is proved is what the history shows, names aside: those are in nobody's proof.
    private func expectTheEventOfTheHistory(_ fixture: Fixture, at position: Int) async throws {
        let path = try fixture.write(try await fixture.prove("\(position)"), "proof")
        let report = try object(
            try await fixture.scratch.run(
                ["check-proof", path, "--key", fixture.key, "--json"]
            ).outputLines.only)
        var proved = try #require(report["event"] as? [String: Any])
        var shown = try object(
            try await fixture.scratch.done(
                "history", "--since", "\(position)", "--until", "\(position)", "--json").only)
        for name in ["user", "project", "askedProject"] {
            #expect(proved[name] is NSNull)
            (proved[name], shown[name]) = (nil, nil)
        }
        #expect(NSDictionary(dictionary: proved) == NSDictionary(dictionary: shown))
        #expect(report["leafIndex"] as? Int == 5 && report["batchFirst"] as? Int == 18_116)
    }

    /// The log goes on: it is proved to begin with what was kept, and every event to have been in
    /// it then. What came later is proved, but nobody vouches for it.
    private func expectGrowth(_ fixture: Fixture) async throws {
        let freed = try await fixture.scratch.done("destroy", "59e154e51902")
        #expect(
            freed == ["59e154e51902 destroyed: freed cap-demo/31 (session 44732, now idle)"])
        let grown = try await fixture.prove("--from", fixture.kept)
        let (here, there) = try await fixture.check(grown, kept: true)
        #expect(
            here.outputLines == [
                "holds: the log of the head of \(fixture.origin) with 15 batches, position 44735 "
                    + "begins with all 13 batches of the older head",
                "kept by others: the head of 13 batches in line 2 of \(fixture.kept) (received "
                    + "2017-03-01T00:00:00Z)",
            ])
        #expect(there["size"] as? Int == 15 && there["kept"] as? Int == 13)
        for place in Self.places.suffix(2) {
            let proof = try await fixture.prove("\(place.position)", "--from", fixture.kept)
            let (here, there) = try await fixture.check(proof, kept: true)
            try expect(here, place, fixture, size: 15, position: 44_735)
            #expect(here.outputLines.last?.hasPrefix("kept by others: the head of 13") == true)
            #expect(there["kept"] as? Int == 13)
        }
        let late = try await fixture.prove("44735", "--from", fixture.kept)
        let checked = try await fixture.check(late, kept: true)
        #expect(checked.here.status == 0 && checked.there["kept"] is NSNull)
        #expect(!checked.here.output.contains("kept by others: the head of 13"))
        try await expectEditsRefused(
            fixture, try await fixture.prove("20000", "--from", fixture.kept), grown)
    }

    /// Each member of the two proofs changed: neither implementation takes it.
    private func expectEditsRefused(
        _ fixture: Fixture, _ inclusion: String, _ consistency: String
    ) async throws {
        /// One bit of something in base64.
        func flipped(_ text: Any?, at index: Int) throws -> String {
            var data = try #require((text as? String).flatMap { Data(base64Encoded: $0) })
            data[index] ^= 1
            return data.base64EncodedString()
        }
        func replaced(_ text: Any?, _ old: String, _ new: String) throws -> String {
            let text = try #require(text as? String)
            #expect(text.contains(old))
            return text.replacingOccurrences(of: old, with: new)
        }
        func path(_ path: Any?) throws -> [String] { try #require(path as? [String]) }
        let edits: [(name: String, proof: String, edit: (inout [String: Any]) throws -> Void)] = [
            ("the outcome", inclusion, { $0["record"] = try flipped($0["record"], at: 1) }),
            ("the batch", inclusion, { $0["batch"] = try flipped($0["batch"], at: 5_000) }),
            ("the leaf", inclusion, { $0["leafIndex"] = 6 }),
            (
                "the head", inclusion,
                { $0["head"] = try replaced($0["head"], "position 44735", "position 44736") }
            ),
            ("the path", consistency, { $0["path"] = Array(try path($0["path"]).reversed()) }),
            (
                "the older head", consistency,
                { $0["oldHead"] = try replaced($0["oldHead"], "\n13\n", "\n12\n") }
            ),
        ]
        for (name, proof, edit) in edits {
            var edited = try object(proof)
            // Written anew and unchanged it holds.
            let same = try JSONSerialization.data(withJSONObject: edited)
            let whole = try fixture.write(String(decoding: same, as: UTF8.self), "same")
            let sound = try await fixture.scratch.run(["check-proof", whole, "--key", fixture.key])
            #expect(sound.status == 0, "\(name): \(sound.errors)")
            try edit(&edited)
            let changed = try JSONSerialization.data(withJSONObject: edited)
            let (here, _) = try await fixture.check(
                String(decoding: changed, as: UTF8.self), kept: true)
            here.expectOneError(status: 1)
        }
    }
}
