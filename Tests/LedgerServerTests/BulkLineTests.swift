import Ledger
import NIOCore
import Testing

@testable import LedgerServer

@Suite struct BulkLineTests {
    private func strict(_ line: [UInt8]) -> BulkLine? { try? BulkLine(line[...]) }

    /// What the quick reader makes of a line, nil if it leaves it to the strict one.
    private func usual(_ line: [UInt8]) -> BulkLine? {
        line.withUnsafeBytes { bytes in
            guard let usual = UsualLine(bytes) else { return nil }
            var plain = BulkLine(action: usual.action, user: text(usual.user))
            plain.project = usual.project.map(text)
            plain.session = usual.session
            plain.runsWithoutClient = usual.runsWithoutClient
            return plain
        }
    }

    private func text(_ bytes: UnsafeRawBufferPointer) -> String {
        String(decoding: bytes, as: UTF8.self)
    }

    @Test func theUsualFormIsReadQuickly() {
        let lines = [
            #"{"action":"apply","user":"u1","project":"p"}"#,
            #"{"action":"createSession","user":"u1"}"#,
            #"{"action":"createSession","user":"u1","runMode":"RunWithoutClient"}"#,
            #"{"action":"disconnect","user":"u1"}"#,
            #"{"action":"disconnect","user":"u1","session":"12"}"#,
            #"{"action":"destroy","user":"u1","session":12}"# + "\r",
            #"{"action":"repossess","user":"u1"}"#,
            #"{"action":"reconnect","user":"u1","project":"p","session":0}"#,
        ]
        for line in lines {
            let bytes = Array(line.utf8)
            #expect(usual(bytes) != nil, "\(line)")
            #expect(usual(bytes) == strict(bytes), "\(line)")
        }
    }

    @Test(arguments: 1 ... 4) func bothReadersAgree(seed: UInt64) {
        var random = SplitMix(state: seed)
        var readCount = 0
        for _ in 0 ..< 8_000 {
            let line = LineMaker.line(using: &random)
            guard let quick = usual(line) else { continue }
            readCount += 1
            #expect(quick == strict(line), "\(String(decoding: line, as: UTF8.self))")
        }
        #expect(readCount > 300)
    }

