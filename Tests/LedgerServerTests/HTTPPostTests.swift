import LedgerServer
import NIOCore
import NIOPosix
import Synchronization
import Testing

/// Sending to somebody else's server, whatever that one does.
@Suite struct HTTPPostTests {
    /// A server that answers every connection's first bytes with these, or not at all.
    private final class Peer: Sendable {
        private let received = Mutex("")
        var request: String { received.withLock { $0 } }

        static func run(
            answering answer: String?, closes: Bool = false,
            _ body: (Peer, Int) async throws -> Void
        ) async throws {
            let peer = Peer()
            let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(
                            Handler(peer: peer, answer: answer, closes: closes))
                    }
                }
                .bind(host: "127.0.0.1", port: 0).get()
            do { try await body(peer, channel.localAddress?.port ?? 0) } catch {
                try await channel.close()
                throw error
            }
            try await channel.close()
        }

        private final class Handler: ChannelInboundHandler {
            typealias InboundIn = ByteBuffer
            typealias OutboundOut = ByteBuffer
            private let peer: Peer
            private let answer: String?
            private let closes: Bool

            init(peer: Peer, answer: String?, closes: Bool) {
                self.peer = peer
                self.answer = answer
                self.closes = closes
            }

            func channelRead(context: ChannelHandlerContext, data: NIOAny) {
                let text = String(buffer: unwrapInboundIn(data))
                let whole = peer.received.withLock { received in
                    received += text
                    return received
                }
                guard whole.hasSuffix("the end\n") else { return }
                if let answer {
                    context.writeAndFlush(
                        wrapOutboundOut(ByteBuffer(string: answer)), promise: nil)
                }
                if closes { context.close(promise: nil) }
            }
        }
    }

    private static let body = Array("— a head\nthe end\n".utf8)

    /// What sending throws, nil if it arrived.
    private func fault(
        _ url: String, timeout: Duration = .seconds(20)
    ) async throws -> String? {
        do {
            try await HTTPPost(url).send(Self.body, contentType: "text/plain", timeout: timeout)
            return nil
        } catch let error as HTTPPost.Failure { return error.description }
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok",
    ])
    func aBodyArrivesAsItIs(answer: String) async throws {
        try await Peer.run(answering: answer) { peer, port in
            let fault = try await fault("http://127.0.0.1:\(port)/a/b?c=d")
            #expect(fault == nil)
            #expect(peer.request.hasPrefix("POST /a/b?c=d HTTP/1.1\r\n"))
            #expect(peer.request.contains("\r\nHost: 127.0.0.1:\(port)\r\n"))
            #expect(peer.request.contains("\r\nContent-Length: \(Self.body.count)\r\n"))
            #expect(peer.request.hasSuffix("\r\n\r\n— a head\nthe end\n"))
        }
    }

    @Test(arguments: [
        ("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", "answers 500"),
        ("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", "answers 302"),
        ("nonsense\r\n\r\n", "127.0.0.1"), ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1", ""),
        ("", "closed the connection without an answer"),
    ])
    func anythingElseIsAFailure(answer: String, text: String) async throws {
        try await Peer.run(answering: answer, closes: true) { _, port in
            let fault = try #require(try await fault("http://127.0.0.1:\(port)"))
            #expect(fault.contains(text), "\(fault)")
        }
    }

    @Test func whoSaysNothingIsNotWaitedFor() async throws {
        try await Peer.run(answering: nil) { _, port in
            let fault = try await fault("http://127.0.0.1:\(port)", timeout: .milliseconds(50))
            #expect(fault?.contains("does not answer in time") == true)
        }
    }

    @Test func nobodyThere() async throws {
        // A port that takes a privileged process to listen on, and has no use.
        let fault = try #require(try await fault("http://127.0.0.1:1/x"))
        #expect(fault.hasPrefix("cannot reach http://127.0.0.1:1/x: "), "\(fault)")
        #expect(!fault.contains("\n"))
    }

    @Test(arguments: [
        "http://host", "http://host/", "HTTP://host:8080/p", "http://[::1]:80/p",
        "http://127.0.0.1?x", "http://[::1]",
    ])
    func theseAreAddresses(url: String) throws { _ = try HTTPPost(url) }

    @Test(arguments: [
        "", "host", "ftp://host", "https://host", "http://", "http:///p", "http://:80/",
        "http://host:0", "http://host:65536", "http://host:x", "http://a b/", "http://u:p@host/",
        "http://host/#f", "http://[::1]x/", "http://höst/",
    ])
    func theseAreNot(url: String) {
        let error = #expect(throws: ServerError.self) { try HTTPPost(url) }
        #expect(error?.code == .configuration)
    }
}
