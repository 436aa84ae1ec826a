/// An error code of the vendor's API, spelled as on the wire.
///
/// An open set: codes not listed here can still be made from their text. The names follow the
/// wire, with the dot left out (`AuthFailure.SignatureExpire` is `authFailureSignatureExpire`).
public struct ErrorCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: String

    public init(rawValue: String) { self.rawValue = rawValue }

    init(_ text: String) { self.rawValue = text }

    public var description: String { rawValue }
}

// MARK: - Codes of the CAR actions (error lists of the vendor's SDKs)

extension ErrorCode {
    public static let failedOperation = ErrorCode("FailedOperation")
    /// No concurrency applied for, or the lock ran out after applying.
    public static let failedOperationLockTimeout = ErrorCode("FailedOperation.LockTimeout")
    public static let failedOperationPathNotFound = ErrorCode("FailedOperation.PathNotFound")
    public static let failedOperationProcessTimeout = ErrorCode("FailedOperation.ProcessTimeout")
    /// A request of this UserId is being processed.
    public static let failedOperationSlowDown = ErrorCode("FailedOperation.SlowDown")
    public static let internalError = ErrorCode("InternalError")
    public static let invalidParameter = ErrorCode("InvalidParameter")
    public static let invalidParameterJsonParseError =
        ErrorCode("InvalidParameter.JsonParseError")
    public static let invalidParameterValue = ErrorCode("InvalidParameterValue")
    public static let limitExceededRole = ErrorCode("LimitExceeded.Role")
    public static let operationDenied = ErrorCode("OperationDenied")
    public static let resourceNotFoundNoIdle = ErrorCode("ResourceNotFound.NoIdle")
    public static let resourceNotFoundSessionNotFound =
        ErrorCode("ResourceNotFound.SessionNotFound")
    public static let resourceUnavailableAccessFailed =
        ErrorCode("ResourceUnavailable.AccessFailed")
    public static let resourceUnavailableInitialization =
        ErrorCode("ResourceUnavailable.Initialization")
    public static let unsupportedOperationStopping = ErrorCode("UnsupportedOperation.Stopping")
}

// MARK: - Codes that every action may return

extension ErrorCode {
    public static let actionOffline = ErrorCode("ActionOffline")
    public static let authFailureInvalidAuthorization =
        ErrorCode("AuthFailure.InvalidAuthorization")
    public static let authFailureInvalidSecretId = ErrorCode("AuthFailure.InvalidSecretId")
    public static let authFailureMFAFailure = ErrorCode("AuthFailure.MFAFailure")
    public static let authFailureSecretIdNotFound = ErrorCode("AuthFailure.SecretIdNotFound")
    public static let authFailureSignatureExpire = ErrorCode("AuthFailure.SignatureExpire")
    public static let authFailureSignatureFailure = ErrorCode("AuthFailure.SignatureFailure")
    public static let authFailureTokenFailure = ErrorCode("AuthFailure.TokenFailure")
    public static let authFailureUnauthorizedOperation =
        ErrorCode("AuthFailure.UnauthorizedOperation")
    public static let dryRunOperation = ErrorCode("DryRunOperation")
    public static let invalidAction = ErrorCode("InvalidAction")
    public static let invalidRequest = ErrorCode("InvalidRequest")
    public static let ipInBlacklist = ErrorCode("IpInBlacklist")
    public static let ipNotInWhitelist = ErrorCode("IpNotInWhitelist")
    public static let limitExceeded = ErrorCode("LimitExceeded")
    public static let missingParameter = ErrorCode("MissingParameter")
    public static let noSuchProduct = ErrorCode("NoSuchProduct")
    public static let noSuchVersion = ErrorCode("NoSuchVersion")
    public static let requestLimitExceeded = ErrorCode("RequestLimitExceeded")
    public static let requestLimitExceededGlobalRegionUinLimitExceeded =
        ErrorCode("RequestLimitExceeded.GlobalRegionUinLimitExceeded")
    public static let requestLimitExceededIPLimitExceeded =
        ErrorCode("RequestLimitExceeded.IPLimitExceeded")
    public static let requestLimitExceededUinLimitExceeded =
        ErrorCode("RequestLimitExceeded.UinLimitExceeded")
    public static let requestSizeLimitExceeded = ErrorCode("RequestSizeLimitExceeded")
    public static let resourceInUse = ErrorCode("ResourceInUse")
    public static let resourceInsufficient = ErrorCode("ResourceInsufficient")
    public static let resourceNotFound = ErrorCode("ResourceNotFound")
    public static let resourceUnavailable = ErrorCode("ResourceUnavailable")
    public static let responseSizeLimitExceeded = ErrorCode("ResponseSizeLimitExceeded")
    public static let serviceUnavailable = ErrorCode("ServiceUnavailable")
    public static let unauthorizedOperation = ErrorCode("UnauthorizedOperation")
    public static let unknownParameter = ErrorCode("UnknownParameter")
    public static let unsupportedOperation = ErrorCode("UnsupportedOperation")
    public static let unsupportedProtocol = ErrorCode("UnsupportedProtocol")
    public static let unsupportedRegion = ErrorCode("UnsupportedRegion")
}
