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

    /// The same for a body that is not there yet, of which only the head is judged.
    func admitStream(_ request: WireRequest, nowSeconds: Int64) throws(CloudError) -> Caller {
        switch self {
        case .anonymous:
            try BrowserGuard.check(request)
            return .anonymous
        case .credentials(let authenticator):
            let known = try authenticator.authenticateStream(request, nowSeconds: nowSeconds)
            return .credential(known.number)
        }
    }
}
