import CloudAPI
import Crypto

/// A request before it is bytes, so that a test can change any part after it was signed.
struct TestRequest: Sendable {
    var method = "POST"
    var path = "/"
    var query = ""
    var headers: [(String, String)] = []
    var body = ""

    var bytes: [UInt8] {
        let target = query.isEmpty ? path : path + "?" + query
        var text = "\(method) \(target) HTTP/1.1\r\n"
        for (name, value) in headers { text += "\(name): \(value)\r\n" }
        if !body.isEmpty || method == "POST" { text += "Content-Length: \(body.utf8.count)\r\n" }
        return Array((text + "\r\n" + body).utf8)
    }

    func header(_ name: String) -> String? { headers.first { $0.0 == name }?.1 }

    mutating func set(_ name: String, _ value: String) {
        headers.removeAll { $0.0 == name }
        headers.append((name, value))
    }
}

/// Signs as the vendor's Python SDK does. An implementation of its own, from the vendor's
/// description, so that it does not repeat a mistake of the server's.
struct Signer: Sendable {
    var secretId: String
    var secretKey: String
    var port: Int
    var seconds = TestClock.nowSeconds
    var isUnsignedPayload = false
    /// Signs `X-TC-Action` with the others, as the vendor's samples do and its SDKs do not.
    var signsAction = false

    init(_ credential: CloudCredential, port: Int) {
        secretId = credential.secretId
        secretKey = credential.secretKey
        self.port = port
    }

    var host: String { "127.0.0.1:\(port)" }

    /// TC3-HMAC-SHA256 over POST with a JSON body.
    func post(_ action: String, _ json: String) -> TestRequest {
        var request = TestRequest(body: json)
        request.headers = [("Content-Type", "application/json"), ("Host", host)]
        return signed(request, action: action)
    }

    /// TC3-HMAC-SHA256 over GET.
    func get(_ action: String, _ query: String, path: String = "/") -> TestRequest {
        var request = TestRequest(method: "GET", path: path, query: query)
        request.headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Host", host)]
        return signed(request, action: action)
    }

    /// TC3-HMAC-SHA256 over POST with JSON lines, whose payload is left unsigned.
    func stream(
        _ path: String, _ lines: String, query: String = "", isUnsigned: Bool = true,
        sentTo otherPath: String? = nil
    ) -> TestRequest {
        var signer = self
        signer.isUnsignedPayload = isUnsigned
        var request = TestRequest(path: path, query: query, body: lines)
        request.headers = [("Content-Type", "application/x-ndjson"), ("Host", host)]
        request = signer.signed(request, action: "Commands")
        if let otherPath { request.path = otherPath }
        return request
    }

    private func signed(_ unsigned: TestRequest, action: String) -> TestRequest {
        var request = unsigned
        request.set("X-TC-Action", action)
        request.set("X-TC-Version", "2022-01-10")
        request.set("X-TC-Timestamp", "\(seconds)")
        if isUnsignedPayload { request.set("X-TC-Content-SHA256", "UNSIGNED-PAYLOAD") }
        let names = signsAction ? "content-type;host;x-tc-action" : "content-type;host"
        let payload = isUnsignedPayload ? "UNSIGNED-PAYLOAD" : request.body
        let canonical = [
            request.method, request.path, request.query,
            "content-type:\(request.header("Content-Type")!)", "host:\(host)",
            signsAction ? "x-tc-action:\(action)\n" : "",
            names, Self.sha256(payload),
        ].joined(separator: "\n")
        let date = TestClock.date(seconds)
        let scope = "\(date)/car/tc3_request"
        let text = ["TC3-HMAC-SHA256", "\(seconds)", scope, Self.sha256(canonical)]
            .joined(separator: "\n")
        let dateKey = Self.hmac(Array("TC3\(secretKey)".utf8), date)
        let signingKey = Self.hmac(Self.hmac(dateKey, "car"), "tc3_request")
        let signature = Self.hex(Self.hmac(signingKey, text))
        request.set(
            "Authorization",
            "TC3-HMAC-SHA256 Credential=\(secretId)/\(scope), SignedHeaders=\(names), "
                + "Signature=\(signature)")
        return request
    }

    /// HmacSHA1 or HmacSHA256, everything among the parameters.
    func form(
        _ method: String, _ action: String, _ input: [(String, String)], sha256: Bool = true
    ) -> TestRequest {
        var pairs = input + [
            ("Action", action), ("Version", "2022-01-10"), ("Nonce", "4711"),
            ("Timestamp", "\(seconds)"), ("SecretId", secretId),
            ("SignatureMethod", sha256 ? "HmacSHA256" : "HmacSHA1"),
        ]
        pairs.sort { $0.0 < $1.0 }
        let text = "\(method)\(host)/?" + pairs.map { "\($0.0)=\($0.1)" }.joined(separator: "&")
        let key = SymmetricKey(data: Array(secretKey.utf8))
        let code =
            sha256
            ? Array(HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: key))
            : Array(HMAC<Insecure.SHA1>.authenticationCode(for: Array(text.utf8), using: key))
        pairs.append(("Signature", Self.base64(code)))
        let encoded = pairs.map { "\($0.0)=\(Self.escape($0.1))" }.joined(separator: "&")
        let headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Host", host)]
        return method == "GET"
            ? TestRequest(method: method, query: encoded, headers: headers)
            : TestRequest(method: method, headers: headers, body: encoded)
    }

    // MARK: - Bytes

    private static func hmac(_ key: [UInt8], _ text: String) -> [UInt8] {
        let key = SymmetricKey(data: key)
        return Array(HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: key))
    }

    private static func sha256(_ text: String) -> String {
        hex(Array(SHA256.hash(data: Array(text.utf8))))
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private static func base64(_ bytes: [UInt8]) -> String {
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        var text = ""
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = (0 ..< 3).map { start + $0 < bytes.count ? UInt32(bytes[start + $0]) : 0 }
            let word = group[0] << 16 | group[1] << 8 | group[2]
            let count = min(3, bytes.count - start)
            for index in 0 ..< 4 {
                let letter = letters[Int(word >> (18 - 6 * UInt32(index)) & 63)]
                text.append(index <= count ? letter : "=")
            }
        }
        return text
    }

    private static func escape(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            let character = Character(Unicode.Scalar(byte))
            let isPlain = byte < 128 && (character.isLetter || character.isNumber)
            result += isPlain ? String(character) : "%" + hex([byte]).uppercased()
        }
        return result
    }
}
