public import Crypto
public import Ledger

/// The Ed25519 key that signs ServerSession tokens: DIR/server-session.key, one line of text,
/// `ed25519 ` and the 32 bytes of the private key in hexadecimal.
public struct ServerSessionKey: Sendable {
    let privateKey: Curve25519.Signing.PrivateKey

    /// What a render host needs to verify tokens.
    public var publicKey: Curve25519.Signing.PublicKey { privateKey.publicKey }

    /// The public key in hexadecimal, 64 characters.
    public var publicKeyText: String { KeyText.hex(Array(publicKey.rawRepresentation)) }

    /// Reads the key, or makes one at the first start (mode 0600). Throws `file` or `damaged`.
    public init(_ directory: DataDirectory) throws(ServerError) {
        typealias File = SigningKeyFile<ServerError>
        let path = directory.serverSessionKey
        privateKey = try PrivateFile.withLock(on: directory.path) { () throws(ServerError) in
            let loss = "tokens handed out so far will no longer verify"
            if let known = try File.read(path, loss: loss) { return known.key }
            let key = Curve25519.Signing.PrivateKey()
            try File.write(key, to: path, in: directory.path)
            return key
        }
    }
}

// The key must not reach a log by way of print, dump or string interpolation.
extension ServerSessionKey: CustomStringConvertible, CustomReflectable {
    public var description: String { "ServerSessionKey(public \(publicKeyText))" }
    public var customMirror: Mirror { Mirror(self, children: ["publicKey": publicKeyText]) }
}