    @Test func whatIsNoCommandIsRefusedWithAReason() {
        let cases: [(String, String)] = [
            ("[]", "not a JSON object"), ("x", "not valid JSON"), ("{}", "`action` is missing"),
            (#"{"action":"fly","user":"u"}"#, "none of those"),
            (#"{"action":1,"user":"u"}"#, "`action` is not a string"),
            (#"{"action":"destroy"}"#, "`user` is missing"),
            (#"{"action":"destroy","user":null}"#, "`user` is missing"),
            (#"{"action":"apply","user":"u"}"#, "`project` is missing"),
            (#"{"action":"destroy","user":"u","project":"p"}"#, "no member `project`"),
            (#"{"action":"apply","user":"u","project":"p","session":1}"#, "no member `session`"),
            (#"{"action":"destroy","user":"u","session":-1}"#, "`session` is not"),
            (#"{"action":"destroy","user":"u","session":"x"}"#, "`session` is not"),
            (#"{"action":"destroy","user":"u","session":18446744073709551616}"#, "not valid JSON"),
            (#"{"action":"createSession","user":"u","runMode":"x"}"#, "`runMode` is not"),
            (#"{"action":"destroy","user":"u","user":"u"}"#, "given twice"),
        ]
        for (line, reason) in cases {
            let error = #expect(throws: BulkFault.self) { try BulkLine(Array(line.utf8)[...]) }
            #expect(error?.code == .invalidLine)
            #expect(error?.message.contains(reason) == true, "\(line): \(error?.message ?? "")")
        }
    }

    // MARK: - Cutting into lines

    /// What a reader makes of pieces: the lines' fates, the faults, and how many actions.
    private func outcome(of pieces: [[UInt8]]) -> [String] {
        var reader = BulkReader()
        var outcome: [String] = []
        var actionCount = 0
        for (index, piece) in pieces.enumerated() {
            reader.append(ByteBuffer(bytes: piece))
            var pause = BulkReader.Pause.isFull
            while pause != .needsBytes {
                var batch = reader.makeBatch()
                while true {
                    pause = reader.read(into: &batch, isEnd: index == pieces.count - 1)
                    guard case .needsProject(let name) = pause else { break }
                    reader.learn(name, isKnown: name == "p")
                }
                outcome += batch.lines.map { "\($0)" }
                outcome += batch.faults.map { "\($0.code)" }
                actionCount += batch.actions.count
            }
        }
        // Faults stand after the lines of their batch, whose borders differ.
        return outcome.sorted() + ["\(actionCount)", "\(reader.lineCount)"]
    }

    private static let body: [UInt8] = {
        let lines = [
            #"{"action":"apply","user":"u1","project":"p"}"#, "",
            #"{"action":"reconnect","user":"u1","project":"p"}"# + "\r", "no",
            #"{"action":"apply","user":"é","project":"q"}"#, " \t",
            String(repeating: "x", count: BulkLine.byteCountMax + 1),
            #"{ "user" : "u\u00e9", "action" : "destroy" }"#,
            #"{"action":"destroy","user":"u3"}"#,
        ]
        return Array(lines.joined(separator: "\n").utf8)
    }()

    @Test func wherePiecesEndDoesNotMatter() {
        let body = Self.body
        let whole = outcome(of: [body])
        #expect(whole.suffix(2) == ["6", "9"])
        #expect(whole.filter { $0 == "lineTooLong" }.count == 1)
        for end in 0 ... body.count {
            #expect(outcome(of: [Array(body[..<end]), Array(body[end...])]) == whole, "\(end)")
        }
        #expect(outcome(of: body.map { [$0] }) == whole)
    }

    @Test func aLineTooLongAtTheEndIsOneLine() {
        let long = [UInt8](repeating: 0x78, count: 3 * BulkLine.byteCountMax)
        #expect(outcome(of: [long]) == ["faulty", "lineTooLong", "0", "1"])
        #expect(outcome(of: [long, long, []]) == ["faulty", "lineTooLong", "0", "1"])
        let exact = [UInt8](repeating: 0x78, count: BulkLine.byteCountMax)
        #expect(outcome(of: [exact]) == ["faulty", "invalidLine", "0", "1"])
    }

    /// "é" is spelt in two ways: two projects, and each is asked for.
    @Test func projectsThatOnlyLookAlikeAreTwo() {
        let lines = ["\u{e9}", "e\u{301}", "\u{e9}", "e\\u0301"].map {
            #"{"action":"apply","user":"u","project":"\#($0)"}"#
        }
        var reader = BulkReader()
        reader.append(ByteBuffer(string: lines.joined(separator: "\n")))
        var batch = reader.makeBatch()
        var asked: [[UInt8]] = []
        while case .needsProject(let name) = reader.read(into: &batch, isEnd: true) {
            asked.append(Array(name.utf8))
            reader.learn(name, isKnown: name.utf8.elementsEqual("\u{e9}".utf8))
        }
        #expect(asked == [Array("\u{e9}".utf8), Array("e\u{301}".utf8)])
        #expect(batch.lines == [.single, .faulty, .single, .faulty])
        #expect(batch.faults.map(\.code) == [.unknownProject, .unknownProject])
    }

    @Test func aFullBatchIsFollowedByAnother() {
        let line = Array(#"{"action":"reconnect","user":"u1","project":"p"}"#.utf8) + [0x0A]
        let count = BulkReader.actionCountMax
        let result = outcome(of: [Array((0 ..< count).map { _ in line }.joined())])
        #expect(result.suffix(2) == ["\(3 * count)", "\(count)"])
    }
}

extension BulkLine {
    init(action: BulkAction, user: String) {
        let line = #"{"action":"repossess","user":""}"#
        self = try! BulkLine(Array(line.utf8)[...])
        self.action = action
        self.user = user
    }
}

struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// Lines near the usual form: members present or not, in order or not, and a byte changed at times.
private enum LineMaker {
    private static let names = [
        "u1", "", "user000000000001", "a b", "é", "q\\\"", "\\u0041", "x\\n", "u\u{7F}", "\\",
        String(repeating: "n", count: 300), "{}", ",", "名",
    ]
    private static let sessions = [
        "0", "7", "\"12\"", "\"007\"", "007", "123456789012345678", "1234567890123456789",
        "18446744073709551615", "18446744073709551616", "-1", "1.5", "\"\"", "null", "\"x\"",
    ]
    private static let actions = BulkAction.allCases.map(\.rawValue) + ["Apply", "applx", ""]

    static func line(using random: inout SplitMix) -> [UInt8] {
        let action = actions.randomElement(using: &random)!
        var members = ["\"action\":\"\(action)\""]
        func name() -> String { names.randomElement(using: &random)! }
        members.append("\"user\":\"\(name())\"")
        let wantsProject = BulkAction(rawValue: action)?.takesProject ?? true
        if Int.random(in: 0 ..< 8, using: &random) == 0 ? !wantsProject : wantsProject {
            members.append("\"project\":\"\(name())\"")
        }
        if Bool.random(using: &random) {
            members.append("\"session\":\(sessions.randomElement(using: &random)!)")
        }
        if Int.random(in: 0 ..< 4, using: &random) == 0 {
            members.append("\"runMode\":\"RunWithoutClient\"")
        }
        if Int.random(in: 0 ..< 8, using: &random) == 0 { members.shuffle(using: &random) }
        let comma = Int.random(in: 0 ..< 8, using: &random) == 0 ? " , " : ","
        var line = Array("{\(members.joined(separator: comma))}".utf8)
        if Int.random(in: 0 ..< 8, using: &random) == 0 { line.append(0x0D) }
        if Int.random(in: 0 ..< 4, using: &random) == 0 {
            line[Int.random(in: 0 ..< line.count, using: &random)] = UInt8(
                truncatingIfNeeded: random.next())
        }
        if Int.random(in: 0 ..< 16, using: &random) == 0 {
            line.removeLast(Int.random(in: 1 ... 4, using: &random))
        }
        return line
    }
}
