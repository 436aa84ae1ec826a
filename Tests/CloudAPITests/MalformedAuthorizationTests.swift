import Testing

@testable import CloudAPI

@Suite("A malformed Authorization header")
struct MalformedAuthorizationTests {
    static let scope = "\(fixtureCredential.secretId)/2026-11-23/car/tc3_request"
    static let zeros = String(repeating: "0", count: 64)

    /// The header; the answer. The last rows are well-formed and merely wrong.
    static let rows: [(String, String)] = [
        ("", "AuthFailure.InvalidAuthorization"),
        ("SKIP", "AuthFailure.InvalidAuthorization"),
        ("TC3-HMAC-SHA256", "AuthFailure.InvalidAuthorization"),
        ("TC3-HMAC-SHA256 ", "AuthFailure.InvalidAuthorization"),
        ("Bearer abc", "AuthFailure.InvalidAuthorization"),
        (
            "tc3-hmac-sha256 Credential=\(scope), SignedHeaders=content-type;host, "
                + "Signature=\(zeros)", "AuthFailure.InvalidAuthorization"
        ),
        ("TC3-HMAC-SHA256 Credential=\(scope)", "AuthFailure.InvalidAuthorization"),
        (
            "TC3-HMAC-SHA256 Credential=\(scope), SignedHeaders=content-type;host",
            "AuthFailure.InvalidAuthorization"
        ),
        (
            "TC3-HMAC-SHA256 Credential=\(scope), SignedHeaders=content-type;host, Signature=",
            "AuthFailure.InvalidAuthorization"
        ),
        (
            "TC3-HMAC-SHA256 Credential=\(scope), SignedHeaders=content-type;host, Signature=00",
            "AuthFailure.InvalidAuthorization"
        ),
        (
            "TC3-HMAC-SHA256 Credential=\(scope), SignedHeaders=content-type;host, "
                + "Signature=\(zeros)0", "AuthFailure.InvalidAuthorization"
        ),
        (
            "TC3-HMAC-SHA256 Credential=\(scope), SignedHeaders=content-type;host, "
                + "Signature=\(zeros.dropLast())g", "AuthFailure.InvalidAuthorization"
        ),
        (
            "TC3-HMAC-SHA256 Credential=\(scope), SignedHeaders=, Signature=\(zeros)",
            "AuthFailure.InvalidAuthorization"
        ),
        (
            "TC3-HMAC-SHA256 Credential=\(scope), Credential=\(scope), "
                + "SignedHeaders=content-type;host, Signature=\(zeros)",
            "AuthFailure.InvalidAuthorization"
        ),
        (
            "TC3-HMAC-SHA256 Credential=\(scope), SignedHeaders=content-type;host, "
                + "Signature=\(zeros), Extra=1", "AuthFailure.InvalidAuthorization"
        ),
        (
            "TC3-HMAC-SHA256 Credential=\(scope), SignedHeaders=content-type;host, "
                + "Signature=\(zeros),", "AuthFailure.InvalidAuthorization"
        ),
        (
            "TC3-HMAC-SHA256 Credential=/2026-11-23/car/tc3_request, "
                + "SignedHeaders=content-type;host, Signature=\(zeros)",
            "AuthFailure.InvalidAuthorization"
        ),
        (
            "TC3-HMAC-SHA256 Credential=a/b/2026-11-23/car/tc3_request, "
                + "SignedHeaders=content-type;host, Signature=\(zeros)",
            "AuthFailure.InvalidAuthorization"
        ),
        (
            "TC3-HMAC-SHA256 Credential=id/2026-11-23/car, SignedHeaders=content-type;host, "
                + "Signature=\(zeros)", "AuthFailure.InvalidAuthorization"
        ),
        (
            "TC3-HMAC-SHA256 Credential=\(scope), SignedHeaders=content-type;host"
                + (0..<40).map { ";x-\(10 + $0)" }.joined() + ", Signature=\(zeros)",
            "AuthFailure.InvalidAuthorization"
        ),
        (
            "TC3-HMAC-SHA256 " + String(repeating: "x", count: 5000),
            "AuthFailure.InvalidAuthorization"
        ),
        (
            "TC3-HMAC-SHA256 Credential=\(scope),SignedHeaders=content-type;host,"
                + "Signature=\(zeros)", "AuthFailure.SignatureFailure"
        ),
        (
            "TC3-HMAC-SHA256 Signature=\(zeros),  SignedHeaders=content-type;host ,\t"
                + "Credential=\(scope) ", "AuthFailure.SignatureFailure"
        ),
        (
            "TC3-HMAC-SHA256 Credential=nobody/2026-11-23/car/tc3_request, "
                + "SignedHeaders=content-type;host, Signature=\(zeros)",
            "AuthFailure.SecretIdNotFound"
        ),
    ]

    @Test("is refused for what it is", arguments: rows)
    func refused(value: String, expected: String) {
        #expect(outcome(TC3Caller().request().with("authorization", [value])) == expected)
    }
}
