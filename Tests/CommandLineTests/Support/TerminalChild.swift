import Foundation
import Glibc
import Testing

/// The program on a pseudo-terminal of its own, which somebody types at and looks at.
final class TerminalChild {
    let pid: pid_t
    private let controller: Int32
    /// Our own hold on the terminal: it stays, and can be asked how it is set.
    private let terminal: Int32
    private let before: termios
    private(set) var screen: TerminalScreen
    private(set) var bytes: [UInt8] = []
    private var hasEnded = false

    init(
        _ arguments: [String], columns: Int, rows: Int, environment: [String: String] = [:]
    ) throws {
        screen = TerminalScreen(columns: columns, rows: rows)
        // What posix_openpt, unlockpt and ptsname do; they hide behind a macro of the headers.
        controller = open("/dev/ptmx", O_RDWR | O_NOCTTY)
        var (isLocked, number): (Int32, UInt32) = (0, 0)
        try #require(
            controller >= 0 && ioctl(controller, Self.setLock, &isLocked) == 0
                && ioctl(controller, Self.getNumber, &number) == 0)
        let path = "/dev/pts/\(number)"
        terminal = open(path, O_RDWR | O_NOCTTY)
        try #require(terminal >= 0)
        var settings = termios()
        tcgetattr(terminal, &settings)
        before = settings
        _ = fcntl(controller, F_SETFL, O_NONBLOCK)
        for descriptor in [controller, terminal] { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        Self.resize(controller, columns, rows)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] {
            posix_spawn_file_actions_addopen(&actions, descriptor, path, O_RDWR, 0)
        }
        var attributes = try Child.plainSignals()
        defer { posix_spawnattr_destroy(&attributes) }
        let words = ([Program.path] + arguments).map { strdup($0) } + [nil]
        var variables = ["TERM": "xterm-256color"]
        for name in ["PATH", "LD_LIBRARY_PATH"] {
            variables[name] = getenv(name).map { String(cString: $0) }
        }
        variables.merge(environment) { $1 }
        let list = variables.map { strdup("\($0)=\($1)") } + [nil]
        defer { for text in words + list { free(text) } }
        var pid: pid_t = 0
        try #require(posix_spawn(&pid, Program.path, &actions, &attributes, words, list) == 0)
        self.pid = pid
    }

    deinit {
        if !hasEnded {
            kill(pid, SIGKILL)
            var status: Int32 = 0
            _ = waitpid(pid, &status, 0)
        }
        close(controller)
        close(terminal)
    }

    /// TIOCSPTLCK and TIOCGPTN of <asm-generic/ioctls.h>.
    private static let (setLock, getNumber): (UInt, UInt) = (0x4004_5431, 0x8004_5430)

    private static func resize(_ descriptor: Int32, _ columns: Int, _ rows: Int) {
        var size = winsize()
        size.ws_col = UInt16(columns)
        size.ws_row = UInt16(rows)
        _ = ioctl(descriptor, UInt(TIOCSWINSZ), &size)
    }

    /// Makes the terminal larger or smaller, and tells the program as a window would.
    func resize(columns: Int, rows: Int) {
        screen.resize(columns: columns, rows: rows)
        Self.resize(controller, columns, rows)
        kill(pid, SIGWINCH)
    }

    func type(_ text: String) throws {
        let bytes = Array(text.utf8)
        try #require(write(controller, bytes, bytes.count) == bytes.count)
    }

    func send(_ signal: Int32) { kill(pid, signal) }

    /// Whether the terminal is set as it was before the program started.
    var isRestored: Bool {
        var now = termios()
        tcgetattr(terminal, &now)
        return now.c_lflag == before.c_lflag && now.c_iflag == before.c_iflag
            && now.c_oflag == before.c_oflag && now.c_cflag == before.c_cflag
    }

    /// Takes in what the program wrote. False once it has ended and all is read.
    private func pump() -> Bool {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(controller, &buffer, buffer.count)
            if count <= 0 { return !hasEnded }
            bytes += buffer[..<count]
            screen.take(buffer[..<count])
        }
    }

    /// Waits until the screen shows something.
    func wait(
        _ what: String, sourceLocation: SourceLocation = #_sourceLocation,
        until isThere: (TerminalScreen) -> Bool
    ) async throws {
        let end = ContinuousClock.now + .seconds(30)
        while true {
            let isRunning = pump()
            if isThere(screen) { return }
            try #require(
                isRunning && ContinuousClock.now < end,
                "never came: \(what)\n\(screen.text)", sourceLocation: sourceLocation)
            var status: Int32 = 0
            if !hasEnded, waitpid(pid, &status, WNOHANG) == pid { hasEnded = true }
            try await Task.sleep(for: .milliseconds(3))
        }
    }

    /// Waits until the screen holds a text.
    func wait(
        for text: String, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        try await wait(text, sourceLocation: sourceLocation) { $0.text.contains(text) }
    }

    /// Waits for the end and returns the status; 1000 plus the signal's number if one ended it.
    func end() async throws -> Int32 {
        let end = ContinuousClock.now + .seconds(30)
        var status: Int32 = 0
        while waitpid(pid, &status, WNOHANG) == 0 {
            _ = pump()
            try #require(ContinuousClock.now < end, "still running\n\(screen.text)")
            try await Task.sleep(for: .milliseconds(3))
        }
        hasEnded = true
        _ = pump()
        let signal = status & 0x7F
        return signal == 0 ? (status >> 8) & 0xFF : 1000 + signal
    }
}
