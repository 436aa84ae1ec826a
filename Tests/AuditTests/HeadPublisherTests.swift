import Audit
import Crypto
import Ledger
import LogForge
import Proofs
import ReconnectionRules
import Synchronization
import Testing

/// Heads that a running ledger hands out.
@Suite struct HeadPublisherTests {
    private let scratch = ScratchDirectory()

    /// Takes heads, or fails, as it is told.
    private final class Desk: HeadDestination {
        struct Down: Error, CustomStringConvertible { let description = "the desk is closed" }

        private let content = Mutex<(heads: [SignedHead], failureCount: Int)>(([], 0))

        var heads: [SignedHead] { content.withLock { $0.heads } }

        func failNext(_ count: Int) { content.withLock { $0.failureCount = count } }

        func deliver(_ head: SignedHead, timeout: Duration) async throws {
            try content.withLock { content in
                if content.failureCount > 0 {
                    content.failureCount -= 1
                    throw Down()
                }
                content.heads.append(head)
            }
        }
    }

    private func withLedger(
        _ body: (Ledger, NoteSigner) async throws -> Void
    ) async throws {
        let ledger = try Ledger(opening: scratch("data"))
        try await ledger.modifyProject("p", ProjectChange(concurrencyCount: 2))
        try await body(ledger, LedgerHeads.signer(owning: ledger))
        await ledger.close()
    }

    private func until(_ isThere: () -> Bool) async throws {
        for _ in 0 ..< 2_000 where !isThere() { try await Task.sleep(for: .milliseconds(5)) }
        try #require(isThere())
    }

    @Test func headsComeWhileSomethingHappensAndTheLastAtTheEnd() async throws {
        let desk = Desk()
        try await withLedger { ledger, signer in
            let publisher = try HeadPublisher(
                ledger, signer: signer, to: desk, every: .milliseconds(10))
            let task = Task { await publisher.run() }
            try await until { desk.heads.count == 1 }
            try await ledger.apply(user: "a", project: "p")
            try await until { desk.heads.count == 2 }
            task.cancel()
            await task.value
            try await ledger.apply(user: "b", project: "p")
            await ledger.close()
            await publisher.finish()
            await publisher.finish()
            #expect(publisher.status.deliveredCount == 3 && publisher.status.failure == nil)
            #expect(publisher.status.deliveredSize == desk.heads.last?.head.size)
        }
        // Nothing was published while nothing happened, and each goes on from the one before.
        #expect(desk.heads.map { $0.head.position } == [2, 4, 6])
        let directory = DataDirectory(scratch("data"))
        #expect(try LedgerHeads.published(directory) == desk.heads.last)
        let kept = desk.heads.map { KeptHead($0) }
        let report = try Verifier.verify(directory, kept: kept)
        #expect(report.keptHeadCount == 3 && report.hasOwnHead == true)
    }

    @Test func aFailureIsToldOnceAndTheNewestHeadFollows() async throws {
        let desk = Desk()
        desk.failNext(2)
        let reports = Mutex<[HeadPublisher.Report]>([])
        try await withLedger { ledger, signer in
            let publisher = try HeadPublisher(
                ledger, signer: signer, to: desk, every: .milliseconds(10)
            ) { report in reports.withLock { $0.append(report) } }
            let task = Task { await publisher.run() }
            try await until { publisher.status.failedCount == 2 }
            try await until { desk.heads.count == 1 }
            task.cancel()
            await task.value
            #expect(publisher.status.failedInARow == 0 && publisher.status.failedCount == 2)
        }
        let told = reports.withLock { $0 }
        let head = try #require(desk.heads.first).head
        #expect(told == [.fails("the desk is closed"), .delivers(head)])
    }

