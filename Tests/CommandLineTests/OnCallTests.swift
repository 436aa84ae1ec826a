import Foundation
import Testing

/// docs/on-call.md as somebody follows it: its commands are typed, and what they print is what
/// stands there.
///
/// With `HOLDFAST_APPROVE=1` the outputs are written into the page instead, for somebody to read.
@Suite struct OnCallTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
    private static let page = root.appending(path: "docs/on-call.md").path

    @Test func thePageShowsWhatItsCommandsPrint() async throws {
        let text = try String(contentsOfFile: Self.page, encoding: .utf8)
        var written: [String] = []
        try await Scratch.with { scratch in
            let importing = try #require(
                text.split(separator: "\n").first { $0.hasPrefix("holdfast import ") })
            let imported = try await scratch.run(Self.words(importing, scratch))
            #expect(imported.status == 0, "\(imported.errors)")
            var commandCount = 0
            var lines = text.split(separator: "\n", omittingEmptySubsequences: false)[...]
            while let line = lines.popFirst() {
                written.append(String(line))
                guard line == "```console" else { continue }
                // A block is a command and what it prints.
                let end = try #require(lines.firstIndex(of: "```"))
                let block = lines[..<end]
                lines = lines[end...]
                let command = try #require(block.first)
                try #require(command.hasPrefix("$ holdfast "), "\(command)")
                let ending = try await scratch.run(Self.words(command.dropFirst(2), scratch))
                #expect(ending.status == 0 && ending.errors == "", "\(ending.errors)")
                let output = ending.output.split(
                    separator: "\n", omittingEmptySubsequences: false
                ).dropLast()
                written += [String(command)] + output.map(String.init)
                commandCount += 1
                if !Self.isApproving {
                    #expect(Array(block.dropFirst()) == Array(output), "\(command)")
                }
            }
            #expect(commandCount >= 4)
        }
        if Self.isApproving {
            try written.joined(separator: "\n")
                .write(toFile: Self.page, atomically: true, encoding: .utf8)
        }
    }

    private static let isApproving =
        ProcessInfo.processInfo.environment["HOLDFAST_APPROVE"] == "1"

    /// What the shell makes of a line: words, the paths where the test has them.
    private static func words(_ line: some StringProtocol, _ scratch: Scratch) -> [String] {
        line.split(separator: " ").dropFirst().map { word in
            switch word {
            case "./evening": scratch.data
            case _ where word.hasPrefix("docs/"): root.appending(path: String(word)).path
            default: String(word)
            }
        }
    }
}
