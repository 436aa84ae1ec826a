import Foundation
import Glibc
import Synchronization
import Testing

/// Takes POSTs on a port of its own, one after the other, and answers with a status.
final class Receiver: Sendable {
    private struct Content {
        var status: Int
        var bodies: [String] = []
    }

    private let descriptor: Int32
    private let content: Mutex<Content>
    let port: UInt16

    init(status: Int = 200) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 8) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        try #require(isBound)
        self.descriptor = descriptor
        port = UInt16(bigEndian: address.sin_port)
        content = Mutex(Content(status: status))
        Thread.detachNewThread { [self] in
            while true {
                let connection = accept(descriptor, nil, nil)
                guard connection >= 0 else { return }
                serve(connection)
                Glibc.close(connection)
            }
        }
    }

    var bodies: [String] { content.withLock { $0.bodies } }

    func answer(_ status: Int) { content.withLock { $0.status = status } }

    func close() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    private func serve(_ connection: Int32) {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = recv(connection, &buffer, buffer.count, 0)
            if count <= 0 { return }
            bytes += buffer[..<count]
            let text = String(decoding: bytes, as: UTF8.self)
            guard let end = text.range(of: "\r\n\r\n"),
                let length = text[..<end.lowerBound].lowercased()
                    .split(separator: "\r\n").first(where: { $0.hasPrefix("content-length:") })
                    .flatMap({ Int($0.split(separator: " ")[1]) })
            else { continue }
            let body = text[end.upperBound...]
            guard body.utf8.count >= length else { continue }
            let status = content.withLock { content in
                if content.status == 200 { content.bodies.append(String(body)) }
                return content.status
            }
            let answer = Array("HTTP/1.1 \(status) X\r\nContent-Length: 0\r\n\r\n".utf8)
            send(connection, answer, answer.count, Int32(MSG_NOSIGNAL))
            return
        }
    }
}