    @Test func theLedgersNameIsItsOwnUntilAHeadIsOut() async throws {
        try await withLedger { ledger, signer in
            #expect(signer.key.name.hasPrefix("holdfast/"))
            let renamed = try LedgerHeads.signer(owning: ledger, origin: "example.com/ledger")
            #expect(renamed.key.name == "example.com/ledger")
            #expect(renamed.key.publicKey == signer.key.publicKey)
            #expect(try LedgerHeads.signer(owning: ledger).key == renamed.key)
            let publisher = try HeadPublisher(ledger, signer: renamed, to: Desk())
            await publisher.finish()
            #expect(throws: LedgerError.self) {
                try LedgerHeads.signer(owning: ledger, origin: "example.com/other")
            }
            #expect(throws: LedgerError.self) {
                try LedgerHeads.signer(owning: ledger, origin: "no good")
            }
            #expect(try LedgerHeads.signer(owning: ledger).key == renamed.key)
        }
    }

    @Test func theKeyIsMadeWithTheLedgerAndForItsOwnerAlone() async throws {
        try await withLedger { ledger, signer in
            let path = ledger.directory.headKey
            #expect(Files.exists(path) && !HeadKey.isOpenToOthers(ledger.directory))
            let text = String(decoding: Files.read(path), as: UTF8.self)
            #expect(text.hasPrefix("ed25519 ") && text.count == 8 + 64 + 1 + 6 + 16 + 1)
            let again = try #require(try HeadKey.read(ledger.directory))
            #expect(Array(again.privateKey.publicKey.rawRepresentation) == signer.key.publicKey)
            #expect(!"\(again)".contains(text.dropFirst(8).prefix(64)))
            for damage in ["", "ed25519 00", "rsa " + text, text.uppercased() + "x y z"] {
                Files.write(Array(damage.utf8), to: path)
                #expect(throws: LedgerError.self) { try HeadKey.read(ledger.directory) }
            }
            Files.remove(path)
            #expect(try HeadKey.read(ledger.directory) == nil)
        }
    }

    // MARK: - Files

    private func head(_ size: UInt64, _ signer: NoteSigner) throws -> SignedHead {
        try SignedHead(
            TreeHead(origin: signer.key.name, size: size, root: .leaf([UInt8(size)])),
            signedBy: signer)
    }

    @Test func aFileTakesHeadsOneBehindTheOther() throws {
        let signer = try NoteSigner(name: "log.example", privateKey: .init())
        let file = HeadFile(scratch("heads"))
        let heads = try (1 ... 3).map { try head($0, signer) }
        for head in heads {
            try file.append(head)
            try file.append(head)
        }
        #expect(try KeptHead.list(Files.read(file.path)).map(\.signed) == heads)
    }

    /// Wherever a crash cut the last head off: it goes, those before it stay.
    @Test func aHalfWrittenHeadIsCutOff() throws {
        let signer = try NoteSigner(name: "log.example", privateKey: .init())
        let file = HeadFile(scratch("heads"))
        let heads = try (1 ... 3).map { try head($0, signer) }
        try file.append(heads[0])
        let one = Files.read(file.path).count
        try file.append(heads[1])
        let both = Files.read(file.path)
        for count in 0 ... both.count {
            Files.write(Array(both.prefix(count)), to: file.path)
            try file.append(heads[2])
            let expected =
                count < one ? [heads[2]]
                : count < both.count ? [heads[0], heads[2]] : heads
            #expect(
                try KeptHead.list(Files.read(file.path)).map(\.signed) == expected, "\(count)")
        }
    }

    @Test func anotherLogsHeadsAreLeftAlone() throws {
        let file = HeadFile(scratch("heads"))
        let one = try NoteSigner(name: "one.example", privateKey: .init())
        let two = try NoteSigner(name: "two.example", privateKey: .init())
        try file.append(head(1, one))
        let content = Files.read(file.path)
        #expect(throws: LedgerError.self) { try file.append(head(1, two)) }
        #expect(Files.read(file.path) == content)
    }

    @Test func anotherProgramsFileIsLeftAlone() throws {
        let signer = try NoteSigner(name: "log.example", privateKey: .init())
        for content in ["root:x:0:0\n", "log.exampleX\n5\n", "\n\n\n"] {
            Files.write(Array(content.utf8), to: scratch("foreign"))
            #expect(throws: LedgerError.self) {
                try HeadFile(scratch("foreign")).append(head(1, signer))
            }
            #expect(Files.read(scratch("foreign")) == Array(content.utf8))
        }
        #expect(throws: LedgerError.self) {
            try HeadFile(scratch("no/such")).append(head(1, signer))
        }
    }
}
