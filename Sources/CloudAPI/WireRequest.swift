/// A request as it arrived, independent of the HTTP server that read it.
///
/// Signatures are computed over bytes, so nothing here may be decoded, re-encoded or normalised
/// on the way: pass path, query and header values exactly as they stood on the wire.
public struct WireRequest: Sendable {
    /// "GET" or "POST", in capitals.
    public var method: String
    /// The path without the query. The vendor's SDKs always send "/".
    public var path: String
    /// The query, percent-encoded as sent, without the "?"; empty if there was none.
    public var query: String
    /// Every header field, `host` included (HTTP libraries often keep it apart as authority).
    public var headers: WireHeaders
    /// The body, empty if there was none.
    public var body: [UInt8]

    public init(
        method: String, path: String = "/", query: String = "", headers: WireHeaders,
        body: [UInt8] = []
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
    }
}

/// Header fields in the order of arrival, names in lower case, duplicates kept.
///
/// A request has a dozen fields, so a linear search beats a dictionary.
public struct WireHeaders: Sendable {
    public struct Field: Sendable {
        /// In lower case.
        public let name: String
        public let value: String
    }

    /// The fields in the order of arrival.
    public private(set) var fields: [Field] = []

    public init() {}

    public init(_ fields: [(String, String)]) {
        self.fields.reserveCapacity(fields.count)
        for (name, value) in fields { append(name: name, value: value) }
    }

    public mutating func reserveCapacity(_ count: Int) {
        fields.reserveCapacity(count)
    }

    /// Adds a field; the name is put into lower case (free when it already is).
    public mutating func append(name: String, value: String) {
        let hasCapitals = name.utf8.contains { (0x41...0x5A).contains($0) }
        fields.append(Field(name: hasCapitals ? lowercasedASCII(name) : name, value: value))
    }

    /// The value of the first field with this lower-case name. O(fields).
    public subscript(_ name: String) -> String? {
        for field in fields where isSame(field.name, name) { return field.value }
        return nil
    }

    /// How often a field with this lower-case name arrived. O(fields).
    public func count(of name: String) -> Int {
        var count = 0
        for field in fields where isSame(field.name, name) { count += 1 }
        return count
    }

    /// What a name stands for when it has to be unambiguous.
    enum Lookup {
        case absent
        case one(String)
        case several
    }

    /// Comparing lengths first settles nearly every comparison.
    private func isSame(_ left: String, _ right: String) -> Bool {
        left.utf8.count == right.utf8.count && left == right
    }

    func lookup(_ name: String) -> Lookup {
        var found: String?
        for field in fields where isSame(field.name, name) {
            if found != nil { return .several }
            found = field.value
        }
        return found.map { .one($0) } ?? .absent
    }
}
