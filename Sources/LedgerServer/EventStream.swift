import CloudAPI
import EventLog
import HTTPTypes
import HummingbirdCore
import Ledger
import NIOCore
import ReconnectionRules
import ServiceLifecycle

#if canImport(Glibc)
    import Glibc
#endif

/// `GET /v1/events?after=POSITION`: events as they become durable, one JSON object a line.
///
/// A reader that lost its connection goes on where it was by asking for what came after the last
/// position it handled. Without `after` it gets what is to come. Signed as the cloud API is, with
/// TC3 over a GET of this path; `X-TC-Action` and `X-TC-Version` need not be sent.
struct EventStream: Sendable {
    static let contentType = "application/x-ndjson"
    /// Lines are gathered to blocks of this size while a reader is behind.
    private static let blockByteCount = 64 << 10

    let ledger: Ledger
    let gate: Gate

    /// Who asks, and the position to start after.
    func admit(
        _ request: WireRequest, on connection: OpenConnection?
    ) throws(CloudError) -> (visitor: Gate.Visitor, position: Position) {
        guard request.method == "GET" else {
            throw CloudError(.unsupportedProtocol, "Only GET is supported here.")
        }
        var request = request
        if request.headers["x-tc-action"] == nil {
            request.headers.append(name: "x-tc-action", value: "TailEvents")
        }
        if request.headers["x-tc-version"] == nil {
            request.headers.append(name: "x-tc-version", value: CloudAction.version)
        }
        let admitted = try gate.admit(
            request, to: .eventStream, on: connection, nowSeconds: WallClock.nowSeconds)
        let visitor = admitted.visitor
        guard case .pairs(let pairs) = admitted.call.parameters else {
            return (visitor, ledger.head.position)
        }
        var position: Position?
        for (name, value) in pairs {
            guard name == "after" else {
                throw CloudError(.unknownParameter, "The only parameter is `after`.")
            }
            let isDecimal = value.utf8.allSatisfy { (0x30 ... 0x39).contains($0) }
            guard isDecimal, let number = Position(value) else {
                throw CloudError(
                    .invalidParameterValue, "The value of `after` is not a position.")
            }
            position = number
        }
        return (visitor, position ?? ledger.head.position)
    }

    /// A native endpoint says in the HTTP status what kind of refusal it is.
    static func status(for error: CloudError) -> HTTPResponse.Status {
        switch error.code {
        case .unsupportedProtocol: return .methodNotAllowed
        case .requestLimitExceeded: return .tooManyRequests
        case .authFailureUnauthorizedOperation: return .forbidden
        default: break
        }
        return error.code.rawValue.hasPrefix("AuthFailure") ? .unauthorized : .badRequest
    }

    /// Writes what the reader may see until the ledger closes, the server stops or the reader goes
    /// away.
    func write(
        after position: Position, for access: Access, to body: inout some ResponseBodyWriter
    ) async throws {
        var block = ByteBuffer()
        for try await event in ledger.events(after: position).cancelOnGracefulShutdown() {
            if access.covers(event) {
                block.writeString(EventJSON.line(event))
                block.writeInteger(UInt8(ascii: "\n"))
            }
            // More is there already: let it go out together.
            let isBehind = event.event.position < ledger.head.position
            if isBehind, block.readableBytes < Self.blockByteCount { continue }
            guard block.readableBytes > 0 else { continue }
            try await body.write(block)
            block = ByteBuffer()
        }
        if block.readableBytes > 0 { try await body.write(block) }
    }
}

/// Notices a reader whose machine vanished: a stream on which nothing happens has no other way.
enum KeepAlive {
    static func turnOn(_ channel: any Channel) {
        channel.setOption(.socketOption(.so_keepalive), value: 1).whenComplete { _ in }
        #if os(Linux)
            // Asked after a minute of silence, then every 15 seconds, given up after four.
            for (option, value) in [(TCP_KEEPIDLE, 60), (TCP_KEEPINTVL, 15), (TCP_KEEPCNT, 4)] {
                let option = NIOBSDSocket.Option(rawValue: CInt(option))
                channel.setOption(.tcpOption(option), value: value).whenComplete { _ in }
            }
        #endif
    }
}
