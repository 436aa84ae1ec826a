import Crypto

/// Signs requests the way the vendor's Python SDK does: TC3-HMAC-SHA256 over POST, with
/// `content-type` and `host` as signed headers. For tools that call a server, and for tests.
public struct RequestSigner: Sendable {
    private let credential: CloudCredential
    private let service: String
    private let cache: SigningKeyCache

    public init(credential: CloudCredential, service: String = "car") {
        self.credential = credential
        self.service = service
        self.cache = SigningKeyCache(service: service)
    }

    /// A request that is ready to send.
    ///
    /// - Parameters:
    ///   - parameters: a JSON object.
    ///   - host: what the HTTP client will send as `Host`, with the port where it sends one.
    ///   - nowSeconds: the caller's clock in Unix seconds, between the years 1 and 9999.
    public func request(
        action: String, version: String = CloudAction.version, parameters: [UInt8],
        host: String, nowSeconds: Int64
    ) -> WireRequest {
        guard let day = UTCDate.text(day: UTCDate.day(ofSeconds: nowSeconds)) else {
            preconditionFailure("a clock outside the years 1 to 9999")
        }
        let timestamp = String(nowSeconds)
        let signedHeaders = "content-type;host"
        let canonical = TC3Signature.canonicalRequest(
            method: "POST", path: "/", query: "",
            fields: [
                TC3Signature.SignedField(name: "content-type", value: CloudCall.jsonType),
                TC3Signature.SignedField(name: "host", value: host),
            ],
            signedHeaderList: Array(signedHeaders.utf8)[...],
            payloadHash: TC3Signature.sha256(parameters))
        var code = cache.keyed(for: credential, date: day[...])
        code.update(
            data: TC3Signature.stringToSign(
                timestamp: timestamp, date: day[...], service: service,
                canonicalRequest: canonical))
        var authorization = Array("TC3-HMAC-SHA256 Credential=".utf8)
        authorization.append(contentsOf: credential.secretId.utf8)
        authorization.append(UInt8(ascii: "/"))
        authorization.append(contentsOf: day)
        authorization.append(contentsOf: "/\(service)/tc3_request, SignedHeaders=".utf8)
        authorization.append(contentsOf: "\(signedHeaders), Signature=".utf8)
        code.finalize().withUnsafeBytes { appendHex($0, to: &authorization) }

        var headers = WireHeaders()
        headers.append(name: "host", value: host)
        headers.append(name: "content-type", value: CloudCall.jsonType)
        headers.append(name: "x-tc-action", value: action)
        headers.append(name: "x-tc-version", value: version)
        headers.append(name: "x-tc-timestamp", value: timestamp)
        headers.append(
            name: "authorization", value: String(decoding: authorization, as: UTF8.self))
        return WireRequest(method: "POST", headers: headers, body: parameters)
    }
}
