import Testing

@testable import CloudAPI

private let failure = "AuthFailure.SignatureFailure"
private let invalid = "AuthFailure.InvalidAuthorization"

@Suite("A changed request is refused")
struct TamperingTests {
    typealias Change = @Sendable (inout WireRequest) -> Void

    /// What is done to a request that signs content-type, host and x-tc-action; the answer.
    static let rows: [(String, Change, String)] = [
        ("nothing", { _ in }, "ok"),
        ("body", { $0.body[2] ^= 1 }, failure),
        ("body emptied", { $0.body = [] }, failure),
        ("path", { $0.path = "/v1" }, failure),
        ("query added", { $0.query = "a=b" }, "InvalidRequest"),
        ("GET instead", { $0.method = "GET" }, "InvalidRequest"),
        (
            "GET without a body",
            {
                $0.method = "GET"
                $0.body = []
            }, failure
        ),
        ("PUT", { $0.method = "PUT" }, "UnsupportedProtocol"),
        ("host", { $0 = $0.with("host", ["car.example:8081"]) }, failure),
        ("host without its port", { $0 = $0.with("host", ["car.example"]) }, failure),
        ("content type", { $0 = $0.with("content-type", ["text/plain"]) }, failure),
        ("signed action", { $0 = $0.with("x-tc-action", ["DestroySession"]) }, failure),
        ("seconds", { $0 = $0.with("x-tc-timestamp", ["1795429775"]) }, failure),
        ("seconds with a zero", { $0 = $0.with("x-tc-timestamp", ["01795429774"]) }, failure),
        (
            "payload unsigned", { $0 = $0.with("x-tc-content-sha256", ["UNSIGNED-PAYLOAD"]) },
            failure
        ),
        ("payload hash ignored", { $0 = $0.with("x-tc-content-sha256", ["00"]) }, "ok"),
        ("host spaced", { $0 = $0.with("host", [" car.example:8080\t"]) }, "ok"),
        ("host absent", { $0 = $0.with("host", []) }, invalid),
        (
            "host twice", { $0 = $0.with("host", ["car.example:8080", "car.example:8080"]) },
            invalid
        ),
        ("action twice", { $0 = $0.with("x-tc-action", ["ApplyConcurrent", "A"]) }, invalid),
        ("action absent", { $0 = $0.with("x-tc-action", []) }, invalid),
        ("version absent", { $0 = $0.with("x-tc-version", []) }, "MissingParameter"),
        ("version twice", { $0 = $0.with("x-tc-version", ["2022-01-10", "2022-01-10"]) }, invalid),
        ("seconds absent", { $0 = $0.with("x-tc-timestamp", []) }, "MissingParameter"),
        ("seconds twice", { $0 = $0.with("x-tc-timestamp", ["1795429774", "0"]) }, invalid),
        (
            "seconds signed", { $0 = $0.with("x-tc-timestamp", ["+1795429774"]) },
            "InvalidParameterValue"
        ),
        ("seconds empty", { $0 = $0.with("x-tc-timestamp", [""]) }, "InvalidParameterValue"),
        (
            "seconds enormous", { $0 = $0.with("x-tc-timestamp", ["99999999999999999999"]) },
            "InvalidParameterValue"
        ),
        ("a token", { $0 = $0.with("x-tc-token", ["abc"]) }, "AuthFailure.TokenFailure"),
        ("an empty token", { $0 = $0.with("x-tc-token", [""]) }, "ok"),
        (
            "authorization twice",
            {
                let value = $0.headers["authorization"]!
                $0 = $0.with("authorization", [value, value])
            }, invalid
        ),
        ("authorization absent", { $0 = $0.with("authorization", []) }, invalid),
    ]

    @Test("piece by piece", arguments: rows.indices)
    func change(row: Int) {
        let (name, change, expected) = Self.rows[row]
        var caller = TC3Caller()
        caller.signedHeaders = "content-type;host;x-tc-action"
        var request = caller.request()
        change(&request)
        #expect(outcome(request) == expected, "\(name)")
    }

