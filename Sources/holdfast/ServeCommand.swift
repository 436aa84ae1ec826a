import ArgumentParser
import Audit
import CloudAPI
import EventLog
import JSON
import Ledger
import LedgerServer
import Logging
import Proofs

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve the cloud API on a data directory.",
        discussion: """
            Creates the ledger if the directory is empty or missing. The first start creates one \
            credential and prints it once, on standard error. Prints one line on standard output \
            when it accepts requests; ends cleanly on SIGTERM or SIGINT.

            EXAMPLES
              holdfast serve --data ./ledger --listen 127.0.0.1:8080
              holdfast serve --data ./ledger --listen 127.0.0.1:0 --anonymous
              holdfast serve --data ./ledger --publish-heads /mnt/auditor/heads
              holdfast serve --data ./ledger --listen 0.0.0.0:8443 \
                --tls-certificate fullchain.pem --tls-key privkey.pem
            """)

    @OptionGroup var data: DataOption
    @Option(
        name: .long,
        help: ArgumentHelp("Where to listen; port 0 takes any free one.", valueName: "HOST:PORT"))
    var listen = ListenAddress(host: "127.0.0.1", port: 8080)
    @Flag(name: .long, help: "Accept unsigned requests. On a loopback address only.")
    var anonymous = false
    @OptionGroup var transport: TransportOptions
    @OptionGroup var limits: LimitOptions
    @Flag(
        name: .customLong("no-outage-compensation"),
        help: "Do not move running deadlines back by the time the server was down.")
    var withoutCompensation = false
    @OptionGroup var heads: HeadOptions
    @Option(
        name: .long,
        help: ArgumentHelp(
            "What to record of clients' addresses: the network (/24, /48), or all of it.",
            valueName: "none|truncated|full"))
    var clientAddresses = ClientAddressOption.none
    @OptionGroup var checkpoints: CheckpointSpacingOption
    @Option(
        name: .customLong("view-checkpoint-events"),
        help: ArgumentHelp(
            "Write a checkpoint of the view every N events.", valueName: "N",
            visibility: .hidden))
    var viewCheckpointEventCount = LedgerOptions().checkpointEventCount
    @Option(
        name: .long,
        help: ArgumentHelp("The least severe messages to log.", valueName: "LEVEL"))
    var logLevel = LogLevel.notice

    func run() async throws {
        var configuration = HoldfastServer.Configuration()
        configuration.host = listen.host
        configuration.port = listen.port
        configuration.isAnonymous = anonymous
        transport.apply(to: &configuration)
        limits.apply(to: &configuration)
        if anonymous, !configuration.isLoopback {
            throw ServerError(
                .configuration,
                "--anonymous goes with a loopback address only; listen on 127.0.0.1, or leave "
                    + "it out")
        }
        try listen.check()
        try configuration.check()
        OpenFiles.raiseLimit(forConnections: configuration.connectionCountMax)
        let destination = try heads.destination()
        var options = Ledger.Options()
        options.compensatesOutages = !withoutCompensation
        options.clientAddresses = clientAddresses.recording
        options.keptCheckpoints = checkpoints.spacing
        options.checkpointEventCount = max(1, viewCheckpointEventCount)
        options.ownerNote = note(listen.host, listen.port)
        let ledger = try Ledger(opening: data.path, options: options)
        do {
            try await serve(ledger, configuration, publishingTo: destination)
        } catch {
            await ledger.close()
            throw error
        }
        if let failure = ledger.failure { throw failure }
    }

    private func serve(
        _ ledger: Ledger, _ configuration: HoldfastServer.Configuration,
        publishingTo destination: (any HeadDestination)?
    ) async throws {
        let level = logLevel.level
        let logger = Logger(label: "holdfast") { label in
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = level
            return handler
        }
        let server = try HoldfastServer(
            ledger: ledger, configuration: configuration, logger: logger)
        if !anonymous, try server.credentials.list().isEmpty {
            let credential = try server.credentials.create()
            Terminal.note(
                "first start: SecretId \(credential.secretId) SecretKey \(credential.secretKey)\n"
                    + "shown once; make more with holdfast credential create --data \(data.path)")
        }
        let publisher = try heads.publisher(ledger, destination, logger)
        let publishing = Task { await publisher?.run() }
        let path = data.path
        let result: Result<Void, any Error>
        do {
            try await server.run { host, port in
                ledger.directory.writeOwnerNote(note(host, port))
                Terminal.line("holdfast serves \(path) on \(url(host, port))")
            }
            result = .success(())
        } catch { result = .failure(error) }
        publishing.cancel()
        await publishing.value
        // The ledger is closed: this head covers everything that was answered.
        await publisher?.finish()
        try result.get()
    }

    private func note(_ host: String, _ port: Int) -> String {
        ServerNote(url: url(host, port), isAnonymous: anonymous).text
    }

    private func url(_ host: String, _ port: Int) -> String {
        (transport.certificate == nil ? "http://" : "https://") + Self.authority(host, port)
    }

    private static func authority(_ host: String, _ port: Int) -> String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}

/// What a server tells whoever finds its data directory in use.
struct ServerNote {
    var url: String
    /// It takes calls without a signature.
    var isAnonymous: Bool

    init(url: String, isAnonymous: Bool) { (self.url, self.isAnonymous) = (url, isAnonymous) }

    private static let signed = "holdfast serve on "
    private static let anonymous = "holdfast serve --anonymous on "

    var text: String {
        (isAnonymous ? Self.anonymous : Self.signed) + url
            + "; send the action there (POST / with X-TC-Action), or stop it first"
    }

    /// Finds the note in an error's message; nil if no server is in the way.
    init?(in message: String) {
        for (begin, isAnonymous) in [(Self.signed, false), (Self.anonymous, true)] {
            guard let range = message.firstRange(of: begin) else { continue }
            self.init(
                url: String(message[range.upperBound...].prefix { $0 != ";" }),
                isAnonymous: isAnonymous)
            return
        }
        return nil
    }

    /// An action as a line of shell.
    func call(_ action: String, _ members: (inout JSONObjectWriter) -> Void) -> String {
        let body = String(decoding: JSONObjectWriter.bytes(members), as: UTF8.self)
        return "curl -s \(url)/ -H 'Content-Type: application/json' -H 'X-TC-Action: \(action)' "
            + "-H 'X-TC-Version: 2022-01-10' -d '\(body.replacing("'", with: "'\\''"))'"
    }
}

/// How much of clients' addresses is recorded.
enum ClientAddressOption: String, ExpressibleByArgument, CaseIterable {
    case none, truncated, full

    var recording: ClientAddressRecording {
        switch self {
        case .none: .none
        case .truncated: .truncated
        case .full: .full
        }
    }
}

/// The levels of the log, least severe first.
enum LogLevel: String, ExpressibleByArgument, CaseIterable {
    case trace, debug, info, notice, warning, error, critical

    var level: Logger.Level { Logger.Level(rawValue: rawValue) ?? .notice }
}
