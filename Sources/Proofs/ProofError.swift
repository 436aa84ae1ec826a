/// Why a key, a note or a proof does not hold. One line that names what is wrong.
public struct ProofError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Code: Sendable, Equatable {
        /// The text is not of the form it should have.
        case malformed
        /// A signature is missing, or is not what the key's owner wrote.
        case signature
        /// The hashes do not lead from what is claimed to the signed root.
        case path
        /// Two signed trees contradict each other: the log was rewritten, or shown differently.
        case fork
        /// What the proof says of its batch or event is not what the bytes say.
        case content
        /// The proof is from a newer Holdfast.
        case newerFormat
    }

    public let code: Code
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
