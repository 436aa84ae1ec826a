public import Crypto
import JSON

/// A public key that checks signatures of notes, in the text form `NAME+ID+KEY` (C2SP signed-note):
/// the id in hexadecimal, the key in base64 with the algorithm's byte before it.
public struct VerifierKey: Hashable, Sendable, CustomStringConvertible {
    public enum Algorithm: UInt8, Sendable {
        /// The owner of a log, over the note's text.
        case ed25519 = 1
        /// A witness, over a time and the note's text (C2SP tlog-cosignature).
        case cosignature = 4
    }

    public let name: String
    public let algorithm: Algorithm
    /// 32 bytes.
    public let publicKey: [UInt8]

    /// Throws `malformed` for a name that cannot stand in a signature line, or a key that has not
    /// 32 bytes.
    public init(
        name: String, algorithm: Algorithm = .ed25519, publicKey: [UInt8]
    ) throws(ProofError) {
        guard Self.isUsable(name: name) else {
            throw ProofError(
                .malformed,
                "a key's name has 1 to 200 bytes, no space, no plus sign and no control character")
        }
        guard publicKey.count == 32 else {
            throw ProofError(.malformed, "an Ed25519 public key has 32 bytes")
        }
        self.name = name
        self.algorithm = algorithm
        self.publicKey = publicKey
    }

    /// Reads the text form. Throws `malformed`.
    public init(_ text: String) throws(ProofError) {
        let parts = text.split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let key = Base64.decode(Array(parts[2].utf8)[...], urlSafe: false),
            let first = key.first
        else {
            throw ProofError(
                .malformed, "a verifier key has the form NAME+ID+KEY, as holdfast head "
                    + "--public-key prints it")
        }
        guard let algorithm = Algorithm(rawValue: first) else {
            throw ProofError(
                .malformed, "the verifier key of \(Self.safe(parts[0])) is of type \(first), which "
                    + "is neither Ed25519 (1) nor a witness's (4)")
        }
        try self.init(
            name: String(parts[0]), algorithm: algorithm, publicKey: Array(key.dropFirst()))
        guard parts[1].utf8.elementsEqual(idText.utf8) else {
            throw ProofError(
                .malformed, "the verifier key of \(name) is mistyped: its id would be \(idText)")
        }
    }

    public var description: String {
        let key = Base64.encode([algorithm.rawValue] + publicKey, urlSafe: false)
        return "\(name)+\(idText)+" + String(decoding: key, as: UTF8.self)
    }

    /// First four bytes of the SHA-256 of name, line feed, algorithm and key.
    public var id: [UInt8] {
        Array(
            SHA256.hash(data: Array(name.utf8) + [0x0A, algorithm.rawValue] + publicKey).prefix(4))
    }

    private var idText: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(
            decoding: id.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// Whether a name can stand in a signature line and in a key's text form.
    public static func isUsable(name: String) -> Bool {
        (1 ... 200).contains(name.utf8.count)
            && name.unicodeScalars.allSatisfy { scalar in
                scalar != "+" && !scalar.properties.isWhitespace && scalar.value >= 0x20
                    && !(0x7F ... 0x9F).contains(scalar.value)
            }
    }

    /// A name as it may be shown whatever somebody wrote into it.
    static func safe(_ text: some StringProtocol) -> String {
        isUsable(name: String(text)) ? String(text) : "an unusable name"
    }
}

/// A private key with the name it signs under.
public struct NoteSigner: Sendable {
    private let privateKey: Curve25519.Signing.PrivateKey
    /// What checks its signatures.
    public let key: VerifierKey

    /// Throws `malformed` for an unusable name.
    public init(
        name: String, privateKey: Curve25519.Signing.PrivateKey
    ) throws(ProofError) {
        self.privateKey = privateKey
        key = try VerifierKey(name: name, publicKey: Array(privateKey.publicKey.rawRepresentation))
    }

    /// The note with one signature. The text ends with a line feed and has no empty line. The same
    /// text gives a signature of the same meaning, not always of the same bytes.
    public func sign(_ text: String) throws(ProofError) -> SignedNote {
        let signature: [UInt8]
        do { signature = Array(try privateKey.signature(for: Array(text.utf8))) } catch {
            throw ProofError(.signature, "the key cannot sign: \(error)")
        }
        return try SignedNote(
            text: text,
            signatures: [NoteSignature(name: key.name, keyId: key.id, bytes: signature)])
    }
}

// The key must not reach a log by way of print, dump or string interpolation.
extension NoteSigner: CustomStringConvertible, CustomReflectable {
    public var description: String { "NoteSigner(\(key))" }
    public var customMirror: Mirror { Mirror(self, children: ["key": key]) }
}

/// One signature line of a note.
public struct NoteSignature: Hashable, Sendable {
    public var name: String
    /// 4 bytes that tell keys of one name apart.
    public var keyId: [UInt8]
    public var bytes: [UInt8]

