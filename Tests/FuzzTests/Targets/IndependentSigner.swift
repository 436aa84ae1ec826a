import Crypto

@testable import CloudAPI

/// Requests, and their signatures as the vendor's pages describe them: shares no code with the
/// server's side.
enum IndependentSigner {
    enum Way: UInt8 { case asItIs, tc3, hmacSHA1, hmacSHA256 }

    static let nowSeconds: Int64 = 1_795_429_774
    private static let date = "2026-11-23"
    private static let secretId = "HFIDfuzz"
    private static let secretKey = "fuzzKey0123456789"

    static let authenticator = Authenticator { id in
        id.utf8.elementsEqual(secretId.utf8)
            ? CloudCredential(secretId: secretId, secretKey: secretKey, number: 1) : nil
    }

    static let tokenKey: Curve25519.Signing.PrivateKey = {
        do { return try .init(rawRepresentation: (0 ..< 32).map { UInt8($0) }) } catch {
            preconditionFailure("\(error)")
        }
    }()

    /// Signatures of this library differ from call to call, so the corpus has none of this one.
    static let token: String = {
        let token = ServerSessionToken(
            userId: "u", projectId: "p", concurrency: 1, sessionId: 2, issuedAtSeconds: nowSeconds,
            ledgerId: "a1")
        do { return try token.sign(with: tokenKey) } catch { preconditionFailure("\(error)") }
    }()

    // MARK: - Requests of bytes

    static func request(_ input: [UInt8]) -> (WireRequest, Way) {
        var lines = input.dropFirst().split(separator: 0x0A, omittingEmptySubsequences: false)[...]
        let flags = input.first ?? 0
        func next() -> [UInt8] { lines.popFirst().map { Array($0) } ?? [] }
        let path = text(next())
        let query = text(next())
        var headers = WireHeaders()
        while let line = lines.popFirst(), !line.isEmpty {
            let mark = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
            let value = line[mark...].dropFirst()
            headers.append(
                name: text(Array(line[..<mark])),
                value: text(Array(value.first == 0x20 ? value.dropFirst() : value)))
        }
        let method = ["POST", "GET", "POST", "PUT"][Int(flags & 3)]
        let request = WireRequest(
            method: method, path: path, query: query, headers: headers,
            body: Array(lines.joined(separator: [0x0A])))
        return (request, Way(rawValue: flags >> 2 & 3) ?? .asItIs)
    }

    static let sampleAuthorization =
        "TC3-HMAC-SHA256 Credential=\(secretId)/\(date)/car/tc3_request, SignedHeaders="
        + "content-type;host;x-tc-action, Signature=" + String(repeating: "0a", count: 32)

    /// Each signed before it is sent; the last two carry signatures that are theirs.
    static let sampleRequests: [[UInt8]] = {
        let head = "/\n\nhost: car.example:8080\ncontent-type: application/json\n"
            + "x-tc-action: DescribeUserConcurrency\nx-tc-version: 2022-01-10\n"
            + "x-tc-timestamp: \(nowSeconds)\n"
        let form = "SecretId=\(secretId)&Timestamp=\(nowSeconds)&Nonce=7&Action=ForgetUser"
            + "&Version=2022-01-10&UserId=a%20b_c"
        let formHead = "host: car.example\ncontent-type: application/x-www-form-urlencoded\n"
        let bodies: [(UInt8, String)] = [
            (4, head + "\n{\"UserId\":\"u\"}"),
            (5, "/\nUserId=u\n" + head.dropFirst(3) + "\n"),
            (4, head + "x-tc-content-sha256: UNSIGNED-PAYLOAD\n\n{\"UserId\":\"u\"}"),
            (8, "/\n\n\(formHead)\n\(form)"),
            (12, "/\n\n\(formHead)\n\(form)&SignatureMethod=HmacSHA256"),
            (9, "/\n\(form)\nhost: car.example\n\n"),
        ]
        var samples = bodies.map { [$0.0] + Array($0.1.utf8) }
        for index in [0, 4] {
            var (request, way) = request(samples[index])
            _ = sign(&request, way)
            samples.append(bytes(of: request))
        }
        return samples
    }()

