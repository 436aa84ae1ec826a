import CloudAPI
import ReconnectionRules

/// Who gets in, and to what: holders of a credential as far as its roles, projects and limits go;
/// or, on loopback and if asked for, everybody.
struct Gate: Sendable {
    enum Kind: Sendable {
        case anonymous
        case credentials(Authenticator)
    }

    let kind: Kind
    let connections: OpenConnections
    /// nil: as often as anybody likes.
    let limiter: RateLimiter?

    struct Admitted: Sendable {
        var call: CloudCall
        var visitor: Visitor
    }

    /// Who came in.
    struct Visitor: Sendable {
        var caller: Caller
        var access: Access

        static let anonymous = Visitor(caller: .anonymous, access: .full)
    }

    /// Lets a request in whose body is there.
    ///
    /// - Parameter operation: what is asked for; nil for the action that the request names.
    /// - Throws: what the authenticator throws, then `RequestLimitExceeded`, then
    ///   `AuthFailure.UnauthorizedOperation` for a role the credential does not have.
    func admit(
        _ request: WireRequest, to operation: Operation? = nil, on connection: OpenConnection?,
        nowSeconds: Int64
    ) throws(CloudError) -> Admitted {
        switch kind {
        case .anonymous:
            try BrowserGuard.check(request)
            let call = try CloudCall.unauthenticated(request)
            if let connection { try connections.prove(connection, by: nil) }
            return Admitted(call: call, visitor: .anonymous)
        case .credentials(let authenticator):
            let known = try authenticator.authenticate(request, nowSeconds: nowSeconds)
            let visitor = try visitor(known.credential, on: connection)
            let action = CloudAction.Name(rawValue: known.call.action)
            if let operation {
                try visitor.access.require(operation)
            } else if let action {
                try limiter?.take(action, by: known.credential.number)
                try visitor.access.require(.action(action))
            }
            return Admitted(call: known.call, visitor: visitor)
        }
    }

    /// The same for a body that is not there yet, of which only the head is judged.
    func admitStream(
        _ request: WireRequest, to operation: Operation, on connection: OpenConnection?,
        nowSeconds: Int64
    ) throws(CloudError) -> Visitor {
        switch kind {
        case .anonymous:
            try BrowserGuard.check(request)
            if let connection { try connections.prove(connection, by: nil) }
            return .anonymous
        case .credentials(let authenticator):
            let known = try authenticator.authenticateStream(request, nowSeconds: nowSeconds)
            let visitor = try visitor(known, on: connection)
            try visitor.access.require(operation)
            return visitor
        }
    }

    private func visitor(
        _ credential: CloudCredential, on connection: OpenConnection?
    ) throws(CloudError) -> Visitor {
        if let connection { try connections.prove(connection, by: credential) }
        return Visitor(caller: .credential(credential.number), access: credential.access)
    }

    /// How long to wait before so many lines of bulk commands are performed.
    func pace(_ lineCount: Int, by caller: Caller) -> Duration {
        guard let limiter, let number = caller.credentialNumber else { return .zero }
        return limiter.takeLines(lineCount, by: number)
    }
}
