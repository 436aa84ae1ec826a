import CloudAPI

/// Keeps web pages from using a server that trusts whoever reaches it.
///
/// A server without credentials listens on loopback, where the user's browser can reach it too. A
/// page on the Internet may send it a form or an image request without asking; the browser then
/// says where the page is from, in headers that the page cannot leave out. Or the page's own name
/// may be made to point at this machine; the browser then takes the server for the page's, but
/// still sends that name as the host. Other clients send neither.
enum BrowserGuard {
    static func check(_ request: WireRequest) throws(CloudError) {
        let host = request.headers["host"] ?? ""
        guard host.isEmpty || isOfThisMachine(host) else {
            throw CloudError(
                .authFailureUnauthorizedOperation,
                "Without a signature, address the server by IP address or as localhost.")
        }
        if let origin = request.headers["origin"] {
            guard origin == "http://" + host || origin == "https://" + host else { throw refusal }
        }
        if let site = request.headers["sec-fetch-site"] {
            guard site == "same-origin" || site == "none" else { throw refusal }
        }
    }

    private static let refusal = CloudError(
        .authFailureUnauthorizedOperation,
        "Requests from web pages of another origin are refused without a signature.")

    /// Whether no name server had a say in where this leads: an IP address, or localhost.
    private static func isOfThisMachine(_ host: String) -> Bool {
        if host.hasPrefix("[") { return true }
        let name = host.prefix { $0 != ":" }.lowercased()
        let isAddress = name.utf8.allSatisfy { $0 == 0x2E || (0x30 ... 0x39).contains($0) }
        return isAddress || name == "localhost"
    }
}