    private static func bytes(of request: WireRequest) -> [UInt8] {
        let fields = request.headers.fields.map { "\($0.name): \($0.value)\n" }.joined()
        return [request.method == "GET" ? 1 : 0]
            + Array("\(request.path)\n\(request.query)\n\(fields)\n".utf8) + request.body
    }

    // MARK: - Signing

    private static let nameBytes = Set("abcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    /// Signs the request as it stands. False if there is nothing that could be signed.
    static func sign(_ request: inout WireRequest, _ way: Way) -> Bool {
        switch way {
        case .asItIs: return false
        case .tc3:
            let usable = request.headers.fields.map(\.name).filter { name in
                name != "authorization" && !name.isEmpty
                    && name.utf8.allSatisfy(nameBytes.contains)
            }
            let names = Set(usable).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
                .joined(separator: ";")
            let signature = hexadecimal(tc3Signature(request, names: names, lowersValues: false))
            request.headers.append(
                name: "Authorization",
                value: "TC3-HMAC-SHA256 Credential=\(secretId)/\(date)/car/tc3_request, "
                    + "SignedHeaders=\(names), Signature=\(signature)")
            return true
        case .hmacSHA1, .hmacSHA256:
            let isQuery = request.method == "GET"
            guard let pairs = pairs(isQuery ? Array(request.query.utf8) : request.body) else {
                return false
            }
            let method = pairs.first { isSame($0.0, "SignatureMethod") }?.1 ?? "HmacSHA1"
            guard isSame(method, way == .hmacSHA1 ? "HmacSHA1" : "HmacSHA256"),
                let code = parameterCode(request, pairs)
            else { return false }
            let rest = pairs.filter { !isSame($0.0, "Signature") }
            let signed = encoded(rest + [("Signature", base64(code))])
            if isQuery { request.query = text(signed) } else { request.body = signed }
            return true
        }
    }

    /// Whether a request carries a signature that is its own.
    static func accepts(_ request: WireRequest) -> Bool {
        guard let header = request.headers.fields.first(where: { $0.name == "authorization" })
        else {
            let sent = request.method == "GET" ? Array(request.query.utf8) : request.body
            guard let pairs = pairs(sent), let code = parameterCode(request, pairs) else {
                return false
            }
            return pairs.contains { isSame($0.0, "Signature") && isSame($0.1, base64(code)) }
        }
        var names: Substring?
        var signature: Substring?
        for part in header.value.dropFirst("TC3-HMAC-SHA256 ".count).split(separator: ",") {
            let part = part.drop { $0 == " " || $0 == "\t" }
            if part.hasPrefix("SignedHeaders=") { names = part.dropFirst(14) }
            if part.hasPrefix("Signature=") { signature = part.dropFirst(10) }
        }
        guard let names, let signature else { return false }
        let digits = signature.lowercased().filter { $0 != " " && $0 != "\t" }
        return [false, true].contains { lowers in
            let own = tc3Signature(request, names: trimmed(String(names)), lowersValues: lowers)
            return hexadecimal(own) == digits
        }
    }

    private static func tc3Signature(
        _ request: WireRequest, names: String, lowersValues: Bool
    ) -> [UInt8] {
        var canonical = "\(request.method)\n\(request.path)\n\(request.query)\n"
        for name in names.split(separator: ";") {
            let field = request.headers.fields.first { isSame($0.name, String(name)) }
            let value = trimmed(field?.value ?? "")
            canonical += "\(name):\(lowersValues ? lowered(value) : value)\n"
        }
        let isUnsigned = request.headers.fields.contains {
            $0.name == "x-tc-content-sha256" && isSame($0.value, "UNSIGNED-PAYLOAD")
        }
        let payload = isUnsigned ? Array("UNSIGNED-PAYLOAD".utf8) : request.body
        canonical += "\n\(names)\n\(hexadecimal(SHA256.hash(data: payload)))"
        let time = request.headers.fields.first { $0.name == "x-tc-timestamp" }?.value ?? ""
        let hash = hexadecimal(SHA256.hash(data: Array(canonical.utf8)))
        var key = Array("TC3\(secretKey)".utf8)
        let steps = [
            date, "car", "tc3_request",
            "TC3-HMAC-SHA256\n\(time)\n\(date)/car/tc3_request\n\(hash)",
        ]
        for step in steps {
            key = Array(
                HMAC<SHA256>.authenticationCode(
                    for: Array(step.utf8), using: SymmetricKey(data: key)))
        }
        return key
    }

    private static func parameterCode(
        _ request: WireRequest, _ pairs: [(String, String)]
    ) -> [UInt8]? {
        guard let host = request.headers.fields.first(where: { $0.name == "host" }) else {
            return nil
        }
        var signed: [(index: Int, name: [UInt8], value: String)] = []
        for (name, value) in pairs where !isSame(name, "Signature") {
            signed.append((signed.count, name.utf8.map { $0 == 0x5F ? 0x2E : $0 }, value))
        }
        signed.sort {
            $0.name == $1.name ? $0.index < $1.index : $0.name.lexicographicallyPrecedes($1.name)
        }
        let list = signed.map { text($0.name) + "=" + $0.value }.joined(separator: "&")
        let message = Array(
            (request.method + host.value + request.path + (list.isEmpty ? "" : "?" + list)).utf8)
        let key = SymmetricKey(data: Array(secretKey.utf8))
        let isSHA256 = pairs.contains {
            isSame($0.0, "SignatureMethod") && isSame($0.1, "HmacSHA256")
        }
        return isSHA256
            ? Array(HMAC<SHA256>.authenticationCode(for: message, using: key))
            : Array(HMAC<Insecure.SHA1>.authenticationCode(for: message, using: key))
    }

    // MARK: - Text

    /// Pairs of a form, nil if it is none.
    static func pairs(_ form: [UInt8]) -> [(String, String)]? {
        if form.isEmpty { return [] }
        var pairs: [(String, String)] = []
        for piece in form.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false) {
            let halves = piece.split(
                separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = decoded(halves[0]),
                let value = halves.count == 1 ? "" : decoded(halves[1])
            else { return nil }
            pairs.append((name, value))
        }
        return pairs
    }

    private static func decoded(_ piece: ArraySlice<UInt8>) -> String? {
        var bytes: [UInt8] = []
        var rest = piece
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%") {
                let digits = rest.prefix(2)
                guard digits.count == 2, let high = Character(Unicode.Scalar(digits.first!))
                    .hexDigitValue, let low = Character(Unicode.Scalar(digits.last!)).hexDigitValue
                else { return nil }
                rest = rest.dropFirst(2)
                bytes.append(UInt8(high * 16 + low))
            } else {
                bytes.append(byte == UInt8(ascii: "+") ? 0x20 : byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    /// Every byte that is no letter or digit escaped.
    static func encoded(_ pairs: [(String, String)]) -> [UInt8] {
        func encoded(_ text: String) -> [UInt8] {
            text.utf8.flatMap { byte -> [UInt8] in
                let scalar = Unicode.Scalar(byte)
                let isPlain = byte < 0x80 && scalar.properties.isAlphabetic
                return isPlain ? [byte] : [0x25] + Array(hexadecimal([byte]).utf8)
            }
        }
        return Array(pairs.map { encoded($0.0) + [0x3D] + encoded($0.1) }.joined(separator: [0x26]))
    }

    static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private static func base64(_ bytes: [UInt8]) -> String {
        let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        let alphabet = Array("\(letters)0123456789+/".utf8)
        var output: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let part = bytes[start ..< min(start + 3, bytes.count)]
            var word: UInt32 = 0
            for byte in part { word = word << 8 | UInt32(byte) }
            word <<= UInt32(8 * (3 - part.count))
            for place in 0 ..< 4 {
                output.append(
                    place <= part.count
                        ? alphabet[Int(word >> UInt32(18 - 6 * place) & 63)] : UInt8(ascii: "="))
            }
        }
        return text(output)
    }

    private static func isSame(_ left: String, _ right: String) -> Bool {
        left.utf8.elementsEqual(right.utf8)
    }

    private static func lowered(_ value: String) -> String {
        text(value.utf8.map { (0x41 ... 0x5A).contains($0) ? $0 + 32 : $0 })
    }

    private static func trimmed(_ value: String) -> String {
        var bytes = Array(value.utf8)[...]
        while bytes.first == 0x20 || bytes.first == 0x09 { bytes = bytes.dropFirst() }
        while bytes.last == 0x20 || bytes.last == 0x09 { bytes = bytes.dropLast() }
        return text(Array(bytes))
    }
}
