/// Upper bounds of everything a caller may send, in one place.
///
/// The vendor documents none of them; each is far above what its SDKs send and low enough that
/// no single request costs more than a few hundred microseconds or a few hundred kilobytes.
public enum Limits {
    /// A request body, in bytes. `ClientSession` is the only large field.
    public static let bodyBytesMax = 512 * 1024
    /// A raw query string, in bytes: the vendor's own bound for GET requests.
    public static let queryBytesMax = 32 * 1024
    /// Name and value pairs in a query string or form body.
    public static let pairsMax = 128
    /// An `Authorization` value, in bytes.
    public static let authorizationBytesMax = 4096
    /// Names in `SignedHeaders`.
    public static let signedHeadersMax = 32

    /// `UserId`, `ProjectId` and the other vendor ids, in bytes of UTF-8.
    public static let identifierBytesMax = 256
    /// `UserIp`, in bytes: an IPv6 address with a zone fits.
    public static let addressBytesMax = 128
    /// `ClientSession`, in bytes.
    public static let clientSessionBytesMax = 256 * 1024
    /// `ApplicationParameters`, in bytes.
    public static let applicationParametersBytesMax = 16 * 1024
    /// `Limit` of DescribeReconnectionHistory, in entries.
    public static let historyEntriesMax: UInt32 = 1000
    /// A timeout given in seconds (ten years); the rules set the real, narrower ranges.
    public static let timeoutSecondsMax: UInt64 = 315_360_000
}
