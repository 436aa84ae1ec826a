import CloudAPI
import EventLog
import HTTPTypes
import HummingbirdCore
import JSON
import Ledger
import Logging
import NIOCore
import ReconnectionRules
import Synchronization

/// HTTP in front of the endpoints: paths, bodies, status codes, the log.
struct FrontDoor: Sendable {
    let configuration: HoldfastServer.Configuration
    let ledger: Ledger
    let connections: OpenConnections
    let cloud: CloudEndpoint
    let stream: EventStream
    let commands: CommandStream
    let deadlines: ReadDeadlines
    let isStopping: Latch
    let logger: Logger
    private let date = HTTPDate()

    /// Answers one request. Throws only if nobody is left to be answered.
    func respond(
        to request: Request, _ writer: consuming ResponseWriter, _ channel: any Channel
    ) async throws {
        let start = ContinuousClock.now
        let id = RequestID()
        var wire = WireRequest(request.head)
        if wire.path == "/v1/events" {
            return try await events(request, writer, wire, channel, id)
        }
        if wire.path == "/v1/commands" {
            return try await commands(request, writer, wire, channel, id)
        }
        if wire.headers["expect"] == "100-continue" {
            try await writer.writeInformationalHead(HTTPResponse(status: .continue))
        }
        let reading = try await read(request, wire, channel)
        switch wire.path {
        case "/":
            let answer: CloudEndpoint.Answer
            switch reading {
            case .whole(let body):
                wire.body = body
                answer = await cloud.answer(wire, id: id, on: connections.find(channel))
            case .tooLong:
                answer = .refusal(tooLong, id)
            }
            log(answer, id, since: start)
            try await write(.ok, answer.body, answer.code, to: writer, for: wire)
        case "/health":
            try await health(writer, wire, id)
        case "/v1/openapi.json":
            try await description(writer, wire, id)
        default:
            let error = CloudError(
                .invalidRequest, "There is nothing at this path; the cloud API is at `/`.")
            try await refuse(error, .notFound, writer, wire, id)
        }
    }

    private var tooLong: CloudError {
        let byteCountMax = min(configuration.bodyByteCountMax, Limits.bodyBytesMax)
        return CloudError(.requestSizeLimitExceeded, "A body may have \(byteCountMax) bytes.")
    }

    private func read(
        _ request: Request, _ wire: WireRequest, _ channel: any Channel
    ) async throws -> BodyReading {
        let announced = wire.headers["content-length"].flatMap { Int($0) }
        let id = deadlines.begin(channel)
        let reading: BodyReading
        do {
            reading = try await request.body.read(
                upTo: configuration.bodyByteCountMax, announced: announced)
        } catch {
            _ = deadlines.end(id)
            throw error
        }
        guard deadlines.end(id) else { throw BrokenRequest() }
        return reading
    }

    // MARK: - Health

    private func health(
        _ writer: consuming ResponseWriter, _ wire: WireRequest, _ id: RequestID
    ) async throws {
        guard wire.method == "GET" || wire.method == "HEAD" else {
            let error = CloudError(.unsupportedProtocol, "Only GET is supported here.")
            return try await refuse(error, .methodNotAllowed, writer, wire, id)
        }
        // Asked of the ledger's own thread: one that hangs does not pass for a healthy one.
        guard !isStopping.isSet, let status = try? await ledger.status() else {
            let body = JSONObjectWriter.bytes { $0.string("status", "unavailable") }
            return try await write(.serviceUnavailable, body, to: writer, for: wire)
        }
        let body = JSONObjectWriter.bytes { fields in
            fields.string("status", "ok")
            fields.unsigned("position", status.position)
        }
        try await write(.ok, body, to: writer, for: wire)
    }

    private func description(
        _ writer: consuming ResponseWriter, _ wire: WireRequest, _ id: RequestID
    ) async throws {
        guard wire.method == "GET" || wire.method == "HEAD" else {
            let error = CloudError(.unsupportedProtocol, "Only GET is supported here.")
            return try await refuse(error, .methodNotAllowed, writer, wire, id)
        }
        try await write(.ok, Array(OpenAPI.document.utf8), to: writer, for: wire)
    }

    // MARK: - The event stream

    private func events(
        _ request: Request, _ writer: consuming ResponseWriter, _ wire: WireRequest,
        _ channel: any Channel, _ id: RequestID
    ) async throws {
        let admitted: (visitor: Gate.Visitor, position: UInt64)
        do throws(CloudError) {
            admitted = try stream.admit(wire, on: connections.find(channel))
        } catch {
            return try await refuse(error, EventStream.status(for: error), writer, wire, id)
        }
        logger.info(
            "event stream",
            metadata: [
                "request": "\(id)", "caller": "\(admitted.visitor.caller.name)",
                "after": "\(admitted.position)",
            ])
        KeepAlive.turnOn(channel)
        var head = HTTPResponse(status: .ok)
        head.headerFields[.contentType] = EventStream.contentType
        head.headerFields[.cacheControl] = "no-store"
        head.headerFields[.date] = date.text(atSeconds: WallClock.nowSeconds)
        var body = try await writer.writeHead(head)
        try await request.body.consumeWithCancellationOnInboundClose { _ in
            try await offLoop {
                try await stream.write(
                    after: admitted.position, for: admitted.visitor.access, to: &body)
            }
        }
        try await body.finish(nil)
    }

