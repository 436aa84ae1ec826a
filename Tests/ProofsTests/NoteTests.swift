import Crypto
import JSON
import LogForge
import Proofs
import Testing

/// Notes, keys, heads and files of heads: the published example, and everything that is not one.
@Suite struct NoteTests {
    private static let exampleKey =
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
    private static let example = """
        This is an example message.

        — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3m\
        FXmRKuwHjG1Yu72IneyaQM=

        """

    private let signer: NoteSigner
    private let other: NoteSigner

    init() throws {
        signer = try NoteSigner(name: "log.example", privateKey: .init())
        other = try NoteSigner(name: "log.example", privateKey: .init())
    }

    private func head(_ size: UInt64 = 5, _ mark: UInt8 = 1) -> TreeHead {
        TreeHead(
            origin: "log.example", size: size, root: .leaf([mark]),
            extensions: ["position \(size * 3)", "time 2026-11-24T00:00:00.000000Z"])
    }

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    // MARK: - Keys and notes

    @Test func thePublishedExampleHolds() throws {
        let key = try VerifierKey(Self.exampleKey)
        #expect(key.name == "example.com/foo" && key.algorithm == .ed25519)
        #expect(key.description == Self.exampleKey)
        let note = try SignedNote(bytes(Self.example))
        #expect(note.text == "This is an example message.\n")
        #expect(note.verdict(of: key) == .valid(unixTime: nil))
        #expect(note.bytes == bytes(Self.example))
        #expect(note.verdict(of: signer.key) == .absent)
        let changed = Self.example.replacing("example message", with: "altered message")
        #expect(try SignedNote(bytes(changed)).verdict(of: key) == .invalid)
    }

    @Test(arguments: [
        "", "a", "a+b", "name+00000000+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+A+kyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example .com+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+CekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "++", "x++AQ==",
    ])
    func aMistypedKeyIsRefused(text: String) {
        #expect(throws: ProofError.self) { try VerifierKey(text) }
    }

    @Test(arguments: [
        "", "a b", "a+b", "a\nb", "tab\t", "\u{85}", "\u{7F}", String(repeating: "x", count: 201),
        "a\u{2028}b", "a\u{A0}b",
    ])
    func anUnusableNameIsRefused(name: String) {
        #expect(!VerifierKey.isUsable(name: name))
        #expect(throws: ProofError.self) { try NoteSigner(name: name, privateKey: .init()) }
    }

    @Test func aPrivateKeyIsNotPrinted() throws {
        let privateKey = Curve25519.Signing.PrivateKey()
        let signer = try NoteSigner(name: "n", privateKey: privateKey)
        var text = "\(signer)"
        dump(signer, to: &text)
        let secret = Array(privateKey.rawRepresentation)
        let encoded = Base64.encode(secret, urlSafe: false)
        #expect(!text.contains(String(decoding: encoded, as: UTF8.self)))
        #expect(!text.contains("\(secret)") && !text.contains("privateKey"))
    }

    @Test func anotherKeyOfTheNameDoesNotCount() throws {
        let signed = try SignedHead(head(), signedBy: signer)
        #expect(signed.note.verdict(of: other.key) == .absent)
        let error = #expect(throws: ProofError.self) { try signed.check(other.key) }
        #expect(error?.code == .signature)
        try signed.check(signer.key)
    }

    /// Somebody who puts a line of his own under a head neither breaks it nor signs it.
    @Test func furtherSignaturesDoNoHarm() throws {
        let signed = try SignedHead(head(), signedBy: signer)
        let note = try SignedNote(
            text: signed.note.text,
            signatures: [
                NoteSignature.of(try other.sign(signed.note.text)),
                NoteSignature.of(signed.note),
            ])
        let read = try SignedHead(note.bytes)
        try read.check(signer.key)
        try read.check(other.key)
    }

    @Test(arguments: [
        "", "\n", "a\n", "a\n\n", "a\n\n\n", "a\n\nx\n", "a\n\n— b\n", "a\n\n— b AAAA\n",
        "a\n\n— b AAAAAA=\n", "a\n\n—  AAAAAAA=\n", "a\n\n- b AAAAAAAA\n", "a\n\n— b AAAAAAAA",
        "\n\n— b AAAAAAAA\n", "a\u{1}\n\n— b AAAAAAAA\n", "a\n\n— b AAAAAAAA\n\n",
        "a\n\n— b AAAAAAAA c\n", "a\n\n— b+ AAAAAAAA\n", "a\r\n\r\n— b AAAAAAAA\r\n",
    ])
    func whatIsNoNoteIsRefused(text: String) {
        #expect(throws: ProofError.self) { try SignedNote(bytes(text)) }
    }

    // MARK: - Heads

    @Test func aHeadIsReadBackAsItIsWritten() throws {
        let head = head(41)
        let read = try SignedHead(try SignedHead(head, signedBy: signer).bytes)
        #expect(read.head == head)
        #expect(read.head.position == 123 && read.head.time == "2026-11-24T00:00:00.000000Z")
        #expect(read.head.chain == nil)
        let lines = read.note.text.split(separator: "\n")
        #expect(lines[0] == "log.example" && lines[1] == "41" && lines[2].count == 44)
    }

    @Test(arguments: [
        "log.example\n5\n", "log.example\n05\nROOT\n", "log.example\n-5\nROOT\n",
        "log.example\n5\nAAAA\n", "log.example\n+5\nROOT\n", "log.example\n5 \nROOT\n",
        "log example\n5\nROOT\n", "log.example\n5\nROOT\n\nx\n", "log.example\n5\nROOT",
        "log.example\n18446744073709551616\nROOT\n", "\n5\nROOT\n",
    ])
    func whatIsNoHeadIsRefused(text: String) {
        let root = TreeHash.leaf([1]).description
        #expect(throws: ProofError.self) { try TreeHead(text.replacing("ROOT", with: root)) }
        #expect(throws: Never.self) { try TreeHead("log.example\n5\n\(root)\n") }
    }

