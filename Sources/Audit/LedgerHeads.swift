import EventLog
public import Ledger
public import Proofs
import ReconnectionRules

/// Signed heads of a ledger: what its owner says the log is, in a form that others can keep.
public enum LedgerHeads {
    /// The name heads are signed under unless the key has another.
    public static func usualOrigin(ledgerId: String) -> String { usualBeginning + ledgerId }

    /// Whether a name is the usual one of some ledger.
    static func isUsual(origin: String) -> Bool {
        let id = origin.dropFirst(usualBeginning.count)
        return origin.hasPrefix(usualBeginning) && id.utf8.count == 32
            && id.allSatisfy { $0.isASCII && $0.isHexDigit }
    }

    private static let usualBeginning = "holdfast/"

    /// What signs the heads of a ledger that is read; nil if it has no key. Throws `directory` if
    /// there is no ledger, or the key is damaged, or may not be read by this process.
    public static func signer(of directory: DataDirectory) throws -> NoteSigner? {
        try directory.requireLedger()
        guard let key = try HeadKey.read(directory) else { return nil }
        if !key.name.isEmpty { return try signer(key, "") }
        let log: EventLog
        do throws(LogError) {
            log = try EventLog(directory: directory.log, mode: .readOnly)
        } catch { throw LedgerError(.log(error.code), error.message) }
        return try signer(key, log.ledgerId)
    }

    /// The same where the tree is there already: a process opens a log once.
    public static func signer(of tree: LogTree) throws -> NoteSigner? {
        try signer(of: tree.directory, tree.log)
    }

    static func signer(of directory: DataDirectory, _ log: EventLog) throws -> NoteSigner? {
        try HeadKey.read(directory).map { try signer($0, log.ledgerId) }
    }

    /// What signs the heads of a ledger that this process owns; makes the key if there is none.
    /// `origin` names the log from now on, nil leaves its name as it is.
    ///
    /// Throws `invalid` if heads were published under another name: whoever kept one would find
    /// that the ledger has none of his.
    public static func signer(
        owning ledger: Ledger, origin: String? = nil
    ) throws -> NoteSigner {
        let directory = ledger.directory
        let usual = usualOrigin(ledgerId: ledger.log.ledgerId)
        if let origin, !VerifierKey.isUsable(name: origin) {
            throw LedgerError(
                .invalid, "an origin has 1 to 200 bytes and no space, plus sign or control "
                    + "character; a name like example.com/ledger is usual")
        }
        let published = try published(directory)
        if let origin, let published, published.head.origin != origin {
            throw LedgerError(
                .invalid, "heads of this ledger were published as \(published.head.origin); leave "
                    + "--origin out, or remove \(directory.headNote) to begin anew as \(origin)")
        }
        let name = origin.map { $0 == usual ? "" : $0 }
        return try signer(HeadKey.readOrMake(directory, name: name), ledger.log.ledgerId)
    }

    private static func signer(_ key: HeadKey, _ ledgerId: String) throws -> NoteSigner {
        try NoteSigner(
            name: key.name.isEmpty ? usualOrigin(ledgerId: ledgerId) : key.name,
            privateKey: key.privateKey)
    }

    /// Signs what a tree ends with. Besides size and root it says the newest position, its ledger
    /// time and the newest batch's hash.
    public static func sign(
        _ tree: LogTree, by signer: NoteSigner
    ) throws(ProofError) -> SignedHead {
        var lines = ["position \(tree.head.position)"]
        if tree.head.position > 0 { lines.append("time \(Timestamp.text(tree.head.time))") }
        lines.append("chain \(tree.head.hash)")
        return try SignedHead(
            TreeHead(
                origin: signer.key.name, size: tree.size, root: tree.root, extensions: lines),
            signedBy: signer)
    }

    /// The newest head this ledger published; nil if it never did. Throws `directory` if the file
    /// is damaged.
    public static func published(_ directory: DataDirectory) throws -> SignedHead? {
        let path = directory.headNote
        guard
            let bytes = try PrivateFiles<LedgerError>.read(
                path, byteCountMax: SignedNote.byteCountMax)
        else { return nil }
        do { return try SignedHead(bytes) } catch {
            throw LedgerError(
                .directory, "\(path) is damaged: \(error.message); remove it, the next head "
                    + "that is published replaces it")
        }
    }

    /// Makes a head the newest that was published, durably.
    static func store(_ head: SignedHead, in directory: DataDirectory) throws(LedgerError) {
        try PrivateFiles<LedgerError>.withLock(on: directory.path) { () throws(LedgerError) in
            try PrivateFiles<LedgerError>.replace(
                directory.headNote, in: directory.path, with: head.bytes)
        }
    }
}
