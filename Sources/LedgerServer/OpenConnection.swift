import CloudAPI
import NIOCore
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// One connection: who is behind it, as far as is known, and how long it has owed the server
/// something.
final class OpenConnection: Sendable {
    /// Where a connection comes from. Of IPv6 the network: one host has all of its addresses.
    enum Peer: Hashable {
        case v4(UInt32)
        case v6(UInt64)
        case unknown
    }

    /// Whose request was let in on this connection last.
    struct Owner: Equatable {
        var number: UInt32
        var secretId: String
    }

    struct Content {
        var peer: Peer?
        /// Somebody who may call did so here.
        var isProven = false
        var owner: Owner?
    }

    let channel: any Channel
    /// Guarded by the lock of `OpenConnections`, under which all connections change alone.
    let content = Mutex(Content())

    // What follows is written by the connection's event loop alone, and read by the sweep.
    /// When the head that is still to come began, in nanoseconds; or one of the two below.
    private let head: Atomic<Int64>
    private static let betweenRequests: Int64 = 0
    private static let inBody: Int64 = -1
    /// Requests whose answers have not ended.
    private let unanswered = Atomic(0)

    /// A connection just opened: its first head counts from now, a TLS handshake before it as well.
    init(_ channel: any Channel, now: NIODeadline = .now()) {
        self.channel = channel
        head = Atomic(Self.nanoseconds(now))
    }

    func close() { channel.close(promise: nil) }

    // MARK: - What arrives

    func bytesArrive() {
        guard head.load(ordering: .relaxed) == Self.betweenRequests else { return }
        head.store(Self.nanoseconds(.now()), ordering: .relaxed)
    }

    func headIsWhole() {
        head.store(Self.inBody, ordering: .relaxed)
        unanswered.wrappingAdd(1, ordering: .relaxed)
    }

    func requestIsWhole() { head.store(Self.betweenRequests, ordering: .relaxed) }

    func answerIsWhole() {
        // The refusal of what is no request answers nothing.
        guard unanswered.load(ordering: .relaxed) > 0 else { return }
        unanswered.wrappingSubtract(1, ordering: .relaxed)
        // A head that came meanwhile was perhaps not read on.
        if head.load(ordering: .relaxed) > 0 {
            head.store(Self.nanoseconds(.now()), ordering: .relaxed)
        }
    }

    /// Whether a head that began before this moment is still not whole, and nothing else is waited
    /// for.
    func owesHead(since moment: NIODeadline) -> Bool {
        let began = head.load(ordering: .relaxed)
        return began > 0 && began <= Self.nanoseconds(moment)
            && unanswered.load(ordering: .relaxed) == 0
    }

    private static func nanoseconds(_ time: NIODeadline) -> Int64 {
        max(1, Int64(clamping: time.uptimeNanoseconds))
    }
}

extension OpenConnection.Peer {
    init(_ address: SocketAddress?) {
        guard let text = address?.ipAddress else {
            self = .unknown
            return
        }
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &bytes) == 1 {
            self = .v4(Self.number(bytes[..<4]))
        } else if inet_pton(AF_INET6, text, &bytes) == 1 {
            let isMapped = bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xFF
            self = isMapped ? .v4(Self.number(bytes[12...])) : .v6(Self.number(bytes[..<8]))
        } else {
            self = .unknown
        }
    }

    private static func number<Number: FixedWidthInteger>(_ bytes: ArraySlice<UInt8>) -> Number {
        bytes.reduce(0) { $0 << 8 | Number($1) }
    }
}

/// Stands first in a connection's pipeline and tells when it opens and closes; everything passes.
final class ConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = Any

    private let connections: OpenConnections
    private let connection: OpenConnection

    init(_ connections: OpenConnections, _ connection: OpenConnection) {
        self.connections = connections
        self.connection = connection
    }

    func handlerAdded(context: ChannelHandlerContext) { connections.add(connection) }

    func channelActive(context: ChannelHandlerContext) {
        connections.note(connection, from: OpenConnection.Peer(context.channel.remoteAddress))
        context.fireChannelActive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { connections.remove(connection) }
}

/// Stands where bytes are those of HTTP, behind TLS, and notices that they arrive.
final class ArrivalHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let connection: OpenConnection

    init(_ connection: OpenConnection) { self.connection = connection }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        connection.bytesArrive()
        context.fireChannelRead(data)
    }
}
