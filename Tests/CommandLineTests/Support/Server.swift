import Foundation
import Glibc
import Testing

/// `holdfast serve` on a port of its own.
struct Server {
    let child: Child
    /// The one line it printed when it was ready.
    let greeting: String
    let port: UInt16

    var url: String { "http://127.0.0.1:\(port)" }

    /// Starts a server on the scratch data directory, and ends it after the body in an orderly way.
    @discardableResult
    static func with<Result>(
        _ scratch: Scratch, _ options: String..., body: (Server) async throws -> Result
    ) async throws -> Result {
        let server = try await start(scratch, options)
        let result = try await body(server)
        server.child.send(SIGTERM)
        let ending = try await server.child.wait(seconds: 10)
        #expect(ending.status == 0, "\(ending.errors)")
        #expect(ending.outputLines == [server.greeting])
        return result
    }

    static func start(_ scratch: Scratch, _ options: [String]) async throws -> Server {
        let child = try scratch.start(
            ["serve", "--data", scratch.data, "--listen", "127.0.0.1:0"] + options)
        try await child.wait { $0.output.hasSuffix("\n") }
        let greeting = try lines(child.output).only
        let port = try #require(greeting.split(separator: ":").last.flatMap { UInt16($0) })
        return Server(child: child, greeting: greeting, port: port)
    }

    /// An unsigned request of the cloud API on a connection of its own.
    func ask(_ action: String, _ parameters: [String: String]) throws -> [String: Any] {
        try Connection(port: port).ask(action, parameters)
    }

    /// Has a user apply and connect.
    func connect(_ user: String, project: String = "cap-demo") throws {
        let ip = "203.0.113.7"
        _ = try ask("ApplyConcurrent", ["UserId": user, "UserIp": ip, "ProjectId": project])
        let reply = try ask(
            "CreateSession", ["UserId": user, "UserIp": ip, "ClientSession": "e30="])
        try #require(reply["State"] as? String == "connected", "\(reply)")
    }
}

/// One connection to a server on this machine, kept open.
final class Connection {
    private let descriptor: Int32

    init(port: UInt16) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(
                descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else {
            close(descriptor)
            throw NoConnection(reason: String(cString: strerror(errno)))
        }
    }

    deinit { close(descriptor) }

    func ask(_ action: String, _ parameters: [String: String]) throws -> [String: Any] {
        let body = try JSONSerialization.data(withJSONObject: parameters)
        let head = """
            POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
            X-TC-Action: \(action)\r\nX-TC-Version: 2022-01-10\r\n\
            Content-Length: \(body.count)\r\n\r\n
            """
        let request = Array(head.utf8) + body
        try #require(send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count)
        let reply = try object(try readBody())
        return try #require(reply["Response"] as? [String: Any])
    }

    /// Reads a response and returns its body.
    private func readBody() throws -> String {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            try #require(count > 0, "the connection ended")
            bytes += buffer[..<count]
            let text = String(decoding: bytes, as: UTF8.self)
            guard let end = text.range(of: "\r\n\r\n") else { continue }
            let head = text[..<end.lowerBound].lowercased()
            let length = try #require(
                lines(head.replacingOccurrences(of: "\r", with: ""))
                    .first { $0.hasPrefix("content-length:") }?
                    .split(separator: " ").last.flatMap { Int($0) })
            let body = text[end.upperBound...]
            if body.utf8.count >= length { return String(body) }
        }
    }

    /// Whether the other side has closed, waiting for it for a while. One that was never accepted
    /// is reset.
    func isClosed() -> Bool {
        var byte: UInt8 = 0
        let count = recv(descriptor, &byte, 1, 0)
        return count == 0 || count < 0 && errno == ECONNRESET
    }
}

struct NoConnection: Error {
    var reason: String
}
