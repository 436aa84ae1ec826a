import Testing

@Suite struct HelpTests {
    static let commands: [[String]] = [
        ["serve"], ["project"], ["project", "set"], ["project", "list"],
        ["credential"], ["credential", "create"], ["credential", "list"],
        ["credential", "rotate"], ["credential", "revoke"],
        ["apply"], ["session"], ["disconnect"], ["destroy"], ["repossess"], ["forget"], ["import"],
        ["export"], ["backup"], ["restore"], ["salvage"],
        ["history"], ["state"], ["stats"], ["tail"], ["verify"], ["rebuild"], ["storm"],
        ["head"], ["prove"], ["check-proof"],
        ["explain"], ["replay"], ["diff"], ["whatif"], ["generate"],
        ["version"],
    ]

    @Test(arguments: [[]] + commands)
    func theHelpShowsAnExampleAndFitsATerminal(command: [String]) async throws {
        try await Scratch.with { scratch in
            let help = try await scratch.run(["help"] + command)
            #expect(help.status == 0)
            #expect(help.errors == "")
            #expect(help.output.contains("EXAMPLE"))
            #expect(help.output.contains("  holdfast \(command.joined(separator: " "))"))
            let flagged = try await scratch.run(command + ["--help"])
            #expect(flagged.status == 0)
            #expect(flagged.output == help.output)
        }
    }

    /// A paragraph that was broken for a wider window shows a line of one or two words.
    @Test(arguments: [[]] + commands)
    func theParagraphsAreNotBrokenTwice(command: [String]) async throws {
        try await Scratch.with { scratch in
            let help = try await scratch.run(["help"] + command).output
            let all = help.split(separator: "\n", omittingEmptySubsequences: false)
                .prefix { !$0.hasPrefix("USAGE:") }
            func isText(_ line: Substring) -> Bool {
                !line.isEmpty && !line.hasPrefix(" ") && !line.hasPrefix("EXAMPLE")
            }
            for (line, next) in zip(all, all.dropFirst()) where isText(line) && isText(next) {
                let word = next.prefix { $0 != " " }
                #expect(line.count + 1 + word.count >= 80, "broken early: \(line)")
            }
        }
    }

    @Test func everyCommandInTheListIsTestedHere() async throws {
        try await Scratch.with { scratch in
            let help = try await scratch.run(["help"]).outputLines
            let list = help.drop { $0 != "SUBCOMMANDS:" }.dropFirst()
            let names = list.compactMap { line -> String? in
                guard line.hasPrefix("  "), !line.hasPrefix("   "), !line.hasPrefix("  See ") else {
                    return nil
                }
                return line.split(separator: " ").first.map(String.init)
            }
            #expect(!names.isEmpty)
            for name in names { #expect(Self.commands.contains([name]), "\(name)") }
        }
    }
}
