import Testing

@testable import CloudAPI

/// Requests that the vendor's Python SDK (common 3.1.195, car client and common client) sent to
/// a listener on 127.0.0.1:18431, in every mode it has. Headers that no rule reads are left out.
struct CapturedRequest: Sendable, CustomTestStringConvertible {
    var mode: String
    var method: String
    var query = ""
    var body = ""
    /// nil: an older method, with nothing in the headers.
    var action: String?
    var signature = ""
    var isUnsignedPayload = false
    var region: String?
    var expected: CloudAction

    var testDescription: String { mode }

    var request: WireRequest {
        var headers = WireHeaders()
        headers.append(name: "User-Agent", value: "python-requests/2.34.2")
        headers.append(name: "Accept", value: "*/*")
        headers.append(name: "X-TC-TraceId", value: "0afc020d-dee3-48eb-8baf-1e0b542c2ee2")
        let isJSON = action != nil && method == "POST"
        headers.append(
            name: "Content-Type",
            value: isJSON ? "application/json" : "application/x-www-form-urlencoded")
        headers.append(name: "Host", value: "127.0.0.1:18431")
        if let action {
            headers.append(name: "X-TC-Action", value: action)
            headers.append(name: "X-TC-RequestClient", value: "SDK_PYTHON_3.1.29")
            headers.append(name: "X-TC-Timestamp", value: "1795429774")
            headers.append(name: "X-TC-Version", value: "2022-01-10")
            if isUnsignedPayload {
                headers.append(name: "X-TC-Content-SHA256", value: "UNSIGNED-PAYLOAD")
            }
            if let region { headers.append(name: "X-TC-Region", value: region) }
            headers.append(name: "X-TC-Language", value: "zh-CN")
            headers.append(
                name: "Authorization",
                value: "TC3-HMAC-SHA256 Credential=HFIDcaptureAAAAAAAAAAAAAAAAAAAAAAAAA/"
                    + "2026-11-23/car/tc3_request, SignedHeaders=content-type;host, "
                    + "Signature=\(signature)")
        }
        return WireRequest(
            method: method, path: "/", query: query, headers: headers, body: Array(body.utf8))
    }
}

private let apply = CloudAction.applyConcurrent(
    .init(userId: "u é+&=%~_-./:@名", userIp: "203.0.113.9", projectId: "cap-1"))
private let create = CloudAction.createSession(
    .init(
        userId: "user-7", userIp: "203.0.113.9", clientSession: "e30=", runsWithoutClient: false))

private let createJSON =
    #"{"UserId": "user-7", "UserIp": "203.0.113.9", "ClientSession": "e30="}"#
private let applyForm =
    "UserId=u+%C3%A9%2B%26%3D%25~_-.%2F%3A%40%E5%90%8D&UserIp=203.0.113.9&ProjectId=cap-1"

/// The parameters of an older method, in the order the SDK writes them.
private func signedForm(
    _ parameters: String, action: String, nonce: String, method: String, signature: String
) -> String {
    parameters + "&Action=\(action)&RequestClient=SDK_PYTHON_3.1.29&Nonce=\(nonce)"
        + "&Timestamp=1795429774&Version=2022-01-10"
        + "&SecretId=HFIDcaptureAAAAAAAAAAAAAAAAAAAAAAAAA&SignatureMethod=\(method)"
        + "&Language=zh-CN&Signature=\(signature)"
}

