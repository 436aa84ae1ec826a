import Foundation
import Glibc
import Testing

/// The holdfast binary that was built beside this test bundle.
enum Program {
    static let path: String = {
        let bundle = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        return bundle.deletingLastPathComponent().appendingPathComponent("holdfast").path
    }()

    /// The program drops to this user where a test needs one without rights.
    static let nobody = "65534"

    /// Whether a test can run the program without rights to a directory: by taking them away where
    /// it runs as root, and anyhow where it does not.
    static let canRunWithoutRights: Bool = {
        if geteuid() != 0 { return true }
        let probe = URL(fileURLWithPath: "/tmp/holdfast-command-probe-\(getpid())").path
        defer { unlink(probe) }
        guard let child = try? Child(["version"], io: probe, asNobody: true) else { return false }
        defer { for suffix in [".out", ".err"] { unlink(probe + suffix) } }
        return child.waitBlocking() == 0
    }()
}

/// What a program that ended left.
struct Ending: Sendable {
    /// The exit status; 1000 plus the signal's number if a signal ended it.
    var status: Int32
    var output: String
    var errors: String

    var outputLines: [String] { lines(output) }
    var errorLines: [String] { lines(errors) }
}

func lines(_ text: String) -> [String] {
    text.split(separator: "\n", omittingEmptySubsequences: true).map(String.init)
}

/// The program in a process of its own, its output in two files. Killed if nobody waited for it.
final class Child {
    let pid: pid_t
    private let io: String
    private var hasEnded = false

    /// - Parameter io: where the files `io.out` and `io.err` are made.
    init(_ arguments: [String], io: String, asNobody: Bool = false, shell: String? = nil) throws {
        self.io = io
        var words = shell.map { ["/bin/sh", "-c", $0] } ?? [Program.path] + arguments
        if asNobody, geteuid() == 0 {
            words = ["/usr/bin/setpriv", "--reuid", Program.nobody, "--regid", Program.nobody]
                + ["--clear-groups", "--"] + words
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let flags = O_WRONLY | O_CREAT | O_TRUNC
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, io + ".out", flags, 0o600)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, io + ".err", flags, 0o600)
        var attributes = try Self.plainSignals()
        defer { posix_spawnattr_destroy(&attributes) }
        let list = words.map { strdup($0) } + [nil]
        let environment = Self.environment.map { strdup($0) } + [nil]
        defer { for text in list + environment { free(text) } }
        var pid: pid_t = 0
        let status = posix_spawn(&pid, words[0], &actions, &attributes, list, environment)
        try #require(status == 0, "cannot start \(words[0]): \(String(cString: strerror(status)))")
        self.pid = pid
    }

    deinit {
        guard !hasEnded else { return }
        kill(pid, SIGKILL)
        _ = waitBlocking()
    }

    /// No signal blocked or ignored, whatever the process of the tests has set.
    static func plainSignals() throws -> posix_spawnattr_t {
        var attributes = posix_spawnattr_t()
        try #require(posix_spawnattr_init(&attributes) == 0)
        var signals = sigset_t()
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGDEF) | Int16(POSIX_SPAWN_SETSIGMASK))
        return attributes
    }

    /// Little, and the same wherever the tests run.
    private static let environment = ["PATH", "LD_LIBRARY_PATH"].compactMap { name -> String? in
        guard let value = getenv(name) else { return nil }
        return "\(name)=\(String(cString: value))"
    }

    var output: String { text(io + ".out") }
    var errors: String { text(io + ".err") }

    func send(_ signal: Int32) { kill(pid, signal) }

    /// Waits for the end; records an issue and kills the process if it takes longer.
    func wait(seconds: Double = 60) async throws -> Ending {
        let clock = ContinuousClock()
        let end = clock.now + .seconds(seconds)
        var status: Int32 = 0
        while waitpid(pid, &status, WNOHANG) == 0 {
            if clock.now >= end {
                Issue.record("the program still runs after \(seconds) s: \(output)\(errors)")
                kill(pid, SIGKILL)
                _ = waitpid(pid, &status, 0)
                break
            }
            try await Task.sleep(for: .milliseconds(4))
        }
        hasEnded = true
        return Ending(status: Self.code(status), output: output, errors: errors)
    }

    /// Waits until something shows on standard output or error, or the process ends.
    func wait(seconds: Double = 20, until isThere: (Child) -> Bool) async throws {
        let clock = ContinuousClock()
        let end = clock.now + .seconds(seconds)
        while !isThere(self) {
            var state = siginfo_t()
            let look = waitid(P_PID, id_t(pid), &state, WEXITED | WNOHANG | WNOWAIT)
            let isGone = look == 0 && state.si_signo == SIGCHLD
            let isLate = clock.now >= end
            if isGone || isLate {
                if isThere(self) { return }
                try #require(
                    Bool(false),
                    "\(isGone ? "the program ended" : "nothing came"): \(output)\(errors)")
            }
            try await Task.sleep(for: .milliseconds(4))
        }
    }

    func waitBlocking() -> Int32 {
        var status: Int32 = 0
        _ = waitpid(pid, &status, 0)
        hasEnded = true
        return Self.code(status)
    }

    private static func code(_ status: Int32) -> Int32 {
        let signal = status & 0x7F
        return signal == 0 ? (status >> 8) & 0xFF : 1000 + signal
    }

    private func text(_ path: String) -> String {
        let content = try? Data(contentsOf: URL(fileURLWithPath: path))
        return String(decoding: content ?? Data(), as: UTF8.self)
    }
}
