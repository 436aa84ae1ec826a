import Crypto
import JSON
import Testing

@testable import CloudAPI

@Suite("Server session tokens")
struct ServerSessionTokenTests {
    static let key = Curve25519.Signing.PrivateKey()
    static let token = ServerSessionToken(
        userId: "user \"7\" 名", projectId: "cap-1", concurrency: 3, sessionId: .max,
        issuedAtSeconds: fixtureSeconds, ledgerId: "a1b2")

    private func failure(_ text: String) -> ServerSessionToken.Failure? {
        do throws(ServerSessionToken.Failure) {
            _ = try ServerSessionToken.verify(text, publicKey: Self.key.publicKey)
            return nil
        } catch {
            return error
        }
    }

    @Test("say what they were made with")
    func roundTrip() throws {
        let text = try Self.token.sign(with: Self.key)
        #expect(
            try ServerSessionToken.verify(text, publicKey: Self.key.publicKey) == Self.token)
        #expect(text.utf8.allSatisfy { $0 != UInt8(ascii: "=") && $0 != UInt8(ascii: "+") })
        var early = Self.token
        early.issuedAtSeconds = -5
        #expect(
            try ServerSessionToken.verify(
                early.sign(with: Self.key), publicKey: Self.key.publicKey) == early)
    }

    @Test("can be verified by anybody from their description alone")
    func independently() throws {
        let parts = try Self.token.sign(with: Self.key).split(separator: ".")
        let signature = try #require(Base64.decode(Array(parts[1].utf8)[...], urlSafe: true))
        #expect(Self.key.publicKey.isValidSignature(signature, for: Array(parts[0].utf8)))
        let payload = try #require(Base64.decode(Array(parts[0].utf8)[...], urlSafe: true))
        #expect(
            String(decoding: payload, as: UTF8.self)
                == #"{"kind":"holdfast-session-1","ledger":"a1b2","user":"user \"7\" 名","#
                + #""project":"cap-1","concurrency":3,"session":18446744073709551615,"#
                + #""issued":1795429774}"#)
    }

    @Test("of another key are refused")
    func anotherKey() throws {
        let text = try Self.token.sign(with: Curve25519.Signing.PrivateKey())
        #expect(failure(text) == .wrongSignature)
    }

    @Test("with any character changed are refused")
    func changed() throws {
        let text = Array(try Self.token.sign(with: Self.key).utf8)
        for index in text.indices {
            for replacement in [UInt8(ascii: "A"), UInt8(ascii: "_"), UInt8(ascii: ".")]
            where replacement != text[index] {
                var copy = text
                copy[index] = replacement
                #expect(failure(String(decoding: copy, as: UTF8.self)) != nil)
            }
        }
        // The last character of 64 bytes in base64 has four spare bits, which must be zero.
        var last = text
        last[last.count - 1] += 1
        #expect(failure(String(decoding: last, as: UTF8.self)) == .malformed)
    }

    @Test(
        "of another form are malformed",
        arguments: [
            "", ".", "a", "a.b", "a.b.c", "e30.", ".e30", "e30=.AA", "é.é",
            String(repeating: "A", count: 100_000),
        ])
    func malformed(text: String) {
        #expect(failure(text) == .malformed)
    }

    @Test(
        "signed but of an unknown kind are refused",
        arguments: [
            "{}", "[]", "x", #"{"kind":"holdfast-session-2"}"#,
            #"{"kind":"holdfast-session-2","ledger":"a","user":"u","project":"p","#
                + #""concurrency":1,"session":1,"issued":1}"#,
            #"{"kind":"holdfast-session-1","ledger":"a","user":"u","project":"p"}"#,
            #"{"kind":"holdfast-session-1","ledger":"a","user":"u","project":"p","#
                + #""concurrency":4294967296,"session":1,"issued":1}"#,
        ])
    func unknown(payload: String) throws {
        var text = Base64.encode(Array(payload.utf8), urlSafe: true)
        let signature = try Self.key.signature(for: text)
        text += [UInt8(ascii: ".")] + Base64.encode(Array(signature), urlSafe: true)
        #expect(failure(String(decoding: text, as: UTF8.self)) == .unknownPayload)
    }
}

@Suite("Base64")
struct Base64Tests {
    @Test(
        "as in RFC 4648, section 10",
        arguments: [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
        ])
    func vectors(text: String, encoded: String) {
        let bytes = Array(text.utf8)
        #expect(Base64.encode(bytes, urlSafe: false) == Array(encoded.utf8))
        #expect(Base64.decode(Array(encoded.utf8)[...], urlSafe: false) == bytes)
        let bare = Array(encoded.utf8).filter { $0 != UInt8(ascii: "=") }
        #expect(Base64.encode(bytes, urlSafe: true) == bare)
        #expect(Base64.decode(bare[...], urlSafe: true) == bytes)
    }

    @Test(
        "has one text for given bytes",
        arguments: [
            "Zh==", "Zm9=", "Zg=", "Zg", "Z===", "====", "Zg==Zg==", "Zm 9v", "Zm9v\n", "-_==",
        ])
    func canonical(text: String) {
        #expect(Base64.decode(Array(text.utf8)[...], urlSafe: false) == nil)
    }

    @Test("covers both alphabets")
    func alphabets() {
        let bytes = (0...255).map { UInt8($0) }
        for urlSafe in [false, true] {
            let text = Base64.encode(bytes, urlSafe: urlSafe)
            #expect(Base64.decode(text[...], urlSafe: urlSafe) == bytes)
            #expect(Base64.decode(text[...], urlSafe: !urlSafe) == nil)
        }
    }
}
