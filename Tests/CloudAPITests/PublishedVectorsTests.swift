import JSON
import Testing

@testable import CloudAPI

/// The example of the vendor's signature pages. The ids really end in asterisks.
@Suite("Published signature vectors")
struct PublishedVectorsTests {
    static let secretId = "AKIDz8krbsJ5yKBZQpn74WFkmLPx3*******"
    static let secretKey = "Gu5t9xGARNpq86cd98joQYCN3*******"
    static let payload = Array(
        #"{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}"#
            .utf8)

    struct Vector: Sendable, CustomTestStringConvertible {
        var name: String
        var signedHeaders: [(name: String, value: String)]
        var canonicalRequestHash: String
        var signature: String
        var testDescription: String { name }
    }

    static let vectors: [Vector] = [
        Vector(
            name: "A",
            signedHeaders: [
                ("content-type", "application/json; charset=utf-8"),
                ("host", "cvm.tencentcloudapi.com"),
            ],
            canonicalRequestHash:
                "5ffe6a04c0664d6b969fab9a13bdab201d63ee709638e2749d62a09ca18d7031",
            signature: "2230eefd229f582d8b1b891af7107b91597240707d778ab3738f756258d7652c"),
        Vector(
            name: "B, which signs the action in lower case",
            signedHeaders: [
                ("content-type", "application/json; charset=utf-8"),
                ("host", "cvm.tencentcloudapi.com"), ("x-tc-action", "describeinstances"),
            ],
            canonicalRequestHash:
                "7019a55be8395899b900fb5564e4200d984910f34794a27cb3fb7d10ff6a1e84",
            signature: "be4f67d323c78ab9acb7395e43c0dbcf822a9cfac32fea2449a7bc7726b770a3"),
    ]

    @Test("TC3, each intermediate digest", arguments: vectors)
    func digests(vector: Vector) {
        let date = Array("2019-02-25".utf8)[...]
        #expect(UTCDate.text(day: UTCDate.day(ofSeconds: 1_551_113_065))?[...] == date)
        let payloadHash = TC3Signature.sha256(Self.payload)
        #expect(
            hex(payloadHash)
                == "35e9c5b0e3ae67532d3c9f17ead6c90222632e5b1ff7f6e89887f1398934f064")
        let canonical = TC3Signature.canonicalRequest(
            method: "POST", path: "/", query: "",
            fields: vector.signedHeaders.map { .init(name: $0.name, value: $0.value) },
            signedHeaderList: Array(vector.signedHeaders.map(\.name).joined(separator: ";").utf8)[
                ...],
            payloadHash: payloadHash)
        #expect(hex(TC3Signature.sha256(canonical)) == vector.canonicalRequestHash)

