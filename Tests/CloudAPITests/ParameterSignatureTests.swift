import JSON
import Testing

@testable import CloudAPI

@Suite("HmacSHA1 and HmacSHA256 requests")
struct ParameterSignatureTests {
    /// A request signed the older way, with parameters replaced (nil: left out) before or after
    /// signing.
    static func request(
        _ method: String, signed: [String: String?] = [:], sent: [String: String?] = [:],
        host: String = "127.0.0.1:9000"
    ) -> WireRequest {
        var pairs = [
            ("UserId", "user 7/é"), ("Action", "DescribeUserConcurrency"),
            ("Version", "2022-01-10"), ("Timestamp", String(fixtureSeconds)), ("Nonce", "42"),
            ("SecretId", fixtureCredential.secretId), ("SignatureMethod", "HmacSHA256"),
        ]
        replace(signed, in: &pairs)
        let name = pairs.first { $0.0 == "SignatureMethod" }?.1 ?? "HmacSHA1"
        let text = ParameterSignature.text(
            method: method, host: host, path: "/", parameters: pairs)
        let code = ParameterSignature.code(
            text, method: ParameterSignature.Method(rawValue: name) ?? .hmacSHA1,
            secretKey: fixtureCredential.secretKey)
        pairs.append(
            ("Signature", String(decoding: Base64.encode(code, urlSafe: false), as: UTF8.self)))
        replace(sent, in: &pairs)
        let form = pairs.map { "\($0.0)=\(escape($0.1))" }.joined(separator: "&")
        return WireRequest(
            method: method, query: method == "GET" ? form : "",
            headers: WireHeaders([
                ("Host", host), ("Content-Type", "application/x-www-form-urlencoded"),
            ]),
            body: method == "GET" ? [] : Array(form.utf8))
    }

    private static func replace(
        _ changes: [String: String?], in pairs: inout [(String, String)]
    ) {
        for (name, value) in changes {
            if let index = pairs.firstIndex(where: { $0.0 == name }) {
                if let value { pairs[index].1 = value } else { pairs.remove(at: index) }
            } else if let value {
                pairs.append((name, value))
            }
        }
    }

    private static func escape(_ text: String) -> String {
        text.utf8.map { "%" + hex([$0]) }.joined()
    }

    /// Parameters changed before signing, after signing; the answer.
    static let rows: [([String: String?], [String: String?], String)] = [
        ([:], [:], "ok"),
        (["SignatureMethod": nil], [:], "ok"),
        (["SignatureMethod": "HmacSHA1"], [:], "ok"),
        (["SignatureMethod": "HmacMD5"], [:], "InvalidParameterValue"),
        (["UserId": "a&b=c"], [:], "ok"),
        (["Some_Name": "1"], [:], "ok"),
        ([:], ["UserId": "another"], "AuthFailure.SignatureFailure"),
        ([:], ["Action": "DestroySession"], "AuthFailure.SignatureFailure"),
        ([:], ["Version": "2022-01-11"], "AuthFailure.SignatureFailure"),
        ([:], ["Nonce": "43"], "AuthFailure.SignatureFailure"),
        ([:], ["Extra": "1"], "AuthFailure.SignatureFailure"),
        ([:], ["Timestamp": "1795429775"], "AuthFailure.SignatureFailure"),
        ([:], ["SignatureMethod": "HmacSHA1"], "AuthFailure.SignatureFailure"),
        ([:], ["Signature": "AAAA"], "AuthFailure.SignatureFailure"),
        ([:], ["Signature": "not base64"], "AuthFailure.SignatureFailure"),
        ([:], ["Signature": ""], "MissingParameter"),
        ([:], ["Signature": nil], "MissingParameter"),
        ([:], ["SecretId": nil], "MissingParameter"),
        ([:], ["SecretId": "nobody"], "AuthFailure.SecretIdNotFound"),
        (["Timestamp": nil], [:], "MissingParameter"),
        (["Timestamp": "soon"], [:], "InvalidParameterValue"),
        (["Timestamp": "1795430075"], [:], "AuthFailure.SignatureExpire"),
        (["Nonce": nil], [:], "MissingParameter"),
        (["Nonce": "-1"], [:], "InvalidParameterValue"),
        (["Token": "t"], [:], "AuthFailure.TokenFailure"),
        (["Action": nil], [:], "InvalidAction"),
        (["Version": nil], [:], "MissingParameter"),
    ]

    @Test("parameter by parameter", arguments: ["GET", "POST"], rows.indices)
    func table(method: String, row: Int) {
        let (signed, sent, expected) = Self.rows[row]
        #expect(outcome(Self.request(method, signed: signed, sent: sent)) == expected)
    }

    @Test("are signed with dots for underscores, sorted by what is signed")
    func underscores() {
        let text = ParameterSignature.text(
            method: "POST", host: "h:1", path: "/",
            parameters: [("A0", "x_y"), ("A_B", "é"), ("Signature", "s"), ("A", "&=")])
        #expect(String(decoding: text, as: UTF8.self) == "POSTh:1/?A=&=&A.B=é&A0=x_y")
    }

    @Test("are bound to the host and the method")
    func hostAndMethod() {
        var request = Self.request("GET")
        request.headers = WireHeaders([("Host", "127.0.0.1:9001")])
        #expect(outcome(request) == "AuthFailure.SignatureFailure")
        request.headers = WireHeaders([])
        #expect(outcome(request) == "AuthFailure.InvalidAuthorization")
        var posted = Self.request("GET")
        posted.method = "POST"
        posted.body = Array(posted.query.utf8)
        posted.query = ""
        #expect(outcome(posted) == "AuthFailure.SignatureFailure")
    }

    @Test(
        "with a broken form are refused before anything is computed",
        arguments: [
            ("a=1&a=2", "InvalidParameter"), ("a=%", "InvalidParameterValue"),
            ("a=%4", "InvalidParameterValue"), ("a=%zz", "InvalidParameterValue"),
            ("a=%ff", "InvalidParameterValue"), ("%ff=1", "InvalidParameter"),
            ("=1", "InvalidParameter"), ("a=1&&b=2", "InvalidParameter"),
            ("", "MissingParameter"), ("a", "MissingParameter"),
            ((0..<200).map { "a\($0)=1" }.joined(separator: "&"), "InvalidParameter"),
        ])
    func brokenForm(form: String, expected: String) {
        let headers = WireHeaders([("Host", "h")])
        #expect(outcome(WireRequest(method: "GET", query: form, headers: headers)) == expected)
    }

    @Test("decode plus signs, escapes and bare names")
    func decoding() throws {
        let pairs = try FormParameters.decode(
            Array("a=1+2%2B&b=&c&d=%e5%90%8D=x".utf8)[...])
        #expect(pairs.map { $0.0 } == ["a", "b", "c", "d"])
        #expect(pairs.map { $0.1 } == ["1 2+", "", "", "名=x"])
    }
}
