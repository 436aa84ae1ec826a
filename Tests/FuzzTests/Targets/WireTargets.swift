import Crypto
import JSON

@testable import CloudAPI

extension FuzzTarget {
    static let wireTargets = [
        authorization, signedRequest, formParameters, cloudAction, sessionToken, tokenText, json,
    ]

    // MARK: - Signatures

    static let authorization = FuzzTarget(
        name: "authorization", subject: "the Authorization header of TC3-HMAC-SHA256",
        promise: "What is taken is written and read back the same; names ascend in lower case.",
        words: ["TC3-HMAC-SHA256 ", "Credential=", "SignedHeaders=", "Signature=", "tc3_request"],
        seeds: { [Array(IndependentSigner.sampleAuthorization.utf8)] },
        run: { input in
            let parsed: TC3Authorization
            do throws(CloudError) { parsed = try TC3Authorization(text(input)) } catch {
                try require(isPrintable(error.message), "the refusal has a control character")
                return false
            }
            let names = parsed.signedHeaders
            try require(parsed.signature.count == 32, "a signature has 32 bytes")
            try require(zip(names, names.dropFirst()).allSatisfy { $0 < $1 }, "names repeat")
            try require(names.contains("host") && names.contains("content-type"), "names lack")
            try require(
                Array(parsed.signedHeaderList) == Array(names.joined(separator: ";").utf8),
                "the signed list is not the names")
            let again = try TC3Authorization(written(parsed))
            try require(
                again.secretId.utf8.elementsEqual(parsed.secretId.utf8)
                    && again.date == parsed.date && again.service == parsed.service
                    && again.signedHeaders == names && again.signature == parsed.signature,
                "what was written reads back otherwise: \(written(parsed))")
            return true
        })

    private static func written(_ parsed: TC3Authorization) -> String {
        "TC3-HMAC-SHA256 Credential=\(parsed.secretId)/\(text(Array(parsed.date)))/"
            + "\(parsed.service)/tc3_request, SignedHeaders="
            + parsed.signedHeaders.joined(separator: ";")
            + ", Signature=\(IndependentSigner.hexadecimal(parsed.signature))"
    }

    /// First byte: the method, and whether the request is signed before it is sent, and how. Then
    /// path, query, headers and body as HTTP has them.
    static let signedRequest = FuzzTarget(
        name: "signed-request", subject: "whole requests in all three signatures",
        promise: "What a second signer signed is never called wrongly signed; what is let in, a "
            + "second verifier lets in.",
        byteCountMax: 2048,
        words: [
            "host: ", "content-type: application/json", "x-tc-action: ", "x-tc-version: 2022-01-10",
            "x-tc-timestamp: 1795429774", "authorization: ", "SignatureMethod=HmacSHA256",
            "application/x-www-form-urlencoded", "Timestamp=1795429774", "Nonce=1", "SecretId=",
            "UNSIGNED-PAYLOAD", "Signature=",
        ],
        seeds: { IndependentSigner.sampleRequests },
        run: { input in
            var (request, way) = IndependentSigner.request(input)
            let isSigned = IndependentSigner.sign(&request, way)
            do throws(CloudError) {
                let found = try IndependentSigner.authenticator.authenticate(
                    request, nowSeconds: IndependentSigner.nowSeconds)
                try? check(found.call)
            } catch {
                try require(isPrintable(error.message), "the refusal has a control character")
                try require(
                    !isSigned || error.code != .authFailureSignatureFailure,
                    "a good signature is refused: \(request)")
                return false
            }
            try require(
                IndependentSigner.accepts(request), "a request without a good signature gets in")
            return true
        })

    private static func check(_ call: CloudCall) throws { _ = try call.parse() }

    // MARK: - Parameters

    static let formParameters = FuzzTarget(
        name: "form-parameters", subject: "query strings and form bodies",
        promise: "Pairs are written and read back the same; names are unique; a second reader "
            + "finds the same pairs.",
        words: ["%2B", "%00", "%E5%90%8D", "&", "=", "+"],
        seeds: {
            ["a=1&b=%E5%90%8D&c=x+y&d&e=", "Action=ApplyConcurrent&Nonce=1", "%41=%zz", "a=%C3"]
                .map { Array($0.utf8) }
        },
        run: { input in
            let pairs: [(String, String)]
            do throws(CloudError) { pairs = try FormParameters.decode(input[...]) } catch {
                try require(isPrintable(error.message), "the refusal has a control character")
                return false
            }
            let names = Set(pairs.map { Array($0.0.utf8) })
            try require(names.count == pairs.count, "a name stands twice")
            try require(pairs.count <= Limits.pairsMax, "there are too many pairs")
            let second = IndependentSigner.pairs(input)
            try require(second.map { isSame($0, pairs) } ?? false, "another reader differs")
            let encoded = IndependentSigner.encoded(pairs)
            try require(
                isSame(try FormParameters.decode(encoded[...]), pairs), "not read back the same")
            return true
        })

    private static func isSame(_ left: [(String, String)], _ right: [(String, String)]) -> Bool {
        left.elementsEqual(right) {
            $0.0.utf8.elementsEqual($1.0.utf8) && $0.1.utf8.elementsEqual($1.1.utf8)
        }
    }

