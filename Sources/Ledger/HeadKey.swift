public import Crypto

/// The Ed25519 key that signs a ledger's heads: DIR/head.key, mode 0600, made when the ledger is
/// created. Whoever reads it can sign any history in the ledger's name.
public struct HeadKey: Sendable {
    public let privateKey: Curve25519.Signing.PrivateKey
    /// The name heads are signed under; empty stands for the usual one.
    public let name: String

    private typealias File = SigningKeyFile<LedgerError>
    private static var loss: String { "heads signed so far will not be this key's" }

    /// Reads the key; nil if there is none. Throws `directory` if it is damaged or may not be read.
    public static func read(_ directory: DataDirectory) throws(LedgerError) -> HeadKey? {
        try File.read(directory.headKey, loss: loss).map {
            HeadKey(privateKey: $0.key, name: $0.name)
        }
    }

    /// Whether somebody other than the file's owner may read the key.
    public static func isOpenToOthers(_ directory: DataDirectory) -> Bool {
        PrivateFiles<LedgerError>.stamp(directory.headKey)?.isOpenToOthers == true
    }

    /// Reads the key, or makes one, durably. `name` renames it; nil leaves its name as it is. Only
    /// for the process that owns the ledger.
    public static func readOrMake(
        _ directory: DataDirectory, name: String? = nil
    ) throws(LedgerError) -> HeadKey {
        try PrivateFiles<LedgerError>.withLock(on: directory.path) { () throws(LedgerError) in
            let known = try read(directory)
            if let known, name == nil || name == known.name { return known }
            let key = HeadKey(
                privateKey: known?.privateKey ?? Curve25519.Signing.PrivateKey(), name: name ?? "")
            try File.write(
                key.privateKey, name: key.name, to: directory.headKey, in: directory.path)
            return key
        }
    }
}

// The key must not reach a log by way of print, dump or string interpolation.
extension HeadKey: CustomStringConvertible, CustomReflectable {
    public var description: String {
        "HeadKey(public \(KeyText.hex(Array(privateKey.publicKey.rawRepresentation))))"
    }
    public var customMirror: Mirror { Mirror(self, children: ["name": name]) }
}
