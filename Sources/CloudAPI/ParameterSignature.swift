import Crypto

/// The vendor's older method, where the signature is one parameter among the others.
///
///     text      = METHOD host path ? name=value & name=value ...
///     Signature = base64(hmac(SecretKey, text))
///
/// Names ascend by bytes and have "_" replaced by "."; values are decoded, not percent-encoded.
/// Because they are joined unescaped, two different parameter lists can have the same text: use
/// TC3 where the caller can choose (`Authenticator.Policy.acceptsParameterSignatures`).
enum ParameterSignature {
    enum Method: String {
        case hmacSHA1 = "HmacSHA1"
        case hmacSHA256 = "HmacSHA256"
    }

    /// Parameters that belong to the call as such and not to its action.
    static let reserved: Set<String> = [
        "Action", "Version", "Region", "Timestamp", "Nonce", "SecretId", "Token", "Signature",
        "SignatureMethod", "RequestClient", "Language",
    ]

    static func text(
        method: String, host: String, path: String, parameters: [(String, String)]
    ) -> [UInt8] {
        var signed: [(name: [UInt8], value: String)] = []
        signed.reserveCapacity(parameters.count)
        for (name, value) in parameters where name != "Signature" {
            let dotted = name.utf8.map { $0 == UInt8(ascii: "_") ? UInt8(ascii: ".") : $0 }
            signed.append((dotted, value))
        }
        signed.sort { $0.name.lexicographicallyPrecedes($1.name) }
        var text = Array(method.utf8)
        text.append(contentsOf: host.utf8)
        text.append(contentsOf: path.utf8)
        var separator = UInt8(ascii: "?")
        for (name, value) in signed {
            text.append(separator)
            text.append(contentsOf: name)
            text.append(UInt8(ascii: "="))
            text.append(contentsOf: value.utf8)
            separator = UInt8(ascii: "&")
        }
        return text
    }

    static func code(_ text: [UInt8], method: Method, secretKey: String) -> [UInt8] {
        let key = SymmetricKey(data: Array(secretKey.utf8))
        switch method {
        case .hmacSHA1:
            return Array(HMAC<Insecure.SHA1>.authenticationCode(for: text, using: key))
        case .hmacSHA256:
            return Array(HMAC<SHA256>.authenticationCode(for: text, using: key))
        }
    }
}
