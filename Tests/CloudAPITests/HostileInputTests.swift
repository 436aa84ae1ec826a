import Crypto
import JSON
import Testing

@testable import CloudAPI

/// Random damage done to valid input: anything may be refused, nothing may crash, and nothing
/// that was signed may pass changed. The seed is printed; set it in `seed` to see a run again.
@Suite("Hostile input")
struct HostileInputTests {
    static let rounds = 3000

    private func seeded(_ name: String) -> SplitMix64 {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("hostile input, \(name): seed \(seed)")
        return SplitMix64(state: seed)
    }

    private func damage(_ bytes: [UInt8], using random: inout SplitMix64) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let index = Int.random(in: 0...bytes.count, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0 where index < bytes.count:
                bytes[index] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes.insert(UInt8.random(in: 0...255, using: &random), at: index)
            case 2 where index < bytes.count: bytes.remove(at: index)
            case 3: bytes.removeSubrange(index...)
            default:
                let from = Int.random(in: 0...bytes.count, using: &random)
                bytes.insert(contentsOf: bytes[min(from, index)..<max(from, index)], at: index)
            }
        }
        return bytes
    }

    @Test("in JSON")
    func json() throws {
        var random = seeded("JSON")
        let text = Array(
            #"{"a":[1,-2,3.5e1,true,null],"b":{"c":"\u00e9\ud83d\ude00x"},"d":"é"}"#.utf8)
        _ = try JSONValue.parse(text)
        for _ in 0..<Self.rounds {
            _ = try? JSONValue.parse(damage(text, using: &random))
        }
    }

    @Test("in parameters of every action")
    func parameters() {
        var random = seeded("parameters")
        let text = Array(
            #"{"UserId":"u","UserIp":"1","ProjectId":"p","SessionId":5,"Limit":"3"}"#.utf8)
        for _ in 0..<Self.rounds {
            let body = damage(text, using: &random)
            let name = CloudAction.Name.allCases.randomElement(using: &random)!
            do throws(CloudError) {
                _ = try CloudAction.parse(
                    action: name.rawValue, version: CloudAction.version, parameters: .json(body))
            } catch {
                #expect(error.code.isDocumented(for: name))
                #expect(!containsControl(error.message))
            }
        }
    }

    @Test("in signed requests")
    func requests() throws {
        var random = seeded("requests")
        let authenticator = makeAuthenticator()
        for _ in 0..<Self.rounds {
            let captured = capturedRequests.randomElement(using: &random)!
            var request = captured.request
            let before = request
            switch Int.random(in: 0..<3, using: &random) {
            case 0: request.body = damage(request.body, using: &random)
            case 1:
                let query = damage(Array(request.query.utf8), using: &random)
                request.query = String(decoding: query, as: UTF8.self)
            default:
                let name = ["authorization", "x-tc-timestamp", "host"].randomElement(
                    using: &random)!
                let value = damage(Array((request.headers[name] ?? "").utf8), using: &random)
                request = request.with(name, [String(decoding: value, as: UTF8.self)])
            }
            _ = try? CloudCall.unauthenticated(request).parse()
            guard
                let result = try? authenticator.authenticate(request, nowSeconds: fixtureSeconds)
            else { continue }
            // Damage that leaves the meaning alone may pass, and so may what was not signed.
            let isUnsigned = captured.isUnsignedPayload && request.body != before.body
            if !isUnsigned, let action = try? result.call.parse() {
                #expect(action == captured.expected)
            }
        }
    }

    @Test("in tokens")
    func tokens() throws {
        var random = seeded("tokens")
        let text = try ServerSessionTokenTests.token.sign(with: ServerSessionTokenTests.key)
        for _ in 0..<300 {
            let changed = String(
                decoding: damage(Array(text.utf8), using: &random), as: UTF8.self)
            let result = try? ServerSessionToken.verify(
                changed, publicKey: ServerSessionTokenTests.key.publicKey)
            #expect(result == nil || changed == text)
        }
    }
}
