import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The HTTP library alone, configured as Holdfast configures it: every request gets the same JSON.
///
/// `hello-server PORT` listens on 127.0.0.1. What it reaches is the most a server on this library
/// could; how near signed calls come to it is what is measured.
@main enum Main {
    /// As long as the answer to ApplyConcurrent.
    static let body =
        #"{"Response":{"Outcome":"returned","ConcurrencyId":"bench/123456","SessionId":null,"#
        + #""State":"reserved","Deadline":"2026-11-23T11:11:37.196713Z","Position":1234567,"#
        + #""RequestId":"cb8107fe-8eb6-49b3-b16c-a3d6ac4db4d1"}}"#

    static func main() async throws {
        guard CommandLine.arguments.count == 2, let port = Int(CommandLine.arguments[1]) else {
            print("usage: hello-server PORT")
            exit(2)
        }
        var logger = Logger(label: "hello")
        logger.logLevel = .warning
        let answer = ByteBuffer(string: body)
        let channel = HTTP1Channel(
            responder: { request, writer, _ in
                for try await _ in request.body {}
                var head = HTTPResponse(status: .ok)
                head.headerFields[.contentType] = "application/json"
                head.headerFields[.contentLength] = String(answer.readableBytes)
                head.headerFields[.date] = "Mon, 23 Nov 2026 10:15:30 GMT"
                try await writer.write(response: head, body: ResponseBody(byteBuffer: answer))
            },
            configuration: HTTP1Channel.Configuration(
                additionalChannelHandlers: [PassingHandler()], idleTimeout: .seconds(75),
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: 32 << 10, maxHeaderListSize: 32 << 10,
                    maxHeaderFieldCount: 100)))
        let server = channel.server(
            configuration: ServerConfiguration(
                address: .hostname("127.0.0.1", port: port), backlog: 1024,
                availableConnectionsDelegate: MaximumAvailableConnections(10_000)),
            onServerRunning: { _ in print("ready", terminator: "\n") },
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton, logger: logger)
        try await server.run()
    }
}

/// In the place of the handler that counts connections.
final class PassingHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = Any
}
