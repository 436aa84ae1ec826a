import CloudAPI
import HTTPTypes
import HummingbirdCore
import NIOCore
import NIOHTTPTypes

/// Answers ordinary cloud API calls where they are read, in the connection's pipeline.
///
/// Ordinary: `POST /` with a `Content-Length` of at most `bodyByteCountMax`, on a connection that
/// stays open. All else, and whatever follows while another answer is being written, is passed on
/// to the HTTP library's tasks, which answer the same way at greater length. Stands behind the
/// handler that counts requests: idle connections and the server's end are dealt with there.
final class CloudCallHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    static let bodyByteCountMax = 64 << 10

    private enum State {
        /// Between requests, or passing one on.
        case idle
        case collecting(WireRequest, deadline: UInt64?)
        case answering
        /// The answer is written, and the client does not read it: nothing is begun for it until it
        /// does, or its answers would fill the memory.
        case draining
    }

    private var isBusy: Bool {
        switch state {
        case .answering, .draining: true
        case .idle, .collecting: false
        }
    }

    /// What arrives while an answer is being made waits for it.
    private enum Held {
        case part(HTTPRequestPart)
        case inputClosed
        case error(any Error)
    }

    private let door: FrontDoor
    private let connection: OpenConnection
    private let executor: LoopExecutor
    private var state = State.idle
    private var held: [Held] = []
    private var isReadHeld = false
    /// Requests passed on whose answers have not ended.
    private var passedCount = 0

    init(door: FrontDoor, connection: OpenConnection, loop: any EventLoop) {
        self.door = door
        self.connection = connection
        executor = LoopExecutor(loop)
    }

    // MARK: - In

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = Self.unwrapInboundIn(data)
        switch part {
        case .head: connection.headIsWhole()
        case .body: break
        case .end: connection.requestIsWhole()
        }
        if isBusy {
            held.append(.part(part))
        } else {
            take(part, context)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        // The rest of the body is still to come: not for ever.
        if case .collecting(let request, deadline: nil) = state {
            let deadline = door.deadlines.begin(context.channel)
            state = .collecting(request, deadline: deadline)
        }
        context.fireChannelReadComplete()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if isBusy, case ChannelEvent.inputClosed = event {
            held.append(.inputClosed)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if isBusy {
            held.append(.error(error))
        } else {
            context.fireErrorCaught(error)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if case .collecting(_, let deadline?) = state { _ = door.deadlines.end(deadline) }
        state = .idle
        held = []
        context.fireChannelInactive()
    }

    private func take(_ part: HTTPRequestPart, _ context: ChannelHandlerContext) {
        guard case .collecting(var request, let deadline) = state else {
            if case .head(let head) = part {
                if passedCount == 0, let request = ordinary(head) {
                    state = .collecting(request, deadline: nil)
                    return
                }
                passedCount += 1
            }
            return context.fireChannelRead(Self.wrapInboundOut(part))
        }
        switch part {
        case .body(let bytes):
            state = .idle
            request.body.append(contentsOf: bytes.readableBytesView)
            state = .collecting(request, deadline: deadline)
        case .end:
            state = .answering
            // Past its deadline the connection is being closed.
            if let deadline, !door.deadlines.end(deadline) { return }
            answer(request, context)
        case .head:
            context.fireErrorCaught(BrokenRequest())
        }
    }

    private func ordinary(_ head: HTTPRequest) -> WireRequest? {
        guard head.method == .post, head.path == "/" else { return nil }
        var request = WireRequest(head)
        guard let length = request.headers["content-length"].flatMap({ Int($0) }),
            (0 ... min(Self.bodyByteCountMax, door.configuration.bodyByteCountMax))
                .contains(length),
            request.headers["transfer-encoding"] == nil, request.headers["expect"] == nil,
            (request.headers["connection"] ?? "keep-alive").lowercased() == "keep-alive"
        else { return nil }
        request.body.reserveCapacity(length)
        return request
    }

    // MARK: - Out

    private func answer(_ request: WireRequest, _ context: ChannelHandlerContext) {
        let (door, connection) = (door, connection)
        let loop = context.eventLoop
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: loop)
        Task(executorPreference: executor) {
            let answer = await door.cloudAnswer(to: request, on: connection)
            // The executor is this loop, so that this is the usual case.
            if loop.inEventLoop {
                bound.value.handler.write(answer, bound.value.context)
            } else {
                loop.execute { bound.value.handler.write(answer, bound.value.context) }
            }
        }
    }

    private func write(
        _ answer: (head: HTTPResponse, body: ByteBuffer), _ context: ChannelHandlerContext
    ) {
        guard case .answering = state, context.channel.isActive else { return }
        context.write(Self.wrapOutboundOut(.head(answer.head)), promise: nil)
        context.write(Self.wrapOutboundOut(.body(answer.body)), promise: nil)
        context.writeAndFlush(Self.wrapOutboundOut(.end(nil)), promise: nil)
        connection.answerIsWhole()
        guard context.channel.isWritable else {
            state = .draining
            return
        }
        goOn(context)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if case .draining = state, context.channel.isWritable { goOn(context) }
        context.fireChannelWritabilityChanged()
    }

    /// The answer is on its way: what came meanwhile is next.
    private func goOn(_ context: ChannelHandlerContext) {
        state = .idle
        if !held.isEmpty { takeHeld(context) }
        if held.isEmpty, isReadHeld {
            isReadHeld = false
            context.read()
        }
    }

    private func takeHeld(_ context: ChannelHandlerContext) {
        var rest = held[...]
        held = []
        while let next = rest.first {
            if isBusy { break }
            rest.removeFirst()
            switch next {
            case .part(let part): take(part, context)
            case .inputClosed: context.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
            case .error(let error): context.fireErrorCaught(error)
            }
        }
        held = Array(rest)
        channelReadComplete(context: context)
    }

    /// Answers of the requests passed on.
    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        // The refusal of what is no request ends an answer, too, and none was passed on.
        if case .end = Self.unwrapOutboundIn(data) {
            if passedCount > 0 { passedCount -= 1 }
            connection.answerIsWhole()
        }
        context.write(data, promise: promise)
    }

    private func readUnlessHeld(_ context: ChannelHandlerContext) {
        if held.isEmpty { context.read() } else { isReadHeld = true }
    }

    /// A client that sends on before it is answered, or reads no answers, is not read from further.
    func read(context: ChannelHandlerContext) {
        if case .draining = state { isReadHeld = true } else { readUnlessHeld(context) }
    }
}
