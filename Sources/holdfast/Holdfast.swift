import ArgumentParser
import Ledger

#if canImport(Glibc)
    // For `stdout`, which only this thread touches at the end.
    @preconcurrency import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The command line. Exit status: 0 done, 1 refused or a check failed, 2 wrong usage. Errors stand
/// on standard error, one line each.
@main
struct Holdfast: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "holdfast",
        abstract: "An event-sourced reconnection ledger for cloud rendering, on LMDB.",
        discussion: """
            A vanished client's render slot waits for the same UserId; every apply, session, \
            disconnect and repossession is an event that nobody can alter unseen.

            EXAMPLES
              holdfast project set cap-demo --concurrencies 60 --data ./ledger
              holdfast serve --data ./ledger --listen 127.0.0.1:8080
              holdfast history u1 --data ./ledger

            Reading commands (history, explain, replay, state, diff, stats, whatif, verify, \
            export, tail) work on the data directory of a running server. Completions: \
            holdfast --generate-completion-script bash|zsh|fish.
            """,
        version: HoldfastVersion.text,
        subcommands: [
            Serve.self, ProjectCommand.self, CredentialCommand.self,
            ApplyCommand.self, SessionCommand.self, DisconnectCommand.self, DestroyCommand.self,
            RepossessCommand.self, ForgetCommand.self,
            HistoryCommand.self, ExplainCommand.self, StateCommand.self, DiffCommand.self,
            ReplayCommand.self, WhatIfCommand.self, StatsCommand.self, TailCommand.self,
            VerifyCommand.self, HeadCommand.self, ProveCommand.self, CheckProofCommand.self,
            ExportCommand.self, ImportCommand.self, BackupCommand.self, RestoreCommand.self,
            SalvageCommand.self, RebuildCommand.self, GenerateCommand.self, StormCommand.self,
            VersionCommand.self,
        ])

    static func main() async {
        // A reader that goes away (history | head) ends us quietly.
        signal(SIGPIPE, SIG_DFL)
        openStandardDescriptors()
        refuseMalformedArguments()
        if let fault = UsageText.fault(of: named) {
            Terminal.error(fault)
            leave(2)
        }
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            leave(0)
        } catch { exit(with: error) }
    }

    /// A file of the ledger must never get a number that something prints to.
    private static func openStandardDescriptors() {
        for descriptor in STDIN_FILENO ... STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            _ = open("/dev/null", O_RDWR)
        }
    }

    /// The command that was typed.
    private static var named: UsageText.Named {
        UsageText.command(in: CommandLine.arguments.dropFirst())
    }

    /// Names are compared byte by byte: one that is not UTF-8 must not be mended into another.
    private static func refuseMalformedArguments() {
        guard CommandLine.argc > 0 else {
            Terminal.error("the arguments cannot be read: /proc is not mounted here")
            leave(2)
        }
        for index in 1 ..< max(1, Int(CommandLine.argc)) {
            guard let argument = CommandLine.unsafeArgv[index] else { continue }
            if String(validatingCString: argument) == nil {
                Terminal.error("argument \(index) is not UTF-8; names and paths are UTF-8 here")
                leave(2)
            }
        }
    }

    private static func exit(with error: any Error) -> Never {
        if let failure = error as? CheckFailed {
            if let message = failure.message { Terminal.error(message) }
            leave(1)
        }
        let code = exitCode(for: error)
        if code == .success {
            print(fullMessage(for: error))
            leave(0)
        }
        if error is ExitCode { leave(code.rawValue) }
        // What the argument parser refused is usage; everything else is a refusal of the work.
        let message = message(for: error)
        if code == .validationFailure {
            Terminal.error("\(UsageText.withForm(message)); \(UsageText.help(named.path))")
            leave(2)
        }
        Terminal.error(message)
        leave(1)
    }
}

/// What was printed has to have arrived, or the command was not done.
private func leave(_ status: Int32) -> Never {
    errno = 0
    let isFlushed = fflush(stdout) == 0
    let cause = errno
    fflush(nil)
    if status == 0, !isFlushed || ferror(stdout) != 0 {
        let reason = cause == 0 ? "" : ": " + String(cString: strerror(cause))
        Terminal.error("cannot write to standard output\(reason)")
        exit(1)
    }
    exit(status)
}