    @Test func everyChangedByteOfAHeadIsFound() throws {
        let sound = try SignedHead(head(), signedBy: signer).bytes
        for index in sound.indices {
            for change: UInt8 in [1, 2, 0x20, 0x80] {
                var bytes = sound
                bytes[index] ^= change
                let isRefused = (try? SignedHead(bytes).check(signer.key)) == nil
                #expect(isRefused, "byte \(index) changed by \(change)")
            }
        }
    }

    // MARK: - Files of heads

    @Test func aFileOfHeadsIsReadNoteByNote() throws {
        let first = try SignedHead(head(2), signedBy: signer)
        let second = try SignedHead(head(3), signedBy: signer)
        let separate = bytes("\n\n") + first.bytes + bytes("\n") + second.bytes
        let timed =
            bytes("received 2026-11-24T08:00:00Z\n") + first.bytes
            + bytes("received 2026-11-24T09:00:00Z\n") + second.bytes + bytes("\n")
        #expect(try KeptHead.list(separate).map(\.signed) == [first, second])
        #expect(try KeptHead.list(separate).map(\.line) == [3, 11])
        #expect(try KeptHead.list(first.bytes + second.bytes).map(\.signed) == [first, second])
        let kept = try KeptHead.list(timed)
        #expect(kept.map(\.received) == ["2026-11-24T08:00:00Z", "2026-11-24T09:00:00Z"])
        #expect(kept.map(\.line) == [2, 10])
        #expect(try KeptHead.list([]).isEmpty)
    }

    @Test func aDamagedFileOfHeadsNamesTheLine() throws {
        let note = try SignedHead(head(2), signedBy: signer).bytes
        let cases: [([UInt8], String)] = [
            (note + note.dropLast(20), "line 8:"), (note + bytes("hello\n"), "line 8:"),
            (bytes("received yesterday\n") + note, "line 1:"),
            (note + bytes("received 2026-11-24T08:00:00Z\n"), "line 8:"),
            (bytes("received \u{1B}[2J\n") + note, "line 1:"),
        ]
        for (file, place) in cases {
            let error = #expect(throws: ProofError.self) { try KeptHead.list(file) }
            #expect(error?.message.hasPrefix(place) == true, "\(error?.message ?? "")")
        }
    }

    // MARK: - Anything at all

    /// Bytes changed at random: read or refused, never a crash, and never another text than that
    /// which was signed.
    @Test func changedFilesAreReadOrRefused() throws {
        let seed = SeededGenerator.announced(502, for: "changed heads and proofs")
        var generator = SeededGenerator(seed: seed)
        let heads = try [3, 4].map { try SignedHead(head($0), signedBy: signer) }
        let proof = ProofFile.inclusion(
            InclusionProof(
                position: 3, record: [1, 2], batch: [3, 4, 5], leafIndex: 1,
                path: [.leaf([1]), .leaf([2])], previousPath: [.leaf([3])],
                links: [ConsistencyLink(size: 2, path: [.leaf([4])])], head: heads[0]))
        #expect(try ProofFile(proof.bytes) == proof)
        let consistency = ProofFile.consistency(
            ConsistencyProof(old: heads[0], path: [.leaf([7])], head: heads[1]))
        #expect(try ProofFile(consistency.bytes) == consistency)
        let files = [heads[0].bytes + heads[1].bytes, proof.bytes, consistency.bytes]
        var readCount = 0
        for round in 0 ..< 3_000 {
            var bytes = files[round % 3]
            for _ in 0 ... generator.below(3) {
                let index = generator.below(bytes.count)
                switch generator.below(4) {
                case 0: bytes[index] = UInt8(generator.below(256))
                case 1: bytes.remove(at: index)
                case 2: bytes.insert(bytes[generator.below(bytes.count)], at: index)
                default: bytes.removeSubrange(index ..< min(bytes.count, index + 9))
                }
            }
            let kept = (try? KeptHead.list(bytes)) ?? []
            let signed = kept.filter { (try? $0.signed.check(signer.key)) != nil }
            for head in signed { #expect(heads.contains { $0.note.text == head.signed.note.text }) }
            if let read = try? ProofFile(bytes) {
                #expect(try ProofFile(read.bytes) == read)
                readCount += 1
            }
        }
        #expect(readCount > 100)
    }

    @Test func aProofWithAStrangeMemberIsRefused() throws {
        let head = try SignedHead(head(), signedBy: signer)
        let bytes = ProofFile.consistency(ConsistencyProof(old: head, path: [], head: head)).bytes
        let text = String(decoding: bytes, as: UTF8.self)
        for (change, code) in [
            (
                text.replacing("\"path\"", with: "\"user\":\"x\",\"path\""),
                ProofError.Code.malformed
            ),
            (text.replacing("consistency/1", with: "consistency/2"), .newerFormat),
            (text.replacing("holdfast/", with: "other/"), .malformed), ("{}", .malformed),
            ("[]", .malformed), ("", .malformed), (text + "x", .malformed),
        ] {
            let error = #expect(throws: ProofError.self) { try ProofFile(self.bytes(change)) }
            #expect(error?.code == code, "\(error?.message ?? "")")
        }
    }
}

extension NoteSignature {
    /// The only signature of a note.
    fileprivate static func of(_ note: SignedNote) -> NoteSignature { note.signatures[0] }
}
