import HummingbirdCore
import Logging
import NIOCore
import NIOSSL

/// HTTP/1.1, within TLS if there is an identity, whose requests are handled on the thread of their
/// connection.
///
/// Otherwise each request goes from the connection's thread to a pool of threads and back, twice,
/// and waits for threads to wake. What would keep the thread busy or waiting (reading history,
/// commands in bulk) goes to the pool: `offLoop`.
struct LoopChannel: ServerChildChannel {
    typealias Value = HTTP1Channel.Value

    let http: HTTP1Channel
    let door: FrontDoor
    let identity: TLSIdentity?

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        let (door, http, identity) = (door, http, identity)
        let connection = OpenConnection(channel)
        return channel.eventLoop.makeCompletedFuture {
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(ConnectionHandler(door.connections, connection))
            if let identity {
                try pipeline.addHandler(NIOSSLServerHandler(context: identity.current.context))
            }
            try pipeline.addHandler(ArrivalHandler(connection))
        }.flatMap {
            http.setup(channel: channel, logger: logger)
        }.flatMapThrowing { value in
            let pipeline = channel.pipeline.syncOperations
            let counting = try pipeline.handler(type: HTTPConnectionStateHandler.self)
            try pipeline.addHandler(
                CloudCallHandler(door: door, connection: connection, loop: channel.eventLoop),
                position: .after(counting))
            return value
        }
    }

    func handle(value: Value, logger: Logger) async {
        await withTaskExecutorPreference(LoopExecutor(value.channel.eventLoop)) {
            await http.handle(value: value, logger: logger)
        }
    }
}

/// Runs tasks on the thread of an event loop.
final class LoopExecutor: TaskExecutor {
    private let loop: any EventLoop

    init(_ loop: any EventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

/// Runs what may take long on the pool, and comes back.
func offLoop<Result: Sendable, Failure: Error>(
    _ body: () async throws(Failure) -> Result
) async throws(Failure) -> Result {
    try await withTaskExecutorPreference(globalConcurrentExecutor, operation: body)
}
