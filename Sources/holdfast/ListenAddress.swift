import ArgumentParser
import LedgerServer

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// HOST:PORT, [IPV6]:PORT or :PORT for this machine alone.
struct ListenAddress: ExpressibleByArgument {
    var host: String
    var port: Int

    init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    init?(argument: String) {
        guard let colon = argument.lastIndex(of: ":"),
            let port = UInt16(argument[argument.index(after: colon)...])
        else { return nil }
        var host = String(argument[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        else if host.contains(":") { return nil }
        self.host = host.isEmpty ? "127.0.0.1" : host
        self.port = Int(port)
    }

    var defaultValueDescription: String { "\(host):\(port)" }
}

extension ListenAddress {
    /// Takes the address and lets it go, so that one that cannot be had is refused before a ledger
    /// is created or opened. Should another process take it in between, the server says the same.
    func check() throws(ServerError) {
        var wanted = addrinfo()
        wanted.ai_flags = AI_PASSIVE
        #if canImport(Glibc)
            wanted.ai_socktype = Int32(SOCK_STREAM.rawValue)
        #else
            wanted.ai_socktype = SOCK_STREAM
        #endif
        var found: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, String(port), &wanted, &found)
        guard status == 0, let found else {
            throw refusal(String(cString: gai_strerror(status)))
        }
        defer { freeaddrinfo(found) }
        let address = found.pointee
        let descriptor = socket(address.ai_family, address.ai_socktype, address.ai_protocol)
        guard descriptor >= 0 else { throw refusal(String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var isOn: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &isOn, size)
        guard bind(descriptor, address.ai_addr, address.ai_addrlen) != 0 else { return }
        guard errno != EADDRINUSE else {
            throw ServerError(
                .addressInUse,
                "\(host):\(port) is in use; stop what listens there, or name another --listen")
        }
        throw refusal(String(cString: strerror(errno)))
    }

    private func refusal(_ cause: String) -> ServerError {
        ServerError(
            .address, "cannot listen on \(host):\(port): \(cause); name another --listen")
    }
}
