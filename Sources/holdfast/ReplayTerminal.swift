import Audit

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The terminal around a `ReplaySession`: raw mode, keys, signals, and the screen drawn with escape
/// sequences that every terminal since the VT220 knows. Whatever ends it, the terminal is as it was
/// before.
final class ReplayTerminal {
    private let session: ReplaySession
    private var decoder = ReplayKeyDecoder()
    private var shown: [[ReplaySegment]] = []
    private var size = ReplaySize(columns: 0, rows: 0)
    /// A signal that ends the view, once the terminal is restored.
    private var endingSignal: Int32?
    private let hasColor = Terminal.isColorWanted

    /// How long an escape byte may stand alone before it is the escape key, in milliseconds.
    private static let escapeWait: Int32 = 60

    init(_ session: ReplaySession) { self.session = session }

    /// Shows the view until somebody leaves it. Throws what reading the ledger throws.
    func run() throws {
        try TerminalMode.enter()
        defer { TerminalMode.leave() }
        session.progress = { [unowned self] text in try showProgress(text) }
        try loop()
        if let endingSignal {
            TerminalMode.leave()
            signal(endingSignal, SIG_DFL)
            raise(endingSignal)
        }
    }

    private func loop() throws {
        try draw()
        while endingSignal == nil {
            let input = wait(decoder.isWaiting ? Self.escapeWait : -1)
            if input.isClosed { return }
            let keys = input.bytes.isEmpty ? decoder.flush() : decoder.keys(in: input.bytes)
            for key in keys {
                switch key {
                case .interrupt: endingSignal = SIGINT
                case .suspend: try suspend()
                case .redraw: shown = []
                default: if try !session.press(key) { return }
                }
                if endingSignal != nil { return }
            }
            try draw()
        }
    }

    // MARK: - Input

    /// What came from the terminal, after a wait; signals are taken on the way. Empty if only a
    /// signal or the end of the wait came.
    private func wait(_ milliseconds: Int32) -> (bytes: [UInt8], isClosed: Bool) {
        var descriptors = [
            pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0),
            pollfd(fd: TerminalMode.signals, events: Int16(POLLIN), revents: 0),
        ]
        guard poll(&descriptors, 2, milliseconds) > 0 else { return ([], false) }
        takeSignals()
        guard descriptors[0].revents != 0 else { return ([], false) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = read(STDIN_FILENO, &buffer, buffer.count)
        if count > 0 { return (Array(buffer[..<count]), false) }
        return ([], count == 0 || (errno != EINTR && errno != EAGAIN))
    }

    private func takeSignals() {
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = read(TerminalMode.signals, &buffer, buffer.count)
        for byte in buffer.prefix(max(0, count)) where Int32(byte) != SIGWINCH {
            endingSignal = Int32(byte)
        }
    }

    /// Long work tells how far it is, and ends if anything is pressed.
    private func showProgress(_ text: String) throws {
        let input = wait(0)
        if input.bytes.contains(0x03) { endingSignal = SIGINT }
        if endingSignal != nil || input.isClosed || !input.bytes.isEmpty {
            throw ReplayInterrupted()
        }
        let line = DisplayText.padded(" " + text, to: max(1, size.columns))
        Self.write("\u{1B}[\(max(1, size.rows));1H\u{1B}[0m\(line)")
        if !shown.isEmpty { shown[shown.count - 1] = [] }
    }

    /// Ctrl-Z: the shell has the terminal until it continues us.
    private func suspend() throws {
        TerminalMode.leave()
        signal(SIGTSTP, SIG_DFL)
        raise(SIGTSTP)
        try TerminalMode.enter()
        shown = []
    }

    // MARK: - Output

    private func draw() throws {
        let size = TerminalMode.size
        var output = ""
        if size != self.size || shown.count != size.rows {
            self.size = size
            shown = Array(repeating: [], count: size.rows)
            output += "\u{1B}[0m\u{1B}[2J"
        }
        let lines = try session.screen(size)
        for (row, line) in lines.enumerated() where row < size.rows && line != shown[row] {
            output += "\u{1B}[\(row + 1);1H\u{1B}[0m\u{1B}[K"
            for segment in line where !segment.text.isEmpty {
                output += "\u{1B}[\(row + 1);\(segment.column + 1)H" + code(segment.style)
                output += segment.text + "\u{1B}[0m"
            }
            shown[row] = line
        }
        if !output.isEmpty { Self.write(output) }
    }

    private func code(_ style: ReplayStyle) -> String {
        var codes: [String] = []
        if style.isBold { codes.append("1") }
        if style.isDim { codes.append("2") }
        if style.isInverse { codes.append("7") }
        if hasColor, let tone = Paint.code(style.tone) { codes.append(tone) }
        return codes.isEmpty ? "" : "\u{1B}[\(codes.joined(separator: ";"))m"
    }

    fileprivate static func write(_ text: String) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { send(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count > 0 {
                bytes = bytes.dropFirst(count)
            } else if errno != EINTR && errno != EAGAIN {
                return
            }
        }
    }

    private static func send(_ to: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
        #if canImport(Glibc)
            Glibc.write(to, bytes, count)
        #else
            Darwin.write(to, bytes, count)
        #endif
    }
}

/// What the terminal was like, and the way back to it: also for a signal handler, which may call
/// little more than `write` and `tcsetattr`.
private enum TerminalMode {
    private nonisolated(unsafe) static var before = termios()
    private nonisolated(unsafe) static var isEntered = false
    private nonisolated(unsafe) static var pipeEnds: (read: Int32, write: Int32) = (-1, -1)

    /// Alternate screen, cursor hidden, no line wrap; and back.
    private static let enterText = "\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l\u{1B}[2J"
    private static let leaveText: StaticString =
        "\u{1B}[0m\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l"

    /// Signals that ended up here, a byte each.
    static var signals: Int32 { pipeEnds.read }

    static var size: ReplaySize {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0
        else { return ReplaySize(columns: 80, rows: 24) }
        return ReplaySize(columns: Int(size.ws_col), rows: Int(size.ws_row))
    }

    static func enter() throws {
        guard tcgetattr(STDIN_FILENO, &before) == 0 else {
            throw CheckFailed(
                message: "cannot use the terminal: \(String(cString: strerror(errno))); print "
                    + "with --from and --to instead")
        }
        if pipeEnds.read < 0 {
            var ends: [Int32] = [-1, -1]
            guard pipe(&ends) == 0 else {
                throw CheckFailed(
                    message: "cannot make a pipe: \(String(cString: strerror(errno)))")
            }
            for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
            pipeEnds = (ends[0], ends[1])
        }
        isEntered = true
        var raw = before
        cfmakeraw(&raw)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &raw)
        // What ends the program otherwise is told to the loop, which restores the terminal first.
        for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH] {
            signal(number) { number in
                var byte = UInt8(truncatingIfNeeded: number)
                _ = write(TerminalMode.pipeEnds.write, &byte, 1)
            }
        }
        // A fault of the program must not cost anybody the terminal.
        for number in [SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGABRT, SIGFPE] {
            signal(number) { number in
                TerminalMode.leave()
                signal(number, SIG_DFL)
                raise(number)
            }
        }
        ReplayTerminal.write(enterText)
    }

    static func leave() {
        guard isEntered else { return }
        isEntered = false
        _ = write(STDOUT_FILENO, leaveText.utf8Start, leaveText.utf8CodeUnitCount)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &before)
    }
}
