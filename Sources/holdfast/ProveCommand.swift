import ArgumentParser
import Audit
import Ledger
import Proofs
import ReconnectionRules

struct ProveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prove",
        abstract: "Prove that an event is in the log, or that the log only grew.",
        discussion: """
            Prints a proof as one line of JSON, for holdfast check-proof. It holds the event, \
            its batch and a signed head, and needs no ledger to be checked. Names are not in it: \
            users and projects are numbers.

            --from names a file of heads that somebody kept. With a position, the proof is tied \
            to the oldest of them that covers it and to the newest; without, it proves that the \
            log went on from the newest and changed nothing before.

            EXAMPLES
              holdfast prove 1200 --data ./ledger > proof.json
              holdfast prove 1200 --from kept-heads --data ./ledger > proof.json
              holdfast prove --from kept-heads --data ./ledger > grown.json
            """)

    @Argument(help: "The event's position.") var position: Position?
    @Option(
        name: .long, help: ArgumentHelp("Heads that somebody kept.", valueName: "FILE"),
        completion: .file())
    var from: String?
    @OptionGroup var data: DataOption

    func validate() throws {
        if position == nil, from == nil {
            throw ValidationError("prove takes a position, or --from FILE, or both")
        }
        if position == 0 { throw ValidationError("positions begin at 1") }
    }

    func run() throws {
        let kept = try from.map { try HeadsFile.read($0) } ?? []
        let tree = try HeadsFile.tree(of: data.directory)
        guard let signer = try LedgerHeads.signer(of: tree) else {
            throw LedgerError(
                .directory, "there is no \(data.directory.headKey) to sign with; holdfast serve "
                    + "makes one when it starts")
        }
        let prover = try Prover(tree, signer: signer)
        let proof: ProofFile
        if let position {
            proof = .inclusion(try prover.inclusion(of: position, kept: kept))
        } else {
            guard let newest = kept.max(by: { $0.head.size < $1.head.size }) else {
                throw ProofError(.malformed, "there is no head in \(from ?? "the file")")
            }
            proof = .consistency(try prover.consistency(from: newest.signed))
        }
        print(String(decoding: proof.bytes, as: UTF8.self))
    }
}

/// What the commands about heads read.
enum HeadsFile {
    /// The tree of a ledger, with progress once its log is open.
    static func tree(of directory: DataDirectory) throws -> LogTree {
        var progress: Progress?
        defer { progress?.end() }
        return try LogTree(of: directory) { position, goal in
            if progress == nil { progress = Progress("tree", unit: "events") }
            progress?.show(position, of: goal)
        }
    }

    /// A file of heads. Throws one line that names it, also for a file without any: it would vouch
    /// for nothing, and pass for having been compared with.
    static func read(_ path: String) throws -> [KeptHead] {
        let bytes = try InputFile.read(path, byteCountMax: 1 << 30)
        do throws(ProofError) {
            let heads = try KeptHead.list(bytes)
            guard !heads.isEmpty else { throw ProofError(.malformed, "there is no head in it") }
            return heads
        } catch {
            throw ProofError(error.code, "\(path): \(error.message)")
        }
    }
}
