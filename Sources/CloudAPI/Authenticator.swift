import Crypto
import JSON

/// A call whose caller proved to hold a credential's secret key.
public struct Authenticated: Sendable {
    public var credential: CloudCredential
    public var call: CloudCall
}

/// Verifies who sent a request, in any of the ways the vendor's SDKs sign.
///
/// Accepted: TC3-HMAC-SHA256 with POST (JSON) and GET, with and without a signed payload;
/// HmacSHA1 and HmacSHA256 with POST (form) and GET. The rules are those of the vendor's
/// signature pages and of what its Python SDK 3.1 was seen to send.
///
/// A signature is good for the clock tolerance: a request replayed within it verifies again. TC3
/// covers only the headers its caller lists (the Python SDK leaves `X-TC-Action` out), so an
/// eavesdropper is kept away by TLS, not by the signature.
public struct Authenticator: Sendable {
    /// What a server is willing to accept.
    public struct Policy: Sendable {
        /// How far `Timestamp` may be from the server's clock, either way; 300 in the vendor's
        /// documentation. Exactly this far is still accepted.
        public var clockToleranceSeconds: Int64 = 300
        /// Whether `X-TC-Content-SHA256: UNSIGNED-PAYLOAD` is accepted: the body of
        /// such a POST is protected by nothing but the transport.
        public var acceptsUnsignedPayload = true
        /// Whether a call of the cloud API has to sign `X-TC-Action` with its headers, and its
        /// payload. The vendor's SDKs sign neither by default; without it a captured request can
        /// be sent again under another action. Paths other than "/" say what is asked for
        /// themselves, and are signed anyhow.
        public var requiresSignedAction = false
        /// Whether HmacSHA1 and HmacSHA256 are accepted; they join values without escaping.
        public var acceptsParameterSignatures = true
        /// The service a credential scope has to name.
        public var service = "car"

        public init() {}
    }

    public let policy: Policy
    private let lookup: CredentialLookup
    private let cache: SigningKeyCache

    public init(policy: Policy = Policy(), lookup: @escaping CredentialLookup) {
        self.policy = policy
        self.lookup = lookup
        self.cache = SigningKeyCache(service: policy.service)
    }

    /// Checks form, clock and signature, in this order, and says what is asked for.
    ///
    /// - Parameter nowSeconds: the server's clock in Unix seconds.
    /// - Throws: `AuthFailure.InvalidAuthorization` for a malformed or ambiguous authorization,
    ///   `.SecretIdNotFound`, `.SignatureExpire` for a clock out of tolerance, `.TokenFailure`
    ///   for a temporary credential (there are none), `.SignatureFailure`; `MissingParameter`
    ///   and `InvalidParameterValue` for the common parameters, `InvalidRequest`,
    ///   `RequestSizeLimitExceeded` and `UnsupportedProtocol` for the request's shape. The
    ///   action's name, version and parameters are not judged here.
    /// - Complexity: two SHA-256 passes (body; canonical request) and one HMAC. The key schedule
    ///   is cached per credential and day.
    public func authenticate(
        _ request: WireRequest, nowSeconds: Int64
    ) throws(CloudError) -> Authenticated {
        try CloudCall.checkShape(request)
        if let authorization = try CloudCall.single("authorization", in: request.headers) {
            return try authenticateTC3(request, authorization, nowSeconds: nowSeconds)
        }
        guard CloudCall.carriesParametersOnly(request) else {
            throw .badAuthorization("there is no Authorization header")
        }
        return try authenticateParameters(request, nowSeconds: nowSeconds)
    }

    /// Checks the head of a request whose body is still to come, which therefore cannot be signed:
    /// TC3 with `X-TC-Content-SHA256: UNSIGNED-PAYLOAD`, and nothing else. Says who sent it.
    ///
    /// Throws what `authenticate` throws.
    public func authenticateStream(
        _ request: WireRequest, nowSeconds: Int64
    ) throws(CloudError) -> CloudCredential {
        try CloudCall.checkShape(request)
        guard let authorization = try CloudCall.single("authorization", in: request.headers) else {
            throw .badAuthorization("there is no Authorization header")
        }
        let payload = try CloudCall.single("x-tc-content-sha256", in: request.headers)
        guard payload == TC3Signature.unsignedPayload else {
            throw .badAuthorization(
                "a stream is signed with `X-TC-Content-SHA256: UNSIGNED-PAYLOAD`")
        }
        return try verifyTC3(request, authorization, nowSeconds: nowSeconds)
    }
}

// MARK: - TC3-HMAC-SHA256

extension Authenticator {
    private func authenticateTC3(
        _ request: WireRequest, _ authorizationText: String, nowSeconds: Int64
    ) throws(CloudError) -> Authenticated {
        let credential = try verifyTC3(request, authorizationText, nowSeconds: nowSeconds)
        return Authenticated(credential: credential, call: try CloudCall(tc3: request))
    }

