import Audit
import EventLog
import Ledger
import ReconnectionRules
import Testing

/// A closed ledger's log verifies, and its view is what the events alone give. Returns the digest.
@discardableResult
func expectSound(
    _ scratch: Scratch, sourceLocation: SourceLocation = #_sourceLocation
) throws -> Digest32 {
    let report = try Verifier.verify(scratch.directory)
    let digest = StateDigest.of(try LedgerReader(opening: scratch.path).state)
    #expect(report.stateDigest == digest, sourceLocation: sourceLocation)
    return digest
}
