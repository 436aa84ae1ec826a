/// A head as somebody outside kept it.
public struct KeptHead: Hashable, Sendable {
    public var signed: SignedHead
    /// Line of the file its note begins at, from 1.
    public var line: Int
    /// When it was received, as whoever keeps it wrote before it.
    public var received: String?

    public var head: TreeHead { signed.head }

    public init(_ signed: SignedHead, line: Int = 1, received: String? = nil) {
        self.signed = signed
        self.line = line
        self.received = received
    }

    /// Reads a file of heads: notes one after the other, empty lines between them or none. A line
    /// `received TIME` before a note is when its keeper got it.
    ///
    /// Throws `malformed`, naming the line.
    public static func list(_ bytes: [UInt8]) throws(ProofError) -> [KeptHead] {
        var heads: [KeptHead] = []
        var received: String?
        var note: [UInt8] = []
        var (start, isSigned, isPastText) = (1, false, false)
        func end() throws(ProofError) {
            guard !note.isEmpty else { return }
            do {
                heads.append(KeptHead(try SignedHead(note), line: start, received: received))
            } catch { throw ProofError(error.code, "line \(start): \(error.message)") }
            (note, received, isSigned, isPastText) = ([], nil, false, false)
        }
        var lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        for (index, line) in lines.enumerated() {
            let isSignature = line.starts(with: NoteSignature.prefix)
            if isSigned, !isSignature { try end() }
            if note.isEmpty {
                if line.isEmpty { continue }
                if line.starts(with: receivedWord) {
                    received = try time(line.dropFirst(receivedWord.count), index + 1)
                    continue
                }
                start = index + 1
            }
            if line.isEmpty { isPastText = true }
            isSigned = isPastText && isSignature
            note += line
            note.append(0x0A)
        }
        try end()
        if received != nil {
            throw ProofError(.malformed, "line \(lines.count): nothing follows the time of receipt")
        }
        return heads
    }

    private static let receivedWord = Array("received ".utf8)

    private static func time(
        _ bytes: ArraySlice<UInt8>, _ line: Int
    ) throws(ProofError) -> String {
        // Shown as it stands, so it has to be what a time is made of.
        guard (10 ... 40).contains(bytes.count),
            bytes.allSatisfy({ (0x30 ... 0x39).contains($0) || "-+:.TZtz".utf8.contains($0) })
        else { throw ProofError(.malformed, "line \(line): received takes an RFC 3339 time") }
        return String(decoding: bytes, as: UTF8.self)
    }
}
