import Foundation
import Glibc
import Testing
import Turns

/// A directory that is gone after the test, and the program run in it.
struct Scratch {
    let path: String
    /// The data directory most tests use.
    var data: String { path + "/ledger" }

    /// A test waits most of its time, so all would start at once, and their programs with them.
    private static let turns = Turns(4)

    static func with<Result>(_ body: (Scratch) async throws -> Result) async throws -> Result {
        await Self.turns.take()
        defer { Self.turns.giveBack() }
        var template = Array("/tmp/holdfast-command-XXXXXX".utf8CString)
        let path = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer { try? FileManager.default.removeItem(atPath: path) }
        // The way in for a user without rights; the files decide themselves.
        chmod(path, 0o711)
        return try await body(Scratch(path: path))
    }

    func start(_ arguments: [String], asNobody: Bool = false) throws -> Child {
        try Child(
            arguments, io: "\(path)/io-\(UInt32.random(in: .min ... .max))", asNobody: asNobody)
    }

    /// Starts a line of shell.
    func start(shell line: String) throws -> Child {
        try Child([], io: "\(path)/io-\(UInt32.random(in: .min ... .max))", shell: line)
    }

    /// Runs a command to its end.
    func run(_ arguments: [String], asNobody: Bool = false) async throws -> Ending {
        try await start(arguments, asNobody: asNobody).wait()
    }

    /// Runs a command on the data directory; it has to succeed and say nothing on standard error.
    @discardableResult
    func done(
        _ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> [String] {
        let ending = try await run(arguments + ["--data", data])
        #expect(ending.errors == "", sourceLocation: sourceLocation)
        try #require(ending.status == 0, sourceLocation: sourceLocation)
        return ending.outputLines
    }

    /// Runs a command on the data directory that has to be refused, and returns its one line.
    @discardableResult
    func refused(
        _ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> String {
        let ending = try await run(arguments + ["--data", data])
        ending.expectOneError(status: 1, sourceLocation: sourceLocation)
        return ending.errors
    }

    /// Writes a trace of one start and returns its path.
    func writeTrace() throws -> String {
        let trace = path + "/trace.csv"
        let rows = "time,user,connection,action,reason\n2020-01-01T00:00:00Z,a,c1,start,\n"
        try rows.write(toFile: trace, atomically: false, encoding: .utf8)
        chmod(trace, 0o644)
        return trace
    }

    /// The number of events in the log.
    func eventCount() async throws -> Int {
        try #require(try object(await done("stats", "--json").only)["events"] as? Int)
    }
}

extension Ending {
    /// One line on standard error that begins with the program's name, nothing on standard output.
    func expectOneError(status: Int32, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(self.status == status, "\(errors)", sourceLocation: sourceLocation)
        #expect(output == "", sourceLocation: sourceLocation)
        #expect(errors.hasPrefix("holdfast: "), sourceLocation: sourceLocation)
        #expect(
            errors.hasSuffix("\n") && errors.filter { $0.isNewline }.count == 1,
            "not one line: \(errors)", sourceLocation: sourceLocation)
    }
}

extension [String] {
    /// The only line there is.
    var only: String {
        get throws {
            try #require(count == 1, "\(self)")
            return self[0]
        }
    }
}

/// A line that is one JSON object.
func object(_ line: String) throws -> [String: Any] {
    let value = try JSONSerialization.jsonObject(with: Data(line.utf8))
    return try #require(value as? [String: Any], "\(line)")
}

/// Everything below a path: directories with their rights, files with their rights and bytes. Of
/// the lock files only that they are there: who opens a ledger enters itself.
func tree(_ path: String) throws -> [String: Data] {
    var status = stat()
    guard lstat(path, &status) == 0 else { return [:] }
    let rights = String(status.st_mode, radix: 8)
    guard status.st_mode & S_IFMT == S_IFDIR else {
        let isLock = path.hasSuffix("/lock.mdb") || path.hasSuffix("/owner.lock")
        let content = isLock ? Data() : try Data(contentsOf: URL(fileURLWithPath: path))
        return ["\(path) \(rights)": content]
    }
    var entries = ["\(path) \(rights)": Data()]
    for name in try FileManager.default.contentsOfDirectory(atPath: path) {
        entries.merge(try tree("\(path)/\(name)")) { first, _ in first }
    }
    return entries
}
