import Foundation
import Testing

/// What a command prints has to arrive, and to arrive nowhere else.
@Suite struct StandardOutputTests {
    private func make(_ scratch: Scratch) async throws {
        try await scratch.done("project", "set", "p1", "--concurrencies", "2")
        try await scratch.done("apply", "u1", "--project", "p1")
    }

    private func shell(_ line: String, _ scratch: Scratch) async throws -> Ending {
        let words = line.replacing("holdfast", with: "'\(Program.path)'")
            .replacing("DATA", with: "'\(scratch.data)'")
        return try await scratch.start(shell: words).wait()
    }

    @Test(arguments: [
        "head", "prove 1", "history --json", "stats", "verify --json", "whatif", "state", "tail",
        "diff 1 3", "replay", "explain u1", "project list", "export", "tail -f",
    ])
    func aFullDiskIsAFailure(command: String) async throws {
        try await Scratch.with { scratch in
            try await make(scratch)
            let ending = try await shell("holdfast \(command) --data DATA > /dev/full", scratch)
            ending.expectOneError(status: 1)
            #expect(ending.errors.contains("to standard output"), "\(ending.errors)")
        }
    }

    /// The lowest number that is free would be given to the next file that is opened: the lock file
    /// of the log, for one.
    @Test(arguments: ["history --json", "export", "verify", "apply u2 --project p1"])
    func closedDescriptorsAreNoFilesOfTheLedger(command: String) async throws {
        try await Scratch.with { scratch in
            try await make(scratch)
            let line = "holdfast \(command) --data DATA <&- >&- 2>&-"
            #expect(try await shell(line, scratch).status == 0)
            for (name, content) in try tree(scratch.data) where !name.hasSuffix("data.mdb") {
                #expect(content.range(of: Data("u1".utf8)) == nil, "\(name)")
                #expect(content.range(of: Data("sound".utf8)) == nil, "\(name)")
            }
        }
    }

    @Test func theLastPositionThereCanBeHasNothingBehindIt() async throws {
        try await Scratch.with { scratch in
            try await make(scratch)
            let lines = try await scratch.done("tail", "--after", "\(UInt64.max)")
            #expect(!lines.contains { $0.contains("u1") })
        }
    }
}