    /// First byte: the action, and whether a document or pairs follow.
    static let cloudAction = FuzzTarget(
        name: "cloud-action", subject: "the parameters of every action, as JSON and as a form",
        promise: "An action is written and read back the same, in both forms; refusals are "
            + "documented.",
        byteCountMax: 1024,
        words: [
            "\"UserId\":\"", "\"UserIp\":\"", "\"ProjectId\":\"", "\"SessionId\":",
            "\"ClientSession\":\"", "\"RunMode\":\"RunWithoutClient\"", "\"Role\":\"Player\"",
            "\"ApplicationCategory\":\"DESKTOP\"", "\"Limit\":", "\"Before\":", "\\u00e9",
            "\"Concurrencies\":", "\"ReconnectTimeout\":\"", "\"HostUserId\":\"", "null",
        ],
        seeds: { ActionWriter.samples },
        run: { input in
            var reader = InputReader(input)
            let first = reader.byte()
            let name = CloudAction.Name.allCases[Int(first & 15) % CloudAction.Name.allCases.count]
            let rest = reader.rest()
            let action: CloudAction
            do throws(CloudError) {
                let parameters: CloudCall.Parameters =
                    first & 16 == 0 ? .json(rest) : .pairs(try FormParameters.decode(rest[...]))
                action = try parse(name, parameters)
            } catch {
                try require(isPrintable(error.message), "the refusal has a control character")
                try require(error.code.isDocumented(for: name), "\(error.code) is not documented")
                return false
            }
            let members = ActionWriter.members(of: action)
            let document = JSONObjectWriter.bytes { object in
                for (name, value) in members { object.string(name, value) }
            }
            try require(try parse(name, .json(document)) == action, "not read back: \(action)")
            try require(try parse(name, .pairs(members)) == action, "no form has it: \(action)")
            return true
        })

    private static func parse(
        _ name: CloudAction.Name, _ parameters: CloudCall.Parameters
    ) throws(CloudError) -> CloudAction {
        try CloudAction.parse(
            action: name.rawValue, version: CloudAction.version, parameters: parameters)
    }

    // MARK: - Tokens

    private static let sampleToken = ServerSessionToken(
        userId: "user \"7\" 名", projectId: "cap-1", concurrency: 3, sessionId: .max,
        issuedAtSeconds: 1_795_429_774, ledgerId: "a1b2")

    static let sessionToken = FuzzTarget(
        name: "session-token", subject: "what a ServerSession token says, behind its signature",
        promise: "What is taken is written and read back the same.",
        words: [
            "\"kind\":\"holdfast-session-1\"", "\"ledger\":\"", "\"user\":\"", "\"project\":\"",
            "\"concurrency\":", "\"session\":", "\"issued\":",
        ],
        seeds: { [sampleToken.payload] },
        run: { input in
            guard let token = try? ServerSessionToken(payload: input) else { return false }
            try require(
                try ServerSessionToken(payload: token.payload) == token, "not read back: \(token)")
            return true
        })

    static let tokenText = FuzzTarget(
        name: "token-text", subject: "ServerSession tokens as they are handed around",
        promise: "Nothing but the very text that was signed is taken.",
        seeds: { [Array(IndependentSigner.token.utf8), Array("e30.AA".utf8)] },
        run: { input in
            let token = text(input)
            let found = try? ServerSessionToken.verify(
                token, publicKey: IndependentSigner.tokenKey.publicKey)
            try require(
                (found != nil) == token.utf8.elementsEqual(IndependentSigner.token.utf8),
                "a token is \(found == nil ? "refused" : "taken") wrongly")
            return found != nil
        })

    // MARK: - JSON

    static let json = FuzzTarget(
        name: "json", subject: "the strict reader of JSON",
        promise: "What is taken is JSON by a second grammar, is written and read back the same.",
        words: ["true", "false", "null", "\\u0000", "\\ud83d\\ude00", "1e400", "-0", "\"\":"],
        seeds: {
            [
                #"{"a":[1,-2,3.5e1,true,null],"b":{"c":"\u00e9\ud83d\ude00x"},"d":"é"}"#,
                "[[[[]]]]", " -0 ", "18446744073709551615", "1e308", "\"\\\"\\\\\\/\\b\"",
            ].map { Array($0.utf8) }
        },
        run: { input in
            let value: JSONValue
            do throws(JSONError) { value = try JSONValue.parse(input) } catch {
                try require((0 ... input.count).contains(error.offset), "the offset is outside")
                return false
            }
            var grammar = JSONGrammar(input)
            try require(grammar.isDocument, "a second grammar refuses it")
            var written: [UInt8] = []
            ActionWriter.write(value, to: &written)
            let again = try JSONValue.parse(written)
            try require(isSame(again, value), "not read back the same: \(text(written))")
            return true
        })

    /// Equal byte by byte: texts of Swift are equal if they only look so.
    private static func isSame(_ left: JSONValue, _ right: JSONValue) -> Bool {
        switch (left, right) {
        case (.string(let left), .string(let right)): left.utf8.elementsEqual(right.utf8)
        case (.array(let left), .array(let right)): left.elementsEqual(right, by: isSame)
        case (.object(let left), .object(let right)):
            left.elementsEqual(right) {
                $0.name.utf8.elementsEqual($1.name.utf8) && isSame($0.value, $1.value)
            }
        default: left == right
        }
    }
}
