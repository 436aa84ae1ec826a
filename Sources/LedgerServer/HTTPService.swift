import CloudAPI
import HummingbirdCore
import Ledger
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The listening socket and what belongs to it, as one service: it ends when the server does.
struct HTTPService: Service {
    let door: FrontDoor
    let credentials: CredentialStore
    let onReady: @Sendable (_ host: String, _ port: Int) -> Void

    private let connections = OpenConnections()

    private var configuration: HoldfastServer.Configuration { door.configuration }

    func run() async throws {
        let server = makeServer()
        try await withGracefulShutdownHandler {
            // Cancelled when the grace for requests in flight is over.
            try await withTaskCancellationHandler {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await listen(server) }
                    group.addTask { await sweep() }
                    _ = try await group.next()
                    group.cancelAll()
                }
            } onCancel: {
                connections.closeAll()
            }
        } onGracefulShutdown: {
            door.isStopping.set()
        }
    }

    private func makeServer() -> any Service {
        let door = door
        let connections = connections
        let decoder = HTTP1Channel.Configuration.DecoderConfiguration(
            maxHeaderFieldSize: configuration.headerByteCountMax,
            maxHeaderListSize: configuration.headerByteCountMax,
            maxHeaderFieldCount: configuration.headerFieldCountMax)
        let channel = HTTP1Channel(
            responder: { request, writer, channel in
                try await door.respond(to: request, writer, channel)
            },
            configuration: HTTP1Channel.Configuration(
                additionalChannelHandlers: [connections.makeHandler()],
                idleTimeout: .seconds(Int64(configuration.idleTimeoutSeconds)),
                httpDecoderConfiguration: decoder))
        var quiet = door.logger
        quiet.logLevel = max(quiet.logLevel, .warning)
        return LoopChannel(http: channel, door: door).server(
            configuration: ServerConfiguration(
                address: .hostname(configuration.host, port: configuration.port),
                backlog: 1024,
                availableConnectionsDelegate: MaximumAvailableConnections(connectionCountMax)),
            onServerRunning: { channel in
                let address = channel.localAddress
                onReady(
                    address?.ipAddress ?? configuration.host, address?.port ?? configuration.port)
            },
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton, logger: quiet)
    }

    /// Accepting past the limit of open files would end the server; some are kept for the ledger.
    private var connectionCountMax: Int {
        var limit = rlimit()
        #if canImport(Glibc)
            let isKnown = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
        #else
            let isKnown = getrlimit(RLIMIT_NOFILE, &limit) == 0
        #endif
        guard isKnown, let fileCountMax = Int(exactly: limit.rlim_cur) else {
            return configuration.connectionCountMax
        }
        return max(1, min(configuration.connectionCountMax, fileCountMax - 64))
    }

    private func listen(_ server: any Service) async throws {
        do {
            try await server.run()
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            throw ServerError(
                .addressInUse,
                "\(configuration.host):\(configuration.port) is in use; stop what listens there, "
                    + "or name another --listen")
        } catch let error as IOError {
            throw cannotListen(String(cString: strerror(error.errnoCode)))
        } catch let error as SocketAddressError {
            throw cannotListen("\(error)")
        } catch let error as NIOConnectionError {
            throw cannotListen("\(error.dnsAError ?? error.dnsAAAAError ?? error)")
        } catch let error where !door.isStopping.isSet {
            throw cannotListen("\(error)")
        } catch {
            // Told to stop before it listened: nothing to report.
        }
    }

    private func cannotListen(_ cause: String) -> ServerError {
        ServerError(
            .address,
            "cannot listen on \(configuration.host):\(configuration.port): \(cause); name another "
                + "--listen")
    }

    /// Once a second: late bodies are given up, a change of the credentials is noticed, and the
    /// end of the ledger is told.
    private func sweep() async {
        var told: String?
        var isFailureTold = false
        while (try? await Task.sleep(for: .seconds(1))) != nil {
            door.deadlines.sweep()
            let fault = credentials.refreshIfDue()
            if let fault, fault.message != told {
                door.logger.error("credentials unchanged: \(fault.message)")
            }
            told = fault?.message
            if !isFailureTold, let failure = door.ledger.failure {
                door.logger.critical("\(failure.message)")
                isFailureTold = true
            }
        }
    }
}
