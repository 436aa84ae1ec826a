public import Crypto
public import Ledger

/// The Ed25519 key that signs ServerSession tokens: DIR/server-session.key, one line of text,
/// `ed25519 ` and the 32 bytes of the private key in hexadecimal.
public struct ServerSessionKey: Sendable {
    let privateKey: Curve25519.Signing.PrivateKey

    /// What a render host needs to verify tokens.
    public var publicKey: Curve25519.Signing.PublicKey { privateKey.publicKey }

    /// The public key in hexadecimal, 64 characters.
    public var publicKeyText: String { Self.hex(Array(publicKey.rawRepresentation)) }

    private static let mark = "ed25519 "

    /// Reads the key, or makes one at the first start (mode 0600). Throws `file` or `damaged`.
    public init(_ directory: DataDirectory) throws(ServerError) {
        privateKey = try PrivateFile.withLock(on: directory.path) { () throws(ServerError) in
            if let known = try Self.read(directory.serverSessionKey) { return known }
            let key = Curve25519.Signing.PrivateKey()
            let text = Self.mark + Self.hex(Array(key.rawRepresentation)) + "\n"
            try PrivateFile.replace(
                directory.serverSessionKey, in: directory.path, with: Array(text.utf8))
            return key
        }
    }

    private static func read(
        _ path: String
    ) throws(ServerError) -> Curve25519.Signing.PrivateKey? {
        guard let bytes = try PrivateFile.read(path, byteCountMax: 4096) else { return nil }
        var text = String(decoding: bytes, as: UTF8.self)
        if text.hasSuffix("\n") { text.removeLast() }
        guard text.hasPrefix(mark), let raw = Self.bytes(fromHex: text.dropFirst(mark.count)),
            let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: raw)
        else {
            throw ServerError(
                .damaged, "\(path) is damaged; restore it from a backup, or remove it to get a new "
                    + "key (tokens handed out so far will no longer verify)")
        }
        return key
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        let text = bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return String(decoding: text, as: UTF8.self)
    }

    private static func bytes(fromHex text: Substring) -> [UInt8]? {
        let digits = text.utf8.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
        guard digits.count == 64, text.utf8.count == 64 else { return nil }
        return (0 ..< 32).map { UInt8(digits[2 * $0] << 4 | digits[2 * $0 + 1]) }
    }
}

// The key must not reach a log by way of print, dump or string interpolation.
extension ServerSessionKey: CustomStringConvertible, CustomReflectable {
    public var description: String { "ServerSessionKey(public \(publicKeyText))" }
    public var customMirror: Mirror { Mirror(self, children: ["publicKey": publicKeyText]) }
}