let capturedRequests: [CapturedRequest] = [
    CapturedRequest(
        mode: "TC3 POST", method: "POST",
        body: #"{"UserId": "u \u00e9+&=%~_-./:@\u540d", "UserIp": "203.0.113.9", "#
            + #""ProjectId": "cap-1"}"#,
        action: "ApplyConcurrent",
        signature: "76f1501eababa22d348938f143abd82fcb847476a208ac6d6e21ff388529c46b",
        expected: apply),
    CapturedRequest(
        mode: "TC3 POST with a region", method: "POST", body: createJSON,
        action: "CreateSession",
        signature: "a3563c28615ee9586ec4d3e9d701ea73deaf383863bbef2e33dbe08263430fc8",
        region: "ap-guangzhou", expected: create),
    CapturedRequest(
        mode: "TC3 GET", method: "GET", query: applyForm, action: "ApplyConcurrent",
        signature: "308df6c8b23184441c96c2a6608b6a582e3f1fad2a26b53b142b3e192ccfeb2a",
        expected: apply),
    CapturedRequest(
        mode: "TC3 POST, payload unsigned", method: "POST", body: createJSON,
        action: "CreateSession",
        signature: "f77813ba2b83b44d490662a5e301c284be4e890a536b6bc83abb02707e45a6da",
        isUnsignedPayload: true, expected: create),
    CapturedRequest(
        mode: "TC3 GET, payload unsigned", method: "GET",
        query: "UserId=user-7&UserIp=203.0.113.9&ClientSession=e30%3D", action: "CreateSession",
        signature: "d45895fa5a62593d4c04aa41dd87adb58377ff386d4a4b3e4b4ceaa4c0757b61",
        isUnsignedPayload: true, expected: create),
    CapturedRequest(
        mode: "TC3 POST, common client, numbers", method: "POST",
        body: #"{"ProjectId": "cap-1", "Concurrencies": 60, "ReconnectTimeout": "90"}"#,
        action: "ModifyProject",
        signature: "f71ad8b495c218c309f9854aef88f6a31a8cde968fd0e39cd03849cc3dd87db2",
        expected: .modifyProject(
            .init(projectId: "cap-1", concurrencies: 60, reconnectTimeoutSeconds: 90))),
    CapturedRequest(
        mode: "TC3 GET, common client, largest id", method: "GET",
        query: "UserId=user-7&SessionId=18446744073709551615", action: "ReportDisconnection",
        signature: "b79fa2b617f2cd2c2f952a9ff508a7b33e828b1ee0b23bded60ad16eb515775a",
        expected: .reportDisconnection(.init(userId: "user-7", sessionId: .max))),
    CapturedRequest(
        mode: "TC3 POST, no parameters", method: "POST", body: "{}",
        action: "DescribeConcurrentCount",
        signature: "2adbbd63edccefb171331dc0a4a43999aa4a0861731b98969e799d8dbed8fdeb",
        expected: .describeConcurrentCount(.init())),
    CapturedRequest(
        mode: "HmacSHA1 POST", method: "POST",
        body: signedForm(
            applyForm, action: "ApplyConcurrent", nonce: "525091071696165211",
            method: "HmacSHA1", signature: "0ZGmOwjjggDBpeOP6%2Bsl7PvY1ag%3D"),
        expected: apply),
    CapturedRequest(
        mode: "HmacSHA1 GET", method: "GET",
        query: signedForm(
            applyForm, action: "ApplyConcurrent", nonce: "1456459421837210265",
            method: "HmacSHA1", signature: "RNUT9I33YqSa4m0EQTi8S%2BI9o4w%3D"),
        expected: apply),
    CapturedRequest(
        mode: "HmacSHA256 POST", method: "POST",
        body: signedForm(
            applyForm, action: "ApplyConcurrent", nonce: "3834386203798460464",
            method: "HmacSHA256",
            signature: "nLDMdksO%2B9tGngaJrIsTBv0thPxltftdCj4ZkFseJVo%3D"),
        expected: apply),
    CapturedRequest(
        mode: "HmacSHA256 GET", method: "GET",
        query: signedForm(
            applyForm, action: "ApplyConcurrent", nonce: "1439883668129706284",
            method: "HmacSHA256",
            signature: "RwI0MoTLZo87p7YdsZijbl1g4MzDuHfJs598AajzJvs%3D"),
        expected: apply),
    CapturedRequest(
        mode: "HmacSHA256 POST, common client", method: "POST",
        body: signedForm(
            "UserId=user-7&Limit=5", action: "DescribeReconnectionHistory",
            nonce: "2432044041680197118", method: "HmacSHA256",
            signature: "1Tcnd0Kbtg2BWV1lxvjsTP6KxG1mPgrAyg5%2FAkzrvm4%3D"),
        expected: .describeReconnectionHistory(.init(userId: "user-7", limit: 5))),
]
