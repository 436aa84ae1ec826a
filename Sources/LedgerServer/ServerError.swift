/// Why the server cannot start, or a credential cannot be managed. One line, and what to do next.
public struct ServerError: Error, Sendable, CustomStringConvertible {
    public enum Code: Sendable, Equatable {
        /// The configuration contradicts itself or is out of bounds.
        case configuration
        /// Somebody listens on the address already.
        case addressInUse
        /// The address cannot be listened on for another reason.
        case address
        /// A file of the data directory cannot be read or written.
        case file
        /// A file of the data directory does not say what this program wrote.
        case damaged
        /// The TLS certificate or its key cannot be used.
        case tls
        /// No credential has this number or id.
        case unknownCredential
    }

    public let code: Code
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
