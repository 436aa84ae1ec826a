/// A key pair a caller signs with, what it may be used for, and the number the ledger records for
/// who called.
public struct CloudCredential: Sendable {
    public let secretId: String
    public let secretKey: String
    /// What the ledger stores beside each action in place of the id.
    public let number: UInt32
    public let access: Access

    public init(secretId: String, secretKey: String, number: UInt32, access: Access = .full) {
        self.secretId = secretId
        self.secretKey = secretKey
        self.number = number
        self.access = access
    }

    /// A new pair from system randomness: an id of "HFID" and 32 letters or digits, a key of 32
    /// letters or digits (190 bits).
    public static func generate(number: UInt32, access: Access = .full) -> CloudCredential {
        var system = SystemRandomNumberGenerator()
        return CloudCredential(
            secretId: "HFID" + alphanumerics(32, using: &system),
            secretKey: alphanumerics(32, using: &system), number: number, access: access)
    }

    /// Letters and digits, each as likely as any other.
    private static func alphanumerics(
        _ count: Int, using random: inout SystemRandomNumberGenerator
    ) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".utf8)
        var bytes: [UInt8] = []
        for _ in 0..<count {
            bytes.append(alphabet[Int.random(in: 0..<alphabet.count, using: &random)])
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

// The key must not reach a log by way of print, dump or string interpolation.
extension CloudCredential: CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    public var description: String { "CloudCredential(\(secretId), number \(number))" }
    public var debugDescription: String { description }
    public var customMirror: Mirror {
        Mirror(self, children: ["secretId": secretId, "number": number], displayStyle: .struct)
    }
}

/// Finds the credential with a secret id, nil if there is none (or it is disabled). Called once
/// per request on whatever thread the request is on; must be quick.
public typealias CredentialLookup = @Sendable (_ secretId: String) -> CloudCredential?
