import ArgumentParser
import Audit
import JSON
import Ledger
import Proofs

struct HeadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "head",
        abstract: "Sign what the log is now, for somebody outside to keep.",
        discussion: """
            Prints a checkpoint in the C2SP tlog-checkpoint form: the root of the Merkle tree \
            over all batches, signed with DIR/head.key. Give it to somebody whom the ledger's \
            owner cannot make forget it; holdfast verify --kept and check-proof --kept hold the \
            log to it.

            Whoever may not read the key gets the newest head that the server published.

            EXAMPLES
              holdfast head --data ./ledger >> /mnt/auditor/heads
              holdfast head --public-key --data ./ledger
            """)

    @Flag(name: .long, help: "Print the key that checks the signatures, and nothing else.")
    var publicKey = false
    @OptionGroup var data: DataOption
    @OptionGroup var json: JSONFlag

    func run() throws {
        let signer: NoteSigner?
        var reason: LedgerError?
        do {
            signer = try LedgerHeads.signer(of: data.directory)
        } catch let error as LedgerError where error.code == .directory {
            (signer, reason) = (nil, error)
        }
        guard let signer else {
            return try showPublished(reason)
        }
        if publicKey { return show(signer.key) }
        let tree = try HeadsFile.tree(of: data.directory)
        show(try LedgerHeads.sign(tree, by: signer))
    }

    /// Without the private key there is nothing to sign with, and no key to name.
    private func showPublished(_ reason: LedgerError?) throws {
        try data.directory.requireLedger()
        let cause = reason?.message ?? "there is no \(data.directory.headKey)"
        guard !publicKey, let published = try LedgerHeads.published(data.directory) else {
            throw reason
                ?? LedgerError(
                    .directory, "\(cause); holdfast serve makes one when it starts")
        }
        Terminal.note("holdfast: \(cause); this is the newest head that was published")
        show(published)
    }

    private func show(_ key: VerifierKey) {
        guard json.isOn else { return print(key) }
        let bytes = JSONObjectWriter.bytes { $0.string("key", key.description) }
        print(String(decoding: bytes, as: UTF8.self))
    }

    private func show(_ signed: SignedHead) {
        guard json.isOn else {
            return print(String(decoding: signed.bytes, as: UTF8.self), terminator: "")
        }
        let bytes = JSONObjectWriter.bytes { object in
            HeadText.write(signed.head, to: &object)
            object.string("note", String(decoding: signed.bytes, as: UTF8.self))
        }
        print(String(decoding: bytes, as: UTF8.self))
    }
}

/// How a head is printed.
enum HeadText {
    static func text(_ head: TreeHead) -> String {
        let position = head.position.map { ", position \($0)" } ?? ""
        return "head of \(head.origin) with "
            + Words.count(head.size, "batch", isGrouped: false) + position
    }

    static func write(_ head: TreeHead, to object: inout JSONObjectWriter) {
        object.string("origin", head.origin)
        object.unsigned("size", head.size)
        object.string("root", head.root.description)
        if let position = head.position {
            object.unsigned("position", position)
        } else {
            object.null("position")
        }
        for (name, value) in [("time", head.time), ("chain", head.chain)] {
            if let value { object.string(name, value) } else { object.null(name) }
        }
    }
}
