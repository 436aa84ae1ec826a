import NIOCore
import NIOPosix
import NIOSSL

/// What a server sent back.
struct Reply: Sendable {
    var status: Int
    /// Names in lower case.
    var headers: [String: String]
    var body: String
}

struct ConnectionEnded: Error {}

/// One TCP connection, spoken to in bytes: what a test wants to see is what really goes over it.
final class Connection {
    private var iterator: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private var received: ArraySlice<UInt8> = []

    private init(
        _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>,
        _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) {
        iterator = inbound.makeAsyncIterator()
        self.outbound = outbound
    }

    /// - Parameters:
    ///   - receiveBufferByteCount: a small one makes the server wait for a slow reader.
    ///   - address: the client's own, of this machine.
    ///   - tls: speaks TLS and trusts what this says.
    static func with<Result>(
        port: Int, receiveBufferByteCount: Int? = nil, from address: String? = nil,
        tls: NIOSSLContext? = nil, _ body: (Connection) async throws -> Result
    ) async throws -> Result {
        var bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
        if let count = receiveBufferByteCount {
            bootstrap = bootstrap.channelOption(
                .socketOption(.so_rcvbuf), value: SocketOptionValue(count))
        }
        if let address {
            bootstrap = bootstrap.bind(to: try SocketAddress(ipAddress: address, port: 0))
        }
        let channel = try await bootstrap
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        // The server is known by its address.
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: tls, serverHostname: nil))
                    }
                    return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                        wrappingChannelSynchronously: channel,
                        configuration: .init(isOutboundHalfClosureEnabled: true))
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            try await body(Connection(inbound, outbound))
        }
    }

    func send(_ text: String) async throws {
        try await outbound.write(ByteBuffer(string: text))
    }

    func send(bytes: [UInt8]) async throws {
        try await outbound.write(ByteBuffer(bytes: bytes))
    }

    /// Closes the sending half.
    func finishSending() { outbound.finish() }

    /// Sends from another task while this one reads.
    var sender: Sender { Sender(outbound: outbound) }

    struct Sender: Sendable {
        fileprivate let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>

        func send(_ text: String) async throws {
            try await outbound.write(ByteBuffer(string: text))
        }

        func send(bytes: [UInt8]) async throws {
            try await outbound.write(ByteBuffer(bytes: bytes))
        }

        func sendChunk(_ text: String) async throws {
            try await send(String(text.utf8.count, radix: 16) + "\r\n" + text + "\r\n")
        }
    }

    func send(_ request: TestRequest) async throws {
        try await outbound.write(ByteBuffer(bytes: request.bytes))
    }

    /// Sends a request and reads its reply.
    func ask(_ request: TestRequest) async throws -> Reply {
        try await send(request)
        return try await reply(hasBody: request.method != "HEAD")
    }

    func reply(hasBody: Bool = true) async throws -> Reply {
        var head = try await line().split(separator: " ")
        head.removeFirst()
        var headers: [String: String] = [:]
        while case let line = try await line(), !line.isEmpty {
            let colon = line.firstIndex(of: ":")!
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            headers[line[..<colon].lowercased()] = String(value)
        }
        let count = hasBody ? headers["content-length"].flatMap { Int($0) } ?? 0 : 0
        while received.count < count { try await receive() }
        let body = String(decoding: received.prefix(count), as: UTF8.self)
        received.removeFirst(count)
        return Reply(status: Int(head[0])!, headers: headers, body: body)
    }

    /// The next line of the body of a chunked reply, or nil after the last chunk. The stream writes
    /// whole lines, so a chunk's size line is the only one that is not JSON.
    func streamLine() async throws -> String? {
        while true {
            let line = try await line()
            if line.hasPrefix("{") { return line }
            if line == "0" {
                // No trailers follow.
                _ = try await self.line()
                return nil
            }
        }
    }

    /// Text up to the next line end, which is CR LF or LF.
    func line() async throws -> String {
        while true {
            if let end = received.firstIndex(of: 0x0A) {
                var line = Array(received[..<end])
                received = received[(end + 1)...]
                if line.last == 0x0D { line.removeLast() }
                return String(decoding: line, as: UTF8.self)
            }
            try await receive()
        }
    }

    /// Waits until the server closes; what it still sends is dropped.
    func waitForEnd() async {
        while (try? await receive()) != nil { received = [] }
    }

    /// All that the server still sends, up to its end.
    func rest() async -> String {
        while (try? await receive()) != nil {}
        defer { received = [] }
        return String(decoding: received, as: UTF8.self)
    }

    private func receive() async throws {
        guard let buffer = try await iterator.next() else { throw ConnectionEnded() }
        received.append(contentsOf: buffer.readableBytesView)
    }
}
