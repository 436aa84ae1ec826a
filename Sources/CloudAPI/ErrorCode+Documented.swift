// Which action may answer with which code. Callers branch on these, so answering with an
// undocumented one is a bug; a test walks every refusal against this table.
extension ErrorCode {
    /// Codes every action of the vendor's API 3.0 may return.
    public static let common: Set<ErrorCode> = [
        .actionOffline, .authFailureInvalidAuthorization, .authFailureInvalidSecretId,
        .authFailureMFAFailure, .authFailureSecretIdNotFound, .authFailureSignatureExpire,
        .authFailureSignatureFailure, .authFailureTokenFailure,
        .authFailureUnauthorizedOperation, .dryRunOperation, .failedOperation, .internalError,
        .invalidAction, .invalidParameter, .invalidParameterValue, .invalidRequest,
        .ipInBlacklist, .ipNotInWhitelist, .limitExceeded, .missingParameter, .noSuchProduct,
        .noSuchVersion, .requestLimitExceeded,
        .requestLimitExceededGlobalRegionUinLimitExceeded, .requestLimitExceededIPLimitExceeded,
        .requestLimitExceededUinLimitExceeded, .requestSizeLimitExceeded, .resourceInUse,
        .resourceInsufficient, .resourceNotFound, .resourceUnavailable,
        .responseSizeLimitExceeded, .serviceUnavailable, .unauthorizedOperation,
        .unknownParameter, .unsupportedOperation, .unsupportedProtocol, .unsupportedRegion,
    ]

    /// The codes an action's own list names, without the common ones.
    ///
    /// For the vendor's actions this is the union of its mainland and international lists. For
    /// DescribeConcurrentCount, whose list is not published, it is that of the same action of
    /// the vendor's sibling product; for Holdfast's own actions it is what Holdfast promises.
    public static func documented(for action: CloudAction.Name) -> Set<ErrorCode> {
        switch action {
        case .applyConcurrent:
            return [
                .failedOperation, .failedOperationProcessTimeout, .internalError,
                .invalidParameterJsonParseError, .invalidParameterValue, .resourceNotFoundNoIdle,
                .resourceUnavailableInitialization, .unsupportedOperationStopping,
            ]
        case .createSession:
            return [
                .failedOperation, .failedOperationLockTimeout, .failedOperationPathNotFound,
                .failedOperationProcessTimeout, .failedOperationSlowDown, .internalError,
                .invalidParameterJsonParseError, .invalidParameterValue, .limitExceededRole,
                .operationDenied, .resourceNotFoundNoIdle, .resourceNotFoundSessionNotFound,
                .resourceUnavailableInitialization, .unsupportedOperationStopping,
            ]
        case .destroySession:
            return [
                .failedOperation, .failedOperationProcessTimeout, .internalError,
                .invalidParameterJsonParseError, .resourceUnavailableAccessFailed,
            ]
        case .describeConcurrentCount:
            return [.internalError, .invalidParameterJsonParseError, .invalidParameterValue]
        case .reportDisconnection, .repossessConcurrency, .forgetUser,
            .describeUserConcurrency, .describeReconnectionHistory:
            return [
                .failedOperation, .internalError, .invalidParameterJsonParseError,
                .invalidParameterValue, .operationDenied,
            ]
        case .modifyProject:
            return [
                .failedOperation, .internalError, .invalidParameterJsonParseError,
                .invalidParameterValue, .operationDenied,
            ]
        }
    }

    /// Whether an answer to `action` may carry this code.
    public func isDocumented(for action: CloudAction.Name) -> Bool {
        Self.common.contains(self) || Self.documented(for: action).contains(self)
    }
}