    // MARK: - The command stream

    private func commands(
        _ request: Request, _ writer: consuming ResponseWriter, _ wire: WireRequest,
        _ channel: any Channel, _ id: RequestID
    ) async throws {
        let visitor: Gate.Visitor
        do throws(CommandStream.Refusal) {
            visitor = try commands.admit(wire, on: connections.find(channel))
        } catch {
            try await refuse(error.error, error.status, writer, wire, id)
            // Dropped after the answer, not before: the client may wait for it.
            return _ = try await read(request, wire, channel)
        }
        guard !isStopping.isSet, ledger.failure == nil else {
            let error = CloudError(.internalError, "The ledger cannot answer now. Retry later.")
            try await refuse(error, .serviceUnavailable, writer, wire, id)
            return _ = try await read(request, wire, channel)
        }
        if wire.headers["expect"] == "100-continue" {
            try await writer.writeInformationalHead(HTTPResponse(status: .continue))
        }
        KeepAlive.turnOn(channel)
        var head = HTTPResponse(status: .ok)
        head.headerFields[.contentType] = CommandStream.contentType
        head.headerFields[.cacheControl] = "no-store"
        head.headerFields[.date] = date.text(atSeconds: WallClock.nowSeconds)
        var body = try await writer.writeHead(head)
        let result = try await offLoop {
            try await commands.run(request.body, by: visitor, to: &body)
        }
        logger.info(
            "command stream",
            metadata: [
                "request": "\(id)", "caller": "\(visitor.caller.name)",
                "lines": "\(result.lineCount)", "ending": "\(result.ending)",
            ])
        try await body.finish(nil)
        // The rest of what is no body cannot be told from a next request.
        if case .malformed = result.ending { throw BrokenRequest() }
    }

    // MARK: - Writing

    private func refuse(
        _ error: CloudError, _ status: HTTPResponse.Status, _ writer: consuming ResponseWriter,
        _ wire: WireRequest, _ id: RequestID
    ) async throws {
        logger.info("refused", metadata: ["request": "\(id)", "code": "\(error.code)"])
        let body = ResponseEncoder.failure(error, requestId: id)
        try await write(status, body, error.code.rawValue, to: writer, for: wire)
    }

    private func write(
        _ status: HTTPResponse.Status, _ body: [UInt8], _ code: String = "",
        to writer: consuming ResponseWriter, for wire: WireRequest
    ) async throws {
        let head = head(status, code, bodyByteCount: body.count)
        if wire.method == "HEAD" { return try await writer.writeResponse(head) }
        try await writer.write(
            response: head, body: ResponseBody(byteBuffer: ByteBuffer(bytes: body)))
    }

    private func head(
        _ status: HTTPResponse.Status, _ code: String, bodyByteCount: Int
    ) -> HTTPResponse {
        var head = HTTPResponse(status: status)
        head.headerFields[.contentType] = ResponseEncoder.contentType
        head.headerFields[.contentLength] = String(bodyByteCount)
        head.headerFields[.date] = date.text(atSeconds: WallClock.nowSeconds)
        // A second's worth comes back in a second. The vendor's SDKs wait by themselves.
        if code == ErrorCode.requestLimitExceeded.rawValue { head.headerFields[.retryAfter] = "1" }
        return head
    }

    /// The whole answer to a cloud API call.
    func cloudAnswer(
        to request: WireRequest, on connection: OpenConnection
    ) async -> (head: HTTPResponse, body: ByteBuffer) {
        let start = ContinuousClock.now
        let id = RequestID()
        let answer = await cloud.answer(request, id: id, on: connection)
        log(answer, id, since: start)
        let head = head(.ok, answer.code, bodyByteCount: answer.body.count)
        return (head, ByteBuffer(bytes: answer.body))
    }

    /// One line a request. No user ids, no addresses, nothing the caller chose freely.
    private func log(
        _ answer: CloudEndpoint.Answer, _ id: RequestID, since start: ContinuousClock.Instant
    ) {
        logger.info(
            "action",
            metadata: [
                "request": "\(id)", "action": "\(answer.action?.rawValue ?? "-")",
                "code": "\(answer.code)", "caller": "\(answer.caller?.name ?? "-")",
                "microseconds": "\(Self.microseconds(ContinuousClock.now - start))",
            ])
    }
}

extension FrontDoor {
    private static func microseconds(_ duration: Duration) -> Int64 {
        let (seconds, attoseconds) = duration.components
        return seconds * 1_000_000 + attoseconds / 1_000_000_000_000
    }
}

/// A flag that is set once and read from anywhere.
final class Latch: Sendable {
    private let flag = Atomic(false)

    var isSet: Bool { flag.load(ordering: .acquiring) }

    func set() { flag.store(true, ordering: .releasing) }
}
