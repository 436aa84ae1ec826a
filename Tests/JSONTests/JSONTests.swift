import Testing

@testable import JSON

private func read(_ text: String) -> Result<JSONValue, JSONError> {
    read(Array(text.utf8))
}

private func read(_ bytes: [UInt8]) -> Result<JSONValue, JSONError> {
    do throws(JSONError) {
        return .success(try JSONValue.parse(bytes))
    } catch {
        return .failure(error)
    }
}

@Suite("Reading JSON")
struct JSONReadingTests {
    @Test(
        "values",
        arguments: [
            ("null", .null), (" true ", .bool(true)), ("false\n", .bool(false)),
            ("0", .unsigned(0)), ("-0", .unsigned(0)), ("-1", .negative(-1)),
            ("18446744073709551615", .unsigned(.max)),
            ("-9223372036854775808", .negative(.min)), ("1.5", .fraction(1.5)),
            ("-1e2", .fraction(-100)), ("1E+2", .fraction(100)), ("0.0", .fraction(0)),
            (#""""#, .string("")), (#""a""#, .string("a")),
            (#""\"\\\/\b\f\n\r\t""#, .string("\"\\/\u{8}\u{C}\n\r\t")),
            (#""\u00e9\u540D\ud83d\ude00""#, .string("é名😀")),
            (#""a\u0000b""#, .string("a\0b")),
            ("\"é名😀\"", .string("é名😀")), ("[]", .array([])), ("[ ]", .array([])),
            ("[1, [2],\t3]", .array([.unsigned(1), .array([.unsigned(2)]), .unsigned(3)])),
            ("{}", .object([])), ("{ }", .object([])),
            (
                #"{"b" : 1 , "a" : {"b":null}}"#,
                .object([
                    .init(name: "b", value: .unsigned(1)),
                    .init(name: "a", value: .object([.init(name: "b", value: .null)])),
                ])
            ),
        ] as [(String, JSONValue)])
    func values(text: String, expected: JSONValue) {
        #expect(read(text) == .success(expected))
    }

    @Test(
        "what is not JSON, or not safely",
        arguments: [
            ("", .unexpectedEnd), ("  ", .unexpectedEnd), ("{", .unexpectedEnd),
            ("[1", .unexpectedEnd), (#""abc"#, .unexpectedEnd), (#""a\"#, .unexpectedEnd),
            ("tru", .unexpectedEnd), (#"{"a""#, .unexpectedEnd), (#""\u12"#, .unexpectedEnd),
            ("nul ", .unexpectedByte), ("TRUE", .unexpectedByte), ("[1,]", .unexpectedByte),
            ("{,}", .unexpectedByte), (#"{"a":1,}"#, .unexpectedByte), ("{a:1}", .unexpectedByte),
            (#"{"a" 1}"#, .unexpectedByte), ("[1 2]", .unexpectedByte), ("'a'", .unexpectedByte),
            ("+1", .unexpectedByte), (".5", .unexpectedByte), ("NaN", .unexpectedByte),
            ("//x", .unexpectedByte), ("\u{FEFF}1", .unexpectedByte), ("\u{A0}1", .unexpectedByte),
            ("1 1", .trailingBytes), ("{}x", .trailingBytes), ("01", .badNumber),
            ("-", .badNumber), ("-01", .badNumber), ("1.", .badNumber), ("1e", .badNumber),
            ("1e+", .badNumber), ("0x10", .trailingBytes),
            ("18446744073709551616", .numberOutOfRange),
            ("-9223372036854775809", .numberOutOfRange), ("1e999", .numberOutOfRange),
            ("-1e999", .numberOutOfRange),
            ("0." + String(repeating: "1", count: 100), .numberOutOfRange),
            (#""\x41""#, .badEscape), (#""\u12g4""#, .badEscape), (#""\U0041""#, .badEscape),
            (#""\ud800""#, .loneSurrogate), (#""\ud800x""#, .loneSurrogate),
            (#""\ud800\n""#, .loneSurrogate), (#""\ud800\ud800""#, .loneSurrogate),
            (#""\udc00\ud800""#, .loneSurrogate), (#""\ud83d\u0041""#, .loneSurrogate),
            ("\"a\nb\"", .controlCharacter), ("\"a\0b\"", .controlCharacter),
            (#"{"a":1,"a":2}"#, .duplicateName), (#"{"a":1,"\u0061":2}"#, .duplicateName),
            (#"[{"x":{"b":1,"b":1}}]"#, .duplicateName),
            (String(repeating: "[", count: 17), .tooDeep),
            (String(repeating: #"{"a":"#, count: 17), .tooDeep),
            (String(repeating: "[", count: 1_000_000), .tooDeep),
        ] as [(String, JSONError.Reason)])
    func refusals(text: String, expected: JSONError.Reason) {
        guard case .failure(let error) = read(text) else {
            Issue.record("should not be readable: \(text.prefix(60))")
            return
        }
        #expect(error.reason == expected)
        #expect(error.offset <= text.utf8.count)
    }

    @Test(
        "strings that are not UTF-8",
        arguments: [
            [0x80], [0xFF], [0xC0, 0x80], [0xC2], [0xE2, 0x82], [0xED, 0xA0, 0x80],
            [0xF4, 0x90, 0x80, 0x80], [0xF8, 0x88, 0x80, 0x80, 0x80],
        ] as [[UInt8]])
    func invalidUTF8(bytes: [UInt8]) {
        for prefix in ["", #"\n"#] {
            let text = [0x22] + Array(prefix.utf8) + bytes + [0x22]
            guard case .failure(let error) = read(text) else {
                Issue.record("should not be readable: \(bytes)")
                continue
            }
            #expect(error.reason == .invalidUTF8)
        }
    }

    @Test("nesting to the bound, and objects with many names")
    func bounds() {
        let deep = String(repeating: "[", count: 16) + String(repeating: "]", count: 16)
        #expect((try? read(deep).get()) != nil)
        let many = (0..<20_000).map { #""n\#($0)":\#($0)"# }
        let clock = ContinuousClock()
        let time = clock.measure {
            let document = try? read("{" + many.joined(separator: ",") + "}").get()
            #expect(document?["n19999"] == .unsigned(19_999))
        }
        #expect(time < .seconds(5), "names are compared in more than linear time")
        let twice = "{" + (many + [#""n7":0"#]).joined(separator: ",") + "}"
        guard case .failure(let error) = read(twice) else {
            Issue.record("a repeated name should be refused")
            return
        }
        #expect(error.reason == .duplicateName)
    }

    @Test("a slice of a longer text")
    func slice() throws {
        let text = Array(#"xx{"a":1}yy"#.utf8)
        let value = try JSONValue.parse(text[2..<9])
        #expect(value["a"] == .unsigned(1))
        #expect(value["b"] == nil)
        #expect(JSONValue.null["a"] == nil)
    }
}

@Suite("Writing JSON")
struct JSONWritingTests {
    @Test("every kind of member, in order, with commas where they belong")
    func members() {
        let bytes = JSONObjectWriter.bytes { writer in
            writer.string("text", "a\"b\\c/é名\n\r\t\u{1}\u{1F}\u{7F}")
            writer.unsigned("max", UInt64.max)
            writer.unsigned("zero", UInt8(0))
            writer.integer("min", .min)
            writer.integer("ten", 10)
            writer.bool("yes", true)
            writer.null("none")
            writer.object("empty") { _ in }
            writer.object("inner") { inner in
                inner.bool("no", false)
                inner.object("deep") { $0.null("x") }
                inner.null("y")
            }
            writer.array("list", [1, 22] as [UInt32]) { $0.unsigned("n", $1) }
            writer.array("nothing", [] as [Int]) { _, _ in }
            writer.strings("words", ["a", "\""])
            writer.json("raw", Array("[1]".utf8))
            writer.null("last")
        }
        #expect(
            String(decoding: bytes, as: UTF8.self)
                == #"{"text":"a\"b\\c/é名\n\r\t\u0001\u001f"# + "\u{7F}"
                + #"","max":18446744073709551615,"zero":0,"min":-9223372036854775808,"ten":10,"#
                + #""yes":true,"none":null,"empty":{},"inner":{"no":false,"deep":{"x":null},"#
                + #""y":null},"list":[{"n":1},{"n":22}],"nothing":[],"words":["a","\""],"#
                + #""raw":[1],"last":null}"#)
        #expect((try? JSONValue.parse(bytes)) != nil)
    }

    @Test("any text comes back as it was")
    func roundTrip() throws {
        var texts = (0..<0x300).compactMap { Unicode.Scalar($0).map { String($0) } }
        texts += ["\u{2028}\u{2029}", "\u{FFFF}\u{10FFFF}", "e\u{301}", "👩‍👩‍👧", ""]
        for text in texts {
            let bytes = JSONObjectWriter.bytes { $0.string("t", text) }
            guard case .string(let back)? = try JSONValue.parse(bytes)["t"] else {
                Issue.record("not a string")
                continue
            }
            #expect(Array(back.utf8) == Array(text.utf8))
        }
    }
}
