public import JSON

/// Writes answers as the vendor's SDKs read them.
///
/// Three habits of those SDKs decide the form: the HTTP status has to be 200 for errors as well
/// (any other loses the code), the content type exactly `contentType` (with a charset the Python
/// SDK overlooks errors), and every answer needs a `RequestId`. Unknown fields are ignored.
public enum ResponseEncoder {
    public static let contentType = "application/json"
    public static let httpStatus = 200

    /// `{"Response":{...,"RequestId":"..."}}` with what `fields` writes.
    public static func success(
        requestId: RequestID, _ fields: (inout JSONObjectWriter) -> Void = { _ in }
    ) -> [UInt8] {
        JSONObjectWriter.bytes { envelope in
            envelope.object("Response") { response in
                fields(&response)
                response.string("RequestId", requestId.description)
            }
        }
    }

    /// `{"Response":{"Error":{"Code":"...","Message":"..."},"RequestId":"..."}}`
    public static func failure(_ error: CloudError, requestId: RequestID) -> [UInt8] {
        success(requestId: requestId) { response in
            response.object("Error") { fields in
                fields.string("Code", error.code.rawValue)
                fields.string("Message", error.message)
            }
        }
    }
}