    var line: String {
        let encoded = Base64.encode(keyId + bytes, urlSafe: false)
        return "\u{2014} \(name) " + String(decoding: encoded, as: UTF8.self)
    }

    static let prefix = Array("\u{2014} ".utf8)

    /// Reads a line without its line feed, nil if it is none.
    init?(_ line: ArraySlice<UInt8>) {
        guard line.starts(with: Self.prefix) else { return nil }
        let words = line.dropFirst(Self.prefix.count).split(
            separator: 0x20, omittingEmptySubsequences: false)
        guard words.count == 2, let name = String(validating: words[0], as: UTF8.self),
            VerifierKey.isUsable(name: name),
            let bytes = Base64.decode(words[1], urlSafe: false), bytes.count > 4
        else { return nil }
        self.init(name: name, keyId: Array(bytes.prefix(4)), bytes: Array(bytes.dropFirst(4)))
    }

    public init(name: String, keyId: [UInt8], bytes: [UInt8]) {
        self.name = name
        self.keyId = keyId
        self.bytes = bytes
    }
}

/// A text and who signed it (C2SP signed-note).
public struct SignedNote: Hashable, Sendable {
    /// What a signature says.
    public enum Verdict: Hashable, Sendable {
        /// No signature line has the key's name and id.
        case absent
        /// There is one, and it is not the key's over this text.
        case invalid
        /// Signed; by a witness, at this second since 1970.
        case valid(unixTime: UInt64?)
    }

    /// Ends with a line feed.
    public let text: String
    public let signatures: [NoteSignature]

    public static let byteCountMax = 1 << 20
    static let signatureCountMax = 100

    /// Throws `malformed` for a text that would not be read back as it is.
    public init(text: String, signatures: [NoteSignature]) throws(ProofError) {
        guard text.utf8.last == 0x0A, text.utf8.first != 0x0A,
            text.utf8.allSatisfy({ $0 >= 0x20 || $0 == 0x0A })
        else {
            throw ProofError(
                .malformed, "a note's text is lines without control characters, the first not "
                    + "empty")
        }
        self.text = text
        self.signatures = signatures
    }

    /// Reads a note that fills `bytes`. Throws `malformed`, saying what is.
    public init(_ bytes: [UInt8]) throws(ProofError) {
        guard bytes.count <= Self.byteCountMax, bytes.last == 0x0A,
            let whole = String(validating: bytes, as: UTF8.self)
        else { throw ProofError(.malformed, "the note is not UTF-8 text of whole lines") }
        // The signatures come after the last empty line.
        let split = bytes.indices.dropLast().last { bytes[$0] == 0x0A && bytes[$0 + 1] == 0x0A }
        guard let split, whole.utf8.count == bytes.count else {
            throw ProofError(.malformed, "the note has no empty line before its signatures")
        }
        var signatures: [NoteSignature] = []
        for line in bytes[(split + 2)...].dropLast().split(
            separator: 0x0A, omittingEmptySubsequences: false)
        {
            guard let signature = NoteSignature(line) else {
                throw ProofError(.malformed, "a line after the note's text is no signature")
            }
            signatures.append(signature)
        }
        guard !signatures.isEmpty, signatures.count <= Self.signatureCountMax else {
            throw ProofError(.malformed, "a note has 1 to \(Self.signatureCountMax) signatures")
        }
        try self.init(
            text: String(decoding: bytes[...split], as: UTF8.self), signatures: signatures)
    }

    /// Text, empty line, signatures.
    public var bytes: [UInt8] {
        Array((text + "\n" + signatures.map { $0.line + "\n" }.joined()).utf8)
    }

    /// What a key says to the note. The first signature of its name and id counts.
    public func verdict(of key: VerifierKey) -> Verdict {
        let id = key.id
        guard let signature = signatures.first(where: { $0.name == key.name && $0.keyId == id })
        else { return .absent }
        guard
            let publicKey = try? Curve25519.Signing.PublicKey(rawRepresentation: key.publicKey)
        else { return .invalid }
        switch key.algorithm {
        case .ed25519:
            guard publicKey.isValidSignature(signature.bytes, for: Array(text.utf8)) else {
                return .invalid
            }
            return .valid(unixTime: nil)
        case .cosignature:
            guard signature.bytes.count == 72 else { return .invalid }
            let time = signature.bytes.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            let message = Array("cosignature/v1\ntime \(time)\n\(text)".utf8)
            guard publicKey.isValidSignature(Array(signature.bytes.dropFirst(8)), for: message)
            else { return .invalid }
            return .valid(unixTime: time)
        }
    }
}
