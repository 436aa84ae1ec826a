extension HoldfastServer {
    /// What a server is told. Everything a caller could exhaust has a bound.
    public struct Configuration: Sendable {
        /// The address to listen on: an IP address, or a name that resolves to one.
        public var host = "127.0.0.1"
        /// 0 takes any free port; `run` reports which.
        public var port = 0
        /// Accept unsigned requests. Only on a loopback address.
        public var isAnonymous = false
        /// How far the time in a signature may be from the server's clock, either way.
        public var clockToleranceSeconds: Int64 = 300

        /// A body longer than this is not kept; `CloudAPI.Limits` bounds what it may say.
        public var bodyByteCountMax = 1 << 20
        /// All header fields of a request together.
        public var headerByteCountMax = 32 << 10
        public var headerFieldCountMax = 100
        /// Open connections; more wait to be accepted. The process's limit of open files, less a
        /// reserve, is observed as well.
        public var connectionCountMax = 10_000
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

        func check() throws(ServerError) {
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
            guard clockToleranceSeconds >= 0, bodyByteCountMax > 0, headerByteCountMax > 0,
                headerFieldCountMax > 0, connectionCountMax > 0, idleTimeoutSeconds > 0,
                readTimeoutSeconds > 0, (0 ... 8).contains(shutdownGraceSeconds)
            else {
                throw ServerError(
                    .configuration,
                    "limits and timeouts must be positive, the shutdown grace 0 to 8 seconds")
            }
        }
    }
}
