/// A refusal in the vendor's vocabulary: what the `Error` object of a response carries.
///
/// Messages name fields and rules, never the value of a secret, a signature or a parameter.
public struct CloudError: Error, Hashable, Sendable, CustomStringConvertible {
    public var code: ErrorCode
    public var message: String

    public init(_ code: ErrorCode, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { "\(code): \(message)" }
}

extension CloudError {
    static func missing(_ field: String) -> CloudError {
        CloudError(.missingParameter, "The request is missing the required parameter `\(field)`.")
    }

    static func unknown(_ field: String) -> CloudError {
        CloudError(.unknownParameter, "The parameter `\(printable(field))` is not recognized.")
    }

    static func badValue(_ field: String, _ rule: String) -> CloudError {
        CloudError(.invalidParameterValue, "The value of `\(field)` \(rule).")
    }

    static func badAuthorization(_ rule: String) -> CloudError {
        CloudError(.authFailureInvalidAuthorization, "The authorization is not valid: \(rule).")
    }

    static let signatureFailure = CloudError(
        .authFailureSignatureFailure,
        "The credentials could not be validated. Check the secret key and what was signed.")

    /// A name chosen by the caller, short and without control characters, fit for a message.
    static func printable(_ name: String) -> String {
        var result = ""
        for scalar in name.unicodeScalars.prefix(64) {
            result.unicodeScalars.append(isControl(scalar) ? "?" : scalar)
        }
        return result
    }
}
