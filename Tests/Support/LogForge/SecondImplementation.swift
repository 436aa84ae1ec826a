import Foundation

/// Tests/ProofsTests/proof_check.py: proofs as somebody else would check and make them.
public enum SecondImplementation {
    private static let script = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("ProofsTests/proof_check.py").path

    public struct Ending: Sendable {
        public var status: Int32
        public var output: String
        public var errors: String
        public var lines: [String] { output.split(separator: "\n").map(String.init) }
    }

    /// Runs it to its end.
    public static func run(_ arguments: [String], input: [UInt8] = []) throws -> Ending {
        let scratch = ScratchDirectory()
        Files.write(input, to: scratch("in"))
        for name in ["out", "err"] { Files.write([], to: scratch(name)) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", "-B", script] + arguments
        let handles = try [
            FileHandle(forReadingFrom: URL(fileURLWithPath: scratch("in"))),
            FileHandle(forWritingTo: URL(fileURLWithPath: scratch("out"))),
            FileHandle(forWritingTo: URL(fileURLWithPath: scratch("err"))),
        ]
        process.standardInput = handles[0]
        process.standardOutput = handles[1]
        process.standardError = handles[2]
        try process.run()
        process.waitUntilExit()
        return Ending(
            status: process.terminationStatus,
            output: String(decoding: Files.read(scratch("out")), as: UTF8.self),
            errors: String(decoding: Files.read(scratch("err")), as: UTF8.self))
    }
}
