public import Crypto
import JSON

/// What CreateSession hands to the client: proof that a user holds a concurrency.
///
/// A render host verifies it with the server's public key alone, without calling back, and keeps
/// the highest `sessionId` it has seen for a concurrency: a lower one has been superseded. The
/// text is two URL-safe base64 parts joined by a dot, the payload (JSON) and an Ed25519
/// signature over the first part's characters. A token does not expire by itself; the session
/// it names is over when a higher one exists or the concurrency was taken back.
public struct ServerSessionToken: Hashable, Sendable {
    public var userId: String
    public var projectId: String
    /// The number of the concurrency within its project.
    public var concurrency: UInt32
    public var sessionId: UInt64
    /// Unix seconds.
    public var issuedAtSeconds: Int64
    /// Which ledger the session id belongs to.
    public var ledgerId: String

    public init(
        userId: String, projectId: String, concurrency: UInt32, sessionId: UInt64,
        issuedAtSeconds: Int64, ledgerId: String
    ) {
        self.userId = userId
        self.projectId = projectId
        self.concurrency = concurrency
        self.sessionId = sessionId
        self.issuedAtSeconds = issuedAtSeconds
        self.ledgerId = ledgerId
    }

    /// Why a text is not a token of this server. Says nothing of what the text contains.
    public enum Failure: Error, Hashable, Sendable {
        /// Not two canonical base64 parts, or longer than any token.
        case malformed
        /// Not signed with the expected key.
        case wrongSignature
        /// Signed, but of a kind or version this code does not know.
        case unknownPayload
    }

    /// Separates these signatures from anything else the same key may sign.
    private static let kind = "holdfast-session-1"
    private static let textBytesMax = 8192

    /// The signed text. Throws only if the cryptography library fails.
    ///
    /// - Complexity: one Ed25519 signature, some tens of microseconds.
    public func sign(with key: Curve25519.Signing.PrivateKey) throws -> String {
        var text = Base64.encode(payload, urlSafe: true)
        let signature = try key.signature(for: text)
        text.append(UInt8(ascii: "."))
        text.append(contentsOf: Base64.encode(Array(signature), urlSafe: true))
        return String(decoding: text, as: UTF8.self)
    }

    /// What a token says, if `publicKey` belongs to the key that signed it.
    ///
    /// - Complexity: one Ed25519 verification, about a hundred microseconds.
    public static func verify(
        _ text: String, publicKey: Curve25519.Signing.PublicKey
    ) throws(Failure) -> ServerSessionToken {
        guard text.utf8.count <= textBytesMax else { throw .malformed }
        var parts = Pieces(of: Array(text.utf8)[...], separatedBy: ".")
        guard let signed = parts.next(), let last = parts.next(), parts.next() == nil,
            let payload = Base64.decode(signed, urlSafe: true),
            let signature = Base64.decode(last, urlSafe: true), signature.count == 64
        else { throw .malformed }
        guard publicKey.isValidSignature(signature, for: signed) else {
            throw .wrongSignature
        }
        return try ServerSessionToken(payload: payload)
    }

    /// The signed part, as JSON.
    var payload: [UInt8] {
        JSONObjectWriter.bytes { fields in
            fields.string("kind", Self.kind)
            fields.string("ledger", ledgerId)
            fields.string("user", userId)
            fields.string("project", projectId)
            fields.unsigned("concurrency", concurrency)
            fields.unsigned("session", sessionId)
            fields.integer("issued", issuedAtSeconds)
        }
    }

    /// Reads the signed part. Throws `unknownPayload`.
    init(payload: [UInt8]) throws(Failure) {
        guard let document = try? JSONValue.parse(payload),
            document["kind"] == .string(Self.kind),
            case .string(let ledgerId)? = document["ledger"],
            case .string(let userId)? = document["user"],
            case .string(let projectId)? = document["project"],
            case .unsigned(let number)? = document["concurrency"],
            let concurrency = UInt32(exactly: number),
            case .unsigned(let sessionId)? = document["session"],
            let issuedAtSeconds = document["issued"].flatMap(Self.signedInteger)
        else { throw .unknownPayload }
        self.init(
            userId: userId, projectId: projectId, concurrency: concurrency,
            sessionId: sessionId, issuedAtSeconds: issuedAtSeconds, ledgerId: ledgerId)
    }

    private static func signedInteger(_ value: JSONValue) -> Int64? {
        switch value {
        case .unsigned(let value): Int64(exactly: value)
        case .negative(let value): value
        default: nil
        }
    }
}
