/// The parts of an `Authorization: TC3-HMAC-SHA256 ...` header.
struct TC3Authorization {
    var secretId: String
    /// The scope's date as sent, "YYYY-MM-DD" if the caller is right.
    var date: ArraySlice<UInt8>
    var service: String
    /// Lower-case names, ascending, no repeats, `content-type` and `host` among them.
    var signedHeaders: [String]
    /// `signedHeaders` joined by ";", which is itself signed.
    var signedHeaderList: ArraySlice<UInt8>
    /// 32 bytes.
    var signature: [UInt8]

    /// Reads the header; every deviation is `AuthFailure.InvalidAuthorization` and names the
    /// part that is wrong, never its value.
    init(_ value: String) throws(CloudError) {
        let bytes = Array(value.utf8)
        guard bytes.count <= Limits.authorizationBytesMax else {
            throw .badAuthorization("it is longer than \(Limits.authorizationBytesMax) bytes")
        }
        let algorithm: StaticString = "TC3-HMAC-SHA256 "
        guard isEqual(bytes.prefix(algorithm.utf8CodeUnitCount), algorithm) else {
            throw .badAuthorization("the algorithm is not TC3-HMAC-SHA256")
        }
        let parts = try Self.parts(bytes[algorithm.utf8CodeUnitCount...])

        var scope = Pieces(of: parts.credential, separatedBy: "/")
        guard let id = scope.next(), !id.isEmpty, let date = scope.next(),
            let service = scope.next(), let terminator = scope.next(), scope.next() == nil,
            isEqual(terminator, "tc3_request")
        else {
            throw .badAuthorization("Credential is not id/date/service/tc3_request")
        }
        guard let signature = CloudAPI.bytes(fromHex: parts.signature), signature.count == 32
        else {
            throw .badAuthorization("Signature is not 64 hexadecimal digits")
        }
        // The slices come from a String, cut at ASCII characters: they are UTF-8.
        self.secretId = String(decoding: id, as: UTF8.self)
        self.date = date
        self.service = String(decoding: service, as: UTF8.self)
        self.signature = signature
        self.signedHeaderList = parts.signedHeaders
        self.signedHeaders = try Self.names(parts.signedHeaders)
    }

    private typealias Parts = (
        credential: ArraySlice<UInt8>, signedHeaders: ArraySlice<UInt8>,
        signature: ArraySlice<UInt8>
    )

    /// The three `Name=value` parts, in any order, each exactly once.
    private static func parts(_ text: ArraySlice<UInt8>) throws(CloudError) -> Parts {
        var credential: ArraySlice<UInt8>?
        var signedHeaders: ArraySlice<UInt8>?
        var signature: ArraySlice<UInt8>?
        for piece in Pieces(of: text, separatedBy: ",") {
            let part = trimmed(piece)
            guard let mark = part.firstIndex(of: UInt8(ascii: "=")) else {
                throw .badAuthorization("a part has no \"=\"")
            }
            let name = part[..<mark]
            let value = part[(mark + 1)...]
            if isEqual(name, "Credential"), credential == nil {
                credential = value
            } else if isEqual(name, "SignedHeaders"), signedHeaders == nil {
                signedHeaders = value
            } else if isEqual(name, "Signature"), signature == nil {
                signature = value
            } else {
                throw .badAuthorization("a part is repeated or unknown")
            }
        }
        guard let credential, let signedHeaders, let signature else {
            throw .badAuthorization("Credential, SignedHeaders or Signature is missing")
        }
        return (credential, signedHeaders, signature)
    }

    private static func names(_ list: ArraySlice<UInt8>) throws(CloudError) -> [String] {
        // What the Python SDK always sends.
        if isEqual(list, "content-type;host") { return usualNames }
        var names: [String] = []
        for piece in Pieces(of: list, separatedBy: ";") {
            guard names.count < Limits.signedHeadersMax else {
                throw .badAuthorization("SignedHeaders has over \(Limits.signedHeadersMax) names")
            }
            guard !piece.isEmpty, piece.allSatisfy(isHeaderNameByte) else {
                throw .badAuthorization("SignedHeaders has a name that is not lower case")
            }
            let name = String(decoding: piece, as: UTF8.self)
            if let last = names.last, last >= name {
                throw .badAuthorization("SignedHeaders is not in ascending order")
            }
            names.append(name)
        }
        guard names.contains("content-type"), names.contains("host") else {
            throw .badAuthorization("SignedHeaders lacks content-type or host")
        }
        return names
    }

    private static let usualNames = ["content-type", "host"]

    private static func isHeaderNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default:
            false
        }
    }
}
