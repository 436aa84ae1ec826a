/// What a log's owner signs: how many leaves the tree has and what its root is (C2SP
/// tlog-checkpoint).
public struct TreeHead: Hashable, Sendable {
    /// Names the log.
    public var origin: String
    public var size: UInt64
    public var root: TreeHash
    /// Lines after the first three. Ours are a word, a space and a value.
    public var extensions: [String]

    public init(origin: String, size: UInt64, root: TreeHash, extensions: [String] = []) {
        self.origin = origin
        self.size = size
        self.root = root
        self.extensions = extensions
    }

    /// The lines of the note's text.
    public var text: String {
        ([origin, String(size), root.description] + extensions).joined(separator: "\n") + "\n"
    }

    /// Reads the text of a note. Throws `malformed`.
    public init(_ text: String) throws(ProofError) {
        let lines = text.utf8.dropLast().split(separator: 0x0A, omittingEmptySubsequences: false)
            .map { String($0) ?? "" }
        guard text.utf8.last == 0x0A, lines.count >= 3, lines.allSatisfy({ !$0.isEmpty }) else {
            throw ProofError(
                .malformed, "a head has the lines origin, size and root, and none is empty")
        }
        guard let size = UInt64(lines[1]), String(size) == lines[1] else {
            throw ProofError(.malformed, "the head's second line is not the size of a tree")
        }
        guard let root = TreeHash(base64: lines[2]) else {
            throw ProofError(.malformed, "the head's third line is not a root hash in base64")
        }
        guard VerifierKey.isUsable(name: lines[0]) else {
            throw ProofError(.malformed, "the head's first line is not the name of a log")
        }
        self.init(origin: lines[0], size: size, root: root, extensions: Array(lines[3...]))
    }

    /// The value of the first extension line that begins with a word.
    public func value(of word: String) -> String? {
        for line in extensions where line.hasPrefix(word + " ") {
            return String(line.dropFirst(word.count + 1))
        }
        return nil
    }

    /// The ledger position it covers, if it says so.
    public var position: UInt64? { value(of: "position").flatMap { UInt64($0) } }
    /// Ledger time of the newest event it covers, in RFC 3339, if it says so: the owner's word.
    public var time: String? { value(of: "time") }
    /// The newest batch's hash in hexadecimal, if it says so.
    public var chain: String? { value(of: "chain") }
}

/// A tree head with its signatures.
public struct SignedHead: Hashable, Sendable {
    public let head: TreeHead
    public let note: SignedNote

    /// Signs a head. The head's origin must be the signer's name.
    public init(_ head: TreeHead, signedBy signer: NoteSigner) throws(ProofError) {
        precondition(head.origin == signer.key.name, "a log signs in its own name")
        self.head = head
        note = try signer.sign(head.text)
    }

    /// Reads a note that is a head. Throws `malformed`.
    public init(_ bytes: [UInt8]) throws(ProofError) {
        note = try SignedNote(bytes)
        head = try TreeHead(note.text)
    }

    public var bytes: [UInt8] { note.bytes }

    /// Makes sure that the log's owner signed it. Throws `signature`.
    public func check(_ key: VerifierKey) throws(ProofError) {
        guard head.origin == key.name else {
            throw ProofError(
                .signature, "the head is of the log \(head.origin), the key of \(key.name)")
        }
        switch note.verdict(of: key) {
        case .valid: return
        case .absent:
            throw ProofError(.signature, "the head has no signature by the key \(key)")
        case .invalid:
            throw ProofError(
                .signature, "the head's signature is not the key's: head or signature was changed")
        }
    }
}
