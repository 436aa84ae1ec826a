import HummingbirdCore
import Logging
import NIOCore
import NIOExtras
import NIOPosix
import ServiceLifecycle

/// The listening socket. Accepts on its event loop, however many come, and hands the connections
/// over to tasks.
///
/// The HTTP library's own server accepts ten and then waits until a task has taken them; on a busy
/// machine that is a hundred a second, and whoever has something to say stands in the kernel's
/// queue behind those who have nothing.
struct Listener: Service {
    let channel: LoopChannel
    let host: String
    let port: Int
    /// So many may be open; past it nothing is accepted until one is gone.
    let acceptedCountMax: Int
    let logger: Logger
    let onListening: @Sendable (_ host: String?, _ port: Int?) -> Void

    func run() async throws {
        let (connections, accepted) = AsyncStream<LoopChannel.Value>.makeStream()
        let quiescing = ServerQuiescingHelper(group: MultiThreadedEventLoopGroup.singleton)
        let server = try await bind(accepted, quiescing)
        server.closeFuture.whenComplete { _ in accepted.finish() }
        await withTaskCancellationHandler {
            await withGracefulShutdownHandler {
                onListening(server.localAddress?.ipAddress, server.localAddress?.port)
                await withDiscardingTaskGroup { group in
                    for await connection in connections {
                        group.addTask { await channel.handle(value: connection, logger: logger) }
                    }
                }
            } onGracefulShutdown: {
                // Accepts no more, and tells every connection to end after what it is at.
                quiescing.initiateShutdown(promise: nil)
            }
        } onCancel: {
            server.close(promise: nil)
        }
    }

    private func bind(
        _ accepted: AsyncStream<LoopChannel.Value>.Continuation, _ quiescing: ServerQuiescingHelper
    ) async throws -> any Channel {
        let (channel, logger, countMax) = (channel, logger, acceptedCountMax)
        return try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 4096)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .serverChannelInitializer { server in
                server.eventLoop.makeCompletedFuture {
                    let pipeline = server.pipeline.syncOperations
                    try pipeline.addHandler(
                        AvailableConnectionsChannelHandler(
                            delegate: MaximumAvailableConnections(countMax)))
                    try pipeline.addHandler(quiescing.makeServerChannelHandler(channel: server))
                }
            }
            .childChannelInitializer { child in
                channel.setup(channel: child, logger: logger).map { connection in
                    // At the end nobody takes it any more, and it may not be dropped unclosed.
                    if case .terminated = accepted.yield(connection) {
                        Task { try? await connection.executeThenClose { _, _ in } }
                    }
                }
            }
            .bind(host: host, port: port)
            .get()
    }
}
