import CloudAPI
import HummingbirdCore
import Ledger
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import UnixSignals

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

    let identity: TLSIdentity?
    let handlesSignals: Bool

    private var configuration: HoldfastServer.Configuration { door.configuration }

    func run() async throws {
        let server = makeServer()
        try await withGracefulShutdownHandler {
            // Cancelled when the grace for requests in flight is over.
            try await withTaskCancellationHandler {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await listen(server) }
                    group.addTask { await sweep() }
                    if handlesSignals { group.addTask { await reloadOnSignals() } }
                    _ = try await group.next()
                    group.cancelAll()
                }
            } onCancel: {
                door.connections.closeAll()
            }
        } onGracefulShutdown: {
            door.isStopping.set()
        }
    }

    private func makeServer() -> any Service {
        let (door, configuration, onReady) = (door, configuration, onReady)
        let decoder = HTTP1Channel.Configuration.DecoderConfiguration(
            maxHeaderFieldSize: configuration.headerByteCountMax,
            maxHeaderListSize: configuration.headerByteCountMax,
            maxHeaderFieldCount: configuration.headerFieldCountMax)
        let channel = HTTP1Channel(
            responder: { request, writer, channel in
                try await door.respond(to: request, writer, channel)
            },
            configuration: HTTP1Channel.Configuration(
                idleTimeout: .seconds(Int64(configuration.idleTimeoutSeconds)),
                httpDecoderConfiguration: decoder))
        var quiet = door.logger
        quiet.logLevel = max(quiet.logLevel, .warning)
        return Listener(
            channel: LoopChannel(http: channel, door: door, identity: identity),
            host: configuration.host, port: configuration.port,
            acceptedCountMax: acceptedCountMax, logger: quiet,
            onListening: { host, port in
                onReady(host ?? configuration.host, port ?? configuration.port)
            })
    }

    /// A few more than `OpenConnections` keeps: those that are being closed while their successors
    /// are there already. Past it nothing is accepted until one is gone.
    private var acceptedCountMax: Int {
        OpenFiles.acceptedCount(wanted: configuration.connectionCountMax)
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

    /// SIGHUP asks for the certificate and the credentials to be read again at once, and no longer
    /// ends the process.
    private func reloadOnSignals() async {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
            reloadIdentity(isForced: true)
            if let fault = credentials.refreshIfDue() {
                door.logger.error("credentials unchanged: \(fault.message)")
            }
        }
        // The end of this is not the end of the server.
        while (try? await Task.sleep(for: .seconds(3600))) != nil {}
    }

    private func reloadIdentity(isForced: Bool = false) {
        guard let identity else { return }
        switch identity.reload(isForced: isForced) {
        case .unchanged: break
        case .replaced(let loaded):
            door.logger.notice(
                "TLS certificate loaded, valid until \(loaded.expiryText); new connections get it")
            loaded.warn(door.logger)
        case .refused(let error):
            door.logger.error("TLS certificate unchanged: \(error.message)")
        }
    }

    /// Closing a connection takes its event loop's time, and strangers who came together are late
    /// together: so many are closed at a time, so often, and callers are answered in between.
    private static let closedAtOnceMax = 25
    private static let closingInterval = Duration.milliseconds(25)

    /// Once a second: connections of revoked credentials are closed, a change of the credentials or
    /// the certificate is noticed, and the end of the ledger is told. Late heads and bodies are
    /// given up, a few at a time.
    private func sweep() async {
        var told = Told()
        var late: ArraySlice<OpenConnection> = []
        var since = NIODeadline.distantPast
        var hasLateBodies = false
        var next = ContinuousClock.now + .seconds(1)
        while true {
            let pause = late.isEmpty && !hasLateBodies ? .seconds(1) : Self.closingInterval
            guard (try? await Task.sleep(for: pause)) != nil else { return }
            hasLateBodies = door.deadlines.sweep(atMost: Self.closedAtOnceMax)
            // A head that came meanwhile is forgiven.
            for connection in late.prefix(Self.closedAtOnceMax)
            where connection.owesHead(since: since) {
                connection.close()
            }
            late = late.dropFirst(Self.closedAtOnceMax)
            guard ContinuousClock.now >= next else { continue }
            next = ContinuousClock.now + .milliseconds(900)
            tell(&told)
            since = .now() - .seconds(Int64(configuration.headTimeoutSeconds))
            late = door.connections.sweep(headsSince: since) { credentials.find($0) != nil }[...]
        }
    }

    private struct Told {
        var fault: String?
        var isFailureTold = false
    }

    private func tell(_ told: inout Told) {
        reloadIdentity()
        let fault = credentials.refreshIfDue()
        if let fault, fault.message != told.fault {
            door.logger.error("credentials unchanged: \(fault.message)")
        }
        told.fault = fault?.message
        if !told.isFailureTold, let failure = door.ledger.failure {
            door.logger.critical("\(failure.message)")
            told.isFailureTold = true
        }
    }
}
