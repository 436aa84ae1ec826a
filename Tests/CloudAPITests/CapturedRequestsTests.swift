import Synchronization
import Testing

@testable import CloudAPI

@Suite("Requests the vendor's SDK sent")
struct CapturedRequestsTests {
    @Test("are authenticated and understood in every mode", arguments: capturedRequests)
    func authenticated(captured: CapturedRequest) throws {
        let result = try makeAuthenticator().authenticate(
            captured.request, nowSeconds: fixtureSeconds)
        #expect(result.credential.number == 7)
        #expect(result.call.version == "2022-01-10")
        #expect(result.call.region == captured.region)
        #expect(try result.call.parse() == captured.expected)
    }

    @Test("are understood without authentication as well", arguments: capturedRequests)
    func unauthenticated(captured: CapturedRequest) throws {
        #expect(try CloudCall.unauthenticated(captured.request).parse() == captured.expected)
    }

    @Test("are signed alike by our own signer", arguments: capturedRequests)
    func signer(captured: CapturedRequest) throws {
        guard let action = captured.action, captured.method == "POST",
            !captured.isUnsignedPayload
        else { return }
        let request = RequestSigner(credential: fixtureCredential).request(
            action: action, parameters: Array(captured.body.utf8), host: "127.0.0.1:18431",
            nowSeconds: fixtureSeconds)
        for field in request.headers.fields {
            #expect(captured.request.headers[field.name] == field.value)
        }
        #expect(outcome(request) == "ok")
    }

    @Test("verify again from the cached key, and past midnight from a new one")
    func cachedKey() {
        let authenticator = makeAuthenticator()
        let midnight: Int64 = 1_795_478_400
        var today = TC3Caller()
        today.timestamp = String(midnight - 1)
        var tomorrow = TC3Caller()
        tomorrow.timestamp = String(midnight)
        tomorrow.date = "2026-11-24"
        for caller in [today, tomorrow, today, today, tomorrow] {
            #expect(outcome(caller.request(), nowSeconds: midnight, by: authenticator) == "ok")
        }
    }

    @Test("a replaced secret key counts at once, cache or not")
    func replacedKey() {
        let renewed = CloudCredential(
            secretId: fixtureCredential.secretId, secretKey: "another", number: 7)
        let cell = Cell(fixtureCredential)
        let authenticator = Authenticator { _ in cell.value }
        var caller = TC3Caller()
        #expect(outcome(caller.request(), by: authenticator) == "ok")
        cell.value = renewed
        #expect(
            outcome(caller.request(), by: authenticator) == "AuthFailure.SignatureFailure")
        caller.credential = renewed
        #expect(outcome(caller.request(), by: authenticator) == "ok")
    }

    @Test("an unsigned payload is refused where the policy says so", arguments: capturedRequests)
    func policy(captured: CapturedRequest) {
        var policy = Authenticator.Policy()
        policy.acceptsUnsignedPayload = false
        policy.acceptsParameterSignatures = false
        let isRefused = captured.isUnsignedPayload || captured.action == nil
        #expect(
            outcome(captured.request, by: makeAuthenticator(policy))
                == (isRefused ? "AuthFailure.InvalidAuthorization" : "ok"))
    }

    @Test("a request sent with SkipSign is refused, except where nobody has to sign")
    func skipSign() throws {
        let request = TC3Caller().request().with("authorization", ["SKIP"])
        #expect(outcome(request) == "AuthFailure.InvalidAuthorization")
        #expect(
            try CloudCall.unauthenticated(request).parse()
                == .describeUserConcurrency(.init(userId: "user-7")))
    }

    @Test("without authentication a bare JSON request with two headers is enough")
    func bareRequest() throws {
        let headers = WireHeaders([
            ("content-type", "application/json"), ("x-tc-action", "DestroySession"),
            ("x-tc-version", "2022-01-10"),
        ])
        let request = WireRequest(
            method: "POST", headers: headers, body: Array(#"{"UserId":"u"}"#.utf8))
        #expect(
            try CloudCall.unauthenticated(request).parse() == .destroySession(.init(userId: "u")))
        #expect(outcome(request) == "AuthFailure.InvalidAuthorization")
    }
}

private final class Cell: Sendable {
    private let storage: Mutex<CloudCredential>
    init(_ value: CloudCredential) { storage = Mutex(value) }
    var value: CloudCredential {
        get { storage.withLock { $0 } }
        set { storage.withLock { $0 = newValue } }
    }
}
