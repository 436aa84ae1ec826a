extension HoldfastServer {
    /// What a server is told. Everything a caller could exhaust has a bound.
    public struct Configuration: Sendable {
        /// The address to listen on: an IP address, or a name that resolves to one.
        public var host = "127.0.0.1"
        /// 0 takes any free port; `run` reports which.
        public var port = 0
        /// Accept unsigned requests. Only on a loopback address.
        public var isAnonymous = false
        /// What the server shows for TLS, nil for HTTP in plain.
        public var tls: TLSFiles?
        /// Listen beyond loopback without TLS, as behind a proxy on another machine that ends it.
        /// Whoever can read that network can read and replay what is sent.
        public var allowsPlainHTTP = false
        /// Whether callers have to sign `X-TC-Action` and the payload: see `Authenticator.Policy`.
        /// The vendor's SDKs do not; `POST /v1/commands` cannot.
        public var requiresSignedAction = false
        /// How often a credential may call, nil for as often as it likes.
        public var rateLimits: RateLimits?

        /// How far the time in a signature may be from the server's clock, either way.
        public var clockToleranceSeconds: Int64 = 300

        /// A body longer than this is not kept; `CloudAPI.Limits` bounds what it may say.
        public var bodyByteCountMax = 1 << 20
        /// All header fields of a request together.
        public var headerByteCountMax = 32 << 10
        public var headerFieldCountMax = 100
        /// Open connections. One more, and the oldest is closed on which nobody who may call has
        /// called yet. The process's limit of open files, less a reserve, is observed as well.
        public var connectionCountMax = 16_384
        /// Of these, from one IPv4 address or one IPv6 /64 network; nil for no other limit. Behind
        /// a proxy all come from one.
        public var connectionsPerAddressMax: Int?
        /// Of these, on which one credential called last; nil for no other limit.
        public var connectionsPerCredentialMax: Int?
        /// A request's head has to be there within this: the first after the connection opened, TLS
        /// handshake included, each other after its first byte.
        public var headTimeoutSeconds = 20
        /// A connection on which nothing happens is closed after this.
        public var idleTimeoutSeconds = 75
        /// A request's body has to be there within this after its head.
        public var readTimeoutSeconds = 15
        /// At shutdown: how long requests in flight may take before they are broken off.
        public var shutdownGraceSeconds = 5

        public init() {}

        /// Whether `host` names this machine alone.
        public var isLoopback: Bool {
            host == "localhost" || host == "::1" || Self.isIPv4Loopback(host)
        }

        /// 127.0.0.0/8, in the usual form of four numbers.
        private static func isIPv4Loopback(_ host: String) -> Bool {
            let parts = host.split(separator: ".", omittingEmptySubsequences: false)
            return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
        }

        /// Whether what is sent can be read or changed on the way by nobody but this machine.
        var isPrivate: Bool { isLoopback || tls != nil }

        /// Throws `configuration` if the settings contradict one another or are out of bounds, and
        /// what is wrong with the TLS files.
        public func check() throws(ServerError) {
            guard (0 ... 65_535).contains(port) else {
                throw ServerError(.configuration, "port \(port) is not between 0 and 65535")
            }
            guard !isAnonymous || isLoopback else {
                throw ServerError(
                    .configuration,
                    "unsigned requests are accepted on loopback only, not on \(host); listen on "
                        + "127.0.0.1, or leave --anonymous out and create a credential with "
                        + "holdfast credential create")
            }
            guard isPrivate || allowsPlainHTTP else {
                throw ServerError(
                    .configuration,
                    "beyond loopback, on \(host), requests could be read and sent again by whoever "
                        + "is on the way; give --tls-certificate and --tls-key, or say "
                        + "--plain-http behind a proxy that does")
            }
            guard !requiresSignedAction || !isAnonymous else {
                throw ServerError(
                    .configuration,
                    "unsigned requests and signed actions exclude each other; leave one of "
                        + "--anonymous and --require-signed-action out")
            }
            if let limits = rateLimits {
                guard limits.sessionCallsPerSecond > 0, limits.otherCallsPerSecond > 0 else {
                    throw ServerError(.configuration, "rate limits are 1 a second or more")
                }
            }
            guard (connectionsPerAddressMax ?? 1) > 0, (connectionsPerCredentialMax ?? 1) > 0,
                headTimeoutSeconds > 0, clockToleranceSeconds >= 0, bodyByteCountMax > 0,
                headerByteCountMax > 0, headerFieldCountMax > 0, connectionCountMax > 0,
                idleTimeoutSeconds > 0, readTimeoutSeconds > 0,
                (0 ... 8).contains(shutdownGraceSeconds)
            else {
                throw ServerError(
                    .configuration,
                    "limits and timeouts must be positive, the shutdown grace 0 to 8 seconds")
            }
            if let tls { _ = try TLSIdentity(tls) }
        }
    }
}
