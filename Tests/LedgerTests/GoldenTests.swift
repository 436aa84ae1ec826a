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
    /// Directories that earlier versions wrote, byte by byte as they left them. Each is read,
    /// served and gone on with for good.
    @Suite struct GoldenDirectories {
        private let scratch: Scratch
        private let clock = ManualClock()

        init() throws { scratch = try Scratch() }

        struct Golden: Sendable, CustomTestStringConvertible {
            var name: String
            var eventCount: UInt64
            var digest: String
            /// Whether its views are of the form that is written today.
            var hasViews = true
            var checkpointCount = 0
            var forgottenCount = 0
            var testDescription: String { name }
        }

        static let ledgers = [
            // Names as they are, no keys; checkpoints of the first form.
            Golden(
                name: "log1-views1", eventCount: 31,
                digest: "a297cce249b99b5966f31c6ffd50f0976d94a5c9d1a0ea9a90088d5cdb4ebf32",
                hasViews: false),
            // Records in chunks.
            Golden(
                name: "log1-views2", eventCount: 31,
                digest: "05e23ca6d3dda81ad94d2bd6f9ad6be372d669c1ad560a15b1ce026ee059e665",
                hasViews: false),
            // Sealed names, kept checkpoints, a person forgotten.
            Golden(
                name: "log2-views3", eventCount: 217,
                digest: "e740078f1c25c29cd72013024ab6e7f25fd6bac3af04f6c813894f28b3d50224",
                checkpointCount: 2, forgottenCount: 1),
            // Restored: a new epoch.
            Golden(
                name: "log2-epoch", eventCount: 221,
                digest: "63ff3ddf7230d1ff3f067ce808daadb66fe1631685c6b42c53bbf978c7e5b8eb",
                checkpointCount: 4, forgottenCount: 1),
        ]

        private static func files(below path: String, _ prefix: String = "") -> [String] {
            Scratch.entries(of: path + prefix).flatMap { name -> [String] in
                let local = prefix + "/" + name
                let isDirectory = !Scratch.entries(of: path + local).isEmpty
                return isDirectory ? files(below: path, local) : [local]
            }
        }

        /// A copy that can be written to. Returns its path.
        private func copy(_ name: String) throws -> String {
            let here = #filePath
            let folder = String(here.prefix(here.count - "GoldenTests.swift".count))
            let source = folder + "Golden/" + name
            let target = scratch.path + "/" + name
            mkdir(target, 0o700)
            let files = Self.files(below: source)
            try #require(files.count > 2, "the golden directory \(name) is not there")
            for file in files {
                let parts = file.split(separator: "/")
                if parts.count == 2 { mkdir(target + "/" + parts[0], 0o700) }
                writeBytes(target + file, readBytes(source + file))
            }
            return target
        }

        @Test(arguments: ledgers)
        func itIsReadAsItStands(golden: Golden) throws {
            let path = try copy(golden.name)
            do {
                let reader = try LedgerReader(opening: path)
                #expect(StateDigest.of(reader.state).description == golden.digest)
                #expect((reader.recovery.checkpointPosition > 0) == golden.hasViews)
                #expect(reader.userName(of: 1) == "ann" && reader.user("bob")?.number == 2)
                #expect(reader.user("ann")?.state == .connected)
                #expect(reader.isForgotten(4) == (golden.forgottenCount > 0))
                let history = try reader.history(ofUser: "ann")
                let outcomes = history.reversed().map(\.event.outcome)
                #expect(outcomes == [.done, .granted, .fresh, .waiting, .returned, .resumed])
                let past = try reader.pastStates().state(at: 25)
                #expect(past.position <= 25 && past.position > 20)
            }
            let report = try Verifier.verify(DataDirectory(path))
            #expect(report.stateDigest.description == golden.digest)
            #expect(report.eventCount == golden.eventCount)
            #expect(report.forgottenCount == golden.forgottenCount)
            #expect(report.unopenedNameCount == golden.forgottenCount)
            #expect(report.keptCheckpointCount == golden.checkpointCount)
            #expect(report.checkpointFaults.isEmpty)
        }

        @Test(arguments: ledgers)
        func itIsGoneOnWith(golden: Golden) async throws {
            let path = try copy(golden.name)
            let before = try { try LedgerReader(opening: path).head.position }()
            var position: Position = 0
            do {
                let ledger = try Ledger(opening: path)
                #expect((ledger.recovery.rejection == nil) == golden.hasViews)
                position = try await ledger.apply(user: "zoe", project: "cap-demo").position
                #expect(position > before)
                await ledger.close()
            }
            #expect(try await eventually { (try? LedgerReader(opening: path)) != nil })
            do {
                // Its views have today's form now.
                let reader = try LedgerReader(opening: path)
                #expect(reader.recovery.rejection == nil && reader.head.position == position)
                #expect(reader.recovery.checkpointPosition == position)
                #expect(reader.user("zoe") != nil && reader.user("ann") != nil)
            }
            let report = try Verifier.verify(DataDirectory(path))
            #expect(report.head.position == position)
            // And out of it comes a ledger that is of today's form throughout.
            let export = scratch.path + "/" + golden.name + ".jsonl"
            do {
                let file = try ExportFile(creating: export)
                _ = try EventExporter(LedgerReader(opening: path), .jsonl)
                    .run { try file.write($0) }
                try file.finish()
            }
            let imported = DataDirectory(scratch.path + "/imported")
            _ = try EventImporter(path: export).run(into: imported)
            #expect(try Verifier.verify(imported).stateDigest == report.stateDigest)
        }

        @Test func aBackupOfTheFirstFormIsRestored() throws {
            let path = try copy("backup1")
            let restored = DataDirectory(scratch.path + "/restored")
            _ = try Backup.restore(path, into: restored)
            #expect(try Verifier.verify(restored).eventCount > 217)
            #expect(try LedgerReader(opening: restored.path).user("ann")?.state == .connected)
        }

        /// A form that is not known is refused in so many words, and nothing is written to it.
        @Test(arguments: [
            ("personal.keys", 8, "has format"), ("head.note", 0, "damaged"),
        ])
        func whatANewerVersionWroteIsRefused(
            file: String, offset: Int, says: String
        ) async throws {
            let path = try copy("log2-views3")
            var bytes = readBytes(path + "/" + file)
            if bytes.isEmpty { bytes = Array("a form of the year 2100\n".utf8) }
            bytes[offset] = 99
            writeBytes(path + "/" + file, bytes)
            let before = readBytes(path + "/log/data.mdb")
            var message = ""
            do {
                if file == "head.note" {
                    _ = try Verifier.verify(DataDirectory(path))
                } else {
                    let ledger = try Ledger(opening: path)
                    await ledger.close()
                }
            } catch { message = "\(error)" }
            #expect(message.contains(says) && !message.contains("\n"), "\(message)")
            #expect(readBytes(path + "/log/data.mdb") == before)
        }

        /// Derived files of a newer version are left out, not believed.
        @Test func newerCheckpointsAreNotUsed() async throws {
            let path = try copy("log2-views3")
            let kept = path + "/checkpoints/00000000000000000104"
            var bytes = readBytes(kept)
            bytes[8] = 99
            writeBytes(kept, bytes)
            let report = try Verifier.verify(DataDirectory(path))
            #expect(report.keptCheckpointCount == 1 && report.checkpointFaults.count == 1)
            #expect(report.checkpointFaults.first?.description.contains("newer version 99") == true)
            let reader = try LedgerReader(opening: path)
            #expect(try reader.pastStates().state(at: 110).position == 110)
        }
    }
}
