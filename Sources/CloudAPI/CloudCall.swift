/// What a request asks for, once it is taken apart: the action's name and its parameters.
public struct CloudCall: Sendable {
    /// Where the action's parameters stand. Reading them is left to `CloudAction.parse`.
    public enum Parameters: Sendable {
        /// A JSON document (POST).
        case json([UInt8])
        /// Decoded pairs of a query string or form body; every value is text.
        case pairs([(String, String)])
    }

    /// As sent; perhaps no action at all.
    public var action: String
    /// As sent; perhaps no version that is served.
    public var version: String
    public var region: String?
    public var parameters: Parameters

    public init(action: String, version: String, region: String? = nil, parameters: Parameters) {
        self.action = action
        self.version = version
        self.region = region
        self.parameters = parameters
    }

    /// The typed action. Throws what `CloudAction.parse` throws.
    public func parse() throws(CloudError) -> CloudAction {
        try CloudAction.parse(action: action, version: version, parameters: parameters)
    }

    /// Takes a request apart without looking at who signed it, if anybody did.
    ///
    /// For a server without any credentials, which answers on the loopback interface only. All
    /// forms that `Authenticator` accepts are read, signed or not, and the signature ignored.
    public static func unauthenticated(_ request: WireRequest) throws(CloudError) -> CloudCall {
        try checkShape(request)
        if carriesParametersOnly(request) {
            return try CloudCall(formPairs: formPairs(request))
        }
        return try CloudCall(tc3: request)
    }
}

// MARK: - Taking a request apart

extension CloudCall {
    /// Method and sizes, the checks that come before any other work.
    static func checkShape(_ request: WireRequest) throws(CloudError) {
        switch request.method {
        case "POST":
            guard request.query.isEmpty else {
                throw CloudError(.invalidRequest, "A POST request takes no query string.")
            }
        case "GET":
            guard request.body.isEmpty else {
                throw CloudError(.invalidRequest, "A GET request takes no body.")
            }
        default:
            throw CloudError(.unsupportedProtocol, "Only GET and POST are supported.")
        }
        guard request.body.count <= Limits.bodyBytesMax,
            request.query.utf8.count <= Limits.queryBytesMax
        else {
            throw CloudError(
                .requestSizeLimitExceeded,
                """
                A body may have \(Limits.bodyBytesMax) bytes, a query \(Limits.queryBytesMax).
                """)
        }
    }

    /// Whether everything stands among the parameters, as in the older signature methods: no
    /// `X-TC-Action`, and a query string or a form body.
    static func carriesParametersOnly(_ request: WireRequest) -> Bool {
        guard request.headers["x-tc-action"] == nil else { return false }
        return request.method == "GET" || mediaType(request) == formType
    }

    /// The pairs of a query string (GET) or a form body (POST).
    static func formPairs(_ request: WireRequest) throws(CloudError) -> [(String, String)] {
        if request.method == "GET" {
            return try FormParameters.decode(Array(request.query.utf8)[...])
        }
        return try FormParameters.decode(request.body[...])
    }

    /// A request whose common parameters stand in `X-TC-` headers.
    init(tc3 request: WireRequest) throws(CloudError) {
        let headers = request.headers
        guard let action = try Self.single("x-tc-action", in: headers), !action.isEmpty else {
            throw CloudError(.invalidAction, "The request names no action (`X-TC-Action`).")
        }
        guard let version = try Self.single("x-tc-version", in: headers) else {
            throw .missing("X-TC-Version")
        }
        self.action = action
        self.version = version
        self.region = try Self.single("x-tc-region", in: headers)
        if request.method == "GET" {
            self.parameters = .pairs(try FormParameters.decode(Array(request.query.utf8)[...]))
        } else if Self.mediaType(request) == Self.jsonType {
            self.parameters = .json(request.body)
        } else {
            throw CloudError(.invalidRequest, "A POST request has to be \(Self.jsonType).")
        }
    }

    /// A request whose common parameters stand among the others.
    init(formPairs pairs: [(String, String)]) throws(CloudError) {
        var action = ""
        var version: String?
        var region: String?
        var rest: [(String, String)] = []
        for (name, value) in pairs {
            switch name {
            case "Action": action = value
            case "Version": version = value
            case "Region": region = value
            case _ where ParameterSignature.reserved.contains(name): break
            default: rest.append((name, value))
            }
        }
        guard !action.isEmpty else {
            throw CloudError(.invalidAction, "The request names no action (`Action`).")
        }
        guard let version else { throw .missing("Version") }
        self.init(action: action, version: version, region: region, parameters: .pairs(rest))
    }

    /// The value of a header that may stand once; two are an ambiguous request.
    static func single(
        _ name: String, in headers: WireHeaders
    ) throws(CloudError) -> String? {
        switch headers.lookup(name) {
        case .absent: return nil
        case .one(let value): return value
        case .several: throw .badAuthorization("the header `\(name)` is given twice")
        }
    }

    static let jsonType = "application/json"
    static let formType = "application/x-www-form-urlencoded"

    /// The media type of the body in lower case, without parameters such as the charset.
    private static func mediaType(_ request: WireRequest) -> String {
        guard let value = request.headers["content-type"] else { return "" }
        if value == jsonType { return jsonType }
        let bytes = Array(value.utf8)
        let end = bytes.firstIndex(of: UInt8(ascii: ";")) ?? bytes.endIndex
        return lowercasedASCII(String(decoding: trimmed(bytes[..<end]), as: UTF8.self))
    }
}
