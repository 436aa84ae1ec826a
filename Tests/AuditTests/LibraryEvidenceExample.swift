import Audit
import Ledger
import Proofs
import ReconnectionRules

/// A head and a proof, made where the ledger is: for whoever holds neither its log nor its key.
func evidence(of position: Position, in path: String) throws -> (
    key: String, head: [UInt8], proof: [UInt8]
) {
    let tree = try LogTree(of: DataDirectory(path))
    guard let signer = try LedgerHeads.signer(of: tree) else {
        throw LedgerError(.directory, "\(path) has no key; the first start makes one")
    }
    let prover = try Prover(tree, signer: signer)
    let proof = try prover.inclusion(of: position)
    return (signer.key.description, prover.head.bytes, ProofFile.inclusion(proof).bytes)
}

/// Checked elsewhere, with the public key and the heads that somebody kept. Throws `ProofError`
/// with what is wrong.
func proved(_ proof: [UInt8], key: String, kept: [UInt8]) throws -> String {
    let checker = try ProofChecker(key: VerifierKey(key), kept: KeptHead.list(kept))
    let report = try checker.check(ProofFile(proof))
    guard let event = report.event else { return "the log only grew" }
    let voucher = report.isVouched ? "and others kept the head" : "says the owner alone"
    return "\(event.kind.name) \(event.outcome.name) at position \(event.position), \(voucher)"
}

/// A user's events as JSON Lines in a file, which a later run goes on with. Returns how many were
/// written.
func export(_ user: String, from path: String, to file: String) throws -> UInt64 {
    let reader = try LedgerReader(opening: path)
    var exporter = EventExporter(reader, .jsonl)
    exporter.query.filter.user = user
    let output = try ExportFile(resuming: file, exporter.lines, of: reader)
    exporter.query.after = output.lastPosition
    let report = try exporter.run(startsWithHeader: !output.hasHeader) { try output.write($0) }
    try output.finish()
    return report.eventCount
}

/// What other windows would have saved, and who would have paid for it.
func otherWindows(_ seconds: [Int64], in path: String) throws -> [String] {
    var question = WhatIf()
    question.changes = WhatIf.combinations(reconnectWindows: seconds.map { .seconds($0) })
    let report = try question.run(on: LedgerReader(opening: path))
    let recorded = report.recorded.statistics.counters.resumed
    return report.outcomes.map { outcome in
        let window = Words.exactDuration(outcome.settings.reconnectWindow)
        let resumed = outcome.statistics.counters.resumed
        let users = outcome.differences.map(\.user).sorted().joined(separator: ", ")
        return "\(window): resumed \(resumed) instead of \(recorded); otherwise for: \(users)"
    }
}
