import Audit
import EventLog
import Ledger
import ReconnectionRules
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

extension LedgerTests {
    /// A disk that is full, or fails, under a backup and under a restore.
    @Suite(.enabled(if: Faults.isAvailable, "needs glibc, dynamically linked"))
    struct BackupFaults {
        private let scratch: Scratch
        private var source: DataDirectory { DataDirectory(scratch.path + "/data") }
        private var backup: String { scratch.path + "/backup" }
        private var target: DataDirectory { DataDirectory(scratch.path + "/restored") }

        struct Fault: Sendable, CustomTestStringConvertible {
            var testDescription: String
            var kind: Faults.Kind
            var skip: UInt64
            var error: Int32
            var says: String
        }

        static let faults = [
            Fault(
                testDescription: "full at once", kind: .write, skip: 0, error: ENOSPC,
                says: "No space left on device"),
            Fault(
                testDescription: "full later", kind: .write, skip: 2, error: ENOSPC,
                says: "No space left on device"),
            Fault(
                testDescription: "the disk fails at the end", kind: .sync, skip: 0, error: EIO,
                says: "Input/output error"),
        ]

        init() throws {
            scratch = try Scratch()
            let core = try WritableLedger(
                opening: DataDirectory(scratch.path + "/data"), options: Ledger.Options()
            ).core
            let now = ManualClock.start
            let change = ProjectChange(concurrencyCount: 50)
            _ = try core.perform(.modifyProject("p", change), at: now, by: .library)
            for round in 0 ..< 400 {
                _ = try core.perform(
                    .apply(user: "u\(round % 90)", project: "p"), at: now, by: .library)
                if round % 5 == 4 { try core.commit(wallOffset: 0) }
            }
            try core.commit(wallOffset: 0)
        }

        private func failure(_ body: () throws -> Void) -> String {
            do {
                try body()
                return "nothing failed"
            } catch { return "\(error)" }
        }

        private func files(_ path: String) -> [String] { Scratch.entries(of: path).sorted() }

        @Test(arguments: faults)
        func aBackupSaysSo(fault: Fault) throws {
            let digest = try Verifier.verify(source).stateDigest
            do {
                let disk = Faults(on: backup + "/log")
                disk.fail(fault.kind, after: fault.skip, times: 1_000, with: fault.error)
                let message = failure { _ = try Backup.create(of: source, in: backup) }
                #expect(message.contains(fault.says), "\(message)")
                #expect(message.contains("is marked as unfinished: remove it"))
            }
            // What took the space is gone, the mark is there, and no restore takes it.
            #expect(files(backup) == ["UNFINISHED"])
            let refusal = failure { _ = try Backup.restore(backup, into: target) }
            #expect(refusal.contains("is an unfinished backup"))
            #expect(files(target.path).isEmpty)
            // The ledger is as it was, and has a backup elsewhere.
            #expect(try Verifier.verify(source).stateDigest == digest)
            let report = try Backup.create(of: source, in: scratch.path + "/better")
            #expect(report.manifest.stateDigest == digest)
        }

        @Test(arguments: faults)
        func aRestoreSaysSo(fault: Fault) throws {
            _ = try Backup.create(of: source, in: backup)
            do {
                let disk = Faults(on: target.path)
                disk.fail(fault.kind, after: fault.skip, times: 1_000, with: fault.error)
                let message = failure { _ = try Backup.restore(backup, into: target) }
                #expect(message.contains(fault.says), "\(message)")
            }
            #expect(files(target.path).isEmpty)
            // The backup is as it was.
            #expect(files(backup) == ["backup.json", "log", "personal.keys"])
            _ = try Backup.restore(backup, into: target)
            #expect(try Verifier.verify(target).eventCount > 400)
        }

        /// An import into a full disk leaves nothing either.
        @Test func anImportSaysSo() throws {
            let file = scratch.path + "/events.jsonl"
            do {
                let reader = try LedgerReader(opening: source.path)
                let export = try ExportFile(creating: file)
                _ = try EventExporter(reader, .jsonl).run { try export.write($0) }
                try export.finish()
            }
            do {
                let disk = Faults(on: target.path)
                disk.fail(.write, after: 3, times: 1_000, with: ENOSPC)
                let message = failure { _ = try EventImporter(path: file).run(into: target) }
                #expect(message.contains("No space left on device"), "\(message)")
            }
            #expect(files(target.path).isEmpty)
            _ = try EventImporter(path: file).run(into: target)
        }
    }
}