    private func verifyTC3(
        _ request: WireRequest, _ authorizationText: String, nowSeconds: Int64
    ) throws(CloudError) -> CloudCredential {
        let authorization = try TC3Authorization(authorizationText)
        let headers = request.headers
        if policy.requiresSignedAction, request.path == "/" {
            guard authorization.signedHeaders.contains("x-tc-action") else {
                throw .badAuthorization("this server requires x-tc-action among SignedHeaders")
            }
        }
        guard authorization.service == policy.service else {
            throw .badAuthorization("the credential scope names another service")
        }
        if let token = try CloudCall.single("x-tc-token", in: headers), !token.isEmpty {
            throw Self.tokenFailure
        }
        guard let timestamp = try CloudCall.single("x-tc-timestamp", in: headers) else {
            throw .missing("X-TC-Timestamp")
        }
        let credential = try credential(withId: authorization.secretId)
        let seconds = try checkClock(timestamp, field: "X-TC-Timestamp", nowSeconds: nowSeconds)
        guard UTCDate.text(day: UTCDate.day(ofSeconds: seconds))?[...] == authorization.date else {
            throw .badAuthorization("the scope's date is not the UTC date of X-TC-Timestamp")
        }
        let payload = try payloadHash(request)
        let keyed = cache.keyed(for: credential, date: authorization.date)

        func verifies(_ fields: [TC3Signature.SignedField]) -> Bool {
            let canonical = TC3Signature.canonicalRequest(
                method: request.method, path: request.path, query: request.query,
                fields: fields, signedHeaderList: authorization.signedHeaderList,
                payloadHash: payload)
            var code = keyed
            code.update(
                data: TC3Signature.stringToSign(
                    timestamp: timestamp, date: authorization.date,
                    service: authorization.service, canonicalRequest: canonical))
            return code.finalize().withUnsafeBytes {
                equalInConstantTime($0, authorization.signature)
            }
        }

        var fields = try signedFields(authorization.signedHeaders, in: headers)
        if !verifies(fields) {
            // The vendor's own samples put header values into lower case before they sign.
            var differs = false
            for index in fields.indices {
                let lowered = lowercasedASCII(fields[index].value)
                differs = differs || lowered != fields[index].value
                fields[index].value = lowered
            }
            guard differs, verifies(fields) else { throw .signatureFailure }
        }
        return credential
    }

    private func payloadHash(_ request: WireRequest) throws(CloudError) -> SHA256.Digest {
        let declared = try CloudCall.single("x-tc-content-sha256", in: request.headers)
        guard declared == TC3Signature.unsignedPayload else {
            return TC3Signature.sha256(request.body)
        }
        guard policy.acceptsUnsignedPayload, !policy.requiresSignedAction else {
            throw .badAuthorization(
                policy.requiresSignedAction
                    ? "this server requires the payload to be signed"
                    : "without TLS, the payload has to be signed")
        }
        return TC3Signature.sha256(Array(TC3Signature.unsignedPayload.utf8))
    }

    private func signedFields(
        _ names: [String], in headers: WireHeaders
    ) throws(CloudError) -> [TC3Signature.SignedField] {
        var fields: [TC3Signature.SignedField] = []
        fields.reserveCapacity(names.count)
        for name in names {
            guard let value = try CloudCall.single(name, in: headers) else {
                throw .badAuthorization("the signed header `\(name)` was not sent")
            }
            fields.append(TC3Signature.SignedField(name: name, value: trimmed(value)))
        }
        return fields
    }
}

// MARK: - HmacSHA1 and HmacSHA256

extension Authenticator {
    private func authenticateParameters(
        _ request: WireRequest, nowSeconds: Int64
    ) throws(CloudError) -> Authenticated {
        guard policy.acceptsParameterSignatures else {
            throw .badAuthorization("this server accepts TC3-HMAC-SHA256 only")
        }
        let pairs = try CloudCall.formPairs(request)
        func value(_ name: String) -> String? { pairs.first { $0.0 == name }?.1 }
        func required(_ name: String) throws(CloudError) -> String {
            guard let value = value(name), !value.isEmpty else { throw .missing(name) }
            return value
        }

        let secretId = try required("SecretId")
        let signature = try required("Signature")
        let timestamp = try required("Timestamp")
        guard decimal(try required("Nonce")) != nil else {
            throw .badValue("Nonce", "is not a decimal number")
        }
        if let token = value("Token"), !token.isEmpty { throw Self.tokenFailure }
        let name = value("SignatureMethod") ?? ParameterSignature.Method.hmacSHA1.rawValue
        guard let method = ParameterSignature.Method(rawValue: name) else {
            throw .badValue("SignatureMethod", "is neither HmacSHA1 nor HmacSHA256")
        }
        guard let host = try CloudCall.single("host", in: request.headers) else {
            throw .badAuthorization("the request has no Host header")
        }
        let credential = try credential(withId: secretId)
        _ = try checkClock(timestamp, field: "Timestamp", nowSeconds: nowSeconds)

        let text = ParameterSignature.text(
            method: request.method, host: host, path: request.path, parameters: pairs)
        let code = ParameterSignature.code(text, method: method, secretKey: credential.secretKey)
        guard let sent = Base64.decode(Array(signature.utf8)[...], urlSafe: false),
            code.withUnsafeBytes({ equalInConstantTime($0, sent) })
        else { throw .signatureFailure }
        return Authenticated(credential: credential, call: try CloudCall(formPairs: pairs))
    }
}

// MARK: - Shared by both

extension Authenticator {
    private static let tokenFailure = CloudError(
        .authFailureTokenFailure, "Temporary credentials are not issued here; send no token.")

    private func credential(withId secretId: String) throws(CloudError) -> CloudCredential {
        guard let credential = lookup(secretId) else {
            throw CloudError(.authFailureSecretIdNotFound, "The SecretId is not known.")
        }
        return credential
    }

    /// The timestamp in Unix seconds, if it is within the tolerance.
    private func checkClock(
        _ text: String, field: String, nowSeconds: Int64
    ) throws(CloudError) -> Int64 {
        guard let value = decimal(text), let seconds = Int64(exactly: value) else {
            throw .badValue(field, "is not a number of Unix seconds")
        }
        let (difference, overflow) = seconds.subtractingReportingOverflow(nowSeconds)
        if overflow || difference.magnitude > policy.clockToleranceSeconds.magnitude {
            throw CloudError(
                .authFailureSignatureExpire,
                """
                `\(field)` is more than \(policy.clockToleranceSeconds) seconds from the \
                server's clock.
                """)
        }
        return seconds
    }
}
