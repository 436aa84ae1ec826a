import NIOCore
import NIOHTTP1
import NIOPosix

/// Sends small bodies to one address over plain HTTP: for what a server tells others, such as
/// signed heads, which hold no secret and carry their own proof.
public struct HTTPPost: Sendable {
    /// Why a body did not arrive, in one line.
    public struct Failure: Error, Sendable, CustomStringConvertible {
        public let description: String
    }

    public let url: String
    let host: String
    let port: Int
    let path: String
    private let authority: String

    /// Takes `http://HOST[:PORT][/PATH]`, HOST a name, an IPv4 address, or an IPv6 address in
    /// brackets. Throws `configuration` for anything else.
    public init(_ url: String) throws(ServerError) {
        func refusal(_ reason: String) -> ServerError {
            ServerError(
                .configuration, "\(reason); heads go to a file, or to http://HOST:PORT/PATH")
        }
        let lower = url.lowercased()
        if lower.hasPrefix("https://") {
            throw refusal(
                "there is no TLS here, so name a proxy on this machine in place of an https "
                    + "address")
        }
        guard lower.hasPrefix("http://"),
            url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") })
        else { throw refusal("the address to publish to is not one of http") }
        let rest = url.dropFirst("http://".count)
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        let target = rest[authority.endIndex...]
        guard !authority.contains("@") else {
            throw refusal("an address to publish to names no user and no password")
        }
        var host = authority
        var portText: Substring?
        if authority.hasPrefix("["), let end = authority.firstIndex(of: "]") {
            host = authority[authority.index(after: authority.startIndex) ..< end]
            let after = authority[authority.index(after: end)...]
            if !after.isEmpty { portText = after.hasPrefix(":") ? after.dropFirst() : "" }
        } else if let colon = authority.firstIndex(of: ":") {
            host = authority[..<colon]
            portText = authority[authority.index(after: colon)...]
        }
        let port = portText.map { Int(UInt16($0) ?? 0) } ?? 80
        guard !host.isEmpty, port > 0 else {
            throw refusal("the address to publish to has no host, or no such port")
        }
        self.url = url
        self.host = String(host)
        self.port = port
        self.authority = String(authority)
        path = target.hasPrefix("/") ? String(target) : "/" + target
    }

    /// Posts a body and waits for the response; any status from 200 to 299 will do. Throws
    /// `Failure`. Everything together takes no longer than `timeout`.
    public func send(
        _ body: [UInt8], contentType: String, timeout: Swift.Duration
    ) async throws {
        let nanoseconds =
            timeout.components.seconds * 1_000_000_000
            + timeout.components.attoseconds / 1_000_000_000
        let limit = TimeAmount.nanoseconds(max(1_000_000, nanoseconds))
        let exchange = Exchange(head: head(body, contentType), body: body, limit: limit, url: url)
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let answered = loop.makePromise(of: Void.self)
        let connecting = ClientBootstrap(group: loop)
            .connectTimeout(limit)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    try channel.pipeline.syncOperations.addHandler(
                        ExchangeHandler(exchange, answered))
                }
            }
            .connect(host: host, port: port)
        let url = url
        connecting.whenFailure { error in
            answered.fail(Failure(description: "cannot reach \(url): \(Self.cause(error))"))
        }
        // Also over the search for the address, which has no limit of its own.
        let timer = loop.scheduleTask(in: limit + .milliseconds(500)) {
            answered.fail(Failure(description: "\(url) does not answer in time"))
        }
        defer { timer.cancel() }
        try await answered.futureResult.get()
    }

    private func head(_ body: [UInt8], _ contentType: String) -> HTTPRequestHead {
        HTTPRequestHead(
            version: .http1_1, method: .POST, uri: path,
            headers: [
                "Host": authority, "Content-Type": contentType, "Content-Length": "\(body.count)",
                "User-Agent": "holdfast", "Connection": "close",
            ])
    }

    private static func cause(_ error: any Error) -> String {
        guard let error = error as? NIOConnectionError else { return "\(error)" }
        if let failed = error.connectionErrors.first { return "\(failed.error)" }
        return "\(error.dnsAError ?? error.dnsAAAAError ?? error)"
    }

    struct Exchange: Sendable {
        var head: HTTPRequestHead
        var body: [UInt8]
        var limit: TimeAmount
        var url: String
    }
}

/// One request and its response on one connection, which it closes.
private final class ExchangeHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private let exchange: HTTPPost.Exchange
    private let answered: EventLoopPromise<Void>
    private var timer: Scheduled<Void>?
    private var status: HTTPResponseStatus?
    private var isAnswered = false

    init(_ exchange: HTTPPost.Exchange, _ answered: EventLoopPromise<Void>) {
        self.exchange = exchange
        self.answered = answered
    }

    func channelActive(context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(in: exchange.limit) {
            let (handler, context) = bound.value
            handler.end(context, "\(handler.exchange.url) does not answer in time")
        }
        context.write(wrapOutboundOut(.head(exchange.head)), promise: nil)
        let body = context.channel.allocator.buffer(bytes: exchange.body)
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        // 100 Continue and the like come before the answer.
        case .head(let head): if head.status.code >= 200 { status = head.status }
        case .body: break
        case .end: if let status { end(context, Self.failure(status, exchange.url)) }
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(context, "\(exchange.url) closed the connection without an answer")
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end(context, "\(exchange.url): \(error)")
    }

    private static func failure(_ status: HTTPResponseStatus, _ url: String) -> String? {
        (200 ..< 300).contains(status.code) ? nil : "\(url) answers \(status.code)"
    }

    /// Answers once; nil stands for success.
    private func end(_ context: ChannelHandlerContext, _ failure: String?) {
        guard !isAnswered else { return }
        isAnswered = true
        timer?.cancel()
        if let failure {
            answered.fail(HTTPPost.Failure(description: failure))
        } else {
            answered.succeed()
        }
        context.close(promise: nil)
    }
}
