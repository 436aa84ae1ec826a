import JSON
import LogForge
import Proofs
import Testing

/// What this implementation makes, another one checks, and the other way round. The other one is
/// proof_check.py beside this file, written from the standards and docs/proofs.md.
@Suite struct SecondImplementationTests {
    @Test func itKnowsTheStandardsAnswers() throws {
        let ending = try SecondImplementation.run(["self-test"])
        #expect(ending.status == 0, "\(ending.errors)")
    }

    @Test func whatItMakesHoldsHereAndWhatItForgesDoesNot() throws {
        let seed = SeededGenerator.announced(503, for: "proofs of the second implementation")
        let ending = try SecondImplementation.run(["make", "\(seed)"])
        try #require(ending.status == 0, "\(ending.errors)")
        var counts: [String: Int] = [:]
        for line in ending.lines {
            let question = try JSONValue.parse(Array(line.utf8))
            guard case .string(let kind) = question["ask"],
                case .bool(let holds) = question["holds"]
            else {
                Issue.record("no question: \(line)")
                continue
            }
            #expect(try answer(question, kind) == holds, "\(line)")
            counts["\(kind) \(holds)", default: 0] += 1
        }
        #expect(counts.count == 8 && counts.values.allSatisfy { $0 >= 8 }, "\(counts)")
    }

    private func answer(_ question: JSONValue, _ kind: String) throws -> Bool {
        func text(_ name: String) throws -> String {
            guard case .string(let text) = question[name] else { throw Missing(name: name) }
            return text
        }
        func number(_ name: String) throws -> UInt64 {
            guard case .unsigned(let number) = question[name] else { throw Missing(name: name) }
            return number
        }
        func hash(_ name: String) throws -> TreeHash {
            try #require(TreeHash(base64: try text(name)))
        }
        func path() throws -> [TreeHash] {
            guard case .array(let elements) = question["path"] else { throw Missing(name: "path") }
            return elements.compactMap {
                if case .string(let text) = $0 { TreeHash(base64: text) } else { nil }
            }
        }
        switch kind {
        case "inclusion":
            return TreeProof.root(
                from: try hash("leaf"), at: try number("index"), size: try number("size"),
                path: try path()) == (try hash("root"))
        case "consistency":
            return TreeProof.isConsistent(
                oldSize: try number("old"), oldRoot: try hash("oldRoot"),
                size: try number("size"), root: try hash("root"), path: try path())
        case "head":
            let signed = try SignedHead(Array(try text("note").utf8))
            return (try? signed.check(VerifierKey(try text("key")))) != nil
        default:
            let note = try SignedNote(Array(try text("note").utf8))
            return note.verdict(of: try VerifierKey(try text("key")))
                == .valid(unixTime: try number("time"))
        }
    }

    private struct Missing: Error { var name: String }

    @Test func whatIsMadeHereHoldsThere() throws {
        let seed = SeededGenerator.announced(504, for: "proofs for the second implementation")
        var generator = SeededGenerator(seed: seed)
        var questions: [UInt8] = []
        var expected: [Bool] = []
        for _ in 0 ..< 200 {
            let size = UInt64(1 + generator.below(300))
            let leaves = (0 ..< size).map { TreeHash.leaf([UInt8($0 & 255), UInt8($0 >> 8)]) }
            let index = UInt64(generator.below(Int(size)))
            let old = 1 + UInt64(generator.below(Int(size)))
            let inclusion = TreeRange.inclusion(of: index, in: size)
            let consistency = TreeRange.consistency(from: old, to: size)
            var hasher = TreeHasher(keeping: inclusion + consistency + [TreeRange(0, old)])
            for leaf in leaves { hasher.append(leaf) }
            for isSpoiled in [false, true] {
                func path(_ ranges: [TreeRange]) throws -> [String] {
                    var path = try ranges.map { try #require(hasher.hash(of: $0)) }
                    if isSpoiled { path.append(.leaf([1])) }
                    return path.map(\.description)
                }
                let paths = (try path(inclusion), try path(consistency))
                questions += JSONObjectWriter.bytes { object in
                    object.string("ask", "inclusion")
                    object.string("leaf", leaves[Int(index)].description)
                    object.unsigned("index", index)
                    object.unsigned("size", size)
                    object.string("root", hasher.root.description)
                    object.strings("path", paths.0)
                }
                questions.append(0x0A)
                questions += JSONObjectWriter.bytes { object in
                    object.string("ask", "consistency")
                    object.unsigned("old", old)
                    object.string("oldRoot", hasher.hash(of: TreeRange(0, old))?.description ?? "")
                    object.unsigned("size", size)
                    object.string("root", hasher.root.description)
                    object.strings("path", paths.1)
                }
                questions.append(0x0A)
                expected += [!isSpoiled, !isSpoiled]
            }
        }
        let ending = try SecondImplementation.run(["answer"], input: questions)
        #expect(ending.status == 0, "\(ending.errors)")
        #expect(ending.lines == expected.map { "\($0)" })
    }
}
