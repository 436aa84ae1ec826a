import ArgumentParser
import Audit
import Ledger
import LedgerServer
import Logging
import Proofs

/// Where a server's signed heads go, and under what name.
struct HeadOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Publish signed heads there: append to a file, or POST to an http address.",
            valueName: "FILE|URL"))
    var publishHeads: String?
    @Option(
        name: .long,
        help: ArgumentHelp("How often, if anything happened.", valueName: "TIME"))
    var publishInterval = Duration.minute
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Sign heads in this name from now on (default: holdfast/ and the ledger's id).",
            valueName: "NAME"))
    var origin: String?

    func validate() throws {
        if let publishHeads, publishHeads.isEmpty {
            throw ValidationError("--publish-heads names no file and no address")
        }
        if publishInterval.microseconds < 1_000_000 {
            throw ValidationError("--publish-interval takes 1s or more")
        }
        if let origin, !VerifierKey.isUsable(name: origin) {
            throw ValidationError(
                "--origin takes 1 to 200 bytes without space, plus sign or control character")
        }
    }

    /// Nil if nothing is to be published. Before anything is opened: a mistyped address is no
    /// reason to begin.
    func destination() throws -> (any HeadDestination)? {
        guard let publishHeads else { return nil }
        let scheme = publishHeads.lowercased()
        if scheme.hasPrefix("http://") || scheme.hasPrefix("https://") {
            return HeadPost(post: try HTTPPost(publishHeads))
        }
        if publishHeads.contains("://") {
            throw LedgerError(
                .invalid,
                "--publish-heads \(publishHeads): heads go to a file, or to an address that begins "
                    + "with http://")
        }
        return HeadFile(publishHeads)
    }

    /// Makes the signing key if there is none; nil if nothing is to be published.
    func publisher(
        _ ledger: Ledger, _ destination: (any HeadDestination)?, _ logger: Logger
    ) throws -> HeadPublisher? {
        let signer = try LedgerHeads.signer(owning: ledger, origin: origin)
        if HeadKey.isOpenToOthers(ledger.directory) {
            logger.warning("others can read \(ledger.directory.headKey); run chmod 600 on it")
        }
        guard let destination, let publishHeads else { return nil }
        return try HeadPublisher(
            ledger, signer: signer, to: destination,
            every: .microseconds(publishInterval.microseconds)
        ) { report in
            switch report {
            case .delivers(let head):
                logger.notice("publishing heads to \(publishHeads), \(head.size) batches so far")
            case .fails(let cause):
                logger.error("the newest head was not published, trying again: \(cause)")
            }
        }
    }
}

/// Posts heads to an address, as they stand in a file.
private struct HeadPost: HeadDestination {
    let post: HTTPPost

    func deliver(_ head: SignedHead, timeout: Swift.Duration) async throws {
        try await post.send(
            head.bytes, contentType: "text/plain; charset=utf-8", timeout: timeout)
    }
}