    /// What a caller signs; the answer. Every one of them has a correct signature of its own.
    static let callers: [(String, @Sendable (inout TC3Caller) -> Void, String)] = [
        (
            "lower-case values",
            {
                $0.lowersValues = true
                $0.signedHeaders = "content-type;host;x-tc-action"
            }, "ok"
        ),
        ("a charset", { $0.headers[0].1 = "application/json; charset=utf-8" }, "ok"),
        (
            "any further header",
            {
                $0.headers.append(("X-Extra", "  1 "))
                $0.signedHeaders = "content-type;host;x-extra"
            }, "ok"
        ),
        (
            "payload unsigned",
            {
                $0.payload = "UNSIGNED-PAYLOAD"
                $0.headers.append(("X-TC-Content-SHA256", "UNSIGNED-PAYLOAD"))
            }, "ok"
        ),
        ("payload unsigned, not declared", { $0.payload = "UNSIGNED-PAYLOAD" }, failure),
        (
            "a GET",
            {
                $0.method = "GET"
                $0.query = "UserId=user-7"
                $0.body = ""
            }, "ok"
        ),
        (
            "an empty GET",
            {
                $0.method = "GET"
                $0.body = ""
            }, "ok"
        ),
        ("no host", { $0.signedHeaders = "content-type" }, invalid),
        ("no content type", { $0.signedHeaders = "host" }, invalid),
        ("names not ascending", { $0.signedHeaders = "host;content-type" }, invalid),
        ("a name twice", { $0.signedHeaders = "content-type;host;host" }, invalid),
        ("a name in capitals", { $0.signedHeaders = "content-type;host;X-extra" }, invalid),
        ("an empty name", { $0.signedHeaders = "content-type;host;" }, invalid),
        ("a header not sent", { $0.signedHeaders = "content-type;host;x-none" }, invalid),
        ("yesterday", { $0.date = "2026-11-22" }, invalid),
        ("a date of another form", { $0.date = "20261123" }, invalid),
        ("another service", { $0.service = "cvm" }, invalid),
        ("another terminator", { $0.terminator = "aws4_request" }, invalid),
        (
            "an unknown id",
            {
                $0.credential = CloudCredential(
                    secretId: "nobody", secretKey: fixtureCredential.secretKey, number: 1)
            },
            "AuthFailure.SecretIdNotFound"
        ),
        (
            "another's key",
            {
                $0.credential = CloudCredential(
                    secretId: fixtureCredential.secretId, secretKey: "guess", number: 1)
            }, failure
        ),
        (
            "a form body", { $0.headers[0].1 = "application/x-www-form-urlencoded" },
            "InvalidRequest"
        ),
        (
            "a multipart body", { $0.headers[0].1 = "multipart/form-data; boundary=x" },
            "InvalidRequest"
        ),
        ("an action without a name", { $0.headers[2].1 = "" }, "InvalidAction"),
        (
            "a body too long", { $0.body = String(repeating: " ", count: Limits.bodyBytesMax + 1) },
            "RequestSizeLimitExceeded"
        ),
    ]

    @Test("what a caller chose to sign", arguments: callers.indices)
    func caller(row: Int) {
        let (name, change, expected) = Self.callers[row]
        var caller = TC3Caller()
        change(&caller)
        #expect(outcome(caller.request()) == expected, "\(name)")
    }

    @Test("every single bit of the signature matters")
    func signatureBits() throws {
        let request = TC3Caller().request()
        let value = try #require(request.headers["authorization"])
        for position in 0..<64 {
            var bytes = Array(value.utf8)
            let index = bytes.count - 64 + position
            bytes[index] = bytes[index] == UInt8(ascii: "0") ? UInt8(ascii: "1") : 0x30
            let changed = String(decoding: bytes, as: UTF8.self)
            #expect(outcome(request.with("authorization", [changed])) == failure)
        }
    }

    @Test("no message contains a secret, a signature or a value")
    func messages() {
        for row in Self.callers {
            var caller = TC3Caller()
            row.1(&caller)
            let request = caller.request()
            do throws(CloudError) {
                _ = try makeAuthenticator().authenticate(request, nowSeconds: fixtureSeconds)
            } catch {
                let signature = request.headers["authorization"]?.suffix(64) ?? "-"
                #expect(!error.message.contains(caller.credential.secretKey))
                #expect(!error.message.contains(signature))
                #expect(!error.message.contains("user-7"))
            }
        }
    }
}

@Suite("The clock")
struct ClockTests {
    @Test(
        "may differ by the tolerance and not by a second more, either way",
        arguments: [
            (0, "ok"), (300, "ok"), (301, "AuthFailure.SignatureExpire"), (-300, "ok"),
            (-301, "AuthFailure.SignatureExpire"), (86_400, "AuthFailure.SignatureExpire"),
        ] as [(Int64, String)])
    func edges(offset: Int64, expected: String) {
        #expect(outcome(TC3Caller().request(), nowSeconds: fixtureSeconds + offset) == expected)
        for captured in capturedRequests {
            #expect(outcome(captured.request, nowSeconds: fixtureSeconds + offset) == expected)
        }
    }

    @Test("may be anything without a crash", arguments: [Int64.min, -1, 0, Int64.max])
    func extremes(now: Int64) {
        #expect(outcome(TC3Caller().request(), nowSeconds: now) == "AuthFailure.SignatureExpire")
        var caller = TC3Caller()
        caller.timestamp = String(Int64.max)
        let expected = now == .max ? invalid : "AuthFailure.SignatureExpire"
        #expect(outcome(caller.request(), nowSeconds: now) == expected)
    }

    @Test("has a tolerance that can be set")
    func tolerance() {
        var policy = Authenticator.Policy()
        policy.clockToleranceSeconds = 0
        let strict = makeAuthenticator(policy)
        #expect(outcome(TC3Caller().request(), by: strict) == "ok")
        #expect(
            outcome(TC3Caller().request(), nowSeconds: fixtureSeconds + 1, by: strict)
                == "AuthFailure.SignatureExpire")
    }
}
