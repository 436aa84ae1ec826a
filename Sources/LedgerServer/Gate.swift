import CloudAPI
import ReconnectionRules

/// Who gets in: holders of a credential, or, on loopback and if asked for, everybody.
enum Gate: Sendable {
    case anonymous
    case credentials(Authenticator)

    struct Admitted: Sendable {
        var call: CloudCall
        var caller: Caller
    }

    func admit(
        _ request: WireRequest, nowSeconds: Int64
    ) throws(CloudError) -> Admitted {
        switch self {
        case .anonymous:
            try BrowserGuard.check(request)
            return Admitted(call: try CloudCall.unauthenticated(request), caller: .anonymous)
        case .credentials(let authenticator):
            let known = try authenticator.authenticate(request, nowSeconds: nowSeconds)
            return Admitted(call: known.call, caller: .credential(known.credential.number))
        }
    }
}

/// Keeps a web page of another origin from using a server that trusts whoever reaches it.
///
/// A server without credentials listens on loopback, where the user's browser can reach it too. A
/// page on the Internet may send it a form or an image request without asking. Browsers say so in
/// headers that a page cannot leave out; other clients do not send them.
enum BrowserGuard {
    static func check(_ request: WireRequest) throws(CloudError) {
        if let origin = request.headers["origin"] {
            let host = request.headers["host"] ?? ""
            guard origin == "http://" + host else { throw refusal }
        }
        if let site = request.headers["sec-fetch-site"] {
            guard site == "same-origin" || site == "none" else { throw refusal }
        }
    }

    private static let refusal = CloudError(
        .authFailureUnauthorizedOperation,
        "Requests from web pages of another origin are refused without a signature.")
}
