import Audit
import Foundation
import Ledger
import LogForge
import Proofs
import ReconnectionRules
import Testing

/// docs/audit-library.md: its example is a file of these tests, and does what it says.
@Suite struct LibraryExampleTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    @Test func theExampleAnswers() throws {
        let scratch = ScratchDirectory()
        try importTrace(
            Self.root.appending(path: "docs/on-call-trace.csv").path, into: scratch("data"),
            project: "cap-demo", ProjectChange(concurrencyCount: 2))
        let report = try eveningReport(
            of: "u42", at: "2026-11-23T21:05:00+01:00", in: scratch("data"))
        #expect(
            report == [
                "then: nothing none",
                "lost at 2026-11-23T20:02:52Z, position 13, late: 15 s",
                "a window longer than 105 s was needed",
                "cap-demo/1 went to u9 at 2026-11-23T20:02:55Z, 3 s later. [13, 15]",
                "refused: u42 at 2026-11-23T20:03:07Z", "refused: u42 at 2026-11-23T20:03:20Z",
                "sessions: 3", "events: 23",
            ])
        #expect(try Verifier.verify(DataDirectory(scratch("data"))).eventCount == 23)
    }

    @Test func theEvidenceHoldsElsewhere() throws {
        let scratch = ScratchDirectory()
        let data = scratch("data")
        try importTrace(
            Self.root.appending(path: "docs/on-call-trace.csv").path, into: data,
            project: "cap-demo", ProjectChange(concurrencyCount: 2))
        let evidence = try evidence(of: 13, in: data)
        #expect(
            try proved(evidence.proof, key: evidence.key, kept: evidence.head)
                == "repossessed windowExpired at position 13, and others kept the head")
        #expect(
            try proved(evidence.proof, key: evidence.key, kept: [])
                == "repossessed windowExpired at position 13, says the owner alone")
        let edited = String(decoding: evidence.proof, as: UTF8.self)
            .replacingOccurrences(of: "\"position\":13", with: "\"position\":12")
        #expect(throws: ProofError.self) {
            try proved(Array(edited.utf8), key: evidence.key, kept: [])
        }
    }

    @Test func anExportGoesOnAndOtherWindowsAreCompared() throws {
        let scratch = ScratchDirectory()
        let data = scratch("data")
        try importTrace(
            Self.root.appending(path: "docs/on-call-trace.csv").path, into: data,
            project: "cap-demo", ProjectChange(concurrencyCount: 2))
        let file = scratch("u42.jsonl")
        let count = try export("u42", from: data, to: file)
        let bytes = Files.read(file)
        #expect(count > 0 && bytes.count { $0 == 0x0A } == Int(count))
        let history = try LedgerReader(opening: data).history(ofUser: "u42").reversed()
        #expect(
            bytes == history.flatMap { Array((EventJSON.line($0) + "\n").utf8) })
        #expect(try export("u42", from: data, to: file) == 0)
        #expect(Files.read(file) == bytes)
        #expect(
            try otherWindows([90, 106], in: data) == [
                "90 s: resumed 1 instead of 1; otherwise for: ",
                "106 s: resumed 2 instead of 1; otherwise for: u42, u9",
            ])
    }

    /// With `HOLDFAST_APPROVE=1` the code is written into the page instead.
    @Test(arguments: [
        ("## A worked example", "LibraryExample.swift"),
        ("## Evidence, exports and other settings", "LibraryEvidenceExample.swift"),
    ])
    func thePageShowsTheFile(section: String, file: String) throws {
        let path = Self.root.appending(path: "docs/audit-library.md").path
        let page = String(decoding: Files.read(path), as: UTF8.self)
        let code = String(
            decoding: Files.read(
                URL(filePath: #filePath).deletingLastPathComponent()
                    .appending(path: file).path), as: UTF8.self)
        let heading = try #require(page.range(of: section))
        let start = try #require(
            page.range(of: "```swift\n", range: heading.upperBound ..< page.endIndex))
        let end = try #require(page.range(of: "```\n", range: start.upperBound ..< page.endIndex))
        let shown = page[start.upperBound ..< end.lowerBound]
        if ProcessInfo.processInfo.environment["HOLDFAST_APPROVE"] == "1" {
            var page = page
            page.replaceSubrange(start.upperBound ..< end.lowerBound, with: code)
            Files.write(Array(page.utf8), to: path)
            return
        }
        #expect(String(shown) == code, "docs/audit-library.md shows another example")
    }
}
