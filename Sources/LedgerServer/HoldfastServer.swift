import CloudAPI
public import Ledger
public import Logging
import ServiceLifecycle
import Synchronization
import UnixSignals

/// A ledger behind HTTP: the cloud API at `/`, `/health`, commands in bulk at `/v1/commands`, and
/// the event stream at `/v1/events`.
///
/// ```swift
/// let ledger = try Ledger(opening: "/var/lib/holdfast")
/// let server = try HoldfastServer(ledger: ledger)
/// try await server.run { host, port in print("listening on \(host):\(port)") }
/// ```
public final class HoldfastServer: Sendable {
    public let configuration: Configuration
    /// Who may call.
    public let credentials: CredentialStore
    /// What signs ServerSession tokens.
    public let sessionKey: ServerSessionKey
    private let identity: TLSIdentity?
    private let ledger: Ledger
    private let logger: Logger
    private let isStopping = Latch()
    private let phase = Mutex(Phase.prepared)

    private enum Phase {
        case prepared
        case running(ServiceGroup)
        case stopped
    }

    /// Prepares a server; nothing is listened on yet.
    ///
    /// Reads DIR/credentials.json and DIR/server-session.key, makes the latter if it is missing,
    /// and reads the TLS files. Throws `configuration`, `damaged`, `file` or `tls`.
    public init(
        ledger: Ledger, configuration: Configuration = Configuration(),
        logger: Logger = Logger(label: "holdfast") { StreamLogHandler.standardError(label: $0) }
    ) throws(ServerError) {
        try configuration.check()
        self.configuration = configuration
        self.ledger = ledger
        self.logger = logger
        if let files = configuration.tls {
            identity = try TLSIdentity(files)
        } else {
            identity = nil
        }
        credentials = try CredentialStore(ledger.directory)
        sessionKey = try ServerSessionKey(ledger.directory)
        for path in [ledger.directory.credentials, ledger.directory.serverSessionKey]
        where PrivateFile.stamp(path)?.isOpenToOthers == true {
            logger.warning("others can read \(path); run chmod 600 on it")
        }
        identity?.current.warn(logger)
        if !configuration.isPrivate {
            logger.warning(
                """
                \(configuration.host) is served without TLS: whoever is on the way can read \
                requests and send them again for five minutes
                """)
        }
    }

    /// Serves until SIGTERM or SIGINT arrives or `stop` is called, then closes the ledger. Once.
    ///
    /// At the end it accepts nothing more, closes connections that wait for a next request, lets
    /// requests in flight finish, breaks off after `shutdownGraceSeconds` those that do not (a
    /// client that sent half a request), and ends the event streams.
    ///
    /// - Parameters:
    ///   - handlesSignals: false in a process that has its own use for the signals. With it,
    ///     SIGHUP reads the TLS files and the credentials again.
    ///   - onReady: called once, with the address and port that are listened on.
    /// - Throws: `addressInUse` or `address` if it cannot listen there; the ledger is closed
    ///   then too.
    public func run(
        handlesSignals: Bool = true,
        onReady: @escaping @Sendable (_ host: String, _ port: Int) -> Void = { _, _ in }
    ) async throws(ServerError) {
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .warning)
        var settings = ServiceGroupConfiguration(
            services: [makeService(handlesSignals: handlesSignals, onReady)],
            gracefulShutdownSignals: handlesSignals ? [.sigterm, .sigint] : [], logger: quiet)
        settings.maximumGracefulShutdownDuration = .seconds(configuration.shutdownGraceSeconds)
        let group = ServiceGroup(configuration: settings)
        let result = await serve(group)
        isStopping.set()
        await ledger.close()
        logger.info("stopped")
        try result.get()
    }

    private func serve(_ group: ServiceGroup) async -> Result<Void, ServerError> {
        let isWanted = phase.withLock { phase in
            guard case .prepared = phase else { return false }
            phase = .running(group)
            return true
        }
        guard isWanted else { return .success(()) }
        do {
            try await group.run()
        } catch let error as ServerError {
            return .failure(error)
        } catch where isStopping.isSet || Task.isCancelled {
            // Requests were broken off, which is no failure of the server.
        } catch {
            return .failure(
                ServerError(.address, "the server stopped listening (\(error)); start it again"))
        }
        return .success(())
    }

    /// Begins the orderly end that a signal begins; `run` returns when it is done. Safe to call
    /// more than once, and before `run`, which then returns at once.
    public func stop() async {
        isStopping.set()
        let group = phase.withLock { phase -> ServiceGroup? in
            defer { if case .prepared = phase { phase = .stopped } }
            if case .running(let group) = phase { return group }
            return nil
        }
        await group?.triggerGracefulShutdown()
    }

    private func makeService(
        handlesSignals: Bool, _ onReady: @escaping @Sendable (_ host: String, _ port: Int) -> Void
    ) -> HTTPService {
        var policy = Authenticator.Policy()
        policy.clockToleranceSeconds = configuration.clockToleranceSeconds
        policy.acceptsUnsignedPayload = configuration.isPrivate
        policy.requiresSignedAction = configuration.requiresSignedAction
        let credentials = credentials
        let connections = OpenConnections(
            OpenConnections.Limits(
                total: OpenFiles.connectionCount(wanted: configuration.connectionCountMax),
                perAddress: configuration.connectionsPerAddressMax,
                perCredential: configuration.connectionsPerCredentialMax))
        let gate = Gate(
            kind: configuration.isAnonymous
                ? .anonymous
                : .credentials(Authenticator(policy: policy) { credentials.find($0) }),
            connections: connections, limiter: configuration.rateLimits.map { RateLimiter($0) })
        let door = FrontDoor(
            configuration: configuration, ledger: ledger, connections: connections,
            cloud: CloudEndpoint(ledger: ledger, gate: gate, sessionKey: sessionKey),
            stream: EventStream(ledger: ledger, gate: gate),
            commands: CommandStream(ledger: ledger, gate: gate),
            deadlines: ReadDeadlines(timeout: .seconds(configuration.readTimeoutSeconds)),
            isStopping: isStopping, logger: logger)
        return HTTPService(
            door: door, credentials: credentials, onReady: onReady, identity: identity,
            handlesSignals: handlesSignals)
    }
}
