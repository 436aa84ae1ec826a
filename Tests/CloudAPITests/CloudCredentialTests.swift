import Testing

@testable import CloudAPI

@Suite("Credentials")
struct CloudCredentialTests {
    @Test("are made of the prefix and letters or digits, each another")
    func generation() {
        var ids: Set<String> = []
        var used: Set<Character> = []
        for _ in 0..<200 {
            let credential = CloudCredential.generate(number: 3)
            #expect(credential.number == 3)
            #expect(credential.secretId.hasPrefix("HFID"))
            #expect(credential.secretId.count == 36)
            #expect(credential.secretKey.count == 32)
            let text = credential.secretId.dropFirst(4) + credential.secretKey
            #expect(text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) })
            used.formUnion(text)
            ids.insert(credential.secretId)
        }
        #expect(ids.count == 200)
        #expect(used.count == 62)
    }

    @Test("never show their key")
    func description() {
        let credential = CloudCredential.generate(number: 1)
        var dumped = ""
        dump(credential, to: &dumped)
        for text in ["\(credential)", String(reflecting: credential), dumped, "\([credential])"] {
            #expect(text.contains(credential.secretId))
            #expect(!text.contains(credential.secretKey))
        }
    }

    @Test("header names are found in lower case, duplicates are seen")
    func headers() {
        let headers = WireHeaders([("X-A", "1"), ("x-a", "2"), ("Host", "h")])
        #expect(headers["x-a"] == "1")
        #expect(headers["host"] == "h")
        #expect(headers["X-A"] == nil)
        #expect(headers.count(of: "x-a") == 2)
        #expect(headers.count(of: "none") == 0)
    }
}
