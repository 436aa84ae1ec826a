import Crypto

@testable import CloudAPI

/// The credential all fixtures are signed with; made up, used nowhere else.
let fixtureCredential = CloudCredential(
    secretId: "HFIDcaptureAAAAAAAAAAAAAAAAAAAAAAAAA", secretKey: "captureKey0123456789abcdefABCDEF",
    number: 7)

let fixtureSeconds: Int64 = 1_795_429_774

func makeAuthenticator(_ policy: Authenticator.Policy = .init()) -> Authenticator {
    Authenticator(policy: policy) { id in
        id == fixtureCredential.secretId ? fixtureCredential : nil
    }
}

/// What an authenticator answers: "ok" or the code of its refusal.
func outcome(
    _ request: WireRequest, nowSeconds: Int64 = fixtureSeconds,
    by authenticator: Authenticator = makeAuthenticator()
) -> String {
    do throws(CloudError) {
        _ = try authenticator.authenticate(request, nowSeconds: nowSeconds)
        return "ok"
    } catch {
        return error.code.rawValue
    }
}

/// A caller written from the vendor's description, sharing no code with the server side, that
/// can be told to get any piece wrong.
struct TC3Caller {
    var method = "POST"
    var path = "/"
    var query = ""
    var body = #"{"UserId":"user-7"}"#
    var headers: [(String, String)] = [
        ("Content-Type", "application/json"), ("Host", "car.example:8080"),
        ("X-TC-Action", "DescribeUserConcurrency"), ("X-TC-Version", "2022-01-10"),
    ]
    var timestamp = String(fixtureSeconds)
    var date = "2026-11-23"
    var service = "car"
    var terminator = "tc3_request"
    var signedHeaders = "content-type;host"
    var lowersValues = false
    var payload: String?
    var credential = fixtureCredential

    func request() -> WireRequest {
        var canonical = "\(method)\n\(path)\n\(query)\n"
        for name in signedHeaders.split(separator: ";") {
            let field = headers.first { $0.0.lowercased() == name }
            let value = field.map { trim($0.1) } ?? ""
            canonical += "\(name):\(lowersValues ? value.lowercased() : value)\n"
        }
        canonical += "\n\(signedHeaders)\n\(hex(SHA256.hash(data: Array((payload ?? body).utf8))))"
        let hash = hex(SHA256.hash(data: Array(canonical.utf8)))
        let text = "TC3-HMAC-SHA256\n\(timestamp)\n\(date)/\(service)/\(terminator)\n\(hash)"
        var key = Array("TC3\(credential.secretKey)".utf8)
        for step in [date, service, terminator, text] {
            key = Array(
                HMAC<SHA256>.authenticationCode(
                    for: Array(step.utf8), using: SymmetricKey(data: key)))
        }
        let authorization =
            "TC3-HMAC-SHA256 Credential=\(credential.secretId)/\(date)/\(service)/\(terminator), "
            + "SignedHeaders=\(signedHeaders), Signature=\(hex(key))"
        var fields = headers
        fields.append(("X-TC-Timestamp", timestamp))
        fields.append(("Authorization", authorization))
        return WireRequest(
            method: method, path: path, query: query, headers: WireHeaders(fields),
            body: Array(body.utf8))
    }

    private func trim(_ text: String) -> String {
        var text = Substring(text)
        while text.first == " " || text.first == "\t" { text.removeFirst() }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return String(text)
    }
}

func hex(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

extension WireRequest {
    /// The request with one header replaced by these values: none, one, or several.
    func with(_ name: String, _ values: [String]) -> WireRequest {
        var copy = self
        var fields: [(String, String)] = []
        for known in ["content-type", "host", "authorization", "x-tc-action", "x-tc-version"]
            + ["x-tc-timestamp", "x-tc-content-sha256", "x-tc-region", "x-tc-token", "x-extra"]
        where known != name {
            if let value = headers[known] { fields.append((known, value)) }
        }
        for value in values { fields.append((name, value)) }
        copy.headers = WireHeaders(fields)
        return copy
    }
}

/// A small generator with a fixed algorithm, so that a printed seed means the same everywhere.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