        let text = TC3Signature.stringToSign(
            timestamp: "1551113065", date: date, service: "cvm", canonicalRequest: canonical)
        #expect(
            String(decoding: text, as: UTF8.self)
                == "TC3-HMAC-SHA256\n1551113065\n2019-02-25/cvm/tc3_request\n"
                + vector.canonicalRequestHash)

        let dateKey = TC3Signature.dateKey(secretKey: Self.secretKey, date: date)
        let serviceKey = TC3Signature.serviceKey(dateKey: dateKey, service: "cvm")
        #expect(
            hex(dateKey) == "f1cb4d518a0eda9d5cbbfdb7850983f1e603eeae484edea76e4dd8d8deb5556e")
        #expect(
            hex(serviceKey) == "e7c609ce81bea53546bed2cc904778bef9ca14082e48e67883443ed64e227cd7")
        #expect(
            hex(TC3Signature.signingKey(serviceKey: serviceKey))
                == "8aa8ab5755582f576e94bcfe383b8e29325b0ca90c3590d569221c6a63a091ed")
    }

    @Test("TC3, as a whole request", arguments: vectors)
    func request(vector: Vector) throws {
        var policy = Authenticator.Policy()
        policy.service = "cvm"
        let authenticator = Authenticator(policy: policy) { id in
            id == Self.secretId
                ? CloudCredential(secretId: id, secretKey: Self.secretKey, number: 1) : nil
        }
        let names = vector.signedHeaders.map(\.name).joined(separator: ";")
        let request = WireRequest(
            method: "POST",
            headers: WireHeaders([
                ("Content-Type", "application/json; charset=utf-8"),
                ("Host", "cvm.tencentcloudapi.com"), ("X-TC-Action", "DescribeInstances"),
                ("X-TC-Version", "2017-03-12"), ("X-TC-Timestamp", "1551113065"),
                (
                    "Authorization",
                    "TC3-HMAC-SHA256 Credential=\(Self.secretId)/2019-02-25/cvm/tc3_request, "
                        + "SignedHeaders=\(names), Signature=\(vector.signature)"
                ),
            ]),
            body: Self.payload)
        let result = try authenticator.authenticate(request, nowSeconds: 1_551_113_065)
        #expect(result.call.action == "DescribeInstances")
        #expect(throws: CloudError.self) { try result.call.parse() }
    }

    @Test("HmacSHA1, the text and the code")
    func parameterSignature() throws {
        let pairs = [
            ("Nonce", "11886"), ("Action", "DescribeInstances"), ("Limit", "20"),
            ("InstanceIds.0", "ins-09dx96dg"), ("Offset", "0"), ("Region", "ap-guangzhou"),
            ("SecretId", Self.secretId), ("Timestamp", "1465185768"), ("Version", "2017-03-12"),
        ]
        let text = ParameterSignature.text(
            method: "GET", host: "cvm.tencentcloudapi.com", path: "/", parameters: pairs)
        #expect(
            String(decoding: text, as: UTF8.self)
                == "GETcvm.tencentcloudapi.com/?Action=DescribeInstances"
                + "&InstanceIds.0=ins-09dx96dg&Limit=20&Nonce=11886&Offset=0"
                + "&Region=ap-guangzhou&SecretId=AKIDz8krbsJ5yKBZQpn74WFkmLPx3*******"
                + "&Timestamp=1465185768&Version=2017-03-12")
        let code = ParameterSignature.code(text, method: .hmacSHA1, secretKey: Self.secretKey)
        #expect(
            String(decoding: Base64.encode(code, urlSafe: false), as: UTF8.self)
                == "zmmjn35mikh6pM3V7sUEuX4wyYM=")
    }

    @Test("HmacSHA1, as a whole request that leaves the method out")
    func parameterRequest() throws {
        let authenticator = Authenticator { id in
            CloudCredential(secretId: id, secretKey: Self.secretKey, number: 1)
        }
        let request = WireRequest(
            method: "GET",
            query: "Action=DescribeInstances&InstanceIds.0=ins-09dx96dg&Limit=20&Nonce=11886"
                + "&Offset=0&Region=ap-guangzhou&SecretId=AKIDz8krbsJ5yKBZQpn74WFkmLPx3*******"
                + "&Timestamp=1465185768&Version=2017-03-12"
                + "&Signature=zmmjn35mikh6pM3V7sUEuX4wyYM%3D",
            headers: WireHeaders([("Host", "cvm.tencentcloudapi.com")]))
        let call = try authenticator.authenticate(request, nowSeconds: 1_465_185_768).call
        #expect(call.action == "DescribeInstances")
        #expect(call.region == "ap-guangzhou")
        guard case .pairs(let rest) = call.parameters else {
            Issue.record("a query string should give pairs")
            return
        }
        #expect(rest.map { $0.0 } == ["InstanceIds.0", "Limit", "Offset"])
    }

    @Test(
        "dates without Foundation",
        arguments: [
            (0, "1970-01-01"), (-1, "1969-12-31"), (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"), (4_107_542_399, "2100-02-28"),
            (4_107_542_400, "2100-03-01"), (1_735_689_599, "2024-12-31"),
            (1_709_164_800, "2024-02-29"), (253_402_300_799, "9999-12-31"),
            (253_402_300_800, nil), (-62_135_596_800, "0001-01-01"), (-62_135_596_801, nil),
            (Int64.max, nil), (Int64.min, nil),
        ] as [(Int64, String?)])
    func dates(seconds: Int64, expected: String?) {
        let text = UTCDate.text(day: UTCDate.day(ofSeconds: seconds))
        #expect(text.map { String(decoding: $0, as: UTF8.self) } == expected)
    }
}
