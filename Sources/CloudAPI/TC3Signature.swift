import Crypto

/// The vendor's signature method v3, step by step.
///
///     CanonicalRequest = METHOD \n path \n query \n headers \n SignedHeaders \n hex(sha256(body))
///     StringToSign     = TC3-HMAC-SHA256 \n seconds \n scope \n hex(sha256(CanonicalRequest))
///     Signature        = hmac(kSigning, StringToSign)
///
/// where each header is `name:value\n` and the scope is `date/service/tc3_request`.
enum TC3Signature {
    /// What stands in for the body's bytes when the caller chose not to sign them.
    static let unsignedPayload = "UNSIGNED-PAYLOAD"

    /// A signed header: its name in lower case, its value without blanks around it.
    struct SignedField {
        var name: String
        var value: String
    }

    static func sha256(_ bytes: [UInt8]) -> SHA256.Digest {
        SHA256.hash(data: bytes)
    }

    /// - Parameter fields: the signed headers in the order of `signedHeaderList`, values trimmed.
    static func canonicalRequest(
        method: String, path: String, query: String, fields: [SignedField],
        signedHeaderList: ArraySlice<UInt8>, payloadHash: SHA256.Digest
    ) -> [UInt8] {
        let newline = UInt8(ascii: "\n")
        var text: [UInt8] = []
        text.reserveCapacity(384 + query.utf8.count)
        text.append(contentsOf: method.utf8)
        text.append(newline)
        text.append(contentsOf: path.utf8)
        text.append(newline)
        text.append(contentsOf: query.utf8)
        text.append(newline)
        for field in fields {
            text.append(contentsOf: field.name.utf8)
            text.append(UInt8(ascii: ":"))
            text.append(contentsOf: field.value.utf8)
            text.append(newline)
        }
        text.append(newline)
        text.append(contentsOf: signedHeaderList)
        text.append(newline)
        payloadHash.withUnsafeBytes { appendHex($0, to: &text) }
        return text
    }

    /// - Parameter timestamp: the seconds exactly as the caller wrote them.
    static func stringToSign(
        timestamp: String, date: ArraySlice<UInt8>, service: String, canonicalRequest: [UInt8]
    ) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(160)
        text.append(contentsOf: "TC3-HMAC-SHA256\n".utf8)
        text.append(contentsOf: timestamp.utf8)
        text.append(UInt8(ascii: "\n"))
        text.append(contentsOf: date)
        text.append(UInt8(ascii: "/"))
        text.append(contentsOf: service.utf8)
        text.append(contentsOf: "/tc3_request\n".utf8)
        sha256(canonicalRequest).withUnsafeBytes { appendHex($0, to: &text) }
        return text
    }

    static func dateKey(secretKey: String, date: ArraySlice<UInt8>) -> [UInt8] {
        hmac(key: Array("TC3".utf8) + Array(secretKey.utf8), Array(date))
    }

    static func serviceKey(dateKey: [UInt8], service: String) -> [UInt8] {
        hmac(key: dateKey, Array(service.utf8))
    }

    static func signingKey(serviceKey: [UInt8]) -> [UInt8] {
        hmac(key: serviceKey, Array("tc3_request".utf8))
    }

    private static func hmac(key: [UInt8], _ message: [UInt8]) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: message, using: SymmetricKey(data: key)))
    }
}
