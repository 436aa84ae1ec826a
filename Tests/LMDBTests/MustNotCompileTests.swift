import Glibc
import Testing

/// The rules of LMDB that the compiler keeps. Each fixture in `MustNotCompile` begins with a
/// comment: `error:` and words of the diagnostic it must cause, or `compiles`.
@Suite struct MustNotCompileTests {
    private static let folder: String = {
        let here = #filePath
        return "\(here[..<here.lastIndex(of: "/")!])/MustNotCompile"
    }()

    @Test(arguments: [
        "control", "view-kept-across-put", "view-kept-across-renew", "view-outlives-transaction",
        "commit-under-view", "used-after-commit", "write-in-async-code",
        "cursor-outlives-transaction", "put-under-cursor", "value-kept-across-move",
        "shared-between-tasks",
    ])
    func fixture(name: String) throws {
        let path = "\(Self.folder)/\(name).swift.txt"
        let source = String(decoding: try readFile(path), as: UTF8.self)
        let expectation = try #require(source.split(separator: "\n").first)
        let (status, output) = try compile(path)
        if expectation == "// compiles" {
            #expect(status == 0, "\(output)")
            return
        }
        try #require(expectation.hasPrefix("// error: "))
        #expect(status != 0)
        let words = expectation.dropFirst("// error: ".count)
        let errors = output.split(separator: "\n").filter { $0.contains("error: ") }
        #expect(errors.contains { $0.contains(words) }, "\(output)")
        // Another error would hide a fixture that no longer tests what it says.
        #expect(!output.contains("cannot find"), "\(output)")
    }

    /// Compiles as far as the checks of ownership and lifetimes, which `-typecheck` leaves out.
    private func compile(_ path: String) throws -> (status: Int32, output: String) {
        let modules = try #require(buildDirectory) + "/Modules"
        let headers = "\(Self.folder)/../../../Sources/CLMDB"
        let command = """
            swiftc -emit-sil -o /dev/null -swift-version 6 -module-name Fixture \
            -I '\(modules)' -I '\(headers)' - < '\(path)' 2>&1
            """
        let pipe = try #require(popen(command, "r"))
        var output: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while case let count = fread(&buffer, 1, buffer.count, pipe), count > 0 {
            output += buffer[..<count]
        }
        return (pclose(pipe), String(decoding: output, as: UTF8.self))
    }

    /// Where this test bundle was built, and the modules beside it.
    private var buildDirectory: String? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = buffer.withUnsafeMutableBytes {
            readlink("/proc/self/exe", $0.bindMemory(to: CChar.self).baseAddress!, $0.count)
        }
        guard count > 0 else { return nil }
        let executable = String(decoding: buffer[..<count], as: UTF8.self)
        return executable.lastIndex(of: "/").map { String(executable[..<$0]) }
    }
}
