import CloudAPI
import HTTPTypes
import HummingbirdCore
import NIOCore

extension WireRequest {
    /// A request as it stood on the wire, without its body.
    init(_ head: HTTPRequest) {
        let target = head.path ?? "/"
        let mark = target.utf8.firstIndex(of: UInt8(ascii: "?"))
        var headers = WireHeaders()
        headers.reserveCapacity(head.headerFields.count + 1)
        // The HTTP library keeps the first Host apart; a second one is still among the fields, and
        // the authenticator refuses the two.
        if let host = head.authority { headers.append(name: "host", value: host) }
        for field in head.headerFields {
            headers.append(name: field.name.canonicalName, value: field.value)
        }
        self.init(
            method: head.method.rawValue,
            path: String(target[..<(mark ?? target.endIndex)]),
            query: mark.map { String(target[target.utf8.index(after: $0)...]) } ?? "",
            headers: headers)
    }
}

/// How reading a body ended.
enum BodyReading {
    case whole([UInt8])
    /// Longer than what is kept; the rest was read and dropped, so that the answer gets through.
    case tooLong
}

extension RequestBody {
    /// So much of a body that is too long is read and dropped before the connection is closed.
    private static let droppedByteCountMax = 32 << 20

    /// Reads up to the end. Throws if the connection ends first, or for a body without end.
    func read(upTo byteCountMax: Int, announced: Int?) async throws -> BodyReading {
        var bytes: [UInt8] = []
        if let announced { bytes.reserveCapacity(Swift.min(announced, byteCountMax)) }
        var count = 0
        for try await buffer in self {
            count += buffer.readableBytes
            if count <= byteCountMax {
                bytes.append(contentsOf: buffer.readableBytesView)
            } else if count > byteCountMax + Self.droppedByteCountMax {
                throw BrokenRequest()
            }
        }
        // A connection that is closed underneath looks like a body that ended.
        if Task.isCancelled { throw BrokenRequest() }
        if let announced, count != announced { throw BrokenRequest() }
        return count <= byteCountMax ? .whole(bytes) : .tooLong
    }
}

/// A request that will never be whole: nobody is there to be answered, the connection is closed.
struct BrokenRequest: Error {}
